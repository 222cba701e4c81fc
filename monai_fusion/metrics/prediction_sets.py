"""Prediction sets: for each participant the classes that cannot be excluded, with a guaranteed coverage.

Split conformal prediction (Vovk, Gammerman & Shafer 2005) with the least ambiguous score (Sadinle, Lei & Wasserman,
JASA 114:223, 2019; an introduction: Angelopoulos & Bates, Foundations and Trends in Machine Learning 16:494, 2023):

1. A class conforms with a participant as much as its probability at equal class shares says: the network's evidence,
   corrected by slope and intercepts (`calibration`). A target prior plays no role.
2. The conformity of each calibration participant's true class is computed from an epoch and a fit that this participant
   took no part in (`others`, and folds of `fit_calibration`): a new participant took no part either.
3. A class is in the set if its probability is at least the k-th largest of these, k = ceil((n + 1) coverage); if
   k > n, there are too few participants for this coverage, and the class is in every set. By class, n and the
   probabilities are those of the class's own participants.
4. The predicted class is always in the set. A set is never empty, nor does it contradict the prediction; it holds the
   true class as often as the guarantee says, or more often.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from monai_fusion.metrics.calibration import Calibration, fit_calibration
from monai_fusion.metrics.predictions import Prediction
from monai_fusion.metrics.scores import Floats, Labels
from monai_fusion.wording import counted

FOLDS = 10
"""Folds of the calibration participants; each is scored by a fit to the others."""
IN_EVERY_SET = 0.0
"""The threshold of a class that is in every set, because too few participants were there to exclude it by."""


@dataclass(frozen=True, slots=True)
class CalibrationPeople:
    """The participants on whom sets are calibrated; the network did not learn from them.

    Attributes:
        probabilities: [participant, class], the network's own.
        labels: [participant].
        others: [participant, class], the network's own at the epoch that the other participants would have chosen;
            None if that is not known.
        part: What they are, e.g. ``validation``.
        chose_epoch: Whether they chose the network's epoch.
        related: How many of them share a family or another group with another one.
    """

    probabilities: Floats
    labels: Labels
    others: Floats | None = None
    part: str = "validation"
    chose_epoch: bool = False
    related: int = 0


@dataclass(frozen=True, slots=True)
class PredictionSets:
    """How to find the set of classes of a participant.

    Attributes:
        coverage: The share of participants whose set is to hold the true class.
        by_class: Whether the coverage holds within each class.
        thresholds: For each class, the smallest probability at equal class shares with which it is in a set.
        rule: Its `Calibration.probabilities` are those at equal class shares.
        part: The participants that the thresholds come from, e.g. ``validation``.
        counts: How many of them each class has.
        notes: What limits the guarantee.
    """

    coverage: float
    by_class: bool
    thresholds: tuple[float, ...]
    rule: Calibration
    part: str
    counts: tuple[int, ...]
    notes: tuple[str, ...] = ()

    @property
    def participants(self) -> int:
        """The number of calibration participants."""
        return sum(self.counts)

    def conforming(self, prediction: Prediction) -> tuple[int, ...]:
        """Return the classes whose probability reaches their threshold; possibly none."""
        found = self.rule.probabilities(np.array(prediction.uncalibrated))
        return tuple(np.flatnonzero(found >= np.array(self.thresholds)).tolist())

    def apply(self, prediction: Prediction) -> Prediction:
        """Return the prediction with its set: the conforming classes and the predicted one, in the classes' order."""
        return replace(prediction, prediction_set=tuple(sorted({*self.conforming(prediction), prediction.predicted})))


def fit_prediction_sets(
    people: CalibrationPeople,
    learned: Sequence[float],
    coverage: float,
    by_class: bool = False,
    calibrate: bool = True,
) -> PredictionSets:
    """Fit the thresholds of prediction sets.

    Args:
        people: The calibration participants.
        learned: Class shares that the network learned under.
        coverage: The share of participants whose set is to hold the true class, e.g. 0.9.
        by_class: Whether the coverage is to hold within each class (Mondrian sets): then also with other class shares
            than these participants have.
        calibrate: Whether slope and intercepts correct the network's evidence.
    """
    classes = len(learned)
    counts = np.bincount(people.labels, minlength=classes)
    finite = bool(np.isfinite(people.probabilities).all())
    rule = _rule(people.probabilities, people.labels, learned, calibrate)
    if finite:
        own = _conformities(people, learned, calibrate)
        if by_class:
            thresholds = [smallest_conformity(own[people.labels == label], coverage) for label in range(classes)]
        else:
            thresholds = [smallest_conformity(own, coverage)] * classes
    else:
        thresholds = [IN_EVERY_SET] * classes
    found = PredictionSets(
        coverage, by_class, tuple(thresholds), rule, people.part, tuple(int(count) for count in counts)
    )
    if not finite:
        return replace(found, notes=(f"the {people.part} probabilities are not numbers: every set holds all classes",))
    return replace(found, notes=tuple(_limits(people)))


