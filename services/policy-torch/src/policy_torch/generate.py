"""Generation: completions side by side in one cache, a slot refilled as soon as its completion has ended.

Rows of the cache end at the same column and begin where they begin: a completion that joins is moved to the right edge, which
attention by distance alone does not notice. A prompt is read once for all of its completions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional
from transformers.cache_utils import Cache, CacheLayerMixin

from policy_torch.architecture import PolicyModel
from policy_torch.batches import Continuation, assemble, pack
from policy_torch.model import LoadedModel
from policy_torch.randomness import draw_uniform
from policy_torch.sampling import Sampling, draw

#: Columns that a cache grows by.
GROWTH = 64


@dataclass(frozen=True)
class Sample:
    """One completion that is asked for."""

    #: Which request it belongs to; unique while the process lives.
    request: int
    prompt_index: int
    sample_index: int
    prompt_ids: tuple[int, ...]
    sampling: Sampling


@dataclass
class Finished:
    """One completion that has ended."""

    request: int
    prompt_index: int
    sample_index: int
    #: Shape [T], the stop id included.
    token_ids: list[int]
    #: Under the distribution each token was drawn from. Shape [T].
    logprobs: list[float]
    finish_reason: Literal["stop", "length"]
    policy_version: int


@dataclass
class _Row:
    """A completion being written."""

    sample: Sample
    version: int
    stop_ids: frozenset[int]
    limit: int
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)


class Decoder:
    """The slots of one rank. Between calls the weights may not change unless no row is running."""

    def __init__(self, model: LoadedModel, slots: int, token_budget: int) -> None:
        self._model, self._slots, self._token_budget = model, slots, token_budget
        self._rows: list[_Row] = []
        self._cache = SlotCache()
        #: First column of each row. Shape [B].
        self._starts = torch.zeros(0, dtype=torch.long)

    @property
    def running(self) -> int:
        return len(self._rows)

    @property
    def free(self) -> int:
        return self._slots - len(self._rows)

    def drop(self, requests: set[int]) -> None:
        """Frees the slots of requests that nobody waits for."""
        if any(row.sample.request in requests for row in self._rows):
            self._keep([i for i, row in enumerate(self._rows) if row.sample.request not in requests])

    @torch.no_grad()
    def start(self, samples: Sequence[Sample], version: int) -> list[Finished]:
        """Reads the samples' prompts, draws their first tokens and gives them slots; returns those that ended at once."""
        by_prompt: dict[tuple[int, ...], list[Sample]] = {}
        for sample in samples:
            by_prompt.setdefault(sample.prompt_ids, []).append(sample)
        # As a continuation whose one token is what the prompt predicts.
        prompts = [Continuation(list(ids), [0]) for ids in by_prompt]
        groups = list(by_prompt.values())
        finished: list[Finished] = []
        for rows in pack(prompts, self._token_budget):
            items = [item for row in rows for item in row]
            finished += self._read([prompts[item] for item in items], [groups[item] for item in items], version)
        return finished

    @torch.no_grad()
    def step(self) -> list[Finished]:
        """Draws one more token of every running completion; returns those that ended with it."""
        if not self._rows:
            return []
        device, cache = self._model.device, self._cache
        last = torch.tensor([[row.token_ids[-1]] for row in self._rows], device=device)  # [B, 1]
        positions = (cache.length - self._starts)[:, None].to(device)  # [B, 1]
        mask = None
        if int(self._starts.max()) > 0:
            mask = self._mask(cache.length + 1).to(device)
        logits = self._model.run(
            lambda module: _next_logits(
                module, input_ids=last, position_ids=positions, attention_mask=mask, past_key_values=cache
            )
        )
        return self._draw(logits)

    def _mask(self, columns: int) -> Tensor:
        """Hides what lies left of each row's start. Shape [B, 1, 1, L + 1], or [B, L + 1] where transformers must see to it."""
        seen = torch.arange(columns)[None] >= self._starts[:, None]  # [B, L + 1]
        if self._model.sharing_width is None:
            return seen  # it asks on the device whether everything is seen, and waits for the answer
        dtype = self._model.options.compute
        return torch.zeros(seen.shape, dtype=dtype).masked_fill_(~seen, torch.finfo(dtype).min)[:, None, None]

    def _read(self, prompts: list[Continuation], groups: list[list[Sample]], version: int) -> list[Finished]:
        """One pass over distinct prompts, and a row for each of their samples."""
        model = self._model
        batch = assemble(prompts, [[index] for index in range(len(prompts))], model.device)
        fresh = SlotCache()

        def work(module: PolicyModel) -> Tensor:
            states = module.language_model.base_model(
                input_ids=batch.ids, past_key_values=fresh, use_cache=True
            ).last_hidden_state
            return module.head().logits(states.flatten(0, 1).index_select(0, batch.rows))

        logits = model.run(work)  # [prompts, V]
        source = [index for index, group in enumerate(groups) for _ in group]
        lengths = torch.tensor([len(prompts[index].prompt_ids) for index in source])  # [rows]
        before = len(self._rows)
        for group in groups:
            for sample in group:
                limit = min(sample.sampling.max_tokens, model.card.context_window - len(sample.prompt_ids))
                stops = frozenset(model.card.stop_ids) | frozenset(sample.sampling.stop_ids)
                self._rows.append(_Row(sample, version, stops, limit))
        shorter = self._cache.length
        length = self._cache.join(fresh, torch.tensor(source), lengths)
        self._starts = torch.cat([self._starts + (length - shorter), length - lengths])
        return self._draw(logits[torch.tensor(source, device=logits.device)], before)

    def _draw(self, logits: Tensor, begin: int = 0) -> list[Finished]:
        """Draws for the rows from `begin` on and takes out those that ended. Logits: shape [rows, V]."""
        rows = self._rows[begin:]
        column = [(row.sample.sampling.temperature, row.sample.sampling.top_p, _uniform(row)) for row in rows]
        ids, logprobs = draw(logits, *torch.tensor(column, dtype=torch.float64).unbind(1))
        finished: list[Finished] = []
        running: list[int] = list(range(begin))
        for index, (row, token, logprob) in enumerate(zip(rows, ids.tolist(), logprobs.tolist(), strict=True)):
            row.token_ids.append(token)
            row.logprobs.append(min(logprob, 0.0))
            stopped = token in row.stop_ids
            if stopped or len(row.token_ids) >= row.limit:
                finished.append(_finish(row, "stop" if stopped else "length"))
            else:
                running.append(begin + index)
        if finished:
            self._keep(running)
        return finished

    def _keep(self, indices: list[int]) -> None:
        """Keeps these rows alone, and no column that none of them uses."""
        self._rows = [self._rows[index] for index in indices]
        chosen = torch.tensor(indices, dtype=torch.long)
        self._starts = self._starts[chosen]
        unused = int(self._starts.min()) if indices else self._cache.length
        self._cache.keep(chosen, unused)
        self._starts = self._starts - unused


