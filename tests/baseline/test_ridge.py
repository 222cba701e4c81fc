"""The ridge logistic regression, against scikit-learn's own."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler

from monai_fusion.baseline.models import feature_sets
from monai_fusion.baseline.participant_numbers import Covariate, ParticipantNumbers
from monai_fusion.baseline.ridge import INNER_FOLDS, SEED, STRENGTHS, Features, Scaler, can_be_fitted, fit_ridge


def _noise(n: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, width))


@pytest.mark.parametrize("width", [3, 90])  # fewer and more numbers than participants
def test_probabilities_are_those_of_scikit_learn(width: int) -> None:
    values, labels = _noise(40, width) * 5 + 2, np.arange(40) % 2
    values[:, 0] += labels
    scaled = StandardScaler().fit(values)
    new = _noise(10, width, seed=1) * 5 + 2
    model = LogisticRegression(C=0.7, class_weight="balanced", max_iter=5000, tol=1e-8)
    model.fit(scaled.transform(values) / np.sqrt(width), labels)
    found = fit_ridge(Features((values,)), labels, 2, strengths=[0.7]).probabilities(Features((new,)))
    assert found == pytest.approx(model.predict_proba(scaled.transform(new) / np.sqrt(width)), abs=1e-3)


def test_the_strength_has_the_smallest_loss_over_folds_that_learned_nothing_of_the_held_out() -> None:
    values, labels = _noise(60, 5, seed=3), (np.arange(60) % 3 == 0).astype(np.int64)
    values[:, 0] += 1.5 * labels
    folds = StratifiedKFold(INNER_FOLDS, shuffle=True, random_state=SEED)
    losses = []
    for strength in STRENGTHS:
        loss = 0.0
        for training, held_out in folds.split(values, labels):
            scaler = StandardScaler().fit(values[training])
            model = LogisticRegression(C=strength, class_weight="balanced", max_iter=5000)
            model.fit(scaler.transform(values[training]) / np.sqrt(5), labels[training])
            found = model.predict_proba(scaler.transform(values[held_out]) / np.sqrt(5))
            own = found[np.arange(len(held_out)), labels[held_out]]
            loss += float((-np.log(own) / np.bincount(labels)[labels[held_out]]).sum())
        losses.append(loss)
    assert fit_ridge(Features((values,)), labels, 2).strength == STRENGTHS[int(np.argmin(losses))]


def test_one_number_is_not_drowned_by_five_hundred_of_noise() -> None:
    labels = np.arange(160) % 2
    one = (3 * labels + np.random.default_rng(0).normal(size=160))[:, np.newaxis]
    features = Features((one, _noise(160, 500)))
    learned, others = np.arange(80), np.arange(80, 160)
    found = fit_ridge(features.rows(learned), labels[learned], 2).probabilities(features.rows(others))
    assert roc_auc_score(labels[others], found[:, 1]) > 0.9


def test_a_missing_number_counts_as_the_mean_of_the_training() -> None:
    labels = np.arange(30) % 2
    values = _noise(30, 2)
    model = fit_ridge(Features((values,)), labels, 2)
    mean = values.mean(axis=0, keepdims=True)
    assert model.probabilities(Features((np.full((1, 2), np.nan),))) == pytest.approx(
        model.probabilities(Features((mean,)))
    )


def test_three_classes_and_one_that_the_training_lacks() -> None:
    labels = np.array([0, 2] * 20)
    values = labels[:, np.newaxis] + _noise(40, 1)
    found = fit_ridge(Features((values,)), labels, 3).probabilities(Features((values,)))
    assert found.shape == (40, 3)
    assert (found[:, 1] == 0).all()
    assert found.sum(axis=1) == pytest.approx(1.0)


def test_the_same_participants_give_the_same_model() -> None:
    values, labels = _noise(40, 60), np.arange(40) % 2
    first, again = (fit_ridge(Features((values,)), labels, 2).probabilities(Features((values,))) for _ in range(2))
    assert (first == again).all()


def test_a_covariate_is_removed_from_the_numbers() -> None:
    labels = (np.arange(200) % 2).astype(np.int64)
    size = 2.0 * labels + np.random.default_rng(0).normal(size=200)
    values = size[:, np.newaxis] * np.ones(4) + 0.3 * _noise(200, 4)
    learned, others = np.arange(100), np.arange(100, 200)

    def auroc(features: Features) -> float:
        model = fit_ridge(features.rows(learned), labels[learned], 2)
        return float(roc_auc_score(labels[others], model.probabilities(features.rows(others))[:, 1]))

    assert auroc(Features((values,))) > 0.85
    assert auroc(Features((values,), size[:, np.newaxis])) < 0.65


def test_the_covariate_s_slope_is_learned_from_the_training_alone() -> None:
    values, covariate = _noise(40, 3), _noise(40, 1, seed=1)
    features, learned = Features((values,), covariate), np.arange(20)
    before = Scaler(features.rows(learned))(features.rows(learned))
    values[20:] += 100 * covariate[20:]  # what the others have changes nothing
    assert (Scaler(features.rows(learned))(features.rows(learned)) == before).all()


def _strength_of_scikit_learn(values: np.ndarray, given: np.ndarray, labels: np.ndarray, inside: bool) -> float:
    """The best C; covariates are removed by a regression on each inner fold's training part, or on everyone."""
    folds, everyone = StratifiedKFold(INNER_FOLDS, shuffle=True, random_state=SEED), np.arange(len(labels))
    width = np.sqrt(values.shape[1])
    losses = np.zeros(len(STRENGTHS))
    for training, held_out in folds.split(values, labels):
        rows = training if inside else everyone
        rest = values - LinearRegression().fit(given[rows], values[rows]).predict(given)
        scaled = StandardScaler().fit(rest[training]).transform(rest) / width
        for place, strength in enumerate(STRENGTHS):
            model = LogisticRegression(C=strength, class_weight="balanced", max_iter=5000)
            found = model.fit(scaled[training], labels[training]).predict_proba(scaled[held_out])
            own = np.maximum(found[np.arange(len(held_out)), labels[held_out]], 1e-7)
            losses[place] += float((-np.log(own) / np.bincount(labels)[labels[held_out]]).sum())
    return STRENGTHS[int(np.argmin(losses))]


