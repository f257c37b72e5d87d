"""The objective against the golden losses and gradients of libs/conformance, in float32."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from policy_torch.head import FEW_ROWS, PIECE_ROWS, Head
from policy_torch.objective import (
    Aggregation,
    Distillation,
    Objective,
    PolicyGradient,
    Support,
    Tokens,
    divergence,
    evaluate,
    token_scales,
)

GOLDEN = json.loads((Path(__file__).parents[3] / "libs/conformance/golden/sdpo-losses.json").read_text())
AGGREGATIONS: dict[str, Aggregation] = {
    "token-mean": "token-mean",
    "seq-mean-token-mean": "sequence-mean-token-mean",
    "seq-mean-token-sum": "sequence-mean-token-sum",
}


def objective_of(case: dict[str, Any]) -> Objective:
    aggregation = AGGREGATIONS[case["aggregation"]]
    if case["kind"] == "grpo":
        return Objective(
            aggregation, policy_gradient=PolicyGradient(1, case["clipLow"], case["clipHigh"], case["dualClip"])
        )
    k = case["topK"]
    support = Support("full") if k is None else Support("top-k-tail" if case["tail"] else "top-k-renormalised", k)
    return Objective(aggregation, distillation=Distillation(1, case["alpha"], support, case["variant"], case["isClip"]))


def describe(case: dict[str, Any]) -> str:
    keys = ["kind", "alpha", "topK", "tail", "variant", "isClip", "sampleMask", "useRolloutWeights", "aggregation"]
    return " ".join(f"{key}={case[key]}" for key in keys if key in case)


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=describe)
def test_evaluate_equals_the_golden_losses_and_gradients(case: dict[str, Any]) -> None:
    objective = objective_of(case)
    student = torch.tensor(GOLDEN["studentLogits"], dtype=torch.float64)  # [B, T, V]
    teacher = torch.tensor(GOLDEN["teacherLogits"], dtype=torch.float64)
    ids = torch.tensor(GOLDEN["sampledIds"])  # [B, T]
    rows, width, _ = student.shape
    old = student.log_softmax(-1).gather(2, ids[..., None]).squeeze(2) + torch.tensor(GOLDEN["oldLogprobNoise"])
    mask = torch.tensor(GOLDEN["responseMask"])
    if case.get("sampleMask") is not None:
        mask = mask * torch.tensor(case["sampleMask"])[:, None]
    # The reference takes means over the completions that carry a loss: masked ones are left out of the mini-batch.
    loss_tokens = [int(row.sum()) for row in mask if row.sum() > 0]
    scales = iter(token_scales(objective.aggregation, loss_tokens))
    scale = torch.stack([row * next(scales) if row.sum() > 0 else row for row in mask])  # [B, T]
    if case["useRolloutWeights"]:
        scale = scale * torch.tensor(GOLDEN["rolloutWeights"])
    advantages = torch.tensor(case.get("advantages", [0.0] * rows))[:, None].expand(rows, width)

    flat = [x.reshape(-1).float() for x in (old, advantages, scale)]
    tokens = Tokens(ids.reshape(-1), flat[0], flat[1], flat[2], flat[2], flat[2])
    result = evaluate(objective, student.float().flatten(0, 1), teacher.float().flatten(0, 1), tokens)
    term = "distillation" if objective.distillation else "policy_gradient"
    loss = (result.figures[term] * flat[2]).sum().item()
    expected = torch.tensor(case["gradStudentLogits"]).flatten(0, 1)
    assert loss == pytest.approx(case["loss"], rel=1e-5, abs=1e-5)
    assert (result.gradient - expected).abs().max().item() < 1e-5 * max(1.0, expected.abs().max().item())


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize(
    "support",
    [
        Support("full"),
        Support("top-k-tail", 5),
        Support("top-k-tail", 37),
        Support("top-k-renormalised", 5),
        Support("top-k-renormalised", 99),
    ],
    ids=str,
)
def test_the_closed_form_is_the_derivative_of_the_loss(alpha: float, support: Support) -> None:
    """Central differences in float64."""
    generator = torch.Generator().manual_seed(3)
    logits, teacher = (2 * torch.randn(4, 37, generator=generator, dtype=torch.float64) for _ in range(2))
    ids = torch.tensor([1, 5, 9, 36])
    one = torch.ones(4, dtype=torch.float64)
    blend = Objective(
        "token-mean", Distillation(0.7, alpha, support), PolicyGradient(0.2, 0.2, 0.28), 0.1, temperature=0.7
    )
    old = (logits / 0.7).log_softmax(-1).gather(1, ids[:, None]).squeeze(1)
    tokens = Tokens(ids, old, torch.tensor([1.0, -1.0, 0.5, -2.0]).double(), 0.7 * one, 0.2 * one, 0.1 * one)

    def loss(z: torch.Tensor) -> float:
        figures = evaluate(blend, z, teacher, tokens).figures
        total = 0.7 * figures["distillation"] + 0.2 * figures["policy_gradient"] - 0.1 * figures["logprobs"]
        return total.sum().item()

    gradient = evaluate(blend, logits, teacher, tokens).gradient
    for row, column in [(0, 1), (1, 0), (2, 9), (3, 36), (3, 20)]:
        step = torch.zeros_like(logits)
        step[row, column] = 1e-6
        difference = (loss(logits + step) - loss(logits - step)) / 2e-6
        assert gradient[row, column].item() == pytest.approx(difference, rel=1e-5, abs=1e-8)


def test_divergence_is_zero_for_equal_sides_and_bounded_by_log_2_in_the_middle() -> None:
    s = torch.randn(8, 11).log_softmax(-1)
    t = (9 * torch.randn(8, 11)).log_softmax(-1)
    for alpha in (0.0, 0.5, 1.0):
        loss, _ = divergence(alpha, s, s)
        assert loss.abs().max().item() < 1e-6
    assert divergence(0.5, s, t)[0].max().item() <= math.log(2) + 1e-6


def test_token_scales_keep_masked_completions_in_the_mean_over_completions() -> None:
    assert token_scales("token-mean", [3, 0, 1]) == [0.25, 0, 0.25]
    assert token_scales("sequence-mean-token-mean", [3, 0, 1]) == pytest.approx([1 / 9, 0, 1 / 3])
    assert token_scales("sequence-mean-token-sum", [3, 0, 1]) == pytest.approx([1 / 3, 0, 1 / 3])
    assert token_scales("token-mean", [0, 0]) == [0, 0]


@pytest.mark.parametrize("rows", [1, FEW_ROWS[0], FEW_ROWS[-1], FEW_ROWS[-1] + 1])
@pytest.mark.parametrize("biased", [False, True])
def test_a_head_gives_the_same_logits_in_pieces(rows: int, biased: bool) -> None:
    source = torch.Generator().manual_seed(2)
    weight = torch.randn(2 * PIECE_ROWS + 7, 16, generator=source)
    bias = torch.randn(len(weight), generator=source) if biased else None
    hidden = torch.randn(rows, 16, generator=source)
    head = Head(weight, bias, scale=0.5, cap=3.0)
    with torch.no_grad():
        found = head.logits(hidden)
    torch.testing.assert_close(found, head.logits(hidden), rtol=1e-5, atol=1e-5)  # whole, with gradients on
