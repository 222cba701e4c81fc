"""When a number lies so far outside those of a cohort that it is called unlike, and how often that is a false alarm.

Of each number the rule takes the range from the 5 % to the 95 % quantile of the cohort. The excess of a participant is
the largest distance of any number from its range, in the robust unit of that side: an SD as the MAD shows it, or as the
distance of the quantile from the median does if that is larger, and no less than the measure's own unit. Unlike is an
excess above the *widening*: the value that 95 % of the cohort's own participants do not exceed when each is left out in
turn (by rank, as in conformal prediction), so that about 5 % of new participants of the same cohort do. One participant
with a faulty file moves neither, as it would move a minimum, a maximum or a standard deviation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

FALSE_ALARMS: Final = 0.05
"""The share of a cohort's own kind that may be called unlike."""

LEAST_WIDENING, MOST_WIDENING = 1.0, 10.0
"""Between which the widening lies, in robust units. The upper one holds where a cohort has many odd participants or too
few at all."""

FEWEST: Final = 5
"""Participants of whom a number must be known, to compare with it."""

_TAIL = 5.0  # percent beyond each end of the range
_SD_OF_MAD = 1.4826
_SD_OF_TAIL = 1 / 1.6449  # of the distance from the median to a quantile at 5 or 95 %
_MOST_ROUNDS = 200
_EXTRA = 2.0  # robust units: what few participants cannot show of the tail
_ENOUGH = math.ceil(1 / FALSE_ALARMS) - 1  # participants from which on a rank alone gives the rate

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Ranges:
    """The ranges of some numbers, each [number]; NaN where too few are known.

    Attributes:
        low: The 5 % quantile.
        high: The 95 % quantile.
        median: The median.
        low_unit: The robust unit below the range.
        high_unit: ... above it.
    """

    low: Floats
    high: Floats
    median: Floats
    low_unit: Floats
    high_unit: Floats

    def excess(self, values: Floats) -> Floats:
        """How far values [..., number] lie outside, in robust units; 0 inside, and where something is not known."""
        outside = np.maximum((self.low - values) / self.low_unit, (values - self.high) / self.high_unit)
        return np.maximum(np.nan_to_num(outside, nan=0.0, posinf=np.inf, neginf=0.0), 0.0)


def ranges_of(values: Floats, least_units: Floats) -> Ranges:
    """Return the ranges of a cohort.

    Args:
        values: [participant, number]; NaN where one is not known.
        least_units: [number] the least robust unit of each.
    """
    known = np.isfinite(values)
    complete = known.all(axis=0) & (len(values) >= FEWEST - 1)
    found = np.full((4, values.shape[1]), np.nan)
    found[:, complete] = _quantiles(values[:, complete])
    for place in np.flatnonzero(~complete & (known.sum(axis=0) >= FEWEST - 1)):  # one of them may be left out
        found[:, place] = _quantiles(values[known[:, place], place])
    low, high, median, mad = found
    unit = np.fmax(_SD_OF_MAD * mad, least_units)
    tails = ((median - low) * _SD_OF_TAIL, (high - median) * _SD_OF_TAIL)
    return Ranges(low, high, median, np.fmax(tails[0], unit), np.fmax(tails[1], unit))


def widening_of(values: Floats, least_units: Floats) -> float:
    """Return how far outside a range nearly all participants of a cohort stay when they are left out of it.

    Of more than 200 participants groups are left out, not each one.

    Args:
        values: [participant, number]; NaN where one is not known.
        least_units: [number].
    """
    number = len(values)
    if number < FEWEST:
        return MOST_WIDENING
    rounds = min(number, _MOST_ROUNDS)
    of_round = np.arange(number) % rounds
    excesses = np.empty(number)
    for each in range(rounds):
        out = of_round == each
        excesses[out] = ranges_of(values[~out], least_units).excess(values[out]).max(axis=1, initial=0.0)
    excesses.sort()
    rank = math.ceil((1 - FALSE_ALARMS) * (number + 1))
    # Of fewer than 19 no rank leaves 5 % beyond it: the largest one, and more.
    found = excesses[rank - 1] if number >= _ENOUGH else excesses[-1] + _EXTRA
    return float(np.clip(found, LEAST_WIDENING, MOST_WIDENING))


def _quantiles(values: Floats) -> Floats:
    """Low, high, median and MAD along the first axis of values that are all known."""
    low, median, high = np.percentile(values, [_TAIL, 50, 100 - _TAIL], axis=0)
    mad: Floats = np.median(np.abs(values - median), axis=0)
    return np.stack([low, high, median, mad])
