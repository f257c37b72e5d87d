"""The figures that only training knows, under the names that the embedded engine gives them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from policy_torch.group import Group
from policy_torch.objective import EXPONENT_BOUND, Objective, PolicyGradient, capped_ratio
from policy_torch.scaled_example import ScaledExample


@dataclass
class Means:
    """Running means and maxima of named figures, in float64."""

    figures: dict[str, tuple[float, int, float]] = field(default_factory=dict)

    def add(self, name: str, values: Tensor) -> None:
        if values.numel() > 0:
            self._merge(name, float(values.double().sum()), values.numel(), float(values.max()))

    def merge(self, other: Means) -> None:
        for name, figure in other.figures.items():
            self._merge(name, *figure)

    def over(self, group: Group) -> Means:
        """The figures of all ranks together."""
        together = Means()
        for figures in group.gather(self.figures):
            together.merge(Means(figures))
        return together

    def means(self) -> dict[str, float]:
        return {name: total / count for name, (total, count, _) in self.figures.items()}

    def largest(self, name: str) -> float | None:
        return self.figures[name][2] if name in self.figures else None

    def _merge(self, name: str, total: float, count: int, largest: float) -> None:
        old_total, old_count, old_largest = self.figures.get(name, (0.0, 0, -math.inf))
        self.figures[name] = (old_total + total, old_count + count, max(old_largest, largest))


@dataclass
class TermLosses:
    """The terms of a mini-batch's loss, aggregated, before the objective's weights."""

    distillation: float = 0.0
    policy_gradient: float = 0.0
    likelihood: float = 0.0

    def total(self, objective: Objective) -> float:
        distillation, policy_gradient = objective.distillation, objective.policy_gradient
        return (
            (distillation.weight if distillation else 0) * self.distillation
            + (policy_gradient.weight if policy_gradient else 0) * self.policy_gradient
            + (objective.likelihood or 0) * self.likelihood
        )


def add_tokens(
    objective: Objective,
    figures: dict[str, Tensor],
    examples: Sequence[ScaledExample],
    compare_sampling: bool,
    losses: TermLosses,
    means: Means,
) -> None:
    """Adds the tokens of one micro-batch, in the order of its examples, to the losses and the means.

    `compare_sampling`: the weights are still those that sampled, so logprobs as sampled and as computed can be compared.
    """
    if not examples:
        return
    columns = (
        torch.stack([values.float() for values in figures.values()]).cpu().double()
    )  # at once: a GPU is waited for
    figures = dict(zip(figures, columns, strict=True))
    counts = torch.tensor([len(each.example.completion_ids) for each in examples])

    def column(values: list[float]) -> Tensor:
        """One number per example, on each of its tokens. Shape [N]."""
        return torch.tensor(values, dtype=torch.float64).repeat_interleave(counts)

    logprobs = figures["logprobs"]
    log_ratio = logprobs - torch.tensor([old for each in examples for old in each.old_logprobs], dtype=torch.float64)
    rollout = torch.tensor([weight for each in examples for weight in each.rollout_weights], dtype=torch.float64)
    factor = column([each.token_scale for each in examples]) * rollout
    means.add("actor/entropy", figures["entropies"])
    if objective.distillation is not None:
        distilled = column([float(each.example.distilled(objective)) for each in examples]) > 0
        scale = factor * column([each.example.distillation_weight for each in examples])
        losses.distillation += float((scale * figures["distillation"])[distilled].sum())
        teacher_log_ratio = (figures["teacher_logprobs"] - logprobs)[distilled]
        means.add("self_distillation/teacher_student_log_ratio_mean", teacher_log_ratio)
        means.add("self_distillation/teacher_student_log_ratio_positive_fraction", (teacher_log_ratio > 0).double())
        if objective.distillation.importance_cap is not None:
            hit = log_ratio[distilled] >= math.log(objective.distillation.importance_cap)
            means.add("self_distillation/importance_cap_hit_fraction", hit.double())
        for side in ("student", "teacher"):
            if f"{side}_captured" in figures:
                means.add(f"self_distillation/{side}_top_k_mass", figures[f"{side}_captured"][distilled])
    if objective.policy_gradient is not None:
        scale = factor * column([each.example.policy_gradient_weight for each in examples])
        losses.policy_gradient += float((scale * figures["policy_gradient"]).sum())
        advantages = column([each.example.advantage for each in examples])
        _add_clipping(means, objective.policy_gradient, advantages, log_ratio)
    if objective.likelihood is not None:
        losses.likelihood -= float((factor * column([e.example.likelihood_weight for e in examples]) * logprobs).sum())
    if compare_sampling:
        known = column([float(bool(each.example.completion_logprobs)) for each in examples]) > 0
        sampled = torch.tensor([x for each in examples for x in each.example.completion_logprobs], dtype=torch.float64)
        means.add("sampling/logprob_abs_diff_mean", (logprobs[known] - sampled).abs())


def _add_clipping(means: Means, settings: PolicyGradient, advantages: Tensor, log_ratio: Tensor) -> None:
    ratio = log_ratio.clamp(-EXPONENT_BOUND, EXPONENT_BOUND).exp()
    free, clipped = -advantages * ratio, -advantages * ratio.clamp(1 - settings.clip_low, 1 + settings.clip_high)
    bound = -advantages * (math.inf if settings.dual_clip is None else settings.dual_clip)
    means.add("actor/ppo_kl", -log_ratio)
    means.add("actor/pg_clipfrac", (clipped > free).double())
    means.add("actor/pg_clipfrac_lower", ((advantages < 0) & (torch.maximum(free, clipped) > bound)).double())


def rollout_correction(pairs: Sequence[tuple[list[float], list[float]]], cap: float) -> dict[str, float]:
    """`rollout_corr/*` of (recomputed, sampled) logprobs per completion, named as in verl; empty of an empty batch."""
    if not pairs:
        return {}
    old = torch.tensor([x for each, _ in pairs for x in each], dtype=torch.float64)
    sampled = torch.tensor([x for _, each in pairs for x in each], dtype=torch.float64)
    ratios = (old - sampled).clamp(-EXPONENT_BOUND, EXPONENT_BOUND).exp()
    sums = torch.tensor([sum(a) - sum(b) for a, b in pairs], dtype=torch.float64)
    training = torch.tensor([-sum(a) / len(a) for a, _ in pairs], dtype=torch.float64)
    rollout = torch.tensor([-sum(b) / len(b) for _, b in pairs], dtype=torch.float64)
    differences = training - rollout
    weights = torch.tensor([capped_ratio(cap, a, b) for a, b in zip(old.tolist(), sampled.tolist(), strict=True)])
    figures = {
        "kl": (sampled - old).mean(),
        "k3_kl": (torch.expm1(old - sampled) - (old - sampled)).mean(),
        "chi2_token": ratios.square().mean() - 1,
        "chi2_seq": sums.clamp(-EXPONENT_BOUND, EXPONENT_BOUND).exp().square().mean() - 1,
        "training_ppl": training.exp().mean(),
        "training_log_ppl": training.mean(),
        "rollout_ppl": rollout.exp().mean(),
        "rollout_log_ppl": rollout.mean(),
        "log_ppl_diff": differences.mean(),
        "log_ppl_abs_diff": differences.abs().mean(),
        "log_ppl_diff_max": differences.max(),
        "log_ppl_diff_min": differences.min(),
        "ppl_ratio": differences.exp().mean(),
        "rollout_is_mean": weights.mean(),
        "rollout_is_std": weights.std(correction=0),
        "rollout_is_max": weights.max(),
        "rollout_is_min": weights.min(),
        "rollout_is_eff_sample_size": 1 / (weights / weights.mean()).square().mean(),
        "rollout_is_ratio_fraction_high": (ratios > cap).double().mean(),
        "rollout_is_ratio_fraction_low": (ratios < 1 / cap).double().mean(),
    }
    return {f"rollout_corr/{name}": float(value) for name, value in figures.items()}
