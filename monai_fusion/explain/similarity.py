"""How alike two maps are, and means over participants with their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from scipy.stats import t as student_t

LEVEL = 0.95
_FEWEST_POINTS = 3
_FEWEST_VALUES = 3


@dataclass(frozen=True)
class Similarity:
    """How alike two maps of one participant are.

    Points that are exactly 0 in both maps do not count: outside the head an occlusion changes nothing in any network,
    and such points would make every two maps alike.

    Attributes:
        signed: Spearman's rank correlation, -1 to 1; None if a map is constant, not finite, or there are few points.
        magnitude: The same of the absolute values: 1 if the maps are large in the same places, whatever their signs.
        points: How many points count.
    """

    signed: float | None
    magnitude: float | None
    points: int


@dataclass(frozen=True)
class Mean:
    """A mean over participants.

    Attributes:
        value: The mean; None without participants.
        interval: Its 95 % interval by Student's t; None below three participants: of two, it says nothing.
        participants: How many have a value.
    """

    value: float | None
    interval: tuple[float, float] | None
    participants: int

    def as_json(self) -> dict[str, object]:
        """The three fields."""
        interval = None if self.interval is None else list(self.interval)
        return {"value": self.value, "interval": interval, "participants": self.participants}


def similarity(before: NDArray[np.generic], after: NDArray[np.generic]) -> Similarity:
    """Compare two maps of the same shape.

    Raises:
        ValueError: The shapes differ.
    """
    if before.shape != after.shape:
        raise ValueError(f"maps of shapes {before.shape} and {after.shape} cannot be compared")
    one, other = (np.asarray(each, np.float64).ravel() for each in (before, after))
    counts = (one != 0) | (other != 0)
    one, other = one[counts], other[counts]
    signed, magnitude = _rank_correlation(one, other), _rank_correlation(np.abs(one), np.abs(other))
    return Similarity(signed, magnitude, int(counts.sum()))


def _rank_correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float | None:
    """Spearman's correlation of two vectors; None if one is constant, not finite, or has less than three points."""
    if len(one) < _FEWEST_POINTS or not (np.isfinite(one).all() and np.isfinite(other).all()):
        return None
    ranks = [rankdata(each) for each in (one, other)]
    ranks = [each - each.mean() for each in ranks]
    size = math.sqrt(float(ranks[0] @ ranks[0]) * float(ranks[1] @ ranks[1]))
    return None if size == 0 else float(np.clip(ranks[0] @ ranks[1] / size, -1, 1))


def mean_of(values: Sequence[float | None]) -> Mean:
    """The mean of the values that are there, and its interval over participants."""
    found = np.array([value for value in values if value is not None and math.isfinite(value)], np.float64)
    if not len(found):
        return Mean(None, None, 0)
    mean = float(found.mean())
    if len(found) < _FEWEST_VALUES:
        return Mean(mean, None, len(found))
    half = float(student_t.ppf((1 + LEVEL) / 2, len(found) - 1) * found.std(ddof=1) / math.sqrt(len(found)))
    return Mean(mean, (mean - half, mean + half), len(found))
