"""Groups of participants who are not independent (families, pairs, sites): whole groups are drawn and counted.

Relatives resemble each other, so ten pairs tell less than twenty strangers. An interval that takes them as strangers is
too narrow: with groups of 2 to 4 and a correlation of 0.8 it holds the truth in 75 % instead of 95 % (docs/method.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from monai_fusion.metrics.scores import Floats, Labels

FEW_PER_STRATUM = 5
"""A stratum of fewer groups is joined to another: drawn from so few, they would vary too little."""


def as_groups(names: Sequence[str | None]) -> Labels | None:
    """Number the groups of participants, from 0 in their order.

    Args:
        names: For each participant the name of the group; None or an empty text: alone.

    Returns:
        [participant] numbers; None if every participant is alone.
    """
    numbers: dict[object, int] = {}
    found = [numbers.setdefault(name or (place,), len(numbers)) for place, name in enumerate(names)]
    return None if len(numbers) == len(found) else np.array(found, dtype=np.int64)


def joined_groups(first: Labels, second: Labels) -> Labels:
    """Return the groups of pairs, [pair]: pairs are in one if a participant of each is in the same group.

    Args:
        first: [pair] the group of one participant.
        second: [pair] the group of the other.
    """
    names = dict.fromkeys([*first.tolist(), *second.tolist()])
    leader = {name: name for name in names}

    def find(name: int) -> int:
        while leader[name] != name:
            name = leader[name]
        return name

    for one, other in zip(first.tolist(), second.tolist(), strict=True):
        leader[find(other)] = find(one)
    found = np.array([find(name) for name in first.tolist()], dtype=np.int64)
    return np.unique(found, return_inverse=True)[1].astype(np.int64)


def drawn_together(groups: Labels | None) -> Labels | None:
    """Return the groups that a resample draws whole; None to draw participants.

    If all participants are of one group (one site), participants are drawn: what is found is about that group.
    """
    return None if groups is None or groups.max() == 0 else groups


def group_strata(labels: Labels, groups: Labels) -> Labels:
    """Return the stratum of each group, [group], within which groups are drawn.

    Groups of one class are a stratum for each class, and those of several classes one more, so that a resample keeps
    about the class counts. A stratum of fewer than `FEW_PER_STRATUM` groups is joined to the smallest other one.
    """
    number = int(groups.max()) + 1
    lowest, highest = np.full(number, labels.max() + 1), np.full(number, -1)
    np.minimum.at(lowest, groups, labels)
    np.maximum.at(highest, groups, labels)
    strata: Labels = np.where(lowest == highest, lowest, labels.max() + 1).astype(np.int64)
    while True:
        present, counts = np.unique(strata, return_counts=True)
        order = np.argsort(counts, kind="stable")
        if len(present) == 1 or counts[order[0]] >= FEW_PER_STRATUM:
            return strata
        strata[strata == present[order[0]]] = present[order[1]]


def groups_per_class(labels: Labels, groups: Labels | None, classes: int) -> list[int]:
    """Return how many groups have a participant of each class; without groups, how many participants there are."""
    if groups is None:
        counts: list[int] = np.bincount(labels, minlength=classes).tolist()
        return counts
    return [len(np.unique(groups[labels == label])) for label in range(classes)]


def independent_number(groups: Labels) -> float:
    """Return how many independent participants groups are worth if those of one group are all alike (Kish 1965)."""
    sizes = np.bincount(groups)
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def design_effect(values: Floats, groups: Labels, expected: float | None = None) -> float:
    """Return the variance of a proportion in groups, divided by that of as many independent participants.

    The variance is that between the groups' totals (Rao & Scott, Biometrics 48:577, 1992).

    Args:
        values: [participant] 0 or 1.
        groups: [participant].
        expected: The proportion that is assumed; None for that of the values.

    Returns:
        At least 1, and at most what groups of participants who are all alike would have; that, if all values are equal,
        and nothing tells how alike they are.
    """
    number, most = len(values), len(values) / independent_number(groups)
    share = float(values.mean()) if expected is None else expected
    count = int(groups.max()) + 1
    if share in (0.0, 1.0) or count < 2:
        return most
    totals = np.bincount(groups, weights=values - share)
    freedom = count / (count - 1) if expected is None else 1.0
    return min(most, max(1.0, freedom * float((totals**2).sum()) / (number * share * (1 - share))))
