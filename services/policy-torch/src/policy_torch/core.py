"""One rank's half of the work: it performs the actions that rank 0 decides on, and all ranks perform the same ones in order."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import torch

from policy_torch.batches import Continuation
from policy_torch.checkpoint import Checkpoints, Retention
from policy_torch.errors import CancelledWork, CheckpointError, FullError, InputError, UnsupportedError
from policy_torch.generate import Decoder, Finished, Sample
from policy_torch.group import Group
from policy_torch.memory import out_of_memory, with_room
from policy_torch.model import LoadedModel, ModelOptions
from policy_torch.plan import TrainExample, TrainPlan, TrainReport
from policy_torch.policy import Policy
from policy_torch.score import CompletionScore, score
from policy_torch.train import Transaction

log = logging.getLogger(__name__)

#: Errors that every rank raises alike, after which the group goes on.
EXPECTED = (InputError, CheckpointError, UnsupportedError, FullError, CancelledWork)


@dataclass(frozen=True)
class Tick:
    """Some tokens of every running completion."""

    #: Samples that get a slot, by rank.
    start: list[list[Sample]]
    #: Requests that nobody waits for any more.
    drop: set[int] = field(default_factory=set)
    steps: int = 1


@dataclass(frozen=True)
class Ticked:
    """What a tick did on one rank."""

    finished: list[Finished]
    free: int
    running: int
    #: Why the rank lost all its completions, if it did: memory ran out, or numbers are not finite.
    failure: tuple[Literal["memory", "numbers"], str] | None = None


@dataclass(frozen=True)
class Score:
    """Scores of given completions."""

    continuations: list[Continuation]
    teacher: bool
    temperature: float
    top_k: int


@dataclass(frozen=True)
class Train:
    """One transaction."""

    plan: TrainPlan
    examples: list[TrainExample]


@dataclass(frozen=True)
class Save:
    name: str
    score: float | None = None
    #: Whether the retention removes others.
    retain: bool = True


@dataclass(frozen=True)
class Restore:
    name: str


@dataclass(frozen=True)
class Replace:
    """Other weights and their version; the weights follow the action to the other ranks tensor by tensor."""

    version: int
    #: Of the weights.
    dtype: torch.dtype
    #: In the order of the parameters, on the host of rank 0; None elsewhere.
    wholes: list[torch.Tensor] | None

    def __reduce__(self) -> tuple[type[Replace], tuple[int, torch.dtype, None]]:
        return Replace, (self.version, self.dtype, None)


@dataclass(frozen=True)
class Export:
    name: str
    #: The adapter alone, in PEFT layout.
    adapter: bool = False


@dataclass(frozen=True)
class Copy:
    """All weights in float32 on the host of rank 0."""


@dataclass(frozen=True)
class Idle:
    """Nothing, on which all ranks meet: each learns that the others live."""


@dataclass(frozen=True)
class Stop:
    """The end."""


Action = Tick | Score | Train | Save | Restore | Replace | Export | Copy | Idle | Stop


@dataclass(frozen=True)
class CoreOptions:
    """How a rank works."""

    model: ModelOptions
    checkpoints: Path
    #: Completions sampled side by side, on each rank.
    generation_slots: int
    #: Tokens in one forward and backward pass, on each rank.
    micro_batch_tokens: int
    retention: Retention = field(default_factory=Retention)
    #: Its weights are a trainer's, and so is the folder of checkpoints: it is left as it is.
    follows: bool = False


class Core:
    """A rank's model, with everything that is done to it."""

    def __init__(self, options: CoreOptions, group: Group) -> None:
        self.options, self.group = options, group
        self.model = LoadedModel(options.model, group)
        self.policy = Policy(self.model)
        self.checkpoints = Checkpoints(options.checkpoints, self.policy, options.retention)
        if not options.follows:
            self.checkpoints.sweep()
        self.decoder = self._new_decoder()

    def follow(self) -> None:
        """Performs what rank 0 decides on until it says stop; ranks other than 0 live here."""
        while True:
            action = self.group.broadcast(None)
            if isinstance(action, Stop):
                return
            try:
                self.perform(action)
            except EXPECTED:
                continue  # rank 0 raised it too, and answers for it

    def perform(self, action: Action, cancelled: Callable[[], bool] = lambda: False) -> object:
        """What the action returns is whole on rank 0. `cancelled` is asked on rank 0 alone."""

        def checkpoint() -> None:
            if self.group.most(int(cancelled())):
                raise CancelledWork

        match action:
            case Tick():
                return self.group.gather(self._tick(action))
            case Score():
                return self._score(action, checkpoint)
            case Train(plan, examples):
                return self._train(plan, examples, checkpoint)
            case Save(name, rating, retain):
                return self.checkpoints.save(name, rating, retain)
            case Restore(name):
                return self.checkpoints.restore(name)
            case Replace():
                return self._replace(action)
            case Export(name, adapter):
                return self.checkpoints.export(name, adapter), self.policy.version
            case Copy():
                return self._copy()
            case Idle():
                return self.group.most(0)
            case Stop():
                return None

    def _tick(self, tick: Tick) -> Ticked:
        """No collective runs in here but the gathering of the weights, so ranks may take different paths."""
        decoder = self.decoder
        try:
            self._gather()
            decoder.drop(tick.drop)
            finished: list[Finished] = []
            mine = tick.start[self.group.rank]
            if mine:
                finished += decoder.start(mine, self.policy.version)
            for _ in range(tick.steps):
                finished += decoder.step()
            return Ticked(finished, decoder.free, decoder.running)
        except FullError as error:
            return self._lost("memory", str(error))
        except (FloatingPointError, RuntimeError, MemoryError) as error:
            if not isinstance(error, FloatingPointError) and not out_of_memory(error):
                raise
            if isinstance(error, FloatingPointError):
                return self._lost("numbers", str(error))
            return self._lost("memory", "Memory ran out while sampling. Set BACKSIGHT_GENERATION_SLOTS lower.")

    def _gather(self) -> None:
        """Ranks agree that there is room before they meet in collectives that one of them might never come to."""
        model = self.model
        if size := model.to_gather:
            purpose = "all weights, which every rank holds while it samples"
            advice = "Set BACKSIGHT_COMPUTE_TYPE to bfloat16, or take a smaller model."
            room = partial(torch.empty, size, dtype=model.options.compute, device=model.device)
            with_room(self.group, purpose, advice, lambda: room().numel())
        model.gather()

    def _lost(self, why: Literal["memory", "numbers"], told: str) -> Ticked:
        self.decoder = self._new_decoder()
        return Ticked([], self.decoder.free, 0, (why, told))

    def _score(self, call: Score, checkpoint: Callable[[], None]) -> list[CompletionScore]:
        self.model.scatter()
        policy = self.policy
        with policy.as_teacher(policy.teacher) if call.teacher else nullcontext():
            scores = score(
                self.model,
                call.continuations,
                self.options.micro_batch_tokens,
                call.temperature,
                call.top_k,
                checkpoint,
            )
            self.model.scatter()
        return scores

    def _train(self, plan: TrainPlan, examples: list[TrainExample], checkpoint: Callable[[], None]) -> TrainReport:
        return Transaction(self.policy, plan, examples, self.options.micro_batch_tokens, checkpoint).run()

    def _replace(self, given: Replace) -> int:
        policy, wholes = self.policy, given.wholes
        if policy.model.adapter is not None:
            told = "Weights cannot take the place of an adapter and its base."
            raise UnsupportedError("ADAPTER_REPLACED", told)
        spread = (
            self.group.spread(None if wholes is None else wholes[index], shape, given.dtype)
            for index, shape in enumerate(policy.parameters.shapes)
        )
        policy.replace(given.version, spread)
        return policy.version

    def _copy(self) -> tuple[int, list[torch.Tensor]]:
        self.model.scatter()
        parameters = self.policy.parameters
        parts = self.policy.whole_set(self.policy.student())
        copies: list[torch.Tensor] = []
        for index, part in enumerate(parts):
            whole = parameters.whole(index, part)
            if self.group.rank == 0:  # the others take part in gathering, and keep nothing
                copies.append(whole.to("cpu", torch.float32, copy=True))
        return self.policy.version, copies

    def _new_decoder(self) -> Decoder:
        return Decoder(self.model, self.options.generation_slots, self.options.micro_batch_tokens)


def local_rank() -> int:
    """This process's place on its machine, as torchrun says."""
    return int(os.environ.get("LOCAL_RANK", "0"))
