"""Ridge logistic regression on blocks of numbers; how strong the ridge is, is chosen within the training part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from monai_fusion.metrics.scores import Floats, Labels

STRENGTHS = tuple(float(value) for value in np.logspace(-3, 4, 8))
"""Values of scikit-learn's C, from strong to weak."""

INNER_FOLDS = 5
SEED = 1337
_SMALLEST_PROBABILITY = 1.0e-7


@dataclass(frozen=True, eq=False)
class Features:
    """Numbers of participants, in blocks.

    Attributes:
        blocks: Each [participant, number]; NaN where something is missing. Every block has the same total variance, so
            that five hundred blocks of a picture do not drown one number.
        covariates: [participant, covariate] that are removed from all numbers by a linear regression; None for none.
    """

    blocks: tuple[Floats, ...]
    covariates: Floats | None = None

    @property
    def count(self) -> int:
        """How many numbers a participant has."""
        return sum(block.shape[1] for block in self.blocks)

    def rows(self, chosen: np.ndarray) -> Features:
        """Some of the participants."""
        given = None if self.covariates is None else self.covariates[chosen]
        return Features(tuple(block[chosen] for block in self.blocks), given)


class Scaler:
    """What is learned from training participants to make their numbers comparable, and applied to others.

    A missing number becomes the training's mean. The regression on covariates is fitted on training participants only:
    fitted on everyone, it would tell of the tested ones (Snoek et al., NeuroImage 184:741, 2019).
    """

    def __init__(self, training: Features) -> None:
        self._means = [_means(block) for block in training.blocks]
        self._given_mean = None if training.covariates is None else _means(training.covariates)
        self._slopes: list[Floats] = []
        if training.covariates is not None:
            design = self._design(training)
            for block, mean in zip(training.blocks, self._means, strict=True):
                slope = np.linalg.lstsq(design, _filled(block, mean) - mean, rcond=None)[0]
                self._slopes.append(slope.astype(np.float64))
        self._scales = [np.ones(block.shape[1]) for block in training.blocks]
        self._scales = [
            _inverse_spread(block) / np.sqrt(block.shape[1]) for block in self._centred(training)
        ]  # of what is left

    def __call__(self, features: Features) -> Floats:
        """Return [participant, number]."""
        blocks = zip(self._centred(features), self._scales, strict=True)
        return np.concatenate([block * scale for block, scale in blocks], axis=1)

    def _centred(self, features: Features) -> list[Floats]:
        found = [_filled(block, mean) - mean for block, mean in zip(features.blocks, self._means, strict=True)]
        if features.covariates is None:
            return found
        design = self._design(features)
        return [block - design @ slope for block, slope in zip(found, self._slopes, strict=True)]

    def _design(self, features: Features) -> Floats:
        assert features.covariates is not None and self._given_mean is not None  # noqa: S101 # callers look first
        return _filled(features.covariates, self._given_mean) - self._given_mean


@dataclass(frozen=True, eq=False)
class Ridge:
    """A fitted model.

    Attributes:
        strength: The C that was chosen.
        scaler: Makes numbers comparable.
        directions: [number, direction] of the training participants: a ridge has no weight outside them.
        model: scikit-learn's.
        classes: The number of classes, including those that the training lacks.
    """

    strength: float
    scaler: Scaler
    directions: Floats
    model: LogisticRegression
    classes: int

    def probabilities(self, features: Features) -> Floats:
        """Return [participant, class], as if the classes were equally frequent."""
        found = np.zeros((len(features.blocks[0]), self.classes))
        found[:, self.model.classes_] = self.model.predict_proba(self.scaler(features) @ self.directions)
        return found


def can_be_fitted(labels: Labels) -> bool:
    """Whether there are two classes with two participants each."""
    counts = np.bincount(labels)
    counts = counts[counts > 0]
    return len(counts) > 1 and int(counts.min()) > 1


def fit_ridge(features: Features, labels: Labels, classes: int, strengths: Sequence[float] = STRENGTHS) -> Ridge:
    """Fit a ridge logistic regression whose classes weigh equally.

    C is the one with the smallest cross-entropy (classes weighted equally) over folds within these participants, where
    everything, also means and scales, is learned without the fold; of equally good ones the smallest.

    Raises:
        ValueError: `can_be_fitted` says no.
    """
    if not can_be_fitted(labels):
        raise ValueError("two classes with two participants each are needed")
    counts = np.bincount(labels)
    folds = StratifiedKFold(min(INNER_FOLDS, int(counts[counts > 0].min())), shuffle=True, random_state=SEED)
    losses = np.zeros(len(strengths))
    for training, held_out in folds.split(labels[:, np.newaxis], labels):
        scaler, directions, reduced = _reduced(features.rows(training))
        others = scaler(features.rows(held_out)) @ directions
        for place, strength in enumerate(strengths):
            losses[place] += _loss(_fitted(reduced, labels[training], strength), others, labels[held_out], counts)
    best = strengths[int(np.flatnonzero(losses <= losses.min() + 1e-9)[0])]
    scaler, directions, reduced = _reduced(features)
    return Ridge(best, scaler, directions, _fitted(reduced, labels, best), classes)


def _reduced(features: Features) -> tuple[Scaler, Floats, Floats]:
    """The numbers along their own directions: with more numbers than participants far fewer, and the same solution."""
    scaler = Scaler(features)
    values = scaler(features)
    _, singular, directions = np.linalg.svd(values, full_matrices=False)
    kept = directions[singular > 1e-10 * max(float(singular.max(initial=0.0)), 1e-300)].T
    if not kept.shape[1]:  # nothing varies
        kept = directions[:1].T
    return scaler, kept, values @ kept


def _fitted(values: Floats, labels: Labels, strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength, class_weight="balanced", max_iter=2000).fit(values, labels)


def _loss(model: LogisticRegression, values: Floats, labels: Labels, counts: np.ndarray) -> float:
    places = np.searchsorted(model.classes_, labels)
    found = model.predict_proba(values)[np.arange(len(labels)), places]
    return float((-np.log(np.maximum(found, _SMALLEST_PROBABILITY)) / counts[labels]).sum())


def _means(values: Floats) -> Floats:
    known = np.isfinite(values)
    return np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)


def _filled(values: Floats, mean: Floats) -> Floats:
    return np.where(np.isfinite(values), values, mean)


def _inverse_spread(values: Floats) -> Floats:
    spread = values.std(axis=0)
    return np.where(spread > 1e-9, 1 / np.maximum(spread, 1e-9), 0.0)
