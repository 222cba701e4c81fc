"""When a number is unlike those of a cohort: how rarely that is a false alarm, and what it takes to be noticed."""

from __future__ import annotations

import numpy as np
import pytest

from monai_fusion.cohort_profile.rule import FALSE_ALARMS, MOST_WIDENING, Ranges, ranges_of, widening_of

NUMBERS = 40


def cohort(generator: np.random.Generator, people: int, loadings: np.ndarray) -> np.ndarray:
    """Numbers of people: correlated, some skewed, some with heavy tails, two scanners, and a protocol for all."""
    values = generator.normal(size=(people, 4)) @ loadings + 0.8 * generator.normal(size=(people, NUMBERS))
    values[:, :8] = np.exp(0.4 * values[:, :8])
    values[:, 8:14] = generator.standard_t(5, size=(people, 6))
    values[:, 14:18] = 1.0
    values[:, 18] = generator.integers(0, 2, people)
    return values


def calls(train: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Whether each of the others is unlike the first."""
    units = np.full(NUMBERS, 0.02)
    return ranges_of(train, units).excess(others).max(axis=1) > widening_of(train, units)


@pytest.mark.parametrize("people", [12, 20, 60])
def test_at_most_about_1_in_20_of_the_same_cohort_is_called_unlike(people: int) -> None:
    generator = np.random.default_rng(people)
    rates = []
    for _ in range(25):
        loadings = 0.5 * generator.normal(size=(4, NUMBERS))
        rates.append(calls(cohort(generator, people, loadings), cohort(generator, 200, loadings)).mean())
    standard_error = np.std(rates) / np.sqrt(len(rates))
    assert np.mean(rates) < FALSE_ALARMS + 1.5 * standard_error


@pytest.mark.parametrize("people", [20, 40, 300])
def test_left_out_of_its_own_cohort_at_most_1_in_20_is_called_unlike(people: int) -> None:
    generator = np.random.default_rng(1)
    values = cohort(generator, people, 0.5 * generator.normal(size=(4, NUMBERS)))
    units = np.full(NUMBERS, 0.02)
    widening = widening_of(values, units)
    unlike = 0
    for person in range(people):
        others = np.delete(values, person, axis=0)
        unlike += ranges_of(others, units).excess(values[[person]]).max() > widening
    assert unlike <= FALSE_ALARMS * people


def test_what_is_far_outside_is_called_unlike_though_one_of_the_training_is_as_odd() -> None:
    generator = np.random.default_rng(2)
    train = generator.normal(size=(60, NUMBERS))
    odd = generator.normal(size=(1, NUMBERS))
    odd[0, 5] = 30.0
    assert calls(train, odd).all()
    train[7, 5] = 40.0  # an extreme value of one person must not widen the range for others
    assert calls(train, odd).all()


def test_a_protocol_without_any_spread_is_measured_in_its_least_unit() -> None:
    found = ranges_of(np.ones((10, 1)), np.array([0.01]))
    assert found.excess(np.array([1.5]))[0] == pytest.approx(50.0)
    assert found.excess(np.array([0.9]))[0] == pytest.approx(10.0)
    assert found.excess(np.array([1.0]))[0] == 0.0


def test_each_side_has_its_own_unit() -> None:
    skewed = np.exp(np.random.default_rng(3).normal(size=(2000, 1)))
    found = ranges_of(skewed, np.array([0.01]))
    assert found.high[0] == pytest.approx(np.exp(1.645), rel=0.1)
    assert found.high_unit[0] == pytest.approx((found.high[0] - found.median[0]) / 1.6449)
    assert found.low_unit[0] == pytest.approx(1.4826 * np.median(np.abs(skewed - found.median[0])))


def test_what_is_not_known_is_not_unlike() -> None:
    values = np.random.default_rng(4).normal(size=(20, 3))
    values[3:, 1] = np.nan  # known of three people: too few
    values[2, 2] = np.nan
    found = ranges_of(values, np.full(3, 0.1))
    assert np.isnan(found.median).tolist() == [False, True, False]
    assert found.median[2] == np.median(np.delete(values[:, 2], 2))
    assert found.excess(np.array([np.nan, 99.0, np.nan])).tolist() == [0, 0, 0]
    assert np.isfinite(widening_of(values, np.full(3, 0.1)))


def test_a_handful_of_people_takes_the_largest_widening() -> None:
    assert widening_of(np.random.default_rng(5).normal(size=(4, 2)), np.full(2, 0.1)) == MOST_WIDENING
    assert widening_of(np.empty((0, 0)), np.empty(0)) == MOST_WIDENING


def test_groups_left_out_of_a_large_cohort_give_nearly_what_single_people_do() -> None:
    values = np.random.default_rng(6).normal(size=(401, 6))
    units = np.full(6, 0.01)
    excesses = [
        ranges_of(np.delete(values, person, axis=0), units).excess(values[person]).max() for person in range(401)
    ]
    assert widening_of(values, units) == pytest.approx(max(1.0, np.sort(excesses)[381]), abs=0.05)


def test_an_excess_is_that_of_the_nearer_end() -> None:
    found = Ranges(*(np.array([each]) for each in (1.0, 3.0, 2.0, 0.5, 2.0)))
    assert [found.excess(np.array([each]))[0] for each in (0.0, 1.5, 5.0)] == [2.0, 0.0, 1.0]
