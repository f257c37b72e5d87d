"""The objective on logits: token losses and their closed-form gradient, as libs/sdpo specifies them.

Nothing here is differentiated by autograd: every term has a gradient by the student's logits in closed form, and neither the
teacher nor an importance ratio is a path for gradients. N counts completion tokens, V the vocabulary, K the support.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

SupportKind = Literal["full", "top-k-tail", "top-k-renormalised"]
Granularity = Literal["logit", "sampled-token"]
Aggregation = Literal["token-mean", "sequence-mean-token-mean", "sequence-mean-token-sum"]

#: The exponent of an importance ratio is held within plus or minus this, so that the ratio stays finite.
EXPONENT_BOUND = 20.0
#: The tail keeps at least this probability, so that its logprob is finite when K reaches the vocabulary.
SMALLEST_TAIL = 1e-7


@dataclass(frozen=True)
class Support:
    """Over which tokens a divergence sums; the top K are the student's."""

    kind: SupportKind
    k: int = 0


@dataclass(frozen=True)
class Distillation:
    """Self-distillation from the teacher's next-token distribution (arXiv 2601.20802, Eq. 1)."""

    weight: float
    #: 0: KL(teacher||student), 1: KL(student||teacher), between: generalised Jensen-Shannon divergence.
    alpha: float
    support: Support
    granularity: Granularity = "logit"
    importance_cap: float | None = None


@dataclass(frozen=True)
class PolicyGradient:
    """The clipped surrogate on per-example advantages (GRPO, asymmetric and dual clip)."""

    weight: float
    clip_low: float
    clip_high: float
    dual_clip: float | None = None


@dataclass(frozen=True)
class Objective:
    """A weighted sum of losses over the completion tokens of a mini-batch; a term that is left out costs nothing."""

    aggregation: Aggregation
    distillation: Distillation | None = None
    policy_gradient: PolicyGradient | None = None
    #: Weight of the negative log-likelihood.
    likelihood: float | None = None
    #: Cap of min(exp(old logprob - sampled logprob), cap), which multiplies every token's loss.
    rollout_importance_cap: float | None = None
    #: Divides student and teacher logits.
    temperature: float = 1.0

    @property
    def needs_old_logprobs(self) -> bool:
        distillation = self.distillation
        return self.policy_gradient is not None or (
            distillation is not None and distillation.importance_cap is not None
        )

    def carries_loss(self, taught: bool) -> bool:
        """Whether a token carries a loss: any does under a policy gradient or a likelihood, else only a taught one."""
        if self.policy_gradient is not None or self.likelihood is not None:
            return True
        return self.distillation is not None and taught


@dataclass(frozen=True)
class Tokens:
    """What the objective reads per completion token. Every tensor has shape [N].

    The scales are factors of a term's token losses in the whole loss: weight, example weight, aggregation and rollout weight.
    """

    ids: Tensor
    old_logprobs: Tensor
    advantages: Tensor
    distillation_scales: Tensor
    policy_gradient_scales: Tensor
    likelihood_scales: Tensor

    def rows(self, rows: slice) -> Tokens:
        return Tokens(
            self.ids[rows],
            self.old_logprobs[rows],
            self.advantages[rows],
            self.distillation_scales[rows],
            self.policy_gradient_scales[rows],
            self.likelihood_scales[rows],
        )


@dataclass
class Evaluation:
    """The objective on some tokens."""

    #: By the student's logits. Shape [N, V], float32.
    gradient: Tensor
    #: Unscaled token losses and what metrics read, by name. Shape [N] each.
    figures: dict[str, Tensor]


