"""Priors, slope, intercepts and threshold: against closed forms, planted values, scipy and scikit-learn."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_curve

from monai_fusion.errors import InputError
from monai_fusion.metrics import Prediction
from monai_fusion.metrics.calibration import (
    Calibration,
    corrected_log_probabilities,
    fit_calibration,
    network_prior,
    read_prior,
)
from monai_fusion.metrics.operating_points import read_operating_point
from tests.benchmarks.bench_calibration import losses
from tests.message_parts import assert_parts

EVEN = (0.5, 0.5)


def two(positive: np.ndarray) -> np.ndarray:
    return np.stack([1 - positive, positive], axis=1)


def cohort(number: int, seed: int = 0, share: float = 0.5, sharpen: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Two normal classes; the posterior under even shares, its log-odds multiplied by ``sharpen``."""
    generator = np.random.default_rng(seed)
    labels = (generator.random(number) < share).astype(np.int64)
    evidence = generator.normal(size=number) + 1.5 * (labels - 0.5)
    return two(expit(sharpen * 1.5 * evidence)), labels


def test_the_prior_of_a_training_is_what_it_showed_its_network() -> None:
    assert network_prior([60, 20], balanced=True) == (0.5, 0.5)
    assert network_prior([60, 20], balanced=False) == (0.75, 0.25)
    assert network_prior([60, 20], balanced=False, class_weights=[1, 3]) == (0.5, 0.5)
    assert network_prior([30, 0, 10], balanced=True) == (0.5, 0.0, 0.5)


def test_a_prior_is_corrected_by_bayes_rule() -> None:
    """The posterior under shares of 3:1 from that under 1:1, by the likelihood ratio."""
    found = np.exp(corrected_log_probabilities(two(np.array([0.2, 0.5, 0.9])), EVEN, (0.75, 0.25)))
    assert found[:, 1] == pytest.approx([0.2 / (0.2 + 3 * 0.8), 0.25, 0.9 / (0.9 + 3 * 0.1)])
    assert found.sum(axis=1) == pytest.approx(1)
    same = np.exp(corrected_log_probabilities(two(np.array([0.2, 1.0])), (0.7, 0.3), (0.7, 0.3)))
    assert same == pytest.approx(two(np.array([0.2, 1.0])))


def test_a_class_without_training_participants_is_left_as_it_is() -> None:
    found = np.exp(corrected_log_probabilities(np.array([[0.5, 0.3, 0.2]]), (0.5, 0.5, 0.0), (0.5, 0.5, 0.0)))
    assert found[0] == pytest.approx([0.5, 0.3, 0.2])


def penalised(values: np.ndarray, odds: np.ndarray, labels: np.ndarray) -> float:
    """The loss of two classes, written out: a, c -> weighted cross-entropy + a^2 / (2 * 0.5) + c^2 / 2."""
    log_slope, added = values
    counts = np.bincount(labels)
    weights = (2 / (1 / counts[0] + 1 / counts[1])) / counts[labels]
    signed = np.where(labels == 1, 1, -1) * (np.exp(log_slope) * odds + added)
    return float((weights * np.log1p(np.exp(-signed))).sum() + log_slope**2 / (2 * 0.5) + added**2 / 2)


@pytest.mark.parametrize(("number", "share"), [(8, 0.5), (40, 0.3), (400, 0.8)])
def test_slope_and_intercept_minimise_the_penalised_loss_of_two_classes(number: int, share: float) -> None:
    probabilities, labels = cohort(number, seed=2, share=share, sharpen=1.7)
    found = fit_calibration(probabilities, labels, EVEN, EVEN)
    odds = logit(probabilities[:, 1])
    by_scipy = minimize(penalised, [0.0, 0.0], (odds, labels), method="Nelder-Mead", options={"xatol": 1e-9}).x
    assert np.log(found.slope) == pytest.approx(by_scipy[0], abs=1e-5)
    assert found.intercepts[1] - found.intercepts[0] == pytest.approx(by_scipy[1], abs=1e-5)
    assert sum(found.intercepts) == pytest.approx(0) and found.fitted and not found.notes


def test_with_many_participants_the_fit_is_that_of_a_weighted_logistic_regression() -> None:
    """The penalty is of the weight of one participant or two."""
    probabilities, labels = cohort(20_000, seed=3, share=0.2, sharpen=2.5)
    odds = logit(probabilities[:, 1]) + 0.8
    regression = LogisticRegression(C=np.inf, class_weight="balanced", tol=1e-10).fit(odds[:, None], labels)
    found = fit_calibration(two(expit(odds)), labels, EVEN, EVEN)
    assert found.slope == pytest.approx(float(regression.coef_[0, 0]), rel=2e-3)
    assert found.intercepts[1] - found.intercepts[0] == pytest.approx(float(regression.intercept_[0]), abs=2e-3)
    assert found.slope == pytest.approx(1 / 2.5, rel=0.05)  # the planted one


