"""Prediction sets: how often they hold the true class, and what they do where too few participants were there."""

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from scipy.special import expit

from monai_fusion.metrics import Prediction, fit_calibration
from monai_fusion.metrics.prediction_sets import (
    IN_EVERY_SET,
    CalibrationPeople,
    fewest_participants,
    fit_prediction_sets,
    folds_within_class,
    smallest_conformity,
    warnings_of_sets,
)
from tests.message_parts import assert_parts

EVEN = (0.5, 0.5)


def drawn(number: int, generator: np.random.Generator, effect: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels of so many participants of two classes."""
    labels = (np.arange(number) % 25 >= 16).astype(np.int64)
    positive = expit(effect * (generator.normal(size=number) + effect * (labels - 0.5)))
    return np.stack([1 - positive, positive], axis=1), labels


def people(number: int = 50, seed: int = 0) -> CalibrationPeople:
    return CalibrationPeople(*drawn(number, np.random.default_rng(seed)))


def prediction(positive: float, label: int | None = None) -> Prediction:
    return Prediction("sub-01", label, (1 - positive, positive), 0.5, 2)


def test_the_threshold_is_the_one_of_a_calculation_by_hand() -> None:
    own = np.array([0.91, 0.35, 0.80, 0.72, 0.66, 0.20, 0.99, 0.85, 0.59])
    assert smallest_conformity(own, 0.9) == 0.20  # k = ceil(10 x 0.9) = 9 of 9: the smallest
    assert smallest_conformity(own, 0.8) == 0.35  # k = 8
    assert smallest_conformity(own, 0.75) == 0.35  # k = ceil(7.5)
    assert smallest_conformity(own, 0.91) == IN_EVERY_SET  # k = 10 > 9
    assert smallest_conformity(np.arange(1, 20) / 20, 0.55) == 9 / 20  # 20 x 0.55 is 11.000000000000002 in floats


@pytest.mark.parametrize("coverage", [0.6, 0.75, 0.9])
def test_a_class_is_in_the_set_if_its_rank_among_all_says_so(coverage: float) -> None:
    """By definition: its conformity is not among the floor(alpha (n + 1)) smallest of n + 1; ties count for it."""
    generator = np.random.default_rng(3)
    for number in (1, 4, 9, 13):
        own = generator.integers(0, 6, size=number) / 10  # many are equal
        left_out = int((1 - Fraction(str(coverage))) * (number + 1))
        for new in (0.0, 0.1, 0.25, 0.5, 0.9):
            rank = 1 + sum(value <= new for value in own.tolist())
            assert (new >= smallest_conformity(own, coverage)) == (rank > left_out)


def test_every_order_of_equally_likely_participants_is_covered_as_often_as_asked() -> None:
    """Of all n + 1 choices of the new participant among n + 1 different conformities, exactly k are covered."""
    for number, coverage in itertools.product((9, 19, 24), (0.8, 0.9)):
        values = np.random.default_rng(number).permutation(number + 1) / (number + 1)
        held = sum(values[new] >= smallest_conformity(np.delete(values, new), coverage) for new in range(number + 1))
        assert held == -(-Fraction(str(coverage)) * (number + 1) // 1)  # rounded up


@pytest.mark.parametrize(("coverage", "needed"), [(0.9, 9), (0.95, 19), (0.8, 4), (0.99, 99), (0.6, 2)])
def test_too_few_participants_put_all_classes_in_every_set_and_the_number_needed_is_named(
    coverage: float, needed: int
) -> None:
    assert fewest_participants(coverage) == needed
    few = fit_prediction_sets(people(needed - 1), EVEN, coverage)
    assert few.thresholds == (IN_EVERY_SET,) * 2 and few.apply(prediction(0.999)).prediction_set == (0, 1)
    (warning,) = warnings_of_sets(few, ["M", "F"])
    assert_parts(warning, f"{needed - 1} validation participant", f"{coverage:g}", f"needs {needed}", "all classes")
    enough = fit_prediction_sets(people(needed), EVEN, coverage)
    assert min(enough.thresholds) > 0 and warnings_of_sets(enough, ["M", "F"]) == []


def test_by_class_each_class_needs_its_own_participants() -> None:
    found = fit_prediction_sets(people(25), EVEN, 0.91, by_class=True)  # 16 and 9; 11 are needed
    assert found.counts == (16, 9) and found.thresholds[0] > 0 and found.thresholds[1] == IN_EVERY_SET
    (warning,) = warnings_of_sets(found, ["M", "F"])
    assert_parts(warning, "9 F", "0.91 by class", "needs 11 of each", "in every set")
    assert "16 M" not in warning
    assert found.apply(prediction(0.001)).prediction_set == (0, 1)
    assert found.apply(prediction(0.999)).prediction_set == (1,)


def test_the_predicted_class_is_always_in_the_set_and_no_set_is_empty() -> None:
    found = replace(fit_prediction_sets(people(), EVEN, 0.6), thresholds=(0.8, 0.8))
    undecided = prediction(0.6)
    assert found.conforming(undecided) == () and found.apply(undecided).prediction_set == (1,)
    turned = replace(prediction(0.99), threshold=0.995)  # an operating point that predicts the less probable class
    assert found.conforming(turned) == (1,) and found.apply(turned).prediction_set == (0, 1)


def test_a_target_prior_changes_probabilities_but_no_set() -> None:
    known = people(200)
    found = fit_prediction_sets(known, EVEN, 0.95)
    rows = [prediction(share) for share in np.linspace(0.02, 0.98, 25)]
    sets = []
    for prior in (EVEN, (0.9, 0.1)):
        calibrated = fit_calibration(known.probabilities, known.labels, EVEN, prior).apply(rows)
        sets.append([found.apply(row).prediction_set for row in calibrated])
    assert sets[0] == sets[1] and set(sets[0]) == {(0,), (0, 1), (1,)}


@pytest.mark.parametrize("by_class", [False, True])
def test_of_two_classes_by_class_neither_slope_nor_intercept_matters(by_class: bool) -> None:
    """Without the fit they are thresholds of the network's own order, which a slope and an intercept do not change."""
    plain = fit_prediction_sets(people(200), EVEN, 0.9, by_class, calibrate=False)
    values, labels = drawn(200, np.random.default_rng(0))
    odds = 0.4 * np.log(values[:, 1] / values[:, 0]) + 0.8
    bent = CalibrationPeople(np.stack([expit(-odds), expit(odds)], axis=1), labels)
    other = fit_prediction_sets(bent, EVEN, 0.9, by_class, calibrate=False)
    new = np.linspace(-4, 4, 41)
    sets = [plain.conforming(prediction(float(expit(value)))) for value in new]
    bent_sets = [other.conforming(prediction(float(expit(0.4 * value + 0.8)))) for value in new]
    assert (sets == bent_sets) == by_class


def test_no_participant_is_scored_by_a_fit_it_took_part_in() -> None:
    """One participant who is wrong with certainty turns the fit of the others, not the one it is scored by."""
    fold = folds_within_class(np.repeat([0, 1, 2], [12, 5, 8]))
    assert np.bincount(fold).max() - np.bincount(fold).min() <= 1
    for label, rows in ((0, slice(0, 12)), (1, slice(12, 17)), (2, slice(17, 25))):
        assert np.bincount(fold[rows], minlength=10).max() <= 2, label
    values, labels = drawn(10, np.random.default_rng(1))
    whole = fit_prediction_sets(CalibrationPeople(values, labels), EVEN, 0.9)
    alone = []
    for place in range(10):  # ten folds of ten participants: each is left out once
        rest = np.arange(10) != place
        rule = fit_calibration(values[rest], labels[rest], EVEN, EVEN)
        alone.append(rule.probabilities(values[place])[labels[place]])
    assert whole.thresholds[0] == pytest.approx(smallest_conformity(np.array(alone), 0.9), abs=1e-12)


def covered(sets_of: str, cohorts: int = 300) -> tuple[float, float]:
    """The mean share of sets with the true class: of participants as in the calibration, and where a class is rare."""
    held: list[tuple[float, float]] = []
    generator = np.random.default_rng(11)
    for _ in range(cohorts):
        found = fit_prediction_sets(
            CalibrationPeople(*drawn(50, generator)), EVEN, 0.8, by_class=sets_of == "class", calibrate=False
        )
        values, labels = drawn(250, generator, 1.5)
        own = found.rule.probabilities(values)[np.arange(250), labels] >= np.array(found.thresholds)[labels]
        by_label = [own[labels == label].mean() for label in (0, 1)]
        held.append((float(own.mean()), 0.1 * by_label[0] + 0.9 * by_label[1]))
    return float(np.mean([one for one, _ in held])), float(np.mean([two for _, two in held]))


def test_sets_hold_the_true_class_as_often_as_asked() -> None:
    """The expectation is k / (n + 1) = 41 / 51; four standard errors of the mean over 300 calibration parts of 50."""
    spread = 4 * np.sqrt(0.8 * 0.2 / 52 / 300 + 0.8 * 0.2 / 250 / 300)
    assert covered("all")[0] == pytest.approx(41 / 51, abs=spread)


def test_sets_by_class_keep_their_coverage_when_the_class_shares_change() -> None:
    """Classes of 32 and 18: k / (n + 1) = 27 / 33 and 16 / 19."""
    same, changed = covered("class")
    assert same == pytest.approx(0.64 * 27 / 33 + 0.36 * 16 / 19, abs=0.02)
    assert changed == pytest.approx(0.1 * 27 / 33 + 0.9 * 16 / 19, abs=0.025)


def test_three_classes_may_leave_one_two_or_three() -> None:
    generator = np.random.default_rng(5)
    labels = np.arange(90) % 3
    values = np.array([generator.dirichlet(np.ones(3) + 1.5 * np.eye(3)[label]) for label in labels])
    found = fit_prediction_sets(CalibrationPeople(values, labels), (1 / 3,) * 3, 0.9)
    sizes = set()
    for row in values:
        members = found.apply(Prediction("sub-01", None, tuple(row.tolist()), 0.5, 1)).prediction_set
        assert members is not None and members == tuple(sorted(members)) and int(row.argmax()) in members
        sizes.add(len(members))
    assert {1, 2} <= sizes


def test_probabilities_that_are_not_numbers_exclude_no_class() -> None:
    values, labels = drawn(30, np.random.default_rng(0))
    values[3] = np.nan
    found = fit_prediction_sets(CalibrationPeople(values, labels), EVEN, 0.9)
    assert found.thresholds == (IN_EVERY_SET,) * 2
    assert_parts(warnings_of_sets(found, ["M", "F"])[0], "not numbers", "all classes")


def test_what_limits_the_guarantee_is_a_note() -> None:
    limited = replace(people(), chose_epoch=True, related=12)
    notes = warnings_of_sets(fit_prediction_sets(limited, EVEN, 0.9), ["M", "F"])
    assert_parts(notes[0], "also chose the epoch", "fewer sets")
    assert_parts(notes[1], "12 of 50 validation participants share a family", "less certain")
    known = replace(people(), chose_epoch=True, others=people().probabilities)
    assert warnings_of_sets(fit_prediction_sets(known, EVEN, 0.9), ["M", "F"]) == []
