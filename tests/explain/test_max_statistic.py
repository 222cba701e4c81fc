"""Two groups in many cells: Student's t, and p-values of the largest over all cells."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import ttest_ind

from monai_fusion.explain import max_statistic as module
from monai_fusion.explain.max_statistic import max_statistic

LABELS = np.array([True, False, True, True, False, False, False])


@pytest.fixture
def values() -> np.ndarray:
    drawn = np.random.default_rng(5).normal(size=(len(LABELS), 40))
    drawn[LABELS, 3] += 6
    return drawn


def of_all_labellings(values: np.ndarray, size: int) -> np.ndarray:
    """The largest |t| of every labelling, by scipy."""
    every = [np.isin(np.arange(len(values)), chosen) for chosen in combinations(range(len(values)), size)]
    return np.array([np.abs(ttest_ind(values[one], values[~one]).statistic).max() for one in every])


def test_p_values_are_those_of_all_labellings_where_there_are_few(values: np.ndarray) -> None:
    found = max_statistic(values, LABELS, draws=35)
    largest = of_all_labellings(values, 3)
    expected = ttest_ind(values[LABELS], values[~LABELS]).statistic
    np.testing.assert_allclose(found.statistic, expected, rtol=1e-9)
    p_values = [(largest >= abs(t) - 1e-6).mean() for t in expected]
    np.testing.assert_allclose(found.p_values, p_values)
    assert found.exhaustive
    assert found.relabellings == 35
    assert found.p_values[3] == pytest.approx(1 / 35)
    assert found.crossed.tolist() == (np.abs(expected) > found.threshold).tolist()
    np.testing.assert_allclose(found.threshold, np.sort(largest)[-2], rtol=1e-9)


def test_drawn_labellings_come_near_all_of_them(values: np.ndarray) -> None:
    more = np.concatenate([values, values[::-1] * 1.1])
    labels = np.concatenate([LABELS, LABELS])
    exact = max_statistic(more, labels, draws=3003)
    drawn = max_statistic(more, labels, draws=3002)
    assert exact.exhaustive
    assert not drawn.exhaustive
    np.testing.assert_allclose(drawn.p_values, exact.p_values, atol=0.03)
    np.testing.assert_array_equal(drawn.p_values, max_statistic(more, labels, draws=3002).p_values)
    assert (drawn.p_values != max_statistic(more, labels, draws=3002, seed=1).p_values).any()


def test_a_group_without_a_difference_is_found_to_differ_as_seldom_as_stated() -> None:
    random = np.random.default_rng(0)
    labels = np.arange(12) < 6
    crossed = [max_statistic(random.normal(size=(12, 30)), labels, 200).crossed.any() for _ in range(400)]
    assert 0.02 < np.mean(crossed) < 0.08


def test_the_difference_is_that_of_the_means(values: np.ndarray) -> None:
    difference = values[LABELS].mean(axis=0) - values[~LABELS].mean(axis=0)
    np.testing.assert_allclose(max_statistic(values.astype(np.float32), LABELS).difference, difference, atol=1e-6)


def test_blocks_of_cells_change_no_number(values: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = max_statistic(values, LABELS, 20)
    monkeypatch.setattr(module, "_AT_ONCE", 60)
    parts = max_statistic(values, LABELS, 20)
    np.testing.assert_allclose(parts.statistic, whole.statistic, rtol=1e-12)
    np.testing.assert_array_equal(parts.p_values, whole.p_values)


def test_a_cell_of_equal_values_has_no_statistic(values: np.ndarray) -> None:
    values[:, 7] = 0.1
    found = max_statistic(values, LABELS)
    assert found.statistic[7] == 0
    assert found.p_values[7] == 1


def test_few_participants_cannot_cross_the_threshold() -> None:
    values = np.array([[9.0, 0.1], [9.1, 0.2], [0.0, 0.3], [0.2, 0.2]])
    found = max_statistic(values, [True, True, False, False])
    assert found.threshold == np.inf
    assert not found.crossed.any()
    assert found.p_values[0] == pytest.approx(2 / 6)


@pytest.mark.parametrize("labels", [[True] * 7, [False] * 7, [True, False]])
def test_groups_that_cannot_be_compared_are_refused(values: np.ndarray, labels: list[bool]) -> None:
    with pytest.raises(ValueError, match="two groups"):
        max_statistic(values, labels)


def test_values_that_are_no_numbers_are_refused(values: np.ndarray) -> None:
    values[2, 2] = np.nan
    with pytest.raises(ValueError, match="finite"):
        max_statistic(values, LABELS)
