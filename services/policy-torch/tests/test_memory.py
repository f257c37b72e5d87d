"""Memory that runs out on one of two ranks, wherever it does: both go on with half the budget, or both refuse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from policy_torch.core import Core, CoreOptions, Tick, Ticked
from policy_torch.generate import Sample
from policy_torch.group import Group
from policy_torch.memory import out_of_memory
from policy_torch.model import ModelOptions
from policy_torch.sampling import Sampling
from room import TINY
from small_models import make_model

PROGRAM = Path(__file__).with_name("memory_ranks.py")
Results = list[dict[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What became of every case, by rank."""
    model = make_model(tmp_path_factory.mktemp("model"))
    torchrun = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        str(PROGRAM),
        str(model),
    ]
    done = subprocess.run(
        torchrun, capture_output=True, text=True, timeout=300, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def smooth(results: Results, rank: int, case: str) -> dict[str, Any]:
    return results[rank][f"{case.split(':')[0]}: nowhere"]


def test_every_place_was_met(results: Results) -> None:
    cases = [(case, each) for case, each in results[0].items() if "met" in each]
    assert len(cases) > 25
    assert [case for case, each in cases if not each["met"]] == []


def test_both_ranks_go_on_with_half_the_budget_and_take_the_same_steps(results: Results) -> None:
    tried = 0
    for rank, cases in enumerate(results):
        for case, found in cases.items():
            if "refused" in found:
                continue
            tried += 1
            expected = smooth(results, rank, case)
            halved = not any(word in case for word in ("nowhere", "score"))
            assert found["budget"] == (32 if halved else 64), case
            for one, other in zip(found["steps"], expected["steps"], strict=True):
                assert one == pytest.approx(other, rel=1e-4), case
            assert found["weights"] == pytest.approx(expected["weights"], rel=1e-6), case
            assert found["logprobs"] == pytest.approx(expected["logprobs"], abs=1e-4), case
    assert tried > 50


def test_both_ranks_refuse_in_the_same_words_and_take_nothing(results: Results) -> None:
    for cases in results:
        for kind in ("all weights", "adapter"):
            always = cases[f"{kind}: always"]
            assert always["refused"].startswith(
                "Memory ran out in micro-batches of 64 and of 32 tokens. Set BACKSIGHT_MICRO"
            )
            assert (always["unchanged"], always["version"]) == (True, 0)
            for rank in (0, 1):
                moments = cases[f"{kind}: moments 0, rank {rank}"]
                assert moments["refused"].startswith("There is no memory for the optimizer's moments. Train an adapter")
                assert moments["unchanged"]


def test_a_rank_without_room_for_the_gathered_weights_refuses_to_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ModelOptions(TINY, torch.device("cpu"), torch.bfloat16)
    core = Core(CoreOptions(options, tmp_path, 4, 64), Group())
    asked = Tick([[Sample(1, 0, 0, (5, 6), Sampling(1.0, 1.0, 4, 1))]])

    def full(*_: object, **__: object) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patched:
        patched.setattr("policy_torch.core.torch.empty", full)
        ticked = tick(core, asked)
    told = "There is no memory for all weights, which every rank holds while it samples. Set BACKSIGHT_COMPUTE_TYPE"
    assert ticked.failure is not None
    assert (ticked.failure[0], ticked.failure[1].startswith(told)) == ("memory", True)
    again = tick(core, asked)
    assert (again.failure, again.running + len(again.finished)) == (None, 1)


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), True),
        (torch.AcceleratorError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."),
            True,
        ),
        (MemoryError(), True),
        (torch.AcceleratorError("CUDA error: device-side assert triggered"), False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
    ],
    ids=str,
)
def test_memory_that_ran_out_is_told_from_other_errors(error: BaseException, memory: bool) -> None:
    assert out_of_memory(error) is memory


def tick(core: Core, action: Tick) -> Ticked:
    """What a tick did on the only rank."""
    found: Any = core.perform(action)
    ticked: Ticked = found[0]
    return ticked