def test_three_classes_have_one_slope_and_an_intercept_each() -> None:
    generator = np.random.default_rng(0)
    truth = generator.dirichlet([1, 1, 1], size=5000)
    labels = (generator.random((5000, 1)) > truth.cumsum(axis=1)).sum(axis=1)
    third = (1 / 3, 1 / 3, 1 / 3)
    network = softmax(2 * np.log(truth) + [0.5, 0.0, -0.5], axis=1)
    found = fit_calibration(network, labels, third, third)
    assert found.slope == pytest.approx(0.5, rel=0.1) and found.threshold is None
    assert found.intercepts == pytest.approx((-0.25, 0.0, 0.25), abs=0.1)
    few = fit_calibration(network[:12], labels[:12], third, third)

    def loss(values: np.ndarray) -> float:
        counts = np.bincount(labels[:12])
        weights = (3 / (1 / counts).sum()) / counts[labels[:12]]
        logs = np.log(softmax(np.exp(values[0]) * np.log(network[:12]) + values[1:], axis=1))
        return float(-(weights * logs[np.arange(12), labels[:12]]).sum() + values[0] ** 2 + (values[1:] ** 2).sum())

    options = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 5000}
    by_scipy = minimize(loss, np.zeros(4), method="Nelder-Mead", options=options).x
    assert [np.log(few.slope), *few.intercepts] == pytest.approx(by_scipy, abs=1e-4)


def test_few_participants_change_little_and_each_more_changes_it_a_little() -> None:
    """No number below which nothing is fitted: one more participant never makes a jump."""
    probabilities, labels = cohort(60, seed=4, sharpen=3.0)
    slopes = [fit_calibration(probabilities[:n], labels[:n], EVEN, EVEN).slope for n in range(4, 61)]
    assert 0.6 < slopes[0] < 1.4 and np.abs(np.diff(slopes)).max() < 0.35
    assert slopes[-1] < 0.85


def test_separated_classes_and_predictions_worse_than_chance_stay_near_what_the_network_says() -> None:
    labels = np.repeat([0, 1], 20)
    right = fit_calibration(two(np.where(labels == 1, 0.6, 0.4)), labels, EVEN, EVEN)
    assert 1 < right.slope < 20 and right.intercepts == pytest.approx((0, 0), abs=1e-6)
    wrong = fit_calibration(two(np.where(labels == 1, 0.2, 0.8)), labels, EVEN, EVEN)
    assert 0 < wrong.slope < 0.3 and wrong.fitted


def test_a_network_of_balanced_sampling_is_calibrated_for_the_cohort_it_came_from() -> None:
    """Nine of ten are of the first class; no slope alone could repair the effect of balanced sampling."""
    probabilities, labels = cohort(20_000, seed=3, share=0.1, sharpen=2.0)
    fresh, truth = cohort(20_000, seed=4, share=0.1, sharpen=2.0)
    ideal = softmax(np.log(cohort(20_000, seed=4, share=0.1)[0]) + np.log([1.8, 0.2]), axis=1)
    found = fit_calibration(probabilities, labels, EVEN, (0.9, 0.1))
    alone = LogisticRegression(C=np.inf, fit_intercept=False).fit(logit(probabilities[:, 1:]), labels)
    by_slope_alone = alone.predict_proba(logit(fresh[:, 1:]))
    loss, best = log_loss(truth, found.probabilities(fresh)), log_loss(truth, ideal)
    assert loss == pytest.approx(best, abs=0.003)
    assert log_loss(truth, by_slope_alone) > best + 0.2
    predicted = found.probabilities(fresh)[:, 1]
    assert predicted.mean() == pytest.approx(0.1, abs=0.01)
    for low, high in ((0.0, 0.05), (0.05, 0.2), (0.2, 0.5)):
        inside = (predicted > low) & (predicted <= high)
        assert truth[inside].mean() == pytest.approx(predicted[inside].mean(), abs=0.03)


def test_recordings_without_evidence_leave_all_participants_at_the_target_prior() -> None:
    found = Calibration(EVEN, (0.9, 0.1), slope=0.07).probabilities(two(np.array([0.45, 0.5, 0.55])))
    assert found[:, 1] == pytest.approx(0.1, abs=0.002)


def test_the_fit_does_not_depend_on_the_class_shares_of_the_participants_or_of_the_target() -> None:
    """A class twice as often, each participant doubled, weighs the same."""
    probabilities, labels = cohort(4_000, seed=5, share=0.5, sharpen=2.0)
    twice = np.concatenate([np.arange(4_000), np.flatnonzero(labels == 1)])
    one = fit_calibration(probabilities, labels, EVEN, EVEN)
    other = fit_calibration(probabilities[twice], labels[twice], EVEN, (0.8, 0.2))
    assert other.slope == pytest.approx(one.slope, rel=2e-3)
    assert other.intercepts == pytest.approx(one.intercepts, abs=2e-3)


