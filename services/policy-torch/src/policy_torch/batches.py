"""Batches: sequences packed by a token budget, like lengths together, and dealt out over ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor

#: Rows are padded to a multiple of this, so that kernels meet few different shapes.
LENGTH_BUCKET = 8


@dataclass(frozen=True)
class Continuation:
    """A completion after its prompt, each at least one token long."""

    prompt_ids: list[int]
    completion_ids: list[int]

    @property
    def length(self) -> int:
        """Tokens that a forward pass reads: the last one is predicted but never read."""
        return len(self.prompt_ids) + len(self.completion_ids) - 1


@dataclass(frozen=True)
class MicroBatch:
    """Continuations that one pass takes together, padded on the right to one length. N counts completion tokens."""

    #: Indices into the continuations that were packed; empty for a batch that only keeps step with other ranks.
    items: list[int]
    #: Shape [B, T].
    ids: Tensor
    #: Flat positions of ids whose hidden states predict the completion tokens. Shape [N].
    rows: Tensor
    #: Shape [N].
    completion_ids: Tensor
    #: Completion tokens of each item.
    counts: list[int]


def pack(continuations: Sequence[Continuation], token_budget: int) -> list[list[int]]:
    """Indices in micro-batches of at most `token_budget` padded tokens, the longest first; a longer one goes alone."""
    lengths = [each.length for each in continuations]
    batches: list[list[int]] = []
    padded = 0
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batches and (len(batches[-1]) + 1) * padded <= token_budget:
            batches[-1].append(index)
        else:
            batches.append([index])
            padded = _padded(lengths[index])
    return batches


def deal(batches: list[list[int]], rank: int, size: int) -> list[list[int]]:
    """One rank's share of the batches; every rank gets as many, the last ones empty where they do not divide evenly."""
    rounds = -(-len(batches) // size)
    share = batches[rank::size]
    return share + [[] for _ in range(rounds - len(share))]


def assemble(continuations: Sequence[Continuation], items: list[int], device: torch.device) -> MicroBatch:
    """The tensors of one micro-batch."""
    chosen = [continuations[item] for item in items]
    width = _padded(max((each.length for each in chosen), default=1))
    ids = torch.zeros(max(1, len(chosen)), width, dtype=torch.long)  # any id pads: nothing looks at it
    rows: list[Tensor] = []
    for row, each in enumerate(chosen):
        ids[row, : each.length] = torch.tensor([*each.prompt_ids, *each.completion_ids[:-1]])
        first = row * width + len(each.prompt_ids) - 1
        rows.append(torch.arange(first, first + len(each.completion_ids)))
    completion_ids = torch.tensor(list(chain.from_iterable(each.completion_ids for each in chosen)), dtype=torch.long)
    return MicroBatch(
        items,
        ids.to(device),
        (torch.cat(rows) if rows else torch.zeros(0, dtype=torch.long)).to(device),
        completion_ids.to(device),
        [len(each.completion_ids) for each in chosen],
    )


def _padded(length: int) -> int:
    return -(-length // LENGTH_BUCKET) * LENGTH_BUCKET
