"""Scores over participants: plain functions of probabilities, labels and weights.

A weight is how often a participant counts. With a row of ones, a score is the usual one (scikit-learn's); with many
rows, [draw, participant], one call scores all resamples of a bootstrap, which therefore takes almost no time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

# A smaller probability counts as this: one confident error must not make the mean infinite.
_SMALLEST_PROBABILITY = 1.0e-7
_MOST_BINS = 10


@dataclass(frozen=True, eq=False)
class ScoredCohort:
    """The true and the predicted classes of some participants.

    Attributes:
        probabilities: [participant, class], rows summing to 1.
        labels: [participant] true class indices.
        predicted: [participant] predicted class indices.
        groups: [participant] the number of the family, pair or other group that it is in, from 0; None if each
            participant is alone.
    """

    probabilities: Floats
    labels: Labels
    predicted: Labels
    groups: Labels | None = None

    @classmethod
    def of(cls, probabilities: Floats, labels: Labels, predicted: Labels | None = None) -> ScoredCohort:
        """Without ``predicted``, the most probable class is predicted (of equally probable ones the first)."""
        return cls(probabilities, labels, probabilities.argmax(axis=1) if predicted is None else predicted)

    @property
    def classes(self) -> int:
        """The number of classes, including those without participants."""
        return self.probabilities.shape[1]

    @property
    def ones(self) -> Floats:
        """The weights with which every participant counts once, [1, participant]."""
        return np.ones((1, len(self.labels)))

    def subset(self, rows: npt.NDArray[np.bool_]) -> ScoredCohort:
        """Some of the participants."""
        groups = self.groups
        if groups is not None:
            numbers = np.unique(groups[rows], return_inverse=True)[1].astype(np.int64)
            groups = None if len(np.unique(numbers)) == len(numbers) else numbers
        return ScoredCohort(self.probabilities[rows], self.labels[rows], self.predicted[rows], groups)


Score = Callable[[ScoredCohort, Floats], Floats]


def confusion(cohort: ScoredCohort, weights: Floats) -> Floats:
    """Count participants by true class and predicted class: [draw, true, predicted]."""
    size = cohort.classes
    cell = np.zeros((len(cohort.labels), size * size))
    cell[np.arange(len(cell)), cohort.labels * size + cohort.predicted] = 1
    counts: Floats = (weights @ cell).reshape(-1, size, size)
    return counts


def accuracy(cohort: ScoredCohort, weights: Floats) -> Floats:
    """Return the fraction of participants classified correctly, [draw]."""
    return weights @ (cohort.predicted == cohort.labels).astype(np.float64) / weights.sum(axis=1)


def precisions(cohort: ScoredCohort, weights: Floats) -> Floats:
    """Return the precision of each class, [draw, class]; NaN for a class that is never predicted."""
    counts = confusion(cohort, weights)
    return _ratio(np.diagonal(counts, axis1=1, axis2=2), counts.sum(axis=1), np.nan)


def balanced_accuracy(cohort: ScoredCohort, weights: Floats) -> Floats:
    """Return the mean recall over the classes that occur, [draw]."""
    counts = confusion(cohort, weights)
    members = counts.sum(axis=2)
    recall = _ratio(np.diagonal(counts, axis1=1, axis2=2), members, 0.0)
    return recall.sum(axis=1) / (members > 0).sum(axis=1)


def f1(cohort: ScoredCohort, weights: Floats) -> Floats:
    """Return F1 of each class, [draw, class]; 0 if never predicted, NaN if it does not occur either."""
    counts = confusion(cohort, weights)
    right = np.diagonal(counts, axis1=1, axis2=2)
    return _ratio(2 * right, counts.sum(axis=1) + counts.sum(axis=2), np.nan)


def macro_f1(cohort: ScoredCohort, weights: Floats) -> Floats:
    """Return the mean F1 over the classes that occur or are predicted, [draw]."""
    occurring = np.union1d(cohort.labels, cohort.predicted)
    # A class that is only predicted wrongly may not be predicted in some draw; its F1 is 0 in all others.
    return np.nan_to_num(f1(cohort, weights)[:, occurring], nan=0.0).mean(axis=1)


def mcc(cohort: ScoredCohort, weights: Floats) -> Floats:
    """Return Matthews' correlation coefficient, [draw]; 0 where a margin of the confusion matrix is empty.

    Beyond two classes it is Gorodkin's R_K (Computational Biology and Chemistry 28, 2004).
    """
    counts = confusion(cohort, weights)
    total, right = counts.sum(axis=(1, 2)), np.trace(counts, axis1=1, axis2=2)
    true, predicted = counts.sum(axis=2), counts.sum(axis=1)
    covariance = right * total - (true * predicted).sum(axis=1)
    spread = (total**2 - (true**2).sum(axis=1)) * (total**2 - (predicted**2).sum(axis=1))
    return _ratio(covariance, np.sqrt(spread), 0.0)


def class_auroc(cohort: ScoredCohort, weights: Floats, label: int) -> Floats:
    """Return the area under the ROC curve of one class against the rest, [draw]; ties count half.

    It is NaN if no participant, or every participant, belongs to the class, or if a probability is NaN (the network has
    diverged).
    """
    positive, negative = _by_rising_score(cohort, weights, label)
    below = np.cumsum(negative, axis=1) - negative
    area = (positive * (below + negative / 2)).sum(axis=1)
    area = _ratio(area, positive.sum(axis=1) * negative.sum(axis=1), np.nan)
    return np.full_like(area, np.nan) if np.isnan(cohort.probabilities).any() else area


def auroc(cohort: ScoredCohort, weights: Floats) -> Floats:
    """Return the area under the ROC curve, [draw]: of the second of two classes, else the mean of all.

    It is NaN if a class is missing or a probability is NaN.
    """
    if cohort.classes == 2:
        return class_auroc(cohort, weights, 1)
    return np.mean([class_auroc(cohort, weights, label) for label in range(cohort.classes)], axis=0)


def class_auprc(cohort: ScoredCohort, weights: Floats, label: int) -> Floats:
    """Return the average precision of one class, [draw], as in scikit-learn; NaN without participants of the class."""
    positive, negative = (counts[:, ::-1] for counts in _by_rising_score(cohort, weights, label))
    found = np.cumsum(positive, axis=1)
    precision = _ratio(found, found + np.cumsum(negative, axis=1), 0.0)
    return _ratio((positive * precision).sum(axis=1), positive.sum(axis=1), np.nan)


def auprc(cohort: ScoredCohort, weights: Floats) -> Floats:
    """Return the average precision, [draw]: of the second of two classes, else the mean of all."""
    if cohort.classes == 2:
        return class_auprc(cohort, weights, 1)
    return np.mean([class_auprc(cohort, weights, label) for label in range(cohort.classes)], axis=0)


def brier(cohort: ScoredCohort, weights: Floats) -> Floats:
    """Return the Brier score, [draw]: of the second of two classes (0 to 1), summed over all beyond (0 to 2)."""
    errors = (cohort.probabilities - np.eye(cohort.classes)[cohort.labels]) ** 2
    each = errors[:, 1] if cohort.classes == 2 else errors.sum(axis=1)
    return weights @ each / weights.sum(axis=1)


def cross_entropies(probabilities: Floats, labels: Labels) -> Floats:
    """Return -log p(true class) of each participant; a probability below 1e-7 counts as 1e-7."""
    chosen = probabilities[np.arange(len(labels)), labels]
    losses: Floats = -np.log(np.maximum(chosen, _SMALLEST_PROBABILITY))
    return losses


def cross_entropy(cohort: ScoredCohort, weights: Floats) -> Floats:
    """Return the mean of -log p(true class), [draw]."""
    return weights @ cross_entropies(cohort.probabilities, cohort.labels) / weights.sum(axis=1)


def calibration_bins(participants: int) -> int:
    """Return the number of bins for a calibration error: the root of the number of participants, at most 10."""
    return max(1, min(_MOST_BINS, int(np.sqrt(participants))))


def reliability(cohort: ScoredCohort, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Sort participants by the probability of their most probable class into bins of equal size.

    A participant is in the bin that contains the middle of its rank. Equal probabilities always stay together, so a bin
    may be empty (Nguyen & O'Connor, EMNLP 2015, with ties kept together).

    Returns:
        For each draw and bin [draw, bin]: the number of participants, the sum of their probabilities, and how many
        of them belong to their most probable class.
    """
    bins = calibration_bins(len(cohort.labels))
    confidence, group = np.unique(cohort.probabilities.max(axis=1), return_inverse=True)
    right = cohort.probabilities.argmax(axis=1) == cohort.labels
    counts, hits = _sums(weights, group), _sums(weights * right, group)
    place = _bins_of(counts, bins)
    inside = [place == number for number in range(bins)]
    return (
        np.stack([(counts * here).sum(axis=1) for here in inside], axis=1),
        np.stack([(counts * confidence * here).sum(axis=1) for here in inside], axis=1),
        np.stack([(hits * here).sum(axis=1) for here in inside], axis=1),
    )


