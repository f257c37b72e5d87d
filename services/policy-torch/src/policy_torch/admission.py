"""Bounds how much of one kind of work is inside the room, running or waiting."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from policy_torch.errors import FullError


class Admission:
    """Units of one kind of work inside the room; used from one thread."""

    def __init__(self, what: str, capacity: int, retry_after_ms: int) -> None:
        """`what` is counted, in the plural, for people."""
        self._what, self._capacity, self._retry_after_ms = what, capacity, retry_after_ms
        self._inside = 0

    @contextmanager
    def enter(self, amount: int = 1) -> Iterator[None]:
        """Lets units in until the block ends; more than the capacity is let into an empty room, lest it never be."""
        if self._inside > 0 and self._inside + amount > self._capacity:
            message = f"{self._inside} of at most {self._capacity} {self._what} are in progress"
            raise FullError(message, self._retry_after_ms)
        self._inside += amount
        try:
            yield
        finally:
            self._inside -= amount
