"""The output projection, and the objective on top of it chunk by chunk: no [N, V] tensor is ever kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from policy_torch.objective import Objective, Tokens, evaluate

#: Logits that are formed at once, in elements, by device: 64 MiB of float32, so that they stay near the processor's caches,
#: and on a GPU 512 MiB, since each chunk reads the whole projection and adds to its whole gradient.
CHUNK_ELEMENTS = {"cpu": 2**24, "cuda": 2**27}

#: A CPU's product of so many rows with a whole projection reads it 1.7 to 5 times as slowly as in pieces of so many of its rows
#: (MKL, a vocabulary of 49,152); of one row, or of more, it does not.
FEW_ROWS, PIECE_ROWS = range(2, 17), 2048


@dataclass(frozen=True)
class Head:
    """From hidden states to logits: z = cap tanh(scale (h W' + b) / cap)."""

    #: Shape [V, D].
    weight: Tensor
    #: Shape [V].
    bias: Tensor | None = None
    scale: float = 1.0
    cap: float | None = None

    def logits(self, hidden: Tensor) -> Tensor:
        """Shape [n, D] -> [n, V], float32."""
        few = hidden.device.type == "cpu" and len(hidden) in FEW_ROWS and not torch.is_grad_enabled()
        z = self._in_pieces(hidden) if few else functional.linear(hidden, self.weight, self.bias).float()
        if self.scale != 1.0:
            z = z * self.scale
        return z if self.cap is None else self.cap * torch.tanh(z / self.cap)

    def _in_pieces(self, hidden: Tensor) -> Tensor:
        pieces = (self.weight[begin : begin + PIECE_ROWS] for begin in range(0, len(self.weight), PIECE_ROWS))
        z = torch.cat([functional.linear(hidden, piece) for piece in pieces], dim=1).float()
        return z if self.bias is None else z.add_(self.bias)

    def pull_back(self, gradient: Tensor, logits: Tensor) -> Tensor:
        """The gradient by h W' + b from the gradient by the logits; it is overwritten. Shape [n, V]."""
        if self.cap is not None:
            gradient.mul_(1 - (logits / self.cap).square())
        return gradient.mul_(self.scale) if self.scale != 1.0 else gradient

    def detached(self) -> Head:
        bias = None if self.bias is None else self.bias.detach()
        return Head(self.weight.detach(), bias, self.scale, self.cap)


@dataclass(frozen=True)
class Teaching:
    """What a teacher hands to training: final hidden states and the projection they go with."""

    #: Shape [N, D].
    hidden: Tensor
    head: Head
    #: The live part of a trust region, and its share of the logits.
    live: Teaching | None = None
    rate: float = 0.0

    def logits(self, rows: slice) -> Tensor:
        """Shape [n, V], float32. A mixture of logits is the geometric mixture of the distributions."""
        own = self.head.logits(self.hidden[rows])
        return own if self.live is None else torch.lerp(own, self.live.logits(rows), self.rate)


@dataclass(frozen=True)
class Lesson:
    """One micro-batch's objective."""

    objective: Objective
    tokens: Tokens
    teaching: Teaching | None
    #: Filled by `loss`: figures per token, shape [N] each.
    figures: dict[str, Tensor] = field(default_factory=dict)


def loss(hidden: Tensor, head: Head, lesson: Lesson) -> Tensor:
    """The scaled sum of token losses over hidden states [N, D], with gradients for them and for the head."""
    return _FusedLoss.apply(hidden, head.weight, head.bias, head, lesson)


def chunks(rows: int, vocabulary: int, device: torch.device) -> Iterator[slice]:
    """Slices of rows whose logits are formed together."""
    step = max(1, CHUNK_ELEMENTS[device.type] // vocabulary)
    for begin in range(0, rows, step):
        yield slice(begin, min(begin + step, rows))


class _FusedLoss(torch.autograd.Function):
    """Forms the gradient in the forward pass, where the logits are, and hands it on in the backward pass."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, head: Head, lesson: Lesson) -> Tensor:
        head, hidden = head.detached(), hidden.detach()
        by_hidden = torch.empty_like(hidden)  # [N, D]
        # A frozen head, under an adapter, needs no gradient.
        by_weight = torch.zeros_like(weight, dtype=torch.float32) if ctx.needs_input_grad[1] else None  # [V, D]
        by_bias = None if bias is None or not ctx.needs_input_grad[2] else torch.zeros_like(bias, dtype=torch.float32)
        figures: dict[str, list[Tensor]] = {}
        for rows in chunks(len(hidden), len(weight), weight.device):
            logits = head.logits(hidden[rows])  # [n, V]
            teacher = None if lesson.teaching is None else lesson.teaching.logits(rows)
            evaluation = evaluate(lesson.objective, logits, teacher, lesson.tokens.rows(rows))
            for name, values in evaluation.figures.items():
                figures.setdefault(name, []).append(values)
            gradient = head.pull_back(evaluation.gradient, logits)
            if by_bias is not None:
                by_bias += gradient.sum(0)
            gradient = gradient.to(hidden.dtype)
            torch.mm(gradient, head.weight, out=by_hidden[rows])
            if by_weight is None:
                continue
            if by_weight.dtype == gradient.dtype:
                by_weight.addmm_(gradient.t(), hidden[rows])
            else:
                by_weight += gradient.t() @ hidden[rows]
        lesson.figures.update({name: torch.cat(parts) for name, parts in figures.items()})
        ctx.gradients = (by_hidden, *(None if each is None else each.to(weight.dtype) for each in (by_weight, by_bias)))
        return _total(lesson, hidden)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        (slope,) = outer
        by_hidden, by_weight, by_bias = (None if each is None else each.mul_(slope) for each in ctx.gradients)
        ctx.gradients = None
        return by_hidden, by_weight, by_bias, None, None


def _total(lesson: Lesson, like: Tensor) -> Tensor:
    tokens, figures = lesson.tokens, lesson.figures
    total = torch.zeros((), device=like.device)
    if "distillation" in figures:
        total = total + (figures["distillation"] * tokens.distillation_scales).sum()
    if "policy_gradient" in figures:
        total = total + (figures["policy_gradient"] * tokens.policy_gradient_scales).sum()
    if lesson.objective.likelihood is not None and "logprobs" in figures:
        total = total - (figures["logprobs"] * tokens.likelihood_scales).sum()
    return total
