"""Drawing tokens: a batch of rows at once, each with its own settings and its own random number."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """How the next token is drawn."""

    #: Divides the logits; 0 takes the most likely token.
    temperature: float
    #: In (0, 1]: keeps the fewest most likely tokens whose probability reaches it.
    top_p: float
    #: Longest completion, the stop id included.
    max_tokens: int
    seed: int
    #: Ids that end a completion beside the model's own.
    stop_ids: tuple[int, ...] = ()


def draw(logits: Tensor, temperatures: Tensor, top_ps: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor]:
    """Token ids and their logprobs under the distribution each was drawn from, in float64.

    Logits: shape [B, V], float32. The rest: shape [B], float64; uniforms are in [0, 1). Temperature divides the logits; then
    top-p keeps the fewest most likely tokens that reach it (ties: lower id first), renormalised. Temperature 0 takes the most
    likely token and reports its logprob at temperature 1 without top-p, since a certain draw carries no information.
    """
    if not torch.isfinite(highest := logits.amax(-1, keepdim=True)).all():
        raise FloatingPointError("The largest of the logits is not a number: the weights have diverged.")
    greedy = temperatures == 0  # [B]
    divisors = torch.where(greedy, 1.0, temperatures)  # [B]
    weights = (logits - highest).double().div_(divisors[:, None]).exp_()  # [B, V], the most likely token weighs 1
    sums = weights.cumsum(-1)  # [B, V]
    mass = sums[:, -1].clone()
    ids = _walk(sums, mass * uniforms)
    if greedy.any():
        ids = torch.where(greedy, logits.argmax(-1), ids)
    nuclear = ~greedy & (top_ps < 1)
    if nuclear.any():
        chosen, kept = _nucleus(weights[nuclear], mass[nuclear], top_ps[nuclear], uniforms[nuclear])
        ids[nuclear], mass[nuclear] = chosen, kept
    picked = logits.gather(1, ids[:, None]).double().squeeze(1)
    return ids, (picked - highest.double().squeeze(1)) / divisors - mass.log()


def _walk(sums: Tensor, targets: Tensor) -> Tensor:
    """The first column at which a row's running sum passes its target; rounding at the end falls back to the last of any weight."""
    found = torch.searchsorted(sums, targets[:, None], right=True).squeeze(1)  # [B]
    last = torch.searchsorted(sums, sums[:, -1:].contiguous(), right=False).squeeze(1)
    return torch.minimum(found, last)


def _nucleus(weights: Tensor, mass: Tensor, top_ps: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor]:
    """Ids drawn among each row's nucleus, and its mass. Shapes [B, V] and [B] to [B]."""
    ordered, ids = weights.sort(dim=-1, descending=True, stable=True)
    sums = ordered.cumsum(-1)
    size = torch.searchsorted(sums, (top_ps * mass)[:, None], right=False).clamp(max=weights.shape[1] - 1)  # [B, 1]
    kept = sums.gather(1, size).squeeze(1)
    place = torch.searchsorted(sums, (kept * uniforms)[:, None], right=True)
    return ids.gather(1, torch.minimum(place, size)).squeeze(1), kept
