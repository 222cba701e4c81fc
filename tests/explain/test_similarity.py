"""Rank correlations of maps, and means over participants."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr, ttest_1samp

from monai_fusion.explain.similarity import mean_of, similarity


def test_signs_and_magnitudes_are_compared_separately() -> None:
    drawn = np.random.default_rng(1)
    one, other = drawn.normal(size=(4, 50)).astype(np.float32), drawn.normal(size=(4, 50)).astype(np.float32)
    found = similarity(one, other)
    assert found.signed == pytest.approx(spearmanr(one.ravel(), other.ravel()).statistic)
    assert found.magnitude == pytest.approx(spearmanr(np.abs(one).ravel(), np.abs(other).ravel()).statistic)
    turned = similarity(one, -one)
    assert (turned.signed, turned.magnitude) == (pytest.approx(-1), pytest.approx(1))


def test_points_outside_the_head_do_not_make_maps_alike() -> None:
    drawn = np.random.default_rng(2)
    one, other = np.zeros((2, 10_000))
    one[:500], other[:500] = np.abs(drawn.normal(size=(2, 500)))
    found = similarity(one, other)
    assert found.points == 500
    assert abs(found.magnitude or 1) < 0.15
    assert spearmanr(one, other).statistic > 0.9  # what counting them would give


@pytest.mark.parametrize("other", [np.ones(5), np.full(5, np.nan), np.zeros(5)])
def test_a_map_without_ranks_has_no_correlation(other: np.ndarray) -> None:
    assert similarity(np.arange(1.0, 6.0), other).signed is None


def test_maps_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(3,\) and \(4,\)"):
        similarity(np.zeros(3), np.zeros(4))


def test_the_interval_of_a_mean_is_students() -> None:
    values = [1.0, 2.0, None, 4.5, float("nan")]
    found = mean_of(values)
    wanted = ttest_1samp([1.0, 2.0, 4.5], 0).confidence_interval()
    assert found.participants == 3
    assert found.value == pytest.approx(2.5)
    assert found.interval == pytest.approx((wanted.low, wanted.high))
    assert (mean_of([3.0, 4.0]).interval, mean_of([3.0, 4.0]).participants, mean_of([None]).value) == (None, 2, None)
