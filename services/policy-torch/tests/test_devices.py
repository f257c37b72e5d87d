"""Every tensor is where it has to be: the whole room on a device whose tensors do not mix with the CPU's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from elsewhere import ELSEWHERE, Device, Mixed, Remote
from policy_torch import head
from policy_torch.adapter import FreshAdapter
from policy_torch.batches import Continuation
from policy_torch.core import Copy, Core, CoreOptions, Export, Replace, Restore, Save, Score, Tick, Train
from policy_torch.errors import UnsupportedError
from policy_torch.files import write_set
from policy_torch.generate import Finished, Sample
from policy_torch.group import Group
from policy_torch.model import ModelOptions, quiet_libraries
from policy_torch.objective import Distillation, Objective, PolicyGradient, Support
from policy_torch.plan import OptimizerSettings, TeacherSettings, TrainExample, TrainPlan, TrainReport
from policy_torch.sampling import Sampling
from room import TINY

quiet_libraries()
PROMPTS = [[1, 20, 33, 41, 9, 18, 77, 12], [1, 18, 77]]
PLAN = TrainPlan(
    0,
    Objective(
        "token-mean",
        Distillation(1, 0.5, Support("top-k-tail", 8), importance_cap=2),
        PolicyGradient(0.5, 0.2, 0.28, 3),
        0.1,
        rollout_importance_cap=2,
    ),
    TeacherSettings("trust-region", 0.3, "batch"),
    OptimizerSettings(1e-3, max_gradient_norm=1.0),
    mini_batches=2,
)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[Device]:
    monkeypatch.setitem(head.CHUNK_ELEMENTS, "meta", 2**10)
    with Device() as device:
        yield device


def new_core(folder: Path, where: torch.device, adapter: FreshAdapter | None = None) -> Core:
    return Core(CoreOptions(ModelOptions(TINY, where, adapter=adapter), folder, 8, 256), Group())


def generate(core: Core, device: Device | None = None) -> tuple[list[Finished], list[int]]:
    """All completions, and how often each tick waited for the device."""
    samplings = [Sampling(1.0, 1.0, 12, 7), Sampling(0.7, 0.9, 12, 7), Sampling(0.0, 1.0, 12, 7)]
    start = [
        Sample(
            1,
            i,
            j,
            tuple(ids),
            samplings[j % 3],
        )
        for i, ids in enumerate(PROMPTS)
        for j in range(4)
    ]
    finished: list[Finished] = []
    waits: list[int] = []
    while len(finished) < 8:
        before = len(device.waits) if device else 0
        answer: Any = core.perform(Tick([start]))
        (ticked,) = answer
        waits.append(len(device.waits) - before if device else 0)
        start = []
        assert ticked.failure is None
        finished += ticked.finished
    return sorted(finished, key=lambda each: (each.prompt_index, each.sample_index)), waits


def examples(finished: list[Finished]) -> list[TrainExample]:
    return [
        TrainExample(
            PROMPTS[each.prompt_index],
            [*PROMPTS[each.prompt_index], 9, 30, 31],
            each.token_ids,
            each.logprobs,
            advantage=0.5 - each.sample_index % 2,
        )
        for each in finished
    ]


def everything(core: Core, device: Device | None = None) -> dict[str, Any]:
    """What a policy does, one after the other, and what came of it."""
    finished, waits = generate(core, device)
    continuations = [Continuation(PROMPTS[each.prompt_index], each.token_ids) for each in finished]
    losses: list[float] = []
    for kind in ("ema", "frozen", "live", "trust-region"):
        teacher = TeacherSettings(kind, 0.3, "batch")
        plan = replace(PLAN, expected_version=core.policy.version, teacher=teacher)
        report = core.perform(Train(plan, examples(finished)))
        assert isinstance(report, TrainReport)
        losses += [step.loss for step in report.steps] + [step.gradient_norm for step in report.steps]
    core.perform(Save("one"))
    scores: list[Any] = [core.perform(Score(continuations, each, 0.8, 3)) for each in (False, True)]
    copied: Any = core.perform(Copy())
    version, copies = copied
    assert all(type(each) is torch.Tensor for each in copies)
    core.perform(Export("out"))
    core.perform(Restore("one"))
    scores.append(core.perform(Score(continuations, True, 0.8, 3)))
    taken_over = Replace(9, torch.bfloat16, [each.bfloat16() for each in copies])
    if core.model.adapter is None:
        core.perform(taken_over)
        assert core.policy.version == 9
        scores.append(core.perform(Score(continuations, False, 0.8, 3)))
    else:
        with pytest.raises(UnsupportedError, match="Weights cannot take the place of an adapter"):
            core.perform(taken_over)
    core.perform(Restore("initial"))
    return {
        "ids": [each.token_ids for each in finished],
        "logprobs": [each.logprobs for each in finished],
        "losses": losses,
        "scores": [each.logprobs for part in scores for each in part],
        "version": version,
        "waits": waits,
    }


@pytest.mark.parametrize("adapter", [None, FreshAdapter(2, 4.0, (), 1)], ids=["all weights", "adapter"])
def test_everything_gives_elsewhere_what_it_gives_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, adapter: FreshAdapter | None
) -> None:
    here = everything(new_core(tmp_path / "here", torch.device("cpu"), adapter))
    monkeypatch.setitem(head.CHUNK_ELEMENTS, "meta", 2**10)
    with Device() as device:
        core = new_core(tmp_path / "there", ELSEWHERE, adapter)
        assert all(isinstance(each, Remote) for each in core.model.parameters.local())
        there = everything(core, device)
        waits = len(device.waits)
        core.perform(Train(replace(PLAN, expected_version=0, mini_batches=1), examples(generate(core)[0])))
    # Twelve draws; one score, whose four figures come apart, of one micro-batch; figures; norm.
    assert len(device.waits) - waits == 12 + 4 + 1 + 1
    assert there["ids"] == here["ids"]
    for name in ("logprobs", "scores"):
        for one, other in zip(there[name], here[name], strict=True):
            assert one == pytest.approx(other, abs=1e-4)
    assert there["losses"] == pytest.approx(here["losses"], rel=1e-3)
    # What it has drawn is the one thing that a decoding step waits for.
    assert set(there["waits"][1:]) == {1}


def test_a_rank_that_does_not_write_waits_for_each_tensor(tmp_path: Path, device: Device) -> None:
    parameters = new_core(tmp_path, ELSEWHERE).model.parameters
    before = len(device.waits)
    write_set(Group(rank=1, size=2), tmp_path / "weights.safetensors", (parameters, parameters.local()))
    assert len(device.waits) - before == len(parameters.names)


def test_tensors_of_two_devices_do_not_mix(device: Device) -> None:
    there = torch.ones(3).to(ELSEWHERE)
    assert (there + 1).sum().item() == 6
    assert device.waits == ["aten::_local_scalar_dense"]
    for mixing in (lambda: there + torch.ones(3), lambda: there[torch.tensor([0])], lambda: there.numpy()):
        with pytest.raises(Mixed):
            mixing()
