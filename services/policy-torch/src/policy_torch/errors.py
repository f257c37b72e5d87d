"""What goes wrong on purpose below the edge; anything else is a bug. The edge turns each into its gRPC status."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Violation:
    """One field of a request and what is wrong with it."""

    #: Path of the field as the contract spells it, for example `examples[3].completion_ids`.
    field: str
    description: str


class InputError(Exception):
    """A request that can never be right."""

    def __init__(self, violations: list[Violation]) -> None:
        super().__init__("; ".join(f"{each.field}: {each.description}" for each in violations))
        self.violations = violations


class VersionMismatchError(Exception):
    """The policy is at another version than the caller expected."""

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__(f"The policy is at version {actual}, not {expected}.")
        self.expected, self.actual = expected, actual


class CheckpointError(Exception):
    """A file of a model folder or of a checkpoint is not what it should be."""

    def __init__(self, reason: Literal["missing", "invalid", "no-space", "io"], file: str, problem: str) -> None:
        super().__init__(f"{file}: {problem}")
        self.reason, self.file, self.problem = reason, file, problem


class UnsupportedError(Exception):
    """A right request for something this engine does not have; the reason is in UPPER_SNAKE_CASE."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class FullError(Exception):
    """Full for now: the same request may be taken later."""

    def __init__(self, message: str, retry_after_ms: int) -> None:
        super().__init__(message)
        self.retry_after_ms = retry_after_ms


class AwayError(Exception):
    """The engine can answer nobody any more: it was closed, or a rank of its group died."""


class NotYetFollowingError(Exception):
    """A follower has no weights to sample from yet."""


class CancelledWork(Exception):
    """Nobody waits for the result any more."""
