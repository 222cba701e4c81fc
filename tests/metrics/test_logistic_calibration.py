"""Slope and intercept of the calibration: against scikit-learn, a grid, and planted values."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import chi2
from sklearn.linear_model import LogisticRegression

from monai_fusion.metrics.logistic_calibration import calibration_intercept, calibration_slope, log_odds


def planted(number: int, slope: float, intercept: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Log-odds that must be multiplied by ``slope``, and shifted by ``intercept``, to be right."""
    generator = np.random.default_rng(seed)
    odds = generator.normal(0, 1.5, size=number)
    return odds, (generator.random(number) < expit(slope * odds + intercept)).astype(np.int64)


def likelihood(odds: np.ndarray, labels: np.ndarray) -> float:
    return float(-np.logaddexp(0, np.where(labels == 1, -odds, odds)).sum())


def test_the_slope_is_that_of_an_unpenalised_logistic_regression() -> None:
    odds, labels = planted(150, 0.6, 0.3)
    found = calibration_slope(odds, labels)
    regression = LogisticRegression(C=np.inf, tol=1e-10).fit(odds[:, None], labels)
    assert found is not None and found[0] == pytest.approx(float(regression.coef_[0, 0]), rel=1e-4)


def test_at_the_ends_of_an_interval_the_likelihood_has_fallen_by_the_quantile() -> None:
    odds, labels = planted(80, 0.6, 0.3, seed=1)
    slope, intercept = calibration_slope(odds, labels), calibration_intercept(odds, labels)
    assert slope is not None and intercept is not None
    allowed = chi2.ppf(0.95, 1) / 2
    free = np.linspace(-3, 3, 60_001)

    def best_of_slope(value: float) -> float:
        return max(likelihood(value * odds + one, labels) for one in free[::60])

    for end in (slope[1].low, slope[1].high):
        assert best_of_slope(slope[0]) - best_of_slope(end) == pytest.approx(allowed, abs=0.02)
    best = likelihood(odds + intercept[0], labels)
    for end in (intercept[1].low, intercept[1].high):
        assert best - likelihood(odds + end, labels) == pytest.approx(allowed, abs=1e-6)
    assert slope[1].low < slope[0] < slope[1].high and slope[1].method == "profile likelihood"


def test_with_the_intercept_the_mean_probability_is_the_share_of_the_second_class() -> None:
    odds, labels = planted(400, 1.0, -0.7, seed=2)
    found = calibration_intercept(odds, labels)
    assert found is not None and expit(odds + found[0]).mean() == pytest.approx(labels.mean(), abs=1e-8)
    assert found[1].low < -0.7 < found[1].high


def test_what_has_no_finite_slope_has_none() -> None:
    labels = np.array([0] * 6 + [1] * 6)
    assert calibration_slope(np.where(labels == 1, 1.0, -1.0) + 0.01 * np.arange(12), labels) is None
    assert calibration_slope(np.zeros(12), labels) is None
    assert calibration_slope(np.arange(12.0), np.zeros(12, dtype=np.int64)) is None
    assert calibration_intercept(np.arange(12.0), np.zeros(12, dtype=np.int64)) is None


def test_probabilities_of_0_and_1_have_finite_log_odds() -> None:
    assert np.isfinite(log_odds(np.array([0.0, 0.5, 1.0]))).all()
