"""Checks of single fields, each naming the field as the contract does, in the words of the embedded policy."""

from __future__ import annotations

import math
from collections.abc import Sequence

from policy_torch.errors import Violation


def number(
    field: str,
    value: float | None,
    *,
    above: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
) -> list[Violation]:
    """The violation of a number outside its bounds or not finite; none when the field is unset."""
    if value is None:
        return []
    if (
        math.isfinite(value)
        and (above is None or value > above)
        and (at_least is None or value >= at_least)
        and (at_most is None or value <= at_most)
    ):
        return []
    bounds = [("above", above), ("at least", at_least), ("at most", at_most)]
    limits = " and ".join(f"{words} {told(bound)}" for words, bound in bounds if bound is not None)
    expected = f"a number {limits}" if limits else "a number that is finite"
    return [Violation(field, f"must be {expected}, is {told(value)}")]


def whole(field: str, value: int, at_least: int) -> list[Violation]:
    """The violation of a whole number that is too small."""
    return [] if value >= at_least else [Violation(field, f"must be a whole number at least {at_least}, is {value}")]


def decay(field: str, value: float) -> list[Violation]:
    return [] if 0 <= value < 1 else [Violation(field, f"must be a number in [0, 1), is {told(value)}")]


def ids(field: str, values: Sequence[int], vocabulary_size: int) -> list[Violation]:
    """The violation of a list of token ids that is empty or holds an id outside the vocabulary."""
    if not values:
        return [Violation(field, "must hold at least one token id, is empty")]
    return vocabulary(field, values, vocabulary_size)


def vocabulary(field: str, values: Sequence[int], vocabulary_size: int) -> list[Violation]:
    """The violation of the first id outside the vocabulary, if any."""
    if not values or max(values) < vocabulary_size:
        return []
    position = next(index for index, each in enumerate(values) if each >= vocabulary_size)
    return [Violation(field, f"id {values[position]} at position {position} is not in [0, {vocabulary_size})")]


def context(field: str, prompt: int, completion: int, window: int) -> list[Violation]:
    """The violation of a prompt and completion that do not fit into the context together."""
    total = prompt + completion
    if total <= window:
        return []
    lengths = f"a prompt of {prompt} and a completion of {completion} tokens"
    return [Violation(field, f"{lengths} make {total}; the context window holds {window}")]


def told(value: float) -> str:
    """A number as the other rooms write it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return str(int(value)) if value == int(value) and abs(value) < 1e21 else repr(float(value))
