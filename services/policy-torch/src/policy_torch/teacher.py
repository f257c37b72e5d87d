"""The teacher reads its prompts and the student's completions, and hands over hidden states: it never generates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial

import torch

from policy_torch.architecture import PolicyModel
from policy_torch.batches import Row, assemble, pack
from policy_torch.head import Head, Teaching
from policy_torch.memory import in_step
from policy_torch.objective import Objective
from policy_torch.plan import TeacherSettings, TrainExample
from policy_torch.policy import Policy
from policy_torch.weights import WeightSet


class Teacher:
    """The teacher of one transaction."""

    def __init__(self, policy: Policy, settings: TeacherSettings, live: WeightSet | None) -> None:
        """`live` is what was trained at the start of the transaction; None while the student still has it."""
        self._policy, self._settings, self._live = policy, settings, live
        self._heads: dict[str, Head] = {}
        self._token_budget = 0

    def prepare(self) -> None:
        """Reads or merges the weights that teach, if they are not at hand: ranks do so together, outside of any pass."""
        self._sources()

    def teach(self, objective: Objective, examples: Sequence[TrainExample], token_budget: int) -> Teaching:
        """Reads the examples that are distilled, in micro-batches; the others get zeros. All ranks call it together."""
        self._token_budget = token_budget
        own, *live = (self._read(name, weights(), objective, examples) for name, weights in self._sources().items())
        return Teaching(own.hidden, own.head, live[0], self._settings.rate) if live else own

    def gather_heads(self) -> None:
        """Gathers the projections that the teacher's hidden states go with; before the first reading, and once it has moved.

        All ranks call it together.
        """
        model, found = self._policy.model, dict[str, Head]()

        def work(_: list[Row]) -> None:
            for name, weights in self._sources().items():
                model.scatter()
                with weights():
                    found[name] = model.head_copy()

        in_step(model, work, [])
        self._heads = found

    @property
    def has_heads(self) -> bool:
        return bool(self._heads)

    def _sources(self) -> Mapping[str, Callable[[], AbstractContextManager[None]]]:
        """Whose weights are read: one set, or, for a trust region, the initial ones and the live ones."""
        kind, policy = self._settings.kind, self._policy
        live = {"live": partial(policy.as_student, self._live)}
        if kind == "live":
            return live
        own = {"own": partial(policy.as_teacher, policy.teacher if kind == "ema" else policy.initial)}
        return own | live if kind == "trust-region" else own

    def moved(self) -> None:
        """The teacher's weights have changed."""
        self._heads.clear()

    @torch.no_grad()
    def _read(
        self,
        name: str,
        weights: AbstractContextManager[None],
        objective: Objective,
        examples: Sequence[TrainExample],
    ) -> Teaching:
        """Reads with the weights that the model computes with inside `weights`."""
        model = self._policy.model
        model.scatter()
        offsets, total = [], 0
        for example in examples:
            offsets.append(total)
            total += len(example.completion_ids)
        chosen = [index for index, example in enumerate(examples) if example.distilled(objective)]
        continuations = [examples[index].for_teacher() for index in chosen]
        passes = pack(continuations, self._token_budget, model.sharing_width)
        most = model.ledger.agree(lambda: model.group.most(len(passes)))
        passes += [[] for _ in range(most - len(passes))]
        head = self._heads[name]
        with weights:
            hidden = torch.zeros(total, head.weight.shape[1], dtype=head.weight.dtype, device=model.device)  # [N, D]
            for rows in passes:
                batch = assemble(continuations, rows, model.device)
                states = model.run(partial(PolicyModel.hidden, batch=batch))
                begin = 0
                for item, count in zip(batch.items, batch.counts, strict=True):
                    offset = offsets[chosen[item]]
                    hidden[offset : offset + count] = states[begin : begin + count]
                    begin += count
            model.scatter()
        return Teaching(hidden, head)
