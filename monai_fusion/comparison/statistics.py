"""The scores of each variant over all folds, and the uncertainty of the differences.

The models of different folds are on different scales, so probabilities are compared only between participants of the
same fold: an AUROC is the fraction of pairs *within a fold* that are ordered correctly. Predicted classes, by each
fold's own threshold, can be counted over all folds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import get_args

import numpy as np
from scipy.stats import t as student_t

from monai_fusion.comparison.comparison_file import ScoreName
from monai_fusion.metrics import scores
from monai_fusion.metrics.clusters import as_groups, drawn_together
from monai_fusion.metrics.intervals import (
    DRAWS,
    LEVEL,
    Interval,
    Key,
    bootstrap,
    difference_of_groups,
    mean_of_proportions,
    mean_of_recalls,
    newcombe_auroc,
    newcombe_of_groups,
    too_few_groups,
    wilson,
    wilson_of_groups,
)
from monai_fusion.metrics.scores import Floats, Labels, ScoredCohort

SCORES: tuple[ScoreName, ...] = get_args(ScoreName)
WITHIN_FOLDS: tuple[ScoreName, ...] = ("auroc",)
"""Scores that compare participants of the same fold; the others count over all folds."""
COUNTED = tuple(name for name in SCORES if name not in WITHIN_FOLDS)
DIFFERENCE = "difference: "


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """The predictions of every variant for every participant, by models that have not seen the participant.

    Attributes:
        labels: [participant] class indices.
        folds: [participant] the fold in which each was tested, from 0.
        cohorts: For each variant, a `ScoredCohort` of all participants for each seed; with several repeats, for the
            seeds of the first repeat, then for those of the second, and so on.
        more_folds: The same as ``folds``, for each further repeat.
        ids: The participants, if they are needed.
        groups: [participant] families or other groups, in every repeat the same; None if each is alone.
    """

    labels: Labels
    folds: Labels
    cohorts: Mapping[str, Sequence[ScoredCohort]]
    more_folds: tuple[Labels, ...] = ()
    ids: tuple[str, ...] = ()
    groups: Labels | None = None

    @property
    def repeats(self) -> tuple[Labels, ...]:
        """For each repeat, the fold of each participant."""
        return (self.folds, *self.more_folds)

    @property
    def cells(self) -> Labels:
        """[participant] the cells within which participants are resampled for the AUROC.

        Fold and class as one number; with several repeats the class, for a participant has another fold in each.
        """
        if self.more_folds:
            return self.labels
        classes = 1 + int(self.labels.max())
        return np.unique(self.folds * classes + self.labels, return_inverse=True)[1].astype(np.int64)

    def predicted(self, variant: str) -> Iterator[tuple[ScoredCohort, Labels]]:
        """Yield each seed's predictions of a variant with the folds of its repeat."""
        cohorts = self.cohorts[variant]
        seeds = len(cohorts) // len(self.repeats)
        for place, cohort in enumerate(cohorts):
            yield cohort, self.repeats[place // seeds]

    def only(self, rows: np.ndarray) -> OutOfFold:
        """The same for some of the participants, [participant] true or false; their folds keep their numbers."""
        return OutOfFold(
            self.labels[rows],
            self.folds[rows],
            {name: [cohort.subset(rows) for cohort in cohorts] for name, cohorts in self.cohorts.items()},
            tuple(each[rows] for each in self.more_folds),
            tuple(self.ids[row] for row in np.flatnonzero(rows)) if self.ids else (),
            None if self.groups is None else as_groups([str(each) for each in self.groups[rows]]),
        )


def auroc_within_folds(cohort: ScoredCohort, folds: Labels, weights: Floats) -> Floats:
    """Return the fraction of pairs within a fold that are ordered correctly, [draw]; ties count half.

    It is the mean of the folds' AUROCs, weighted by their numbers of pairs. Of two classes it is that of the second;
    beyond, the mean over the classes of each against the rest. A fold without a class has no pairs of it.

    Args:
        cohort: All participants.
        folds: [participant].
        weights: [draw, participant].

    Returns:
        NaN if no fold has a pair, or a probability is NaN.
    """
    labels = [1] if cohort.classes == 2 else list(range(cohort.classes))
    return np.mean([_class_auroc(cohort, folds, weights, label) for label in labels], axis=0)


def _class_auroc(cohort: ScoredCohort, folds: Labels, weights: Floats, label: int) -> Floats:
    right = pairs = np.zeros(len(weights))
    for fold in np.unique(folds):
        rows = folds == fold
        part, own = cohort.subset(rows), weights[:, rows]
        positive = own @ (part.labels == label)
        number = positive * (own.sum(axis=1) - positive)
        area = scores.class_auroc(part, own, label)
        right = right + np.where(number > 0, area * number, 0.0)
        pairs = pairs + number
    return np.divide(right, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)


def _score_over_folds(name: str, cohort: ScoredCohort, folds: Labels, weights: Floats) -> Floats:
    """Return one of `SCORES` over all folds, [draw]."""
    if name == "auroc":
        return auroc_within_folds(cohort, folds, weights)
    score: Floats = getattr(scores, name)(cohort, weights)
    return score


def values_and_intervals(
    data: OutOfFold, reference: str, draws: int = DRAWS, seed: int = 0, names_of_scores: Sequence[ScoreName] = SCORES
) -> tuple[dict[Key, float], dict[Key, Interval | None]]:
    """Score every variant and every difference from the reference, with bootstrap intervals.

    The bootstrap resamples participants the same for all variants, so that differences are paired: for the AUROC within
    fold and class, for the counted scores within class. (A cell of m participants shrinks a variance by (m - 1) / m;
    where a fold has few of a class, an interval from such cells contains the truth far too rarely, and counts need no
    cells.) Where participants are in groups, whole groups are resampled, over all folds. Seeds and repeats are
    averaged: a drawn participant, or group, brings its predictions of all of them, so that more repeats do not count as
    more participants. The models stay the same: the intervals do not include the variation between trainings.

    Args:
        data: The predictions.
        reference: The variant that the others are compared with.
        draws: The number of resamples.
        seed: Seed of the resamples.
        names_of_scores: The scores.

    Returns:
        Values and intervals under (score, number of the variant) and ("difference: " + score, number of the variant).
    """
    names = list(data.cohorts)

    def statistics(wanted: Sequence[ScoreName], weights: Floats) -> dict[Key, Floats]:
        found: dict[Key, Floats] = {}
        for score in wanted:
            for place, name in enumerate(names):
                each = [_score_over_folds(score, cohort, folds, weights) for cohort, folds in data.predicted(name)]
                found[score, place] = np.mean(each, axis=0)
            base = found[score, names.index(reference)]
            for place in range(len(names)):
                found[DIFFERENCE + score, place] = found[score, place] - base
        return found

    ones = np.ones((1, len(data.labels)))
    values = {key: float(value[0]) for key, value in statistics(names_of_scores, ones).items()}
    intervals: dict[Key, Interval | None] = {}
    together = drawn_together(data.groups)

    def of_groups(key: Key, value: float, drawn: Floats, strata: Labels) -> Interval | None:
        assert isinstance(key, tuple) and together is not None  # noqa: S101 # as `statistics` makes them
        if key[0].startswith(DIFFERENCE):
            return difference_of_groups(key, value, drawn, strata)
        if key[0] in COUNTED:
            return fallback_interval(key[0], data, names[key[1]])
        if data.cohorts[names[key[1]]][0].classes > 2 or math.isnan(value):
            return None
        return newcombe_of_groups(value, drawn, data.labels == 1, together, strata)

    for group, cells in ((WITHIN_FOLDS, data.cells if together is None else data.labels), (COUNTED, data.labels)):
        if wanted := [name for name in group if name in names_of_scores]:
            scored = partial(statistics, wanted)
            intervals |= bootstrap(scored, cells, draws, seed, groups=together, of_groups=of_groups)
    return values, intervals


def fallback_interval(name: str, data: OutOfFold, variant: str) -> Interval | None:
    """Return an interval that has a width even if the bootstrap has none: Wilson's, or Newcombe's of two classes.

    It takes the participants of all folds as one group, and the mean of several seeds and repeats. Of participants in
    groups it has the design effect; there is none of fewer than `FEWEST_GROUPS`.
    """
    cohorts, together = data.cohorts[variant], drawn_together(data.groups)
    if together is not None:
        right = np.mean([each.predicted == each.labels for each in cohorts], axis=0)
        if too_few_groups(together) or name in WITHIN_FOLDS:
            return None
        if name == "accuracy":
            return wilson_of_groups(right, together)
        return mean_of_recalls(right, data.labels, together)
    counts = np.bincount(data.labels, minlength=cohorts[0].classes)
    hits = np.mean([np.diagonal(scores.confusion(each, each.ones)[0]) for each in cohorts], axis=0)
    if name == "accuracy":
        return wilson(float(hits.sum()), len(data.labels))
    if name == "balanced_accuracy":
        return mean_of_proportions(hits[counts > 0].tolist(), counts[counts > 0].tolist())
    value = float(np.mean([_score_over_folds(name, *each, each[0].ones)[0] for each in data.predicted(variant)]))
    if len(counts) != 2 or math.isnan(value):
        return None
    return newcombe_auroc(value, int(counts[1]), int(counts[0]))


def fold_values(name: str, data: OutOfFold, variant: str) -> list[float | None]:
    """Return a score of each fold, by repeat; the mean over the seeds.

    Returns:
        None for a fold that lacks a class which the score needs.
    """
    sums: dict[tuple[int, int], list[float]] = {}
    repeats, predicted = len(data.repeats), list(data.predicted(variant))
    for place, (cohort, folds) in enumerate(predicted):
        for fold in range(1 + int(folds.max())):
            part = cohort.subset(folds == fold)
            present = len(np.unique(part.labels))
            lacking = present == 0 or (name == "balanced_accuracy" and present < cohort.classes)
            value = math.nan if lacking else float(getattr(scores, name)(part, part.ones)[0])
            sums.setdefault((place * repeats // len(predicted), fold), []).append(value)
    means = [float(np.mean(each)) for each in sums.values()]
    return [None if math.isnan(mean) else mean for mean in means]


@dataclass(frozen=True, slots=True)
class CorrectedTest:
    """A corrected resampled t-test.

    Attributes:
        mean: Mean difference over the folds of all repeats.
        interval: Of the mean, at 95 %.
        t: Its t.
        degrees: Degrees of freedom, repeats x folds - 1.
        p: Two-sided.
    """

    mean: float
    interval: tuple[float, float]
    t: float
    degrees: int
    p: float


def corrected_t_test(
    differences: Sequence[float], test_to_training: float, level: float = LEVEL
) -> CorrectedTest | None:
    """Test whether a mean difference over folds is zero (Nadeau & Bengio, Machine Learning 52:239, 2003).

    The trainings of different folds share most of their participants, so their results are not independent and the
    usual t-test finds too many differences. Here the variance of the mean is (1/J + n_test/n_training) s^2. However
    many repeats there are, it stays above (n_test/n_training) s^2: the cohort is the same.

    Args:
        differences: One for each of the J = repeats x folds results (Bouckaert & Frank, PAKDD 2004). Average several
            seeds on the same folds first: they share training and test participants, and must not count as more.
        test_to_training: n_test / n_training.
        level: Of the interval.

    Returns:
        None for fewer than two folds, or if the difference is the same in all of them.
    """
    number = len(differences)
    if number < 2 or np.ptp(differences) < 1e-12:
        return None
    mean = float(np.mean(differences))
    error = math.sqrt((1 / number + test_to_training) * float(np.var(differences, ddof=1)))
    half = float(student_t.ppf((1 + level) / 2, number - 1)) * error
    p = 2 * float(student_t.sf(abs(mean) / error, number - 1))
    return CorrectedTest(mean, (mean - half, mean + half), mean / error, number - 1, p)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust p-values for their number (Holm, Scandinavian Journal of Statistics 6:65, 1979); None stays None."""
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, place) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * p))
        adjusted[place] = highest
    return adjusted