def test_covariates_are_removed_inside_the_inner_folds_as_well() -> None:
    random = np.random.default_rng(27)
    labels, given, values = (
        (np.arange(24) % 2).astype(np.int64),
        random.normal(size=(24, 8)),
        random.normal(size=(24, 4)),
    )
    values[:, 0] += 1.2 * labels
    inside, across = (_strength_of_scikit_learn(values, given, labels, where) for where in (True, False))
    assert inside != across  # here a regression across the folds would choose another ridge
    assert fit_ridge(Features((values,), given), labels, 2).strength == inside


def test_what_other_tested_participants_have_changes_no_prediction() -> None:
    """A regression of the numbers on the covariates across training and test would tell of the tested ones."""
    random = np.random.default_rng(5)
    labels, learned = (np.arange(60) % 2).astype(np.int64), np.arange(40)
    mri, age = random.normal(size=(60, 20)) + labels[:, np.newaxis], random.normal(size=(60, 1))
    predicted = []
    for shift in (0.0, 50.0):
        mri[45:], age[45:] = mri[45:] + shift * age[45:], age[45:] + shift
        numbers = ParticipantNumbers((), mri=mri.copy())
        (each,) = [one for one in feature_sets(numbers, (Covariate("age", age.copy()),)) if one.name == "mri"]
        model = fit_ridge(each.features.rows(learned), labels[learned], 2)
        predicted.append(model.probabilities(each.features.rows(np.arange(40, 60)))[:5])
    assert (predicted[0] == predicted[1]).all()


def test_two_participants_of_two_classes_are_the_fewest_to_learn_from() -> None:
    assert can_be_fitted(np.array([0, 0, 1, 1]))
    assert not can_be_fitted(np.array([0, 0, 1]))
    assert not can_be_fitted(np.array([1, 1, 1]))
    assert not can_be_fitted(np.array([], dtype=np.int64))
    with pytest.raises(ValueError, match="two participants"):
        fit_ridge(Features((_noise(3, 2),)), np.array([0, 0, 1]), 2)
