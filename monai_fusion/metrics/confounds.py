"""Does a network know more of the class than some covariates (age, head volume) do?

Permuting labels within ranges of a covariate is not valid: participants of one range still differ in it, and a network
that reads nothing else is called significant (docs/method.md has the table). Here the labels are drawn again from their
probability given the covariates (conditional randomisation: Candes et al., JRSS-B 80:551, 2018; Berrett et al., JRSS-B
82:175, 2020), so that drawn labels go with the covariates exactly as the true ones do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from sklearn.linear_model import LogisticRegression

from monai_fusion.metrics.clusters import drawn_together, joined_groups
from monai_fusion.metrics.intervals import DRAWS, SEED, Interval, independent_trials, wilson_of_groups
from monai_fusion.metrics.scores import Floats, Labels

CALLIPER = 0.2
"""The largest distance within a matched pair, in standard deviations."""

IMBALANCED = 0.2
"""A standardised mean difference above this is warned of (Austin, Statistics in Medicine 28:3083, 2009)."""

FEWEST = 8
"""With fewer participants, nothing can be said about a covariate."""

_SMALLEST_PROBABILITY = 1.0e-6
_ALMOST_NO_PENALTY = 1.0e3  # keeps separated classes finite, and changes no other fit visibly
_ROUNDING = 1.0e-12
_FAR = 1.0e6  # instead of infinity, with which there is no assignment


@dataclass(frozen=True, slots=True)
class MatchedPairs:
    """Pairs of participants of the two classes with nearly equal covariates.

    Attributes:
        pairs: How many.
        right: How many of them the network orders correctly; a tie counts half.
        interval: Of the fraction, Wilson's (with the design effect of groups); None without a pair.
        independent: As how many independent pairs they count in it: fewer than there are if they are in groups.
    """

    pairs: int
    right: float
    interval: Interval | None
    independent: float

    @property
    def auroc(self) -> float | None:
        """The fraction of the pairs that are ordered correctly; None without a pair."""
        return self.right / self.pairs if self.pairs else None


def logits(probabilities: npt.ArrayLike) -> Floats:
    """Return centred log-probabilities, [participant, class - 1]: of two classes the logit of the second."""
    values = np.clip(np.asarray(probabilities, dtype=np.float64), _SMALLEST_PROBABILITY, 1.0)
    logs = np.log(values / values.sum(axis=1, keepdims=True))
    return logs[:, 1:] - logs[:, :1]


def class_probabilities(
    covariates: Floats, labels: Labels, classes: int, at: Floats | None = None
) -> npt.NDArray[np.float64]:
    """Return the probability of each class given covariates, from a logistic regression on them and their squares.

    Args:
        covariates: [participant, covariate] of everyone with a label, finite.
        labels: [participant].
        classes: The number of classes.
        at: [participant, covariate] for whom it is computed; None for the same participants.

    Returns:
        [participant, class]; 0 for a class without participants.
    """
    mean, spread = covariates.mean(axis=0), covariates.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    found = np.zeros((len(covariates if at is None else at), classes))
    present = np.unique(labels)
    if len(present) == 1:
        found[:, present[0]] = 1.0
        return found
    model = LogisticRegression(C=_ALMOST_NO_PENALTY, max_iter=5000)
    model.fit(_with_squares((covariates - mean) / spread), labels)
    found[:, model.classes_] = model.predict_proba(_with_squares(((covariates if at is None else at) - mean) / spread))
    return found


def conditional_p_value(
    probabilities: Floats,
    labels: Labels,
    given: Floats,
    folds: Labels | None = None,
    draws: int = DRAWS,
    seed: int = SEED,
    groups: Labels | None = None,
) -> float | None:
    """Test whether predictions carry information about the class beyond covariates; one-sided.

    The statistic is the sum of (label - its probability given the covariates) x the part of the network's logit that
    the covariates' logit does not explain (linear and square); p = (b + 1) / (m + 1), where b of m draws reach it.

    Labels of participants in groups cannot be drawn one by one, and how they go together is not known. There, the sign
    of each group's part of the sum is drawn instead (Hemerik, Goeman & Finos, JRSS-B 82:841, 2020).

    Args:
        probabilities: [participant, class] of the network.
        labels: [participant].
        given: [participant, class] `class_probabilities` of the same participants.
        folds: [participant] models of different folds are on different scales: each fold has an intercept of its own.
        draws: m.
        seed: Same seed, same draws.
        groups: [participant]; None if each is alone.

    Returns:
        None with fewer than `FEWEST` participants (or groups), or if the covariates determine every label.
    """
    return conditional_p_value_of_mean([(probabilities, folds)], labels, given, draws, seed, groups=groups)


def conditional_p_value_of_mean(
    predictions: Sequence[tuple[Floats, Labels | None]],
    labels: Labels,
    given: Floats,
    draws: int = DRAWS,
    seed: int = SEED,
    out_of_fold: bool = False,
    groups: Labels | None = None,
) -> float | None:
    """`conditional_p_value` of several predictions of the same participants: by several seeds, or in several folds.

    What the covariates do not explain is computed for each prediction, and its mean is tested, so that many
    predictions do not count as many participants.

    Args:
        predictions: For each, probabilities and folds as there.
        labels: [participant].
        given: [participant, class].
        draws: The number of draws.
        seed: Same seed, same draws.
        out_of_fold: Whether each participant was predicted by models that learned from the labels of the others. What
            such a model learned by chance from j for i, another learned from i for j: the statistic then varies up to
            twice as much (in variance) as the draws, which are widened by that. The same holds of groups, of which
            each is in one fold.
        groups: [participant]; None if each is alone.
    """
    count, classes = given.shape
    uncertain = (given > _SMALLEST_PROBABILITY).sum(axis=1) > 1
    if count < FEWEST or uncertain.sum() < 2 or len(np.unique(labels)) < 2:
        return None
    residual = np.mean([_unexplained(logits(each), logits(given), folds) for each, folds in predictions], axis=0)
    one_hot = np.eye(classes)[labels]
    observed = float(((one_hot - given)[:, 1:] * residual).sum())
    generator = np.random.default_rng(seed)
    widened = np.sqrt(2) if out_of_fold else 1.0
    together = drawn_together(groups)
    if together is not None:
        parts = np.bincount(together, weights=((one_hot - given)[:, 1:] * residual).sum(axis=1))
        if len(parts) < FEWEST:
            return None
        flipped = generator.choice([-1.0, 1.0], size=(draws, len(parts))) @ parts
        return (int((widened * flipped >= observed - _ROUNDING).sum()) + 1) / (draws + 1)
    edges = np.cumsum(given, axis=1)[:, :-1]
    drawn = (generator.random((draws, count, 1)) > edges).sum(axis=2)  # [draw, participant] class indices
    # The sum over one-hot labels is a choice of one residual each; class 0 has none.
    of_class = np.concatenate([np.zeros((count, 1)), residual], axis=1)
    sums = of_class[np.arange(count), drawn].sum(axis=1) - float((given[:, 1:] * residual).sum())
    return (int((widened * sums >= observed - _ROUNDING).sum()) + 1) / (draws + 1)


def explained_within_class(
    probabilities: Floats, labels: Labels, covariates: Floats, folds: Labels | None = None
) -> float | None:
    """Return how much of the network's logit the covariates explain within the classes (confounding index).

    Args:
        probabilities: [participant, class] of the network.
        labels: [participant].
        covariates: [participant, covariate].
        folds: [participant]; each fold has an intercept of its own, as in `conditional_p_value`.

    Returns:
        Adjusted R^2 of a regression on the covariates and their squares, after each class's mean is subtracted, 0 to 1;
        None beyond two classes, or with too few participants.
    """
    if probabilities.shape[1] != 2:
        return None
    mean, spread = covariates.mean(axis=0), covariates.std(axis=0)
    design = _with_squares((covariates - mean) / np.where(spread > 0, spread, 1.0))
    logit = logits(probabilities)[:, 0]
    own = _indicators(labels)
    if folds is not None:
        own = np.concatenate([own, _indicators(folds)], axis=1)
    means = int(np.linalg.matrix_rank(own))
    left = len(labels) - means - np.linalg.matrix_rank(design)
    if left < FEWEST // 2:
        return None
    within = _residual(logit[:, np.newaxis], own)[:, 0]
    total = float(within @ within)
    if total <= _ROUNDING:
        return None
    rest = _residual(within[:, np.newaxis], np.concatenate([own, design], axis=1))[:, 0]
    adjusted = 1 - (float(rest @ rest) / left) / (total / (len(labels) - means))
    return min(1.0, max(0.0, adjusted))


def matched_pairs(
    score: Floats,
    labels: Labels,
    covariate: Floats,
    calliper: float = CALLIPER,
    groups: Labels | None = None,
    folds: Labels | None = None,
) -> MatchedPairs:
    """Order participants of class 1 against participants of class 0 with nearly the same covariate.

    Each participant is in one pair at most; as many pairs as possible are made, with the smallest sum of distances.

    Args:
        score: [participant] the network's probability of class 1.
        labels: [participant] 0 or 1.
        covariate: [participant] one number; of several covariates the logit of `class_probabilities`.
        calliper: The largest distance, in standard deviations within the classes.
        groups: [participant] pairs that share a group count as one group; None if each participant is alone.
        folds: [participant] models of different folds are on different scales: both of a pair are of one fold.
    """
    ones, zeros = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    none = MatchedPairs(0, 0.0, None, 0.0)
    if min(len(ones), len(zeros)) < 2:
        return none
    spread = np.sqrt((covariate[ones].var(ddof=1) + covariate[zeros].var(ddof=1)) / 2)
    if not spread > 0:
        return none
    apart = np.abs(covariate[ones][:, np.newaxis] - covariate[zeros]) / spread
    if folds is not None:
        apart[folds[ones][:, np.newaxis] != folds[zeros]] = _FAR
    rows, columns = linear_sum_assignment(np.where(apart <= calliper, apart, _FAR))
    near = apart[rows, columns] <= calliper
    first, second = score[ones[rows[near]]], score[zeros[columns[near]]]
    count = int(near.sum())
    if count == 0:
        return none
    right = (first > second) + 0.5 * (first == second)
    together = drawn_together(groups)
    if together is not None:
        together = joined_groups(together[ones[rows[near]]], together[zeros[columns[near]]])
    interval = wilson_of_groups(right, together)
    return MatchedPairs(count, float(right.sum()), interval, independent_trials(right, together))


def standardised_difference(values: Floats, labels: Labels) -> float | None:
    """Return the largest difference of two classes' means, in standard deviations within the classes (SMD).

    Returns:
        Of two classes the second's mean minus the first's; None if a class has fewer than two participants.
    """
    groups = [values[labels == label] for label in np.unique(labels)]
    if len(groups) < 2 or min(map(len, groups)) < 2:
        return None
    found = [0.0]
    for place, one in enumerate(groups):
        for other in groups[place + 1 :]:
            spread = np.sqrt((one.var(ddof=1) + other.var(ddof=1)) / 2)
            found += [float((other.mean() - one.mean()) / spread)] if spread > 0 else []
    return max(found, key=abs)


def _unexplained(logit: Floats, given: Floats, folds: Labels | None) -> Floats:
    # A nearly certain class would have a logit that outweighs all others.
    bounded = np.clip(given, -8.0, 8.0)
    own = _indicators(np.zeros(len(logit), np.int64) if folds is None else folds)
    return _residual(logit, np.concatenate([own, _with_squares(bounded)], axis=1))


def _indicators(values: Labels) -> Floats:
    """A column for each value."""
    return np.stack([values == each for each in np.unique(values)], axis=1).astype(np.float64)


def _with_squares(values: Floats) -> Floats:
    return np.concatenate([values, values**2], axis=1)


def _residual(values: Floats, design: Floats) -> Floats:
    """What a linear regression on the design's columns leaves of each column of values."""
    return values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
