"""Two groups compared in many cells at once: permutation tests that correct for the number of cells.

Nichols & Holmes, Human Brain Mapping 15, 2002: of each relabelling of the participants only the largest statistic over
all cells is kept. Where the groups do not differ at all, a threshold from these maxima is crossed anywhere in as few
experiments as it states, however the cells depend on each other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

ALPHA = 0.05
_AT_ONCE = 1 << 24  # numbers of a block of cells: 128 MiB
_ROUNDING = 1e-9  # equal correlations differ by less, unequal ones hardly ever


@dataclass(frozen=True)
class GroupDifference:
    """How one group of participants differs from the others, cell by cell.

    Attributes:
        difference: [cells] float64: the mean of the labelled group less that of the others.
        statistic: [cells] float64: Student's t of this difference, with pooled variance; 0 where all values are equal.
        p_values: [cells] float64: two-sided, corrected for all cells.
        threshold: The |t| to be exceeded for p <= `ALPHA`; infinite where so few participants cannot reach that.
        relabellings: How many labellings were compared, the true one included.
        exhaustive: Whether these are all there are.
    """

    difference: Floats
    statistic: Floats
    p_values: Floats
    threshold: float
    relabellings: int
    exhaustive: bool

    @property
    def crossed(self) -> NDArray[np.bool_]:
        """[cells]: where p <= `ALPHA`."""
        return self.p_values <= ALPHA


def max_statistic(values: ArrayLike, labels: ArrayLike, draws: int = 1000, seed: int = 0) -> GroupDifference:
    """Compare two groups in all cells.

    The statistic is symmetric in the participants, so that p-values are exact: p = b / m, where b of m labellings have
    a largest |t| of at least the cell's; the true labelling is one of the m. All labellings are compared if there are
    no more than ``draws``.

    Args:
        values: [P, cells], finite: one row for each participant.
        labels: [P] bool: who belongs to the group; the others are compared with it.
        draws: How many labellings to compare at most.
        seed: Same seed, same labellings.

    Returns:
        Difference, statistic, p-values and threshold.

    Raises:
        ValueError: A group has no member, there are fewer than three participants, or shapes or values are wrong.
    """
    rows, members = np.asarray(values), np.asarray(labels, dtype=bool)
    people, size = len(members), int(members.sum())
    if rows.ndim != 2 or len(rows) != people or people < 3 or not 0 < size < people or draws < 1:
        raise ValueError(f"values {rows.shape}, {size} of {people} labelled: expected two groups of 3 or more")
    labellings, exhaustive = _labellings(members, draws, np.random.default_rng(seed))
    contrasts = labellings - size / people
    contrasts /= np.sqrt(size * (people - size) / people)  # of length 1: a product with unit vectors is a correlation

    cells = rows.shape[1]
    correlation, difference = np.zeros(cells), np.zeros(cells)
    largest = np.zeros(len(contrasts))
    for block in _blocks(cells, max(people, len(contrasts))):
        part = np.asarray(rows[:, block], dtype=np.float64)
        if not np.isfinite(part).all():
            raise ValueError("values are not all finite")
        difference[block] = part[members].mean(axis=0) - part[~members].mean(axis=0)
        correlations = contrasts @ _unit(part)
        correlation[block] = correlations[0]
        np.maximum(largest, np.abs(correlations, out=correlations).max(axis=1, initial=0), out=largest)

    ordered = np.sort(largest)
    reached = len(ordered) - np.searchsorted(ordered, np.abs(correlation) - _ROUNDING)
    allowed = math.floor(ALPHA * len(ordered) + _ROUNDING)
    threshold = float(_t(ordered[::-1][allowed : allowed + 1], people)[0]) if allowed else math.inf
    p_values = reached / len(ordered)
    return GroupDifference(difference, _t(correlation, people), p_values, threshold, len(ordered), exhaustive)


def _labellings(members: NDArray[np.bool_], draws: int, random: np.random.Generator) -> tuple[Floats, bool]:
    """[m, P] of 0 and 1, the true labelling first; and whether these are all."""
    people, size = len(members), int(members.sum())
    if math.comb(people, size) <= draws:
        others = (np.isin(np.arange(people), chosen) for chosen in combinations(range(people), size))
        every = [members, *(other for other in others if not np.array_equal(other, members))]
        return np.array(every, dtype=np.float64), True
    drawn = random.permuted(np.repeat(members[None], draws, axis=0)[1:], axis=1)
    return np.concatenate([members[None], drawn]).astype(np.float64), False


def _blocks(cells: int, rows: int) -> Iterator[slice]:
    width = max(1, _AT_ONCE // rows)
    for start in range(0, cells, width):
        yield slice(start, start + width)


def _unit(values: Floats) -> Floats:
    """Columns centred and of length 1; 0 where all values are equal within rounding."""
    centred = values - values.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    varies = length > 1e-12 * np.abs(values).max(axis=0, initial=0) * math.sqrt(len(values))
    return np.divide(centred, length, out=np.zeros_like(centred), where=varies)


def _t(correlation: Floats, people: int) -> Floats:
    """Student's t of a correlation with a labelling, which grows with it: both order cells and labellings alike."""
    with np.errstate(divide="ignore"):
        t: Floats = correlation * np.sqrt((people - 2) / np.maximum(1 - correlation**2, 0))
    return t