def token_scales(aggregation: Aggregation, loss_tokens: Sequence[int]) -> list[float]:
    """The factor of every token's loss, one per completion, from how many tokens of each carry a loss. Shape [B] to [B].

    A completion that carries none has factor 0, yet stays in the mean over completions.
    """
    completions, everything = max(1, len(loss_tokens)), max(1, sum(loss_tokens))
    factors: dict[Aggregation, list[float]] = {
        "token-mean": [1 / everything for _ in loss_tokens],
        "sequence-mean-token-mean": [1 / (completions * max(1, tokens)) for tokens in loss_tokens],
        "sequence-mean-token-sum": [1 / completions for _ in loss_tokens],
    }
    return [factor if tokens else 0.0 for factor, tokens in zip(factors[aggregation], loss_tokens, strict=True)]


def capped_ratio(cap: float | None, logprob: float, old_logprob: float) -> float:
    """exp(logprob - old logprob), at most `cap`; 1 without a cap."""
    if cap is None:
        return 1.0
    return min(math.exp(min(max(logprob - old_logprob, -EXPONENT_BOUND), EXPONENT_BOUND)), cap)


def evaluate(objective: Objective, logits: Tensor, teacher_logits: Tensor | None, tokens: Tokens) -> Evaluation:
    """Token losses and the gradient of their scaled sum. Logits: shape [N, V], float32, before the temperature."""
    logprobs = _log_softmax(logits, objective.temperature)  # [N, V], of z = logits / temperature
    p = logprobs.exp()  # [N, V]
    ids = tokens.ids[:, None]  # [N, 1]
    sampled = logprobs.gather(1, ids).squeeze(1)  # [N]
    figures = {"logprobs": sampled, "entropies": -torch.einsum("nv,nv->n", p, logprobs)}
    log_ratio = sampled - tokens.old_logprobs  # [N]
    ratio = log_ratio.clamp(-EXPONENT_BOUND, EXPONENT_BOUND).exp()  # [N]

    gradient: Tensor | None = None  # [N, V], by z
    slope = torch.zeros_like(sampled)  # [N], by the sampled token's logprob
    distillation = objective.distillation
    if distillation is not None:
        if teacher_logits is None:
            raise ValueError("Distillation needs teacher logits.")
        t = _log_softmax(teacher_logits, objective.temperature)  # [N, V]
        cap = distillation.importance_cap
        weight = ratio.clamp(max=cap) if cap is not None else torch.ones_like(ratio)  # [N]
        figures["teacher_logprobs"] = t.gather(1, ids).squeeze(1)
        if distillation.granularity == "sampled-token":
            # The REINFORCE estimate of KL(student||teacher): the log-ratio is a weight, its product with log s_y the loss.
            advantage = sampled - figures["teacher_logprobs"]
            figures["distillation"] = weight * advantage * sampled
            slope = slope + weight * advantage * tokens.distillation_scales
        else:
            scales = (weight * tokens.distillation_scales)[:, None]  # [N, 1]
            loss, gradient = _supported_divergence(distillation, logprobs, p, t, scales, figures)
            figures["distillation"] = weight * loss
    if objective.policy_gradient is not None:
        loss, by_logprob = _policy_gradient(objective.policy_gradient, log_ratio, ratio, tokens.advantages)
        figures["policy_gradient"] = loss
        slope = slope + by_logprob * tokens.policy_gradient_scales
    if objective.likelihood is not None:
        slope = slope - tokens.likelihood_scales

    if gradient is None or _uses_slope(objective):
        # slope ([y] - p); 1 - p_y is formed at y alone, where the difference would lose digits.
        by_sampled = p * -slope[:, None]
        by_sampled.scatter_(1, ids, (slope * -torch.expm1(sampled))[:, None])
        gradient = by_sampled if gradient is None else gradient.add_(by_sampled)
    return Evaluation(gradient if objective.temperature == 1 else gradient.div_(objective.temperature), figures)


def _log_softmax(logits: Tensor, temperature: float) -> Tensor:
    return torch.log_softmax(logits if temperature == 1 else logits / temperature, dim=-1)


def _uses_slope(objective: Objective) -> bool:
    return objective.policy_gradient is not None or objective.likelihood is not None


