"""A few of many, at even distances: segments, references or files that stand for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def spread(first: int, end: int, at_most: int | None) -> Sequence[int]:
    """Indices ``first`` to ``end``, or ``at_most`` of them at even distances."""
    if at_most is None or end - first <= at_most:
        return range(first, end)
    return [first + (place * (end - first)) // at_most for place in range(at_most)]


def some_of(items: Sequence[T], at_most: int) -> list[T]:
    """The items, or ``at_most`` of them at even distances."""
    return [items[place] for place in spread(0, len(items), at_most)]
