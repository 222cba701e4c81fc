"""Priors, temperature and threshold: against closed forms, planted values and scikit-learn."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
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
    read_operating_point,
    read_prior,
)
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


def test_the_planted_temperature_is_found() -> None:
    probabilities, labels = cohort(10_000, sharpen=2.5)
    assert fit_calibration(probabilities, labels, EVEN, EVEN).temperature == pytest.approx(2.5, rel=0.05)
    probabilities, labels = cohort(10_000, sharpen=0.4)
    assert fit_calibration(probabilities, labels, EVEN, EVEN).temperature == pytest.approx(0.4, rel=0.05)


def test_the_temperature_is_the_one_logistic_regression_finds() -> None:
    probabilities, labels = cohort(120, seed=2, sharpen=1.7)
    regression = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10)
    regression.fit(logit(probabilities[:, 1:]), labels)
    # Weighted so that both classes have the wished share, which here is the one they have.
    shares = tuple(np.bincount(labels) / len(labels))
    found = fit_calibration(probabilities, labels, shares, shares)
    assert 1 / found.temperature == pytest.approx(float(regression.coef_[0, 0]), rel=1e-3)


def test_a_network_of_balanced_sampling_is_calibrated_for_the_cohort_it_came_from() -> None:
    """Nine of ten are of the first class; no temperature could repair the effect of balanced sampling."""
    probabilities, labels = cohort(20_000, seed=3, share=0.1, sharpen=2.0)
    fresh, truth = cohort(20_000, seed=4, share=0.1, sharpen=2.0)
    ideal = softmax(np.log(cohort(20_000, seed=4, share=0.1)[0]) + np.log([1.8, 0.2]), axis=1)
    found = fit_calibration(probabilities, labels, EVEN, (0.9, 0.1))
    alone = LogisticRegression(C=np.inf, fit_intercept=False).fit(logit(probabilities[:, 1:]), labels)
    by_temperature_alone = alone.predict_proba(logit(fresh[:, 1:]))
    loss, best = log_loss(truth, found.probabilities(fresh)), log_loss(truth, ideal)
    assert loss == pytest.approx(best, abs=0.003)
    assert log_loss(truth, by_temperature_alone) > best + 0.2
    predicted = found.probabilities(fresh)[:, 1]
    assert predicted.mean() == pytest.approx(0.1, abs=0.01)
    for low, high in ((0.0, 0.05), (0.05, 0.2), (0.2, 0.5)):
        inside = (predicted > low) & (predicted <= high)
        assert truth[inside].mean() == pytest.approx(predicted[inside].mean(), abs=0.03)


def test_recordings_without_evidence_leave_all_participants_at_the_target_prior() -> None:
    found = Calibration(EVEN, (0.9, 0.1), temperature=15.0).probabilities(two(np.array([0.45, 0.5, 0.55])))
    assert found[:, 1] == pytest.approx(0.1, abs=0.002)


def test_the_classes_of_those_fitted_on_are_weighted_to_the_wished_shares() -> None:
    """The validation part may have other shares than the wish: temperature is that of a cohort that has them."""
    wished = (0.8, 0.2)
    probabilities, labels = cohort(12_000, seed=5, share=0.5, sharpen=2.0)
    like_wished, like_labels = cohort(12_000, seed=6, share=0.2, sharpen=2.0)
    found = fit_calibration(probabilities, labels, EVEN, wished)
    assert found.temperature == pytest.approx(
        fit_calibration(like_wished, like_labels, EVEN, wished).temperature, rel=0.03
    )


def test_the_threshold_of_youden_is_the_best_point_of_scikit_learns_roc_curve() -> None:
    probabilities, labels = cohort(150, seed=7, share=0.3)
    found = fit_calibration(probabilities, labels, EVEN, (0.7, 0.3))
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
    assert (found.threshold, found.operating_point) == (0.3, "fixed") and found.temperature != 1.0
    few = fit_calibration(probabilities[:10], labels[:10], EVEN, EVEN, operating_point="0.3")
    assert (few.threshold, few.temperature) == (0.3, 1.0)


def test_with_fewer_than_30_participants_nothing_is_fitted_and_a_note_reports_it() -> None:
    probabilities, labels = cohort(29, sharpen=3.0)
    found = fit_calibration(probabilities, labels, EVEN, (0.6, 0.4))
    assert (found.temperature, found.threshold) == (1.0, 0.5)
    (note,) = found.notes
    assert_parts(note, "29 validation", "fewer than 30", "temperature stays 1", "threshold 0.5")
    # The prior needs no fit.
    assert found.probabilities(two(np.array([0.5])))[0, 1] == pytest.approx(0.4)
    assert fit_calibration(*cohort(30, sharpen=3.0), EVEN, EVEN).temperature != 1.0


def test_participants_who_are_all_classified_correctly_leave_the_temperature_alone() -> None:
    labels = np.repeat([0, 1], 20)
    found = fit_calibration(two(np.where(labels == 1, 0.6, 0.4)), labels, EVEN, EVEN)
    assert found.temperature == 1.0 and found.threshold == pytest.approx(0.5)
    assert_parts(found.notes[0], "correctly", "temperature stays 1")


def test_predictions_worse_than_chance_leave_the_temperature_alone() -> None:
    labels = np.repeat([0, 1], 20)
    found = fit_calibration(two(np.where(labels == 1, 0.2, 0.8)), labels, EVEN, EVEN)
    assert found.temperature == 1.0
    assert_parts(found.notes[0], "no information", "temperature stays 1")


def test_a_threshold_from_few_of_a_class_is_called_imprecise_and_from_one_class_alone_is_not_fitted() -> None:
    probabilities, labels = cohort(60, seed=1)
    labels[:] = 0
    labels[:5] = 1
    found = fit_calibration(probabilities, labels, EVEN, EVEN)
    assert_parts(found.notes[-1], "threshold", "imprecise", "5 participants")
    alone = fit_calibration(probabilities, np.zeros(60, dtype=np.int64), EVEN, EVEN)
    assert alone.threshold == 0.5
    assert_parts(alone.notes[-1], "one class", "threshold stays 0.5")


def test_a_diverged_network_is_not_calibrated() -> None:
    found = fit_calibration(np.full((40, 2), np.nan), np.repeat([0, 1], 20), EVEN, EVEN)
    assert found.temperature == 1.0 and "not numbers" in found.notes[0]


def test_three_classes_have_a_temperature_and_no_threshold() -> None:
    generator = np.random.default_rng(0)
    truth = generator.dirichlet([1, 1, 1], size=5000)
    labels = (generator.random((5000, 1)) > truth.cumsum(axis=1)).sum(axis=1)
    third = (1 / 3, 1 / 3, 1 / 3)
    found = fit_calibration(softmax(2 * np.log(truth), axis=1), labels, third, third, operating_point="sensitivity 0.9")
    assert found.threshold is None and found.temperature == pytest.approx(2, rel=0.1)


def test_predictions_are_corrected_in_all_that_they_say_and_keep_the_networks_own() -> None:
    calibration = Calibration(EVEN, (0.8, 0.2), temperature=2.0, threshold=0.3)
    row = Prediction(
        "a", 1, (0.4, 0.6), 0.5, 4, without_eeg=(0.5, 0.5), by_condition={"EO": (0.1, 0.9)}, fields={"age": 3}
    )
    (found,) = calibration.apply([row])

    def by_hand(positive: float) -> Any:
        corrected_odds = logit(positive) / 2 - np.log(4)
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
    with pytest.raises(InputError, match=r"--operating_point: .*, expected youden, a sensitivity such as"):
        read_operating_point(value)


def test_shares_of_classes_are_read_from_a_list() -> None:
    assert read_prior([0.25, 0.75], ["M", "F"]) == (0.25, 0.75)
    assert sum(read_prior([0.333, 0.333, 0.333], ["a", "b", "c"])) == pytest.approx(1)


@pytest.mark.parametrize("value", [[0.5], [0.5, 0.6], [0, 1], [1.5, -0.5], "even", 0.5, [0.5, "x"], [True, False]])
def test_other_shares_are_refused(value: object) -> None:
    with pytest.raises(InputError, match=r"--target_prior: .*, expected the shares of M, F as a list"):
        read_prior(value, ["M", "F"])