@pytest.mark.parametrize("wanted", [(0.5, 0.5), (0.8, 0.2), (0.3, 0.7)])
def test_by_default_a_class_is_predicted_that_is_more_probable_at_equal_shares(wanted: tuple[float, float]) -> None:
    """The target prior moves the probabilities, and not one decision."""
    probabilities, labels = cohort(150, seed=7, share=0.3)
    found = fit_calibration(probabilities, labels, EVEN, wanted)
    at_even = fit_calibration(probabilities, labels, EVEN, EVEN).probabilities(probabilities)
    assert found.operating_point == "balanced" and found.threshold == pytest.approx(wanted[1])
    predicted = found.probabilities(probabilities)[:, 1] > found.threshold
    assert (predicted == (at_even[:, 1] > 0.5)).all()


def test_the_balanced_class_of_three_is_the_most_probable_one_at_equal_shares() -> None:
    third = (1 / 3, 1 / 3, 1 / 3)
    found = Calibration(third, (0.8, 0.1, 0.1), intercepts=(0.0, 0.0, 0.0))
    (row,) = found.apply([Prediction("a", 1, (0.3, 0.45, 0.25), 0.5, 1)])
    assert row.probabilities.index(max(row.probabilities)) == 0 and row.predicted == 1
    (row,) = replace(found, operating_point="prior").apply([Prediction("a", 1, (0.3, 0.45, 0.25), 0.5, 1)])
    assert row.predicted == 0


def test_the_prior_operating_point_predicts_what_is_more_probable_at_the_target_shares() -> None:
    probabilities, labels = cohort(60, seed=7)
    found = fit_calibration(probabilities, labels, EVEN, (0.8, 0.2), "prior")
    assert (found.threshold, found.operating_point) == (0.5, "prior")


def test_the_threshold_of_youden_is_the_best_point_of_scikit_learns_roc_curve() -> None:
    probabilities, labels = cohort(150, seed=7, share=0.3)
    found = fit_calibration(probabilities, labels, EVEN, (0.7, 0.3), "youden")
    positive = found.probabilities(probabilities)[:, 1]
    false, true, _ = roc_curve(labels, positive)
    assert found.threshold is not None
    predicted = positive > found.threshold
    assert predicted[labels == 1].mean() - predicted[labels == 0].mean() == pytest.approx((true - false).max())
    assert found.operating_point == "youden" and not found.notes


@pytest.mark.parametrize("wished", [0.5, 0.8, 0.9, 1.0])
def test_a_wished_sensitivity_is_reached_and_nothing_more_is_given_away(wished: float) -> None:
    probabilities, labels = cohort(150, seed=8)
    found = fit_calibration(probabilities, labels, EVEN, EVEN, operating_point=f"sensitivity {wished}")
    positive = found.probabilities(probabilities)[:, 1]
    assert found.threshold is not None and found.operating_point == f"sensitivity {wished:g}"
    assert (positive[labels == 1] > found.threshold).mean() >= wished
    higher = positive[positive > found.threshold].min()  # the next threshold that would change anything
    assert (positive[labels == 1] > higher).mean() < wished or higher == positive.max()


def test_a_threshold_that_is_given_is_kept() -> None:
    probabilities, labels = cohort(60, seed=9)
    found = fit_calibration(probabilities, labels, EVEN, EVEN, operating_point=0.3)
    assert (found.threshold, found.operating_point) == (0.3, "fixed") and found.slope != 1.0
    none = fit_calibration(probabilities[:0], labels[:0], EVEN, EVEN, operating_point="0.3")
    assert (none.threshold, none.slope) == (0.3, 1.0)


@pytest.mark.parametrize("asked", ["youden", "sensitivity 0.9"])
def test_a_threshold_that_cannot_be_fitted_is_not_named(asked: str) -> None:
    """With one class, or nobody: the balanced threshold, which needs no fit, and its name."""
    probabilities, _ = cohort(20)
    for labels in (np.zeros(20, dtype=np.int64), np.zeros(0, dtype=np.int64)):
        found = fit_calibration(probabilities[: len(labels)], labels, EVEN, (0.6, 0.4), asked)
        assert (found.operating_point, found.threshold, found.slope) == ("balanced", 0.4, 1.0)
        assert not found.fitted and "youden" not in found.operating_point
        assert_parts(found.notes[-1], asked.split()[0], "cannot be fitted", "balanced")
    # The prior needs no fit.
    assert found.probabilities(two(np.array([0.5])))[0, 1] == pytest.approx(0.4)


