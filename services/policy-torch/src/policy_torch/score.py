"""Scoring: logprobs and entropies of given completions, in micro-batches dealt out over the ranks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from policy_torch.architecture import PolicyModel
from policy_torch.batches import Continuation, MicroBatch, Row, assemble, deal, pack
from policy_torch.head import chunks
from policy_torch.memory import in_step, within_memory
from policy_torch.model import LoadedModel


@dataclass(frozen=True)
class CompletionScore:
    """Per-token figures of one completion."""

    #: Shape [T].
    logprobs: list[float]
    #: In nats. Shape [T].
    entropies: list[float]
    #: Most likely first. Shape [T, K], row-major.
    top_ids: list[int]
    #: Shape [T, K], row-major.
    top_logprobs: list[float]


@torch.no_grad()
def score(
    model: LoadedModel,
    continuations: Sequence[Continuation],
    token_budget: int,
    temperature: float = 1.0,
    top_k: int = 0,
    checkpoint: Callable[[], None] = lambda: None,
) -> list[CompletionScore]:
    """Scores continuations under the model's present weights; all ranks call it together and get all scores.

    `checkpoint` is called before every micro-batch and may raise. Memory that runs out halves the budget once.
    """

    def attempt(budget: int) -> dict[int, CompletionScore]:
        mine: dict[int, CompletionScore] = {}

        def work(rows: list[Row]) -> None:
            batch = assemble(continuations, rows, model.device)
            columns = model.run(partial(_figures, batch=batch, temperature=temperature, top_k=top_k))
            begin = 0
            for item, count in zip(batch.items, batch.counts, strict=True):
                tokens = slice(begin, begin + count)
                mine[item] = CompletionScore(*(column[tokens].flatten().tolist() for column in columns))
                begin += count

        for rows in deal(pack(continuations, budget, model.sharing_width), model.group.rank, model.group.size):
            checkpoint()
            in_step(model, work, rows)
        return mine

    mine, _ = within_memory(model, token_budget, attempt)
    found = {item: each for part in model.group.gather(mine) for item, each in part.items()}
    return [found[item] for item in range(len(continuations))]


def _figures(module: PolicyModel, batch: MicroBatch, temperature: float, top_k: int) -> tuple[Tensor, ...]:
    """Logprobs [N], entropies [N], top ids [N, K] and their logprobs [N, K], on the CPU."""
    hidden, head = module.hidden(batch), module.head()
    parts: list[tuple[Tensor, ...]] = []
    for rows in chunks(len(hidden), len(head.weight), hidden.device):
        logprobs = torch.log_softmax(head.logits(hidden[rows]) / temperature, dim=-1)  # [n, V]
        sampled = logprobs.gather(1, batch.completion_ids[rows, None]).squeeze(1)  # [n]
        entropies = -(logprobs.exp() * logprobs).sum(-1)  # [n]
        top = logprobs.topk(top_k, dim=-1)  # [n, K]
        parts.append((sampled, entropies, top.indices, top.values))
    if not parts:
        nothing = torch.zeros(0)
        return nothing, nothing, nothing, nothing
    return tuple(torch.cat(columns).cpu() for columns in zip(*parts, strict=True))
