"""Scores of a group of participants, each with its interval and its baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from monai_fusion.metrics import scores
from monai_fusion.metrics.clusters import drawn_together, groups_per_class
from monai_fusion.metrics.fields_of_probabilities import ExpectedEce
from monai_fusion.metrics.fields_of_scores import ClassCount, ClassScores, Score, Scores
from monai_fusion.metrics.interval_rules import (
    FEWEST_ERRORS,
    FEWEST_ERRORS_OF_MEANS,
    FEWEST_TRIALS,
    expected_errors,
    why_too_few,
)
from monai_fusion.metrics.intervals import (
    DRAWS,
    FEWEST_GROUPS,
    SEED,
    Interval,
    Key,
    bootstrap,
    containing,
    mean_of_recalls,
    newcombe_auroc,
    newcombe_of_groups,
    too_few_groups,
    wilson_of_groups,
)
from monai_fusion.metrics.logistic_calibration import calibration_intercept, calibration_slope, log_odds
from monai_fusion.metrics.probability_quality import expected_ece
from monai_fusion.metrics.scores import Floats, Labels, ScoredCohort

_FURTHER: dict[str, scores.Score] = {
    "macro_f1": scores.macro_f1,
    "auprc": scores.auprc,
    "mcc": scores.mcc,
    "brier": scores.brier,
    "ece": scores.ece,
    "cross_entropy": scores.cross_entropy,
}


class GroupScorer:
    """The scores of some participants.

    Args:
        cohort: Their true and predicted classes.
        classes: The names of all classes, in the order of their indices.
        draws: The number of bootstrap resamples.
        seed: Seed of the resamples.
        headline_only: Whether to compute AUROC and balanced accuracy only, which is faster.
    """

    def __init__(
        self,
        cohort: ScoredCohort,
        classes: Sequence[str],
        draws: int = DRAWS,
        seed: int = SEED,
        headline_only: bool = False,
    ) -> None:
        self.cohort = cohort
        self.classes = list(classes)
        self.draws = draws
        self.seed = seed
        self.headline_only = headline_only
        self.counts: list[int] = np.bincount(cohort.labels, minlength=len(classes)).tolist()
        self.predicted: list[int] = np.bincount(cohort.predicted, minlength=len(classes)).tolist()
        matrix = scores.confusion(cohort, cohort.ones)[0]
        self.confusion: list[list[int]] = matrix.astype(int).tolist()
        self.right = [self.confusion[index][index] for index in range(len(classes))]
        self._groups = drawn_together(cohort.groups)
        self._is_right = (cohort.predicted == cohort.labels).astype(np.float64)

    @property
    def participants(self) -> int:
        """The number of participants."""
        return len(self.cohort.labels)

    @property
    def missing(self) -> list[str]:
        """The classes without participants."""
        return [name for name, count in zip(self.classes, self.counts, strict=True) if count == 0]

    @property
    def class_counts(self) -> list[ClassCount]:
        """How many participants each class has."""
        return [
            ClassCount(class_name=name, participants=count)
            for name, count in zip(self.classes, self.counts, strict=True)
        ]

    def overall(self) -> Scores:
        """The scores over all classes."""
        shares = np.array(self.counts) / self.participants
        most, binary = float(shares.max()), len(self.classes) == 2
        entropy = float(-(shares[shares > 0] * np.log(shares[shares > 0])).sum())
        occurring = len(np.union1d(self.cohort.labels, self.cohort.predicted))
        positive_is_most = float(self.counts[-1] > self.counts[0])
        return Scores(
            auroc=self.auroc(),
            balanced_accuracy=self.balanced_accuracy(),
            accuracy=self.accuracy(),
            sensitivity=self._recall(1, positive_is_most) if binary else None,
            specificity=self._recall(0, 1 - positive_is_most) if binary else None,
            macro_f1=self._guarded("macro_f1", 2 * most / (1 + most) / occurring),
            auprc=self._guarded("auprc", float(shares[1]) if binary else float(shares.mean()), self._absence),
            mcc=self._guarded("mcc", 0.0),
            brier=self._guarded("brier", most * (1 - most) if binary else float(1 - (shares**2).sum())),
            ece=self._ece(),
            cross_entropy=self._guarded("cross_entropy", entropy),
        )

    def per_class(self) -> list[ClassScores]:
        """Each class against the rest."""
        return [self._one_class(index) for index in range(len(self.classes))]

    def accuracy(self) -> Score:
        """Accuracy with a Wilson interval."""
        return self._proportion(np.ones(self.participants, dtype=bool), max(self.counts) / self.participants)

    def balanced_accuracy(self) -> Score:
        """Balanced accuracy; if the bootstrap has no interval, the square-and-add of Wilson intervals."""
        present = [index for index, count in enumerate(self.counts) if count > 0]
        trials = [self.counts[index] for index in present]
        combined = mean_of_recalls(self._is_right, self.cohort.labels, self._groups)
        few = too_few_groups(self._groups)
        score = self._score("balanced_accuracy", 1 / len(present), instead=None if few else combined)
        if min(trials) < FEWEST_TRIALS and score.method in ("bca", "percentile"):  # either alone is often too narrow
            both = containing(self._intervals["balanced_accuracy"], combined)
            score = score.model_copy(update={"interval": (both.low, both.high), "method": both.method})
        if not self.missing:
            return score
        names = ", ".join(self.classes[index] for index in present)
        return score.model_copy(update={"note": f"over {names} only: {self._absence}"})

    def auroc(self) -> Score:
        """AUROC; if the bootstrap of two classes has no interval, Newcombe's."""
        return self._score("auroc", 0.5, self._absence, self._newcombe(1) if len(self.classes) == 2 else None)

    @cached_property
    def expected_ece(self) -> ExpectedEce:
        """The ECE that these probabilities would have if they were true."""
        return expected_ece(self.cohort.probabilities, self.draws, self.seed)

    def calibration_slope(self) -> Score:
        """The slope of the true class on the log-odds, of two classes."""
        found = calibration_slope(log_odds(self.cohort.probabilities[:, 1]), self.cohort.labels, self._groups)
        return self._of_calibration(
            found, "no finite slope fits: the probabilities hardly differ, or they order the classes without an error"
        )

    def calibration_intercept(self) -> Score:
        """What must be added to the log-odds, of two classes."""
        found = calibration_intercept(log_odds(self.cohort.probabilities[:, 1]), self.cohort.labels, self._groups)
        return self._of_calibration(found, "it is not finite")

    def _of_calibration(self, found: tuple[float, Interval] | None, undefined: str) -> Score:
        if found is None:
            return Score(value=None, note=self._absence or undefined)
        value, interval = found
        few = self._why_too_few(FEWEST_ERRORS)
        if few:
            return Score(value=value, note=few)
        return Score(value=value, interval=(interval.low, interval.high), method=interval.method)

    def _ece(self) -> Score:
        """The ECE beside its mean under perfect calibration. It has no interval: it is above 0 for any model."""
        under = self.expected_ece
        note = f"if the probabilities were true: {under.mean:.2f} on average, {under.low:.2f} to {under.high:.2f}"
        return Score(value=self._values["ece"], baseline=under.mean, note=note)

    def _one_class(self, index: int) -> ClassScores:
        count, predicted = self.counts[index], self.predicted[index]
        share = count / self.participants
        is_most = index == int(np.argmax(self.counts))
        absence = self._absence if count in (0, self.participants) else ""
        return ClassScores(
            class_name=self.classes[index],
            participants=count,
            predicted=predicted,
            recall=self._recall(index, float(is_most)),
            precision=self._precision(index, share if is_most else None),
            f1=self._guarded(
                ("f1", index), 2 * share / (1 + share) if is_most else 0.0, "the class neither occurs nor was predicted"
            ),
            auroc=self._score(("auroc", index), 0.5, absence, self._newcombe(index)),
            auprc=self._guarded(("auprc", index), share, absence),
        )

    def _precision(self, index: int, baseline: float | None) -> Score:
        """With the bootstrap's interval: not the participants predicted as the class are given, but the true ones."""
        score = self._proportion(self.cohort.predicted == index, baseline, "the class was never predicted")
        drawn = self._intervals["precision", index]
        if score.interval is None or drawn is None or self._groups is not None:
            return score
        return score.model_copy(update={"interval": (drawn.low, drawn.high), "method": drawn.method})

    def _recall(self, index: int, baseline: float) -> Score:
        return self._proportion(self.cohort.labels == index, baseline, f"no participant is {self.classes[index]}")

    def _proportion(self, among: np.ndarray, baseline: float | None, undefined: str = "") -> Score:
        """The share of some participants who are classified correctly."""
        groups = None if self._groups is None else self._groups[among]
        return proportion_score(self._is_right[among], groups, baseline, undefined)

    def _newcombe(self, index: int) -> Interval | None:
        count, value = self.counts[index], self._values[("auroc", index)]
        if count in (0, self.participants) or np.isnan(value) or self._groups is not None:
            return None
        return newcombe_auroc(value, count, self.participants - count)

    def _guarded(self, key: Key, baseline: float | None, undefined: str = "") -> Score:
        """A score whose interval is too narrow in small groups and for few errors: there it has none."""
        score = self._score(key, baseline, undefined)
        name = key if isinstance(key, str) else key[0]
        fewest = FEWEST_ERRORS_OF_MEANS if name in ("auprc", "brier", "cross_entropy") else FEWEST_ERRORS
        few = self._why_too_few(fewest)
        return (
            score.model_copy(update={"interval": None, "method": None, "note": few})
            if score.interval and few
            else score
        )

    def _why_too_few(self, fewest_errors: int) -> str:
        """The note of a score without an interval; whole groups count as one, and their errors together."""
        errors = expected_errors(self.cohort.probabilities)
        if self._groups is None:
            return why_too_few(self.counts, errors, fewest_errors)
        errors *= (int(self._groups.max()) + 1) / self.participants
        counts = groups_per_class(self.cohort.labels, self._groups, len(self.classes))
        return why_too_few(counts, errors, fewest_errors, unit="groups")

    def _score(self, key: Key, baseline: float | None, undefined: str = "", instead: Interval | None = None) -> Score:
        """A score by its name, with the note if it is undefined, and the interval to use if the bootstrap has none."""
        value, interval = self._values[key], self._intervals[key] or instead
        if np.isnan(value):
            return Score(value=None, note=undefined)
        if interval is None:
            return Score(value=value, baseline=baseline, note=self._no_interval)
        return Score(value=value, interval=(interval.low, interval.high), method=interval.method, baseline=baseline)

    @property
    def _absence(self) -> str:
        return f"no participant is {', '.join(self.missing)}" if self.missing else ""

    @property
    def _no_interval(self) -> str:
        single = [name for name, count in zip(self.classes, self.counts, strict=True) if count == 1]
        if single:
            return f"no interval: {', '.join(single)} has one participant"
        if too_few_groups(self._groups):
            return f"no interval: fewer than {FEWEST_GROUPS} groups"
        return "no interval: the score is the same in every resample"

    def _statistics(self, weights: Floats) -> Mapping[Key, Floats]:
        cohort, classes = self.cohort, range(len(self.classes))
        binary = len(classes) == 2
        areas: dict[Key, Floats] = {
            ("auroc", index): scores.class_auroc(cohort, weights, index)
            for index in ((1,) if binary and self.headline_only else classes)
        }
        found: dict[Key, Floats] = {
            **areas,
            "auroc": areas["auroc", 1] if binary else np.mean(list(areas.values()), axis=0),
            "balanced_accuracy": scores.balanced_accuracy(cohort, weights),
        }
        if not self.headline_only:
            f1 = scores.f1(cohort, weights)
            found |= {name: score(cohort, weights) for name, score in _FURTHER.items()}
            precisions = scores.precisions(cohort, weights)
            found |= {("f1", index): f1[:, index] for index in classes}
            found |= {("precision", index): precisions[:, index] for index in classes}
            found |= {("auprc", index): scores.class_auprc(cohort, weights, index) for index in classes}
        return found

    @cached_property
    def _values(self) -> dict[Key, float]:
        return {key: float(value[0]) for key, value in self._statistics(self.cohort.ones).items()}

    @cached_property
    def _intervals(self) -> dict[Key, Interval | None]:
        return bootstrap(
            self._statistics,
            self.cohort.labels,
            self.draws,
            self.seed,
            on_log_odds=("auprc",),
            groups=self._groups,
            of_groups=self._of_groups,
        )

    def _of_groups(self, key: Key, value: float, drawn: Floats, strata: Labels) -> Interval | None:
        """The interval of a score whose bootstrap of few groups is too narrow."""
        if key == "balanced_accuracy":
            return mean_of_recalls(self._is_right, self.cohort.labels, self._groups)
        if key == "auroc" and len(self.classes) == 2:
            key = ("auroc", 1)
        if self._groups is None or not isinstance(key, tuple) or key[0] != "auroc" or np.isnan(value):
            return None
        return newcombe_of_groups(value, drawn, self.cohort.labels == key[1], self._groups, strata)


def proportion_score(
    values: Floats, groups: Labels | None, baseline: float | None = None, undefined: str = ""
) -> Score:
    """Return a proportion of participants with its Wilson interval, or a note why there is none.

    Args:
        values: [participant] 0 or 1.
        groups: [participant] Groups that are drawn together; None if each is alone.
        baseline: The proportion without skill.
        undefined: The note if there are no participants.
    """
    trials = len(values)
    if trials == 0:
        return Score(value=None, note=undefined)
    value, few = float(values.sum()) / trials, ""
    if trials < FEWEST_TRIALS:
        few = f"no interval: fewer than {FEWEST_TRIALS} participants"
    elif groups is not None and len(np.unique(groups)) < FEWEST_GROUPS:
        few = f"no interval: fewer than {FEWEST_GROUPS} groups"
    if few:
        return Score(value=value, baseline=baseline, note=few)
    interval = wilson_of_groups(values, groups)
    return Score(value=value, interval=(interval.low, interval.high), method=interval.method, baseline=baseline)