def test_a_threshold_from_few_of_a_class_is_called_imprecise() -> None:
    probabilities, labels = cohort(60, seed=1)
    labels[:] = 0
    labels[:5] = 1
    found = fit_calibration(probabilities, labels, EVEN, EVEN, "youden")
    assert_parts(found.notes[-1], "threshold", "imprecise", "5 participants")


def test_a_diverged_network_is_not_calibrated() -> None:
    found = fit_calibration(np.full((40, 2), np.nan), np.repeat([0, 1], 20), EVEN, EVEN)
    assert found.slope == 1.0 and not found.fitted and "not numbers" in found.notes[0]


def test_a_class_that_nobody_learned_from_takes_no_part_in_the_fit() -> None:
    generator = np.random.default_rng(1)
    labels = np.array([0, 1] * 20 + [2])
    probabilities = generator.dirichlet([2, 2, 1], size=41)
    found = fit_calibration(probabilities, labels, (0.5, 0.5, 0.0), (0.5, 0.5, 0.0))
    assert found.fitted and found.intercepts[2] == 0 and found.intercepts[0] == pytest.approx(-found.intercepts[1])


def test_predictions_are_corrected_in_all_that_they_say_and_keep_the_networks_own() -> None:
    calibration = Calibration(EVEN, (0.8, 0.2), slope=0.5, intercepts=(-0.1, 0.1), threshold=0.3)
    row = Prediction(
        "a", 1, (0.4, 0.6), 0.5, 4, without_eeg=(0.5, 0.5), by_condition={"EO": (0.1, 0.9)}, fields={"age": 3}
    )
    (found,) = calibration.apply([row])

    def by_hand(positive: float) -> Any:
        corrected_odds = logit(positive) / 2 + 0.2 - np.log(4)
        return pytest.approx((expit(-corrected_odds), expit(corrected_odds)))

    assert found.probabilities == by_hand(0.6)
    assert found.without_eeg == by_hand(0.5) and found.by_condition == {"EO": by_hand(0.9)}
    assert found.without_mri is None and found.uncalibrated == (0.4, 0.6) and found.threshold == 0.3
    assert found.probabilities[1] < 0.3 and found.predicted == 0 and row.predicted == 1
    assert replace(found, threshold=0.2).predicted == 1
    with pytest.raises(ValueError, match="calibrated already"):
        calibration.apply([found])


@pytest.mark.parametrize(
    ("value", "kind", "number"),
    [
        ("youden", "youden", 0.5),
        ("Youden", "youden", 0.5),
        ("balanced", "balanced", 0.5),
        ("prior", "prior", 0.5),
        ("sensitivity 0.9", "sensitivity", 0.9),
        ("sensitivity=0.95", "sensitivity", 0.95),
        (0.4, "fixed", 0.4),
        ("0.4", "fixed", 0.4),
    ],
)
def test_an_operating_point_is_read_as_users_type_it(value: object, kind: str, number: float) -> None:
    assert read_operating_point(value) == (kind, number)


@pytest.mark.parametrize(
    "value", ["", "best", "sensitivity", "sensitivity 2", "sensitivity high", 0, 1, -0.1, True, []]
)
def test_another_operating_point_is_refused_with_those_that_exist(value: object) -> None:
    with pytest.raises(
        InputError, match=r"--operating_point: .*, expected balanced, prior, youden, a sensitivity such"
    ):
        read_operating_point(value)


@pytest.mark.parametrize("value", ["youden", "sensitivity 0.9", 0.4])
def test_three_classes_have_no_threshold_to_ask_for(value: object) -> None:
    with pytest.raises(InputError, match=r"--operating_point: .*, expected balanced or prior: 3 classes"):
        read_operating_point(value, classes=3)


def test_shares_of_classes_are_read_from_a_list() -> None:
    assert read_prior([0.25, 0.75], ["M", "F"]) == (0.25, 0.75)
    assert sum(read_prior([0.333, 0.333, 0.333], ["a", "b", "c"])) == pytest.approx(1)


@pytest.mark.parametrize("value", [[0.5], [0.5, 0.6], [0, 1], [1.5, -0.5], "even", 0.5, [0.5, "x"], [True, False]])
def test_other_shares_are_refused(value: object) -> None:
    with pytest.raises(InputError, match=r"--target_prior: .*, expected the shares of M, F as a list"):
        read_prior(value, ["M", "F"])


def test_the_balanced_decision_loses_less_than_youdens_of_few_participants() -> None:
    """The benchmark of docs/method.md, in small: points of balanced accuracy below the best threshold."""
    for size, bias in ((20, 0.4), (76, 0.4)):
        found = losses(1.5, bias, size, (64, 36), number=60, seed=1)
        assert found["balanced"] < 0.6 and found["youden"] > found["balanced"] + 0.5
        assert found["balanced"] < found["network at prior"] + found["network"]
