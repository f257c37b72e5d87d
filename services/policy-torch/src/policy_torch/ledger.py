"""The collectives of one pass, counted, so that a rank that breaks a pass off can still perform those the others wait for.

Ranks perform the same collectives in the same order, whatever is in their batches. A rank whose memory runs out after so many
of them starts the pass again with an empty batch: those already performed are skipped, and the rest keep the others going.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")


class Ledger:
    """Counts the collectives of a pass; whoever performs one inside a pass does it through here."""

    def __init__(self) -> None:
        self._performed = self._number = 0
        self._agreed: dict[int, int] = {}

    def begin(self) -> None:
        """A new pass."""
        self._performed = self._number = 0

    def again(self) -> None:
        """The same pass from its beginning; what was performed is not performed twice."""
        self._number = 0

    def perform(self, collective: Callable[[], T], stand_in: Callable[[], T]) -> T:
        """Performs a collective, or returns what stands in for one that was performed before the pass broke off."""
        skipped = self._number < self._performed
        result = stand_in() if skipped else collective()
        self._number += 1
        self._performed = max(self._performed, self._number)
        return result

    def agree(self, collective: Callable[[], int]) -> int:
        """A number that the ranks agree on; the same again in a pass that is gone through again."""
        place = self._number
        self._agreed[place] = self.perform(collective, lambda: self._agreed[place])
        return self._agreed[place]


class _Allocation:
    """Memory for a collective, as FSDP allocates it by itself."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def allocate(self, size: Sequence[int], *, dtype: torch.dtype, device: torch.device) -> Tensor:
        return torch.empty(*size, dtype=dtype, device=device)


class CountedAllGather(_Allocation):
    """FSDP's gathering of a layer's parameters."""

    def __call__(self, output_tensor: Tensor, input_tensor: Tensor, group: Any, async_op: bool = False) -> Any:
        return self._ledger.perform(
            lambda: dist.all_gather_into_tensor(output_tensor, input_tensor, group, async_op),
            lambda: _nothing(output_tensor),
        )


class CountedReduceScatter(_Allocation):
    """FSDP's summing of a layer's gradients."""

    def __call__(self, output_tensor: Tensor, input_tensor: Tensor, group: Any, op: Any, async_op: bool = False) -> Any:
        return self._ledger.perform(
            lambda: dist.reduce_scatter_tensor(output_tensor, input_tensor, op, group, async_op),
            lambda: _nothing(output_tensor),
        )


def _nothing(output: Tensor) -> None:
    output.zero_()