def reliability_bin_of_each(probabilities: Floats) -> Labels:
    """Return the bin of `reliability` in which each participant is, [participant], if every one counts once."""
    group = np.unique(probabilities.max(axis=1), return_inverse=True)[1]
    counts = np.bincount(group)[None].astype(np.float64)
    found: Labels = _bins_of(counts, calibration_bins(len(probabilities)))[0][group]
    return found


def ece(cohort: ScoredCohort, weights: Floats) -> Floats:
    """Return the expected calibration error, [draw]: the mean gap of confidence and accuracy over `reliability`."""
    _, confidence, hits = reliability(cohort, weights)
    return np.abs(confidence - hits).sum(axis=1) / weights.sum(axis=1)


def _unweighted(score: Score) -> Callable[[Floats, Labels], float]:
    """Turn a score into a function of probabilities and labels in which every participant counts once."""

    def of(probabilities: Floats, labels: Labels) -> float:
        cohort = ScoredCohort.of(probabilities, labels)
        return float(score(cohort, cohort.ones)[0])

    return of


def _mean_cross_entropy(probabilities: Floats, labels: Labels) -> float:
    return float(cross_entropies(probabilities, labels).mean())


def _balanced_cross_entropy(probabilities: Floats, labels: Labels) -> float:
    """The mean of -log p(true class) of each class that occurs, averaged over these classes.

    A participant's weight is exactly 1 where all classes are equally frequent, so that it is the plain mean to the bit.
    """
    members = np.bincount(labels)
    weights = len(labels) / (np.count_nonzero(members) * members[labels])
    return float((weights * cross_entropies(probabilities, labels)).mean())


