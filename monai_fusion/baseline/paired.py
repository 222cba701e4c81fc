"""The scores of a network and of baselines on the same participants, and their paired differences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from monai_fusion.baseline.baseline_file import PairedDifference
from monai_fusion.metrics import scores
from monai_fusion.metrics.fields_of_scores import Score
from monai_fusion.metrics.group_scores import GroupScorer
from monai_fusion.metrics.intervals import (
    DRAWS,
    FEWEST_GROUPS,
    SEED,
    Key,
    bootstrap,
    difference_of_groups,
    too_few_groups,
)
from monai_fusion.metrics.scores import Floats, ScoredCohort

PAIRED = ("auroc", "balanced_accuracy")
_NO_INTERVAL = "no interval: the difference is the same in every resample, or a class has one participant"
_FEW_GROUPS = f"no interval: fewer than {FEWEST_GROUPS} groups"


def own_scores(cohort: ScoredCohort, classes: list[str]) -> tuple[Score, Score]:
    """Return AUROC and balanced accuracy with their intervals."""
    group = GroupScorer(cohort, classes, DRAWS, SEED, headline_only=True)
    return group.auroc(), group.balanced_accuracy()


def paired_differences(
    network: ScoredCohort, baselines: Mapping[str, ScoredCohort], draws: int = DRAWS, seed: int = SEED
) -> dict[tuple[str, str], PairedDifference]:
    """Return network - baseline for each baseline and score, with bootstrap intervals.

    Participants (or whole groups of them) are resampled within their class, the same for both, so that what makes a
    participant easy for both cancels. The models stay the same: the intervals are about other participants, not about
    other trainings.

    Args:
        network: The network's predictions.
        baselines: Those of the baselines, for the same participants in the same order.
        draws: The number of resamples.
        seed: Seed of the resamples.

    Returns:
        Under (name of the baseline, name of the score).
    """
    keys = [(name, score) for name in baselines for score in PAIRED]

    def statistics(weights: Floats) -> dict[Key, Floats]:
        own = {score: score_of(score, network, weights) for score in PAIRED}
        return {
            (score, place): own[score] - score_of(score, baselines[name], weights)
            for place, (name, score) in enumerate(keys)
        }

    values = statistics(network.ones)
    intervals = bootstrap(
        statistics, network.labels, draws, seed, groups=network.groups, of_groups=difference_of_groups
    )
    none = _FEW_GROUPS if too_few_groups(network.groups) else _NO_INTERVAL
    found = {}
    for place, (name, score) in enumerate(keys):
        value, interval = float(values[score, place][0]), intervals[score, place]
        ends = None if interval is None else (interval.low, interval.high)
        defined = None if np.isnan(value) else value
        found[name, score] = PairedDifference(value=defined, interval=ends, note="" if ends else none)
    return found


def score_of(name: str, cohort: ScoredCohort, weights: Floats) -> Floats:
    """Return AUROC (beyond two classes the mean of each against the rest) or balanced accuracy, [draw]."""
    if name == "balanced_accuracy":
        return scores.balanced_accuracy(cohort, weights)
    labels = (1,) if cohort.classes == 2 else range(cohort.classes)
    found: Floats = np.mean([scores.class_auroc(cohort, weights, label) for label in labels], axis=0)
    return found


class Apart(Protocol):
    """A network's score minus a baseline's: a `PairedDifference`, or a `Difference` of a comparison."""

    @property
    def value(self) -> float | None:
        """The difference."""

    @property
    def interval(self) -> tuple[float, float] | None:
        """Its interval."""


NEARLY = 0.05
"""Of an AUROC: baselines that differ by less count as equally good when one of them is named."""


def best_baseline(differences: Sequence[Apart | None]) -> int | None:
    """Return the place of the baseline that the network is compared with in words; None if none is known.

    If some are as good as the network, it is the simplest of those within `NEARLY` of the best of them: what one number
    can do is not told of five hundred. Otherwise it is the one that comes closest to the network.

    Args:
        differences: The network minus each baseline, the simplest baseline first.
    """
    known = [place for place, each in enumerate(differences) if each is not None and each.value is not None]
    if not known:
        return None
    reached = [place for place in known if is_as_good(differences[place])]
    best = min(_value(differences[place]) for place in (reached or known))
    spare = NEARLY if reached else 0.0
    return next(place for place in (reached or known) if _value(differences[place]) <= best + spare)


def what_numbers_do(differences: Sequence[Apart | None]) -> str:
    """Return whether plain numbers do ``better`` than the network or ``as well``, or are ``not worse`` or ``worse``.

    ``not worse``: the network scores higher than all of them, but is not shown to be better.

    Args:
        differences: The network minus each baseline, the simplest baseline first.
    """
    place = best_baseline(differences)
    if place is None or not is_as_good(differences[place]):
        return "worse"
    if _is_shown_better(differences[place]):
        return "better"
    return "as well" if any(each is not None and _value(each) <= 0 for each in differences) else "not worse"


def _value(difference: Apart | None) -> float:
    return math.inf if difference is None or difference.value is None else difference.value


def _is_shown_better(difference: Apart | None) -> bool:
    """Whether a baseline is shown to be better than the network: the interval of the difference is below 0."""
    return difference is not None and difference.interval is not None and difference.interval[1] < 0


def is_as_good(difference: Apart | None) -> bool:
    """Whether a baseline is as good as the network: the interval of the difference reaches 0 or lies below it."""
    if difference is None or difference.value is None:
        return False
    return difference.value <= 0 if difference.interval is None else difference.interval[0] <= 0