def smallest_conformity(own: Floats, coverage: float) -> float:
    """Return the k-th largest of n conformities, k = ceil((n + 1) coverage); `IN_EVERY_SET` if k > n.

    A new participant's conformity is at least this with a probability of the coverage or more, if all n + 1 are
    exchangeable.

    Args:
        own: [participant] conformity of the true class; larger is better.
        coverage: Of the sets.
    """
    rank = rank_of_threshold(len(own), coverage)
    return IN_EVERY_SET if rank > len(own) else float(np.sort(own)[len(own) - rank])


def rank_of_threshold(participants: int, coverage: float) -> int:
    """Return k = ceil((n + 1) coverage)."""
    return math.ceil(round((participants + 1) * coverage, 9))  # rounded: 20 x 0.55 is 11.000000000000002


def fewest_participants(coverage: float) -> int:
    """Return how many calibration participants a coverage needs before a set can leave out a class."""
    return math.ceil(round(coverage / (1 - coverage), 9))


def warnings_of_sets(sets: PredictionSets, classes: Sequence[str]) -> list[str]:
    """Return what limits the sets, as warnings.

    Args:
        sets: The sets.
        classes: The class names, in the order of their indices.
    """
    needed, coverage = fewest_participants(sets.coverage), f"{sets.coverage:g}"
    found = []
    if sets.by_class:
        few = [place for place, count in enumerate(sets.counts) if count < needed]
        if few:
            names = ", ".join(f"{sets.counts[place]} {classes[place]}" for place in few)
            every = "all classes are in every set" if len(few) == len(classes) else "these classes are in every set"
            found.append(
                f"too few {sets.part} participants of a class ({names}) for a coverage of {coverage} by class, which "
                f"needs {needed} of each: {every}"
            )
    elif sets.participants < needed:
        found.append(
            f"{counted(sets.participants, f'{sets.part} participant')} cannot give a coverage of {coverage}, which "
            f"needs {needed}: every prediction set holds all classes"
        )
    return [*found, *(f"prediction sets: {note}" for note in sets.notes)]


def _rule(probabilities: Floats, labels: Labels, learned: Sequence[float], calibrate: bool) -> Calibration:
    """From the network's probabilities to those at equal class shares."""
    known = [share > 0 for share in learned]
    equal = [float(there) / sum(known) for there in known]
    if calibrate:
        return fit_calibration(probabilities, labels, learned, equal)
    return Calibration(tuple(map(float, learned)), tuple(equal))


def _conformities(people: CalibrationPeople, learned: Sequence[float], calibrate: bool) -> Floats:
    """[participant] The probability of each one's true class, from an epoch and a fit without this participant."""
    seen = people.probabilities if people.others is None else people.others
    own = np.zeros(len(people.labels))
    fold = folds_within_class(people.labels)
    for number in np.unique(fold):
        out = fold == number
        rule = _rule(people.probabilities[~out], people.labels[~out], learned, calibrate)
        own[out] = rule.probabilities(seen[out])[np.arange(int(out.sum())), people.labels[out]]
    return own


def folds_within_class(labels: Labels, folds: int = FOLDS) -> Labels:
    """Deal the participants of each class into folds, in their order; return the fold of each, [participant]."""
    found = np.zeros(len(labels), dtype=np.int64)
    start = 0
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        found[members] = (start + np.arange(len(members))) % folds
        start += len(members)  # the next class goes on where this one ended, so that folds are equally large
    return found


def _limits(people: CalibrationPeople) -> list[str]:
    found = []
    if people.chose_epoch and people.others is None:
        found.append(
            f"the {people.part} participants also chose the epoch of this model, which an earlier version trained: "
            "fewer sets than asked may hold the true class"
        )
    if people.related:
        found.append(
            f"{people.related} of {len(people.labels)} {people.part} participants share a family or other group with "
            "another one: the coverage is less certain than with as many unrelated ones"
        )
    return found
