"""Does a map mark the place that it ought to mark: hit rate, relevance mass and relevance rank.

Arras et al., Information Fusion 81:14, 2022, for mass and rank accuracy. The hit rate divides the mass by what a map
without any knowledge would have there, so that 1 is chance, whatever the size of the region.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monai_fusion.explain.similarity import Mean, mean_of


@dataclass(frozen=True)
class Hit:
    """How well the map of one participant marks a region.

    Attributes:
        mass: Share of the absolute attribution that lies in the region (relevance mass accuracy), 0 to 1.
        share: Share of the points that the region takes.
        rank: Share of the k points with the largest absolute attribution that lie in the region, where k is the number
            of its points (relevance rank accuracy), 0 to 1; ``share`` by chance.
    """

    mass: float
    share: float
    rank: float

    @property
    def rate(self) -> float:
        """``mass / share``: 1 by chance, ``1 / share`` if all the attribution lies in the region."""
        return self.mass / self.share


@dataclass(frozen=True)
class HitSummary:
    """Means over participants; see `Hit`."""

    rate: Mean
    mass: Mean
    share: Mean
    rank: Mean

    def as_json(self) -> dict[str, object]:
        """Plain numbers."""
        return {name: getattr(self, name).as_json() for name in ("rate", "mass", "share", "rank")}


def hit(
    attribution: NDArray[np.generic], inside: NDArray[np.bool_], among: NDArray[np.bool_] | None = None
) -> Hit | None:
    """Measure how well a map marks a region.

    Args:
        attribution: [*leading, *shape] of either sign; absolute values count, summed over ``leading`` (segments). The
            value of a larger cell is to be shared out among its points.
        inside: [*shape] whether a point is in the region.
        among: [*shape] the points that count, such as the voxels of the head: a map that marks the whole head has then
            a rate of 1. None for all.

    Returns:
        None if nothing is attributed, something is not finite, or the region has no points, or all.
    """
    values = np.abs(np.asarray(attribution, np.float64)).reshape(-1, *inside.shape).sum(axis=0)
    counts = np.ones(inside.shape, bool) if among is None else among
    values, within = values[counts], inside[counts]
    total, region = float(values.sum()), int(within.sum())
    if not np.isfinite(total) or total <= 0 or not 0 < region < len(values):
        return None
    return Hit(float(values[within].sum()) / total, region / len(values), _rank(values, within))


def _rank(values: NDArray[np.float64], within: NDArray[np.bool_]) -> float:
    """The share of the largest values, as many as the region has points, that lie in it; ties count in proportion."""
    region = int(within.sum())
    last = np.partition(values, len(values) - region)[len(values) - region]
    above, equal = values > last, values == last
    part = (region - above.sum()) / equal.sum()
    return float((within & above).sum() + part * (within & equal).sum()) / region


def summary(each: Sequence[Hit | None]) -> HitSummary:
    """The means over participants who have a value."""
    found = [one for one in each if one is not None]
    return HitSummary(
        mean_of([one.rate for one in found]),
        mean_of([one.mass for one in found]),
        mean_of([one.share for one in found]),
        mean_of([one.rank for one in found]),
    )


def summaries(each: Sequence[Mapping[str, Hit | None]]) -> dict[str, HitSummary]:
    """The means of each way to measure, of participants who were measured in the same ways."""
    names = dict.fromkeys(name for one in each for name in one)
    return {name: summary([one.get(name) for one in each]) for name in names}