SCORES: dict[str, Callable[[Floats, Labels], float]] = {
    "accuracy": _unweighted(accuracy),
    "balanced_accuracy": _unweighted(balanced_accuracy),
    "auroc": _unweighted(auroc),
    "cross_entropy": _mean_cross_entropy,
    "balanced_cross_entropy": _balanced_cross_entropy,
}
"""Scores that the validation can monitor, each a function of probabilities [participant, class] and labels."""


def _by_rising_score(cohort: ScoredCohort, weights: Floats, label: int) -> tuple[Floats, Floats]:
    """Weights of the class and of the rest for each different probability of the class, rising: [draw, value]."""
    group = np.unique(cohort.probabilities[:, label], return_inverse=True)[1]
    positive = cohort.labels == label
    return _sums(weights * positive, group), _sums(weights * ~positive, group)


def _bins_of(counts: Floats, bins: int) -> Labels:
    """The bin that contains the middle of the ranks of each group: [draw, group] weights -> [draw, group]."""
    middle = np.cumsum(counts, axis=1) - counts / 2
    return np.minimum((bins * middle / counts.sum(axis=1, keepdims=True)).astype(np.int64), bins - 1)


def _sums(weights: Floats, group: npt.NDArray[np.intp]) -> Floats:
    """Sum the weights [draw, participant] over participants of the same group: [draw, group]."""
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(group.max() + 1))
    return np.add.reduceat(weights[:, order], starts, axis=1)


def _ratio(above: Floats, below: Floats, otherwise: float) -> Floats:
    """Divide; if the denominator is 0, return another value."""
    return np.divide(above, below, out=np.full(np.shape(above), otherwise), where=below > 0)