def _next_logits(module: PolicyModel, **inputs: Any) -> Tensor:
    """Logits after the last token of every row. Shape [B, V]."""
    states = module.language_model.base_model(**inputs, use_cache=True).last_hidden_state  # [B, 1, D]
    return module.head().logits(states[:, -1])


def _uniform(row: _Row) -> float:
    sample = row.sample
    return draw_uniform(sample.sampling.seed, sample.prompt_index, sample.sample_index, len(row.token_ids))


def _finish(row: _Row, reason: Literal["stop", "length"]) -> Finished:
    sample = row.sample
    return Finished(
        sample.request, sample.prompt_index, sample.sample_index, row.token_ids, row.logprobs, reason, row.version
    )


class SlotCache(Cache):  # type: ignore[misc] # transformers is not typed
    """Keys and values of all layers, over columns that all rows share."""

    def __init__(self) -> None:
        super().__init__(layer_class_to_replicate=SlotLayer)

    @property
    def length(self) -> int:
        """Columns in use, L."""
        return self.layers[0].length if self.layers else 0

    def join(self, other: SlotCache, source: Tensor, lengths: Tensor) -> int:
        """Adds rows `source` of another cache, whose rows begin at column 0, moved to end at the last column; returns L."""
        length = max(self.length, int(lengths.max()))
        # Columns left of a row's start hold whatever lies at its first column; the mask hides them.
        columns = (torch.arange(length)[None] - (length - lengths)[:, None]).clamp(min=0)  # [rows, L]
        while len(self.layers) < len(other.layers):
            self.layers.append(SlotLayer())
        device = other.layers[0].device
        source, columns = source.to(device), columns.to(device)
        for mine, theirs in zip(self.layers, other.layers, strict=True):
            mine.join(theirs, source, columns, length)
        return length

    def keep(self, rows: Tensor, unused: int) -> None:
        """Keeps some rows, and drops the first columns that none of them uses."""
        if len(rows) == 0:
            self.layers.clear()
            return
        rows = rows.to(self.layers[0].device)
        for layer in self.layers:
            layer.keep(rows, unused)


class SlotLayer(CacheLayerMixin):  # type: ignore[misc]
    """Keys and values of one layer in memory that grows by steps, not by every token. Shape [B, H, C, D], of which L are used."""

    is_sliding = False

    def __init__(self, **_: object) -> None:
        super().__init__()
        self.length = 0

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        self.keys, self.values = key_states[:, :, :0], value_states[:, :, :0]
        self.dtype, self.device = key_states.dtype, key_states.device
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *_: object, **__: object) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        end = self.length + key_states.shape[2]
        if end > self.keys.shape[2]:
            more = -(-end // GROWTH) * GROWTH - self.keys.shape[2]
            self.keys = functional.pad(self.keys, (0, 0, 0, more))
            self.values = functional.pad(self.values, (0, 0, 0, more))
        self.keys[:, :, self.length : end] = key_states
        self.values[:, :, self.length : end] = value_states
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def join(self, other: SlotLayer, source: Tensor, columns: Tensor, length: int) -> None:
        rows = source[:, None]
        for name in ("keys", "values"):
            theirs: Tensor = getattr(other, name).transpose(1, 2)  # [b, C, H, D]
            added = theirs[rows, columns].transpose(1, 2)  # [rows, H, L, D]
            if self.is_initialized:
                mine: Tensor = getattr(self, name)[:, :, : self.length]
                added = torch.cat([functional.pad(mine, (0, 0, length - self.length, 0)), added])
            setattr(self, name, added)
        self.dtype, self.device = other.dtype, other.device
        self.is_initialized, self.length = True, length

    def keep(self, rows: Tensor, unused: int) -> None:
        self.keys = self.keys[:, :, unused:].index_select(0, rows)
        self.values = self.values[:, :, unused:].index_select(0, rows)
        self.length -= unused

    def get_seq_length(self) -> int:
        return self.length

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.length + query_length, 0

    def get_max_length(self) -> int:
        return -1
