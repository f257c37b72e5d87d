"""Transactions: all or nothing, the same however they are cut, and as far as memory goes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from policy_torch import head, train
from policy_torch.adapter import AdapterSource, FreshAdapter
from policy_torch.errors import CancelledWork, FullError
from policy_torch.group import Group
from policy_torch.metrics import rollout_correction
from policy_torch.model import LoadedModel, ModelOptions, quiet_libraries
from policy_torch.objective import Distillation, Objective, PolicyGradient, Support
from policy_torch.plan import OptimizerSettings, TeacherSettings, TrainExample, TrainPlan
from policy_torch.policy import Policy
from room import TINY
from small_models import make_model

quiet_libraries()

SDPO = Objective("token-mean", Distillation(1, 0.5, Support("top-k-tail", 20), importance_cap=2))
EMA = TeacherSettings("ema", 0.05, "batch")
PLAN = TrainPlan(0, SDPO, EMA, OptimizerSettings(1e-3, epsilon=1e-4, max_gradient_norm=1.0), mini_batches=3)

EXAMPLES = [
    TrainExample(
        [1, 5 + i, 9],
        [7, 8, 5 + i, 9] if i % 4 else [],
        [20 + i, *range(30, 32 + i % 5)],
        [-12.0 - i] * (3 + i % 5),
        (-1) ** i,
    )
    for i in range(10)
]


def new_policy(
    folder: Path = TINY,
    compute: torch.dtype = torch.float32,
    recompute: bool = False,
    adapter: AdapterSource | None = None,
) -> Policy:
    return Policy(LoadedModel(ModelOptions(folder, torch.device("cpu"), compute, recompute, adapter), Group()))


def run(policy: Policy, plan: TrainPlan = PLAN, budget: int = 512, **options: Any) -> Any:
    return train.Transaction(policy, plan, EXAMPLES, budget, **options).run()


def flat(policy: Policy) -> torch.Tensor:
    return torch.cat([part.flatten() for part in policy.parameters.local()]).clone()


def test_micro_batches_change_nothing() -> None:
    whole, cut = new_policy(), new_policy()
    one, other = run(whole, budget=4096), run(cut, budget=16)
    for first, second in zip(one.steps, other.steps, strict=True):
        assert first.loss == pytest.approx(second.loss, rel=1e-5)
        assert first.gradient_norm == pytest.approx(second.gradient_norm, rel=1e-5)
    assert (flat(whole) - flat(cut)).abs().max() < 1e-6


def test_recomputed_layers_change_nothing() -> None:
    kept, recomputed = new_policy(), new_policy(recompute=True)
    run(kept)
    run(recomputed)
    assert (flat(kept) - flat(recomputed)).abs().max() < 1e-6


def test_the_gradient_is_the_derivative_of_the_loss(tmp_path: Path) -> None:
    """Central differences along the gradient, of a model whose logits are capped and whose attention slides."""
    policy = new_policy(make_model(tmp_path, "gemma2"))
    examples = [replace(each, completion_ids=[i % 61 for i in each.completion_ids]) for each in EXAMPLES]
    live = TeacherSettings("frozen", 0, "hold")
    objective = Objective("token-mean", Distillation(1, 1.0, Support("full")), likelihood=0.25, temperature=0.7)
    still = TrainPlan(0, objective, live, OptimizerSettings(0.0))
    start = policy.parameters.copy()
    gradients: list[torch.Tensor] = []
    step = policy.step

    def watched(settings: OptimizerSettings) -> tuple[float, bool]:
        gradients.extend(each.clone() for each in policy.parameters.gradients())
        return step(settings)

    policy.step = watched  # type: ignore[method-assign]
    norm = train.Transaction(policy, still, examples, 512).run().steps[0].gradient_norm
    direction = [each / norm for each in gradients]

    def loss(distance: float) -> float:
        policy.parameters.assign([w + distance * d for w, d in zip(start, direction, strict=True)])
        return train.Transaction(policy, still, examples, 512).run().steps[0].loss

    assert (loss(2e-3) - loss(-2e-3)) / 4e-3 == pytest.approx(norm, rel=1e-2)


@pytest.mark.parametrize("mini_batches", [1, 3])
def test_a_cancelled_transaction_takes_nothing(mini_batches: int) -> None:
    policy = new_policy()
    run(policy)
    before, teacher = flat(policy), [part.clone() for part in policy.teacher]
    plan = replace(PLAN, expected_version=3, mini_batches=mini_batches)
    calls = itertools.count()

    def cancel() -> None:
        if next(calls) == mini_batches:
            raise CancelledWork

    with pytest.raises(CancelledWork):
        run(policy, plan, budget=32, checkpoint=cancel)
    assert torch.equal(flat(policy), before)
    assert all(torch.equal(a, b) for a, b in zip(policy.teacher, teacher, strict=True))
    assert policy.version == 3
    assert policy.moments is not None
    assert policy.moments.steps == 3
    again, fresh = run(policy, plan), new_policy()
    run(fresh)
    assert again.steps == run(fresh, plan).steps


def failing(times: int, error: Callable[[], Exception]) -> Any:
    """The loss, which fails the first few times that a gradient is computed."""
    left, work = itertools.count(), head.loss

    def fail(*arguments: Any) -> torch.Tensor:
        if next(left) < times:
            raise error()
        return work(*arguments)

    return fail


def test_memory_that_runs_out_halves_the_budget_once(monkeypatch: pytest.MonkeyPatch) -> None:
    smooth, rough = new_policy(), new_policy()
    expected = run(smooth)
    monkeypatch.setattr("policy_torch.train.loss", failing(1, lambda: torch.OutOfMemoryError("CUDA out of memory")))
    report = run(rough)
    assert [s.loss for s in report.steps] == pytest.approx([s.loss for s in expected.steps], rel=1e-5)
    assert report.metrics == pytest.approx(expected.metrics, rel=1e-4, abs=1e-6)
    assert (flat(smooth) - flat(rough)).abs().max() < 1e-6


def test_memory_that_runs_out_again_is_said_with_the_setting_and_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = new_policy()
    before = flat(policy)
    monkeypatch.setattr(
        "policy_torch.train.loss", failing(9, lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory"))
    )
    with pytest.raises(FullError, match=r"256 tokens.*BACKSIGHT_MICRO_BATCH_TOKENS lower"):
        run(policy)
    assert torch.equal(flat(policy), before)


def test_any_other_error_is_not_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policy_torch.train.loss", failing(1, lambda: RuntimeError("a bug")))
    with pytest.raises(RuntimeError, match="a bug"):
        run(new_policy())


def test_a_gradient_that_is_not_finite_is_skipped() -> None:
    policy = new_policy()
    before = flat(policy)
    wild = [replace(each, advantage=1e38, policy_gradient_weight=1e38) for each in EXAMPLES]
    objective = Objective("token-mean", policy_gradient=PolicyGradient(1, 0.2, 0.2))
    plan = TrainPlan(0, objective, EMA, OptimizerSettings(1e-3))
    report = train.Transaction(policy, plan, wild, 512).run()
    assert report.steps[0].skipped
    assert report.metrics["actor/skipped_steps"] == 1
    assert report.version == 1
    assert torch.equal(flat(policy), before)
    assert policy.own_teacher is None


def test_an_all_masked_mini_batch_costs_nothing() -> None:
    policy = new_policy()
    untaught = [replace(each, teacher_prompt_ids=[]) for each in EXAMPLES]
    step = train.Transaction(policy, replace(PLAN, mini_batches=1), untaught, 512).run().steps[0]
    assert (step.loss, step.gradient_norm, step.skipped, step.loss_tokens) == (0, 0, False, 0)


def test_the_teacher_moves_by_its_rate_when_its_cadence_says() -> None:
    for cadence, moves in (("batch", 1), ("step", 3), ("hold", 0)):
        policy = new_policy()
        start = flat(policy)
        students: list[torch.Tensor] = []
        move = policy.move_teacher

        def watched(
            rate: float, move: Any = move, policy: Policy = policy, students: list[torch.Tensor] = students
        ) -> None:
            students.append(flat(policy))
            move(rate)

        policy.move_teacher = watched  # type: ignore[method-assign]
        run(policy, replace(PLAN, teacher=TeacherSettings("ema", 0.25, cadence)))  # type: ignore[arg-type]
        expected = start
        for student in students:
            expected = expected + 0.25 * (student - expected)
        assert len(students) == moves
        found = torch.cat([part.flatten() for part in policy.teacher])
        assert (found - expected).abs().max() < 1e-6


@pytest.mark.parametrize("kind", ["ema", "trust-region"])
@pytest.mark.parametrize("source", [None, FreshAdapter(4, 8)], ids=["all weights", "adapter"])
def test_bfloat16_takes_about_the_same_step(source: AdapterSource | None, kind: Any) -> None:
    """At a temperature at which logits of any token count, so that a coarse type shows where it is used."""
    plan = replace(PLAN, objective=replace(SDPO, temperature=4.0), teacher=TeacherSettings(kind, 0.3, "batch"))
    exact, coarse = (new_policy(compute=each, adapter=source) for each in (torch.float32, torch.bfloat16))
    reports = [train.Transaction(each, plan, EXAMPLES, 512).run() for each in (exact, coarse)]
    for first, second in zip(reports[0].steps, reports[1].steps, strict=True):
        assert second.loss == pytest.approx(first.loss, rel=0.1, abs=1e-3)
        assert second.gradient_norm == pytest.approx(first.gradient_norm, rel=0.1)
    everything = [*coarse.parameters.local(), *coarse.model.trained.local(), *coarse.teacher]
    assert coarse.moments is not None
    everything += [*coarse.moments.first, *coarse.moments.second]
    assert all(part.dtype == torch.float32 for part in everything)


def test_rollout_correction_of_equal_logprobs_is_neutral() -> None:
    figures = rollout_correction([([-1.0, -2.0], [-1.0, -2.0]), ([-3.0], [-3.0])], cap=2.0)
    assert figures["rollout_corr/kl"] == figures["rollout_corr/chi2_seq"] == 0
    assert figures["rollout_corr/rollout_is_mean"] == figures["rollout_corr/rollout_is_eff_sample_size"] == 1
    assert rollout_correction([], cap=2.0) == {}