def _policy_gradient(
    settings: PolicyGradient, log_ratio: Tensor, ratio: Tensor, advantages: Tensor
) -> tuple[Tensor, Tensor]:
    """The loss max(-A w, -A clip(w)), at most -A c where -A > 0, and its slope by the logprob. Shapes [N]."""
    free = -advantages * ratio
    loss = torch.maximum(free, -advantages * ratio.clamp(1 - settings.clip_low, 1 + settings.clip_high))
    if settings.dual_clip is not None:
        bounded = torch.minimum(loss, -advantages * settings.dual_clip)
        loss = torch.where(advantages < 0, bounded, loss)
    moves = (loss == free) & (log_ratio.abs() < EXPONENT_BOUND)
    return loss, torch.where(moves, free, torch.zeros_like(free))


def _supported_divergence(
    settings: Distillation, s: Tensor, p: Tensor, t: Tensor, scales: Tensor, figures: dict[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """The divergence [N], and scales [N, 1] times its gradient by z [N, V], from logprobs s and t and p = exp(s) [N, V].

    A softmax has d log p_u / dz_v = [u=v] - p_v: a token feels its share of its bucket's slope, less its probability times
    the sum of all slopes.
    """
    kind, k = settings.support.kind, min(settings.support.k, s.shape[1])
    if kind == "full":
        loss, slopes = divergence(settings.alpha, s, t)
        return loss, torch.addcmul(slopes, p, slopes.sum(-1, keepdim=True), value=-1).mul_(scales)
    head, indices = s.topk(k, dim=-1)  # [N, K]
    teacher_head = t.gather(1, indices)  # [N, K]
    figures["student_captured"] = head.exp().sum(-1)
    figures["teacher_captured"] = teacher_head.exp().sum(-1)
    if kind == "top-k-renormalised":
        loss, slopes = divergence(
            settings.alpha, torch.log_softmax(head, dim=-1), torch.log_softmax(teacher_head, dim=-1)
        )
        own = slopes - torch.softmax(head, dim=-1) * slopes.sum(-1, keepdim=True)
        return loss, torch.zeros_like(p).scatter_(1, indices, own * scales)
    # Summing what is left keeps the digits that 1 - sum(head) would lose.
    tail = p.scatter(1, indices, 0.0).sum(-1, keepdim=True)  # [N, 1]
    teacher_tail = t.exp().scatter_(1, indices, 0.0).sum(-1, keepdim=True)  # [N, 1]
    held = tail < SMALLEST_TAIL
    tail = tail.clamp(min=SMALLEST_TAIL)
    loss, slopes = divergence(
        settings.alpha,
        torch.cat([head, tail.log()], dim=-1),  # [N, K + 1]
        torch.cat([teacher_head, teacher_tail.clamp(min=SMALLEST_TAIL).log()], dim=-1),
    )
    head_slopes, tail_slope = slopes[:, :k], slopes[:, k:]
    # A tail that is held at its floor is a constant: its tokens move nothing but the normaliser.
    moving = torch.where(held, torch.zeros_like(tail_slope), tail_slope)  # [N, 1]
    total = head_slopes.sum(-1, keepdim=True) + moving  # [N, 1]
    gradient = p * ((moving / tail - total) * scales)
    return loss, gradient.scatter_(1, indices, (head_slopes - head.exp() * total) * scales)


def divergence(alpha: float, s: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """The divergence over buckets [N] and its slopes by the student's logprobs [N, K], from logprobs [N, K].

    Slopes are known up to a multiple of the bucket's probability, which a softmax ignores.
    """
    if alpha == 0:
        probability = t.exp()
        return (probability * (t - s)).sum(-1), -probability
    if alpha == 1:
        slopes = s.exp() * (s - t)
        return slopes.sum(-1), slopes
    middle = torch.logaddexp(s + math.log1p(-alpha), t + math.log(alpha))
    slopes = (1 - alpha) * s.exp() * (s - middle)
    return (slopes + alpha * t.exp() * (t - middle)).sum(-1), slopes
