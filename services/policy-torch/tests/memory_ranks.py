"""A program that torchrun starts on two ranks: memory runs out on one of them at many places; rank 0 prints what came of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from policy_torch import head, ledger, model, policy, train
from policy_torch.adapter import FreshAdapter
from policy_torch.architecture import PolicyModel
from policy_torch.batches import Continuation
from policy_torch.errors import FullError
from policy_torch.group import Group
from policy_torch.model import LoadedModel, ModelOptions, quiet_libraries
from policy_torch.plan import TeacherSettings
from policy_torch.policy import Policy
from policy_torch.score import score
from test_train import EXAMPLES, PLAN

CPU = torch.device("cpu")
BUDGET = 64
TRUST = TeacherSettings("trust-region", 0.3, "hold")


def main() -> None:
    quiet_libraries()
    torch.set_num_threads(1)
    group = Group.join(CPU, 20)
    results: dict[str, Any] = {}
    for adapter in (None, FreshAdapter(2, 4)):
        tried = Policy(LoadedModel(ModelOptions(Path(sys.argv[1]), CPU, adapter=adapter), group))
        kind = "all weights" if adapter is None else "adapter"
        results[f"{kind}: nowhere"] = attempt(tried)
        for name, (place, calls) in PLACES.items():
            for rank, call in enumerate(calls):
                with failing(place, {call} if group.rank == rank else set()) as met:
                    found = attempt(tried)
                # Every place must have been met, or nothing was tried.
                results[f"{kind}: {name} {call}, rank {rank}"] = found | {"met": group.most(met["times"]) > call}
        # Each second call is the empty batch that keeps the others going.
        with failing(PLACES["loss"][0], {0, 2} if group.rank == 1 else set()):
            results[f"{kind}: always"] = attempt(tried)
    everywhere = group.gather(results)
    if group.rank == 0:
        print(json.dumps(everywhere))
    group.leave()


def attempt(tried: Policy) -> dict[str, Any]:
    """A transaction from the start, and scores after it."""
    tried.start_over()
    tried.moments = None
    before = checksum(tried)
    logprobs: list[float] = []
    try:
        transaction = train.Transaction(tried, replace(PLAN, teacher=TRUST, mini_batches=2), EXAMPLES, BUDGET)
        report = transaction.run()
        texts = [Continuation(each.student_prompt_ids, each.completion_ids) for each in EXAMPLES]
        logprobs = [x for each in score(tried.model, texts, BUDGET) for x in each.logprobs]
        steps = [[step.loss, step.gradient_norm] for step in report.steps]
        return {"steps": steps, "weights": checksum(tried), "budget": transaction._token_budget, "logprobs": logprobs}
    except FullError as error:
        return {"refused": str(error), "unchanged": before == checksum(tried), "version": tried.version}


def checksum(tried: Policy) -> float:
    """Rank by rank different, but the same whenever the rank's weights are."""
    return sum(float(part.double().abs().sum()) for part in tried.student())


Target = tuple[Any, str]
#: A function, and at which of its calls memory runs out: on rank 0, and on rank 1.
PLACES: dict[str, tuple[Target, list[int]]] = {
    "loss": ((train, "loss"), [0, 1]),
    "reading, teacher's or student's": ((PolicyModel, "hidden"), [3, 0]),
    "gathering a layer": ((ledger.CountedAllGather, "allocate"), [17, 9]),
    "summing gradients": ((ledger.CountedReduceScatter, "allocate"), [0, 3]),
    "backward": ((head._FusedLoss, "backward"), [0, 1]),
    "a score": ((sys.modules["policy_torch.score"], "_figures"), [0]),
    "the heads": ((model.LoadedModel, "head_copy"), [1, 0]),
    "moments": ((policy.Policy, "make_moments"), [0, 0]),
}


@contextmanager
def failing(target: Target, calls: set[int]) -> Iterator[dict[str, int]]:
    """The function runs out of memory at some calls, counted from 0."""
    owner, name = target
    work: Callable[..., Any] = getattr(owner, name)
    met = {"times": 0}

    def fail(*arguments: Any, **named: Any) -> Any:
        number = met["times"]
        met["times"] += 1
        if number in calls:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return work(*arguments, **named)

    replacement: Any = staticmethod(fail) if name == "backward" else fail
    with mock.patch.object(owner, name, replacement):
        yield met


if __name__ == "__main__":
    main()
