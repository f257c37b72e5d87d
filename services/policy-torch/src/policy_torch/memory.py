"""Memory that runs out: the ranks agree on it, and go on with half the micro-batch, once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

import torch

from policy_torch.batches import Row
from policy_torch.errors import FullError
from policy_torch.group import Group
from policy_torch.model import LoadedModel

log = logging.getLogger(__name__)

T = TypeVar("T")

#: How long a caller may wait for a setting to be changed, in milliseconds.
MEMORY_RETRY_MS = 60_000


class MemoryRanOut(Exception):
    """Memory ran out on some rank; all ranks raise it together."""


#: How the host's allocator, CUDA outside of PyTorch's allocator, and its matrix library say it.
SAID = ("allocate memory", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED")


def out_of_memory(error: BaseException) -> bool:
    """Whether a device's or the host's memory ran out."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(words in str(error) for words in SAID)


def within_memory(model: LoadedModel, token_budget: int, work: Callable[[int], T]) -> tuple[T, int]:
    """The result of work with micro-batches of so many tokens, or of half as many where memory ran out; and that number.

    All ranks call it together. Raises FullError with the setting to change when memory runs out again.
    """
    try:
        return work(token_budget), token_budget
    except MemoryRanOut:
        pass  # outside the handler, whose traceback keeps the failed pass's tensors alive
    _free(model)
    half = max(1, token_budget // 2)
    log.warning("memory ran out; again with micro-batches of %d tokens", half)
    try:
        return work(half), half
    except MemoryRanOut as error:
        _free(model)
        raise FullError(
            f"Memory ran out in micro-batches of {token_budget} and of {half} tokens. "
            "Set BACKSIGHT_MICRO_BATCH_TOKENS lower, or BACKSIGHT_RECOMPUTE_LAYERS to yes.",
            MEMORY_RETRY_MS,
        ) from error


def in_step(model: LoadedModel, work: Callable[[list[Row]], None], rows: list[Row]) -> None:
    """One pass over a micro-batch on every rank; raises MemoryRanOut on all of them where it ran out on one.

    That one goes through the pass with an empty batch, as far as the others still need it for.
    """
    model.ledger.begin()
    broken = False
    try:
        work(rows)
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        broken = True
    if broken and model.group.size > 1:
        _free(model)
        model.ledger.again()
        work([])
    if model.group.most(int(broken)):
        raise MemoryRanOut


def with_room(group: Group, purpose: str, advice: str, allocate: Callable[[], T]) -> T:
    """What `allocate` returns, which performs no collective; raises FullError on all ranks where one has no memory for it."""
    result: T | None = None
    broken = False
    try:
        result = allocate()
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        broken = True
    if group.most(int(broken)) or result is None:
        raise FullError(f"There is no memory for {purpose}. {advice}", MEMORY_RETRY_MS)
    return result


def _free(model: LoadedModel) -> None:
    model.abandon()
    if model.device.type == "cuda":
        torch.cuda.empty_cache()
