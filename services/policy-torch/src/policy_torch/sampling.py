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
    """Token ids and their logprobs under the distribution each was drawn from, in float64; on the CPU.

    Logits: shape [B, V], float32. The rest: shape [B], float64, on the CPU; uniforms are in [0, 1). Temperature divides the
    logits; then top-p keeps the fewest most likely tokens that reach it (ties: lower id first), renormalised. Temperature 0
    takes the most likely token and reports its logprob at temperature 1 without top-p, since a certain draw carries no
    information. Raises FloatingPointError where the logits are no numbers.
    """
    # What depends on the settings alone is decided here: a GPU is waited for once, for what it has drawn.
    greedy = temperatures == 0  # [B]
    nuclear = (~greedy & (top_ps < 1)).nonzero().squeeze(1)  # [rows]
    divisors = torch.where(greedy, 1.0, temperatures).to(logits.device)  # [B]
    settings = torch.stack([top_ps, uniforms]).to(logits.device)  # [2, B]
    highest = logits.amax(-1, keepdim=True)  # [B, 1]
    weights = (logits - highest).double().div_(divisors[:, None]).exp_()  # [B, V], the most likely token weighs 1
    sums = weights.cumsum(-1)  # [B, V]
    mass = sums[:, -1].clone()
    ids = _walk(sums, mass * settings[1])
    if greedy.any():
        ids = torch.where(greedy.to(logits.device), logits.argmax(-1), ids)
    if len(nuclear) > 0:
        rows = nuclear.to(logits.device)
        chosen, kept = _nucleus(weights[rows], mass[rows], *settings[:, rows])
        ids, mass = ids.index_copy(0, rows, chosen), mass.index_copy(0, rows, kept)
    # Logits that are no numbers may have led anywhere; their logprob is no number either.
    ids = ids.clamp(max=logits.shape[1] - 1)
    picked = logits.gather(1, ids[:, None]).double().squeeze(1)
    logprobs = (picked - highest.double().squeeze(1)) / divisors - mass.log()
    drawn = torch.stack([ids.double(), logprobs]).cpu()  # [2, B]
    if not drawn.isfinite().all():
        raise FloatingPointError("The largest of the logits is not a number: the weights have diverged.")
    return drawn[0].long(), drawn[1]


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
