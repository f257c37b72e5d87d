"""Batches: sequences packed by a token budget, like lengths together, and dealt out over ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor

from policy_torch.branches import Branches

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


#: Indices of continuations that one row holds: one, or several that share their prompt.
Row = list[int]


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
    #: Where some row holds several completions: each token's position in its own continuation. Shape [B, T].
    positions: Tensor | None = None
    #: And the branch that a token belongs to, 0 for the prompt, -1 for padding. Shape [B, T].
    branches: Tensor | None = None
    #: Where they lie, if attending to them apart is less work than to whole rows.
    layout: Branches | None = None

    def mask(self, dtype: torch.dtype) -> Tensor | None:
        """What is added to attention scores: a token sees its prompt and its own completion up to itself. Shape [B, 1, T, T]."""
        if self.branches is None:
            return None
        ids = self.branches
        related = (ids[:, None, :] == 0) | (ids[:, None, :] == ids[:, :, None])  # [B, T, T]
        seen = related & torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool, device=ids.device).tril()
        scores = torch.zeros(seen.shape, dtype=dtype, device=ids.device)
        mask = scores.masked_fill_(~seen, torch.finfo(dtype).min)[:, None]
        mask.branches = self.layout  # type: ignore[attr-defined] # for `branches.attention`, if it gets this very tensor
        return mask


def pack(continuations: Sequence[Continuation], token_budget: int, width: int | None = None) -> list[list[Row]]:
    """Rows in micro-batches of at most `token_budget` padded tokens, the longest first; a longer one goes alone.

    A row of less than half the length of a micro-batch's longest begins another, since padding would be most of it. With the model's `width`, completions of one prompt share a row, and so one reading of the prompt, where that is less work.
    """
    rows = [[index] for index in range(len(continuations))]
    if width is not None:
        rows = _shared(continuations, token_budget, width)
    lengths = [_length(continuations, row) for row in rows]
    batches: list[list[Row]] = []
    padded = 0
    for index in sorted(range(len(rows)), key=lambda i: -lengths[i]):
        fits = batches and (len(batches[-1]) + 1) * padded <= token_budget
        if fits and 2 * _padded(lengths[index]) >= padded:
            batches[-1].append(rows[index])
        else:
            batches.append([rows[index]])
            padded = _padded(lengths[index])
    return batches


def _length(continuations: Sequence[Continuation], row: Row) -> int:
    prompt = len(continuations[row[0]].prompt_ids)
    return prompt + sum(continuations[item].length - prompt for item in row)


def _shared(continuations: Sequence[Continuation], token_budget: int, width: int) -> list[Row]:
    """Rows of continuations with the same prompt, where one row costs less than several."""
    by_prompt: dict[tuple[int, ...], list[Row]] = {}
    for index, each in enumerate(continuations):
        rows = by_prompt.setdefault(tuple(each.prompt_ids), [])
        if rows and _length(continuations, [*rows[-1], index]) <= token_budget:
            rows[-1].append(index)
        else:
            rows.append([index])

    def work(row: Row) -> float:
        """In multiples of 2 D operations: 12 D^2 weights a layer, and 2 D for each pair of tokens, masked ones included."""
        tokens, prompt = _length(continuations, row), len(continuations[row[0]].prompt_ids)
        longest = max(continuations[item].length for item in row)
        apart = prompt * prompt + 2 * len(row) * (longest - prompt) * longest
        return 12 * width * tokens + (tokens * tokens if len(row) == 1 else min(2 * tokens * tokens, apart))

    found: list[Row] = []
    for row in (row for rows in by_prompt.values() for row in rows):
        alone = [[item] for item in row]
        together = len(row) > 1 and work(row) < sum(work(each) for each in alone)
        found += [row] if together else alone
    return found


def deal(batches: list[list[Row]], rank: int, size: int) -> list[list[Row]]:
    """One rank's share of the batches; every rank gets as many, the last ones empty where they do not divide evenly."""
    rounds = -(-len(batches) // size)
    share = batches[rank::size]
    return share + [[] for _ in range(rounds - len(share))]


def assemble(continuations: Sequence[Continuation], rows: list[Row], device: torch.device) -> MicroBatch:
    """The tensors of one micro-batch."""
    width = _padded(max((_length(continuations, row) for row in rows), default=1))
    ids = torch.zeros(max(1, len(rows)), width, dtype=torch.long)  # any id pads: nothing looks at it
    positions, branches = torch.zeros_like(ids), torch.full_like(ids, -1)
    predicting: list[Tensor] = []
    stretches: list[tuple[int, int, int]] = []
    for number, row in enumerate(rows):
        prompt = continuations[row[0]].prompt_ids
        end = len(prompt)
        ids[number, :end] = torch.tensor(prompt)
        positions[number, :end], branches[number, :end] = torch.arange(end), 0
        for branch, item in enumerate(row, start=1):
            read = continuations[item].completion_ids[:-1]
            begin, end = end, end + len(read)
            ids[number, begin:end] = torch.tensor(read, dtype=torch.long)
            positions[number, begin:end] = torch.arange(len(prompt), len(prompt) + len(read))
            branches[number, begin:end] = branch
            stretches.append((number, begin, len(read)))
            # The prompt's last token predicts the first of every completion.
            predicting.append(number * width + torch.tensor([len(prompt) - 1, *range(begin, end)]))
    items = [item for row in rows for item in row]
    completion_ids = torch.tensor(
        list(chain.from_iterable(continuations[i].completion_ids for i in items)), dtype=torch.long
    )
    shared = any(len(row) > 1 for row in rows)
    layout: Branches | None = None
    if shared and any(count for _, _, count in stretches):
        apart = Branches([len(continuations[row[0]].prompt_ids) for row in rows], stretches, width)
        layout = apart.to(device) if apart.pairs < ids.numel() * width else None
    return MicroBatch(
        items,
        ids.to(device),
        (torch.cat(predicting) if predicting else torch.zeros(0, dtype=torch.long)).to(device),
        completion_ids.to(device),
        [len(continuations[item].completion_ids) for item in items],
        positions.to(device) if shared else None,
        branches.to(device) if shared else None,
        layout,
    )


def _padded(length: int) -> int:
    return -(-length // LENGTH_BUCKET) * LENGTH_BUCKET
