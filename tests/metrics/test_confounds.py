"""What a network knows beyond covariates: against simulations, scikit-learn and numbers worked out by hand."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from monai_fusion.metrics.confounds import (
    class_probabilities,
    conditional_p_value,
    conditional_p_value_of_mean,
    explained_within_class,
    logits,
    matched_pairs,
    standardised_difference,
)


def _two(second: np.ndarray) -> np.ndarray:
    return np.stack([1 - second, second], axis=1)


def _reader(random: np.random.Generator, n: int, apart: float, extra: float) -> tuple[np.ndarray, ...]:
    """Labels, a covariate, and the probabilities of a network that reads it, noise, and ``extra`` of the class."""
    labels = (np.arange(n) < n // 2).astype(np.int64)
    covariate = random.normal(size=n) + apart * labels
    logit = covariate + 0.6 * (random.normal(size=n) + extra * labels)
    return labels, covariate[:, np.newaxis], _two(1 / (1 + np.exp(-(logit - logit.mean()))))


def _rejected(n: int, apart: float, extra: float, cohorts: int = 120) -> float:
    random = np.random.default_rng(n)
    found = []
    for _ in range(cohorts):
        labels, covariate, probabilities = _reader(random, n, apart, extra)
        p = conditional_p_value(probabilities, labels, class_probabilities(covariate, labels, 2), draws=199)
        found.append(p is not None and p <= 0.05)
    return float(np.mean(found))


@pytest.mark.parametrize(("n", "apart"), [(35, 1.5), (100, 2.0)])
def test_a_network_that_reads_a_covariate_alone_is_rarely_called_significant(n: int, apart: float) -> None:
    assert _rejected(n, apart, extra=0.0) <= 0.10  # 5 % with a standard error of 2 %


def test_a_network_that_knows_more_than_the_covariate_is_found_out() -> None:
    assert _rejected(100, 1.5, extra=0.8) >= 0.75


def test_three_classes_are_tested_too() -> None:
    random = np.random.default_rng(3)
    found: dict[float, list[bool]] = {0.0: [], 1.5: []}
    for extra, rejected in found.items():
        for _ in range(60):
            labels = np.arange(90) % 3
            covariate = random.normal(size=90) + labels
            logit = np.stack([np.zeros(90), covariate, 2 * covariate], axis=1) + 0.6 * random.normal(size=(90, 3))
            logit[np.arange(90), labels] += 0.6 * extra
            weights = np.exp(logit - logit.max(axis=1, keepdims=True))
            given = class_probabilities(covariate[:, np.newaxis], labels, 3)
            p = conditional_p_value(weights / weights.sum(axis=1, keepdims=True), labels, given, draws=199)
            rejected.append(p is not None and p <= 0.05)
    assert np.mean(found[0.0]) <= 0.12
    assert np.mean(found[1.5]) >= 0.8


def test_models_of_two_folds_on_different_scales_are_compared_within_their_fold() -> None:
    random = np.random.default_rng(5)
    labels, covariate, probabilities = _reader(random, 120, 1.0, 2.0)
    folds = random.integers(0, 2, 120)
    logit = logits(probabilities)[:, 0] + 8.0 * folds
    shifted = _two(1 / (1 + np.exp(-logit)))
    given = class_probabilities(covariate, labels, 2)
    assert conditional_p_value(shifted, labels, given, folds) == pytest.approx(0.0005, abs=0.005)


def test_the_same_seed_gives_the_same_p_value() -> None:
    labels, covariate, probabilities = _reader(np.random.default_rng(1), 40, 1.5, 0.3)
    given = class_probabilities(covariate, labels, 2)
    first, again = (conditional_p_value(probabilities, labels, given) for _ in range(2))
    assert first == again


def test_a_covariate_that_determines_every_class_leaves_nothing_to_test() -> None:
    labels = np.array([0] * 10 + [1] * 10)
    given = np.eye(2)[labels]
    assert conditional_p_value(_two(np.linspace(0.1, 0.9, 20)), labels, given) is None


def test_too_few_participants_are_not_tested() -> None:
    labels = np.array([0, 1, 0, 1])
    assert conditional_p_value(_two(np.array([0.1, 0.9, 0.2, 0.8])), labels, np.full((4, 2), 0.5)) is None


def test_class_probabilities_are_those_of_a_logistic_regression_on_the_covariate_and_its_square() -> None:
    labels, covariate, _ = _reader(np.random.default_rng(2), 80, 1.0, 0.0)
    z = (covariate - covariate.mean()) / covariate.std()
    model = LogisticRegression(C=1e3, max_iter=5000).fit(np.hstack([z, z**2]), labels)
    assert class_probabilities(covariate, labels, 2) == pytest.approx(model.predict_proba(np.hstack([z, z**2])))


def test_logits_of_two_classes_are_those_of_the_second() -> None:
    assert logits(_two(np.array([0.5, 0.75])))[:, 0] == pytest.approx([0.0, np.log(3.0)])


def test_the_confounding_index_is_the_adjusted_r_squared_within_the_classes() -> None:
    labels, covariate, probabilities = _reader(np.random.default_rng(4), 60, 1.5, 0.0)
    logit = logits(probabilities)[:, 0]
    design = np.hstack([np.eye(2)[labels], covariate, covariate**2])
    rest = logit - LinearRegression(fit_intercept=False).fit(design, logit).predict(design)
    within = logit - np.array([logit[labels == 0].mean(), logit[labels == 1].mean()])[labels]
    expected = 1 - (rest @ rest / 56) / (within @ within / 58)
    assert explained_within_class(probabilities, labels, covariate) == pytest.approx(expected)
    assert expected > 0.5  # it reads the covariate and little else


def test_pairs_are_of_two_classes_and_within_the_calliper() -> None:
    # Within the classes, the standard deviation is 10 for both: the calliper is 2.
    covariate = np.array([0.0, 10.0, 20.0, 1.0, 13.0, 19.0])
    labels = np.array([0, 0, 0, 1, 1, 1])
    spread = np.sqrt((covariate[:3].var(ddof=1) + covariate[3:].var(ddof=1)) / 2)
    assert 2.0 > 0.2 * spread > 1.0  # 0 with 1 and 20 with 19; 10 and 13 are too far apart
    found = matched_pairs(np.array([0.4, 0.9, 0.3, 0.6, 0.1, 0.3]), labels, covariate)
    assert (found.pairs, found.right, found.auroc) == (2, 1.5, 0.75)  # one in the right order, one tie


def test_without_a_pair_there_is_no_fraction() -> None:
    found = matched_pairs(np.linspace(0, 1, 6), np.array([0, 0, 0, 1, 1, 1]), np.array([0.0, 1, 2, 100, 101, 102]))
    assert (found.pairs, found.auroc, found.interval) == (0, None, None)


def test_the_standardised_difference_is_the_second_class_minus_the_first() -> None:
    values, labels = np.array([0.0, 2.0, 3.0, 5.0]), np.array([0, 0, 1, 1])
    assert standardised_difference(values, labels) == pytest.approx(3 / np.sqrt(2))
    assert standardised_difference(values, np.array([0, 0, 0, 1])) is None


def test_pairs_of_two_folds_are_no_pairs() -> None:
    labels, covariate = np.array([0, 1, 0, 1, 1]), np.array([1.0, 1.01, 5.0, 5.02, 1.02])
    folds, score = np.array([0, 1, 0, 0, 0]), np.array([0.9, 0.1, 0.2, 0.7, 0.3])
    found = matched_pairs(score, labels, covariate, folds=folds)
    assert (found.pairs, found.right) == (2, 1.0)  # 0.3 against 0.9 is wrong, 0.7 against 0.2 right
    assert matched_pairs(score, labels, covariate).right == 1.0  # 0.1 is nearer than 0.3, and wrong as well


def test_several_predictions_count_as_their_mean_not_as_more_participants() -> None:
    generator = np.random.default_rng(8)
    labels = np.tile([0, 1], 30)
    given = class_probabilities(generator.normal(size=(60, 1)) + labels[:, None], labels, 2)
    one = _two(1 / (1 + np.exp(-generator.normal(size=60) - labels)))
    once = conditional_p_value(one, labels, given)
    assert once is not None and once < 1
    assert conditional_p_value_of_mean([(one, None)] * 3, labels, given) == once
    assert conditional_p_value_of_mean([(one, None), (one[:, ::-1], None)], labels, given) == 1.0  # they cancel


def test_out_of_fold_predictions_that_learned_noise_are_called_significant_no_more_often_than_they_may() -> None:
    """In 60 people, five folds and ten numbers of noise, draws that are not widened find something in one of ten."""
    random, found = np.random.default_rng(3), []
    for _ in range(120):
        labels = random.permutation(np.arange(60) % 2).astype(np.int64)
        folds, values = np.arange(60, dtype=np.int64) % 5, random.normal(size=(60, 11))
        values[:, 0] += 1.5 * labels
        given = class_probabilities(values[:, :1], labels, 2)
        values[:, 0] += 0.6 * random.normal(size=60)
        probabilities = np.empty((60, 2))
        for fold in range(5):
            model = LogisticRegression().fit(values[folds != fold], labels[folds != fold])
            probabilities[folds == fold] = model.predict_proba(values[folds == fold])
        predictions = [(probabilities, folds)]
        found.append(
            [
                conditional_p_value_of_mean(predictions, labels, given, 199, out_of_fold=widened) or 1.0
                for widened in (False, True)
            ]
        )
    plain, widened = (np.array(found) <= 0.05).mean(axis=0)
    assert widened <= 0.08 and widened < plain


def test_of_groups_the_signs_of_the_mean_of_all_predictions_are_drawn() -> None:
    random = np.random.default_rng(2)
    groups = np.repeat(np.arange(9), 4)
    labels = np.tile([0, 1, 1, 0], 9)
    given = class_probabilities(random.normal(size=(36, 1)) + labels[:, None], labels, 2)
    logit = np.log(given[:, 1] / given[:, 0])
    parts, predictions = np.zeros(9), []
    for folds in (groups % 3, groups // 3):
        own = random.normal(size=36) + 0.4 * labels + folds
        predictions.append((_two(1 / (1 + np.exp(-own))), folds))
        design = np.column_stack([logit, logit**2, *(folds == fold for fold in range(3))])
        rest = own - LinearRegression(fit_intercept=False).fit(design, own).predict(design)
        parts += np.bincount(groups, weights=(labels - given[:, 1]) * rest) / 2
    signs = np.array(list(product([-1, 1], repeat=9)))
    for out_of_fold, wider in ((False, 1.0), (True, np.sqrt(2))):
        expected = float((wider * (signs @ parts) >= parts.sum() - 1e-9).mean())
        found = conditional_p_value_of_mean(predictions, labels, given, 8000, out_of_fold=out_of_fold, groups=groups)
        assert 0.02 < expected < 0.5 and found == pytest.approx(expected, abs=0.015)


def test_pairs_of_families_in_several_folds_count_less_than_pairs_of_strangers() -> None:
    """Each of 20 families has the same four pairs, all right or all wrong: they tell as much as 20 pairs."""
    groups = np.repeat(np.arange(20), 8)
    labels = np.tile([0, 1], 80)
    covariate = 10.0 * np.repeat(np.arange(80), 2) + 0.1 * labels
    second = np.where((labels == 1) == (groups < 15), 0.8, 0.2)
    folds = groups % 4
    own = matched_pairs(second, labels, covariate, folds=folds)
    whole = matched_pairs(second, labels, covariate, folds=folds, groups=groups)
    assert (own.pairs, own.independent, whole.pairs, whole.right) == (80, 80, 80, own.right)
    assert 10 < whole.independent < 20  # less than 20: the design effect is itself uncertain


def test_out_of_fold_predictions_of_families_find_nothing_in_noise_more_often_than_they_may() -> None:
    random, found = np.random.default_rng(3), []
    groups = np.repeat(np.arange(40, dtype=np.int64), 2)
    for _ in range(100):
        labels = (random.permutation(np.arange(40) % 2)[groups]).astype(np.int64)
        values = np.sqrt(0.7) * random.normal(size=(40, 11))[groups] + np.sqrt(0.3) * random.normal(size=(80, 11))
        values[:, 0] += 1.5 * labels
        given = class_probabilities(values[:, :1], labels, 2)
        values[:, 0] += 0.6 * random.normal(size=80)
        probabilities, folds = np.empty((80, 2)), groups % 5
        for fold in range(5):
            model = LogisticRegression().fit(values[folds != fold], labels[folds != fold])
            probabilities[folds == fold] = model.predict_proba(values[folds == fold])
        found.append(
            [
                conditional_p_value_of_mean([(probabilities, folds)], labels, given, 199, out_of_fold=w, groups=groups)
                for w in (False, True)
            ]
        )
    plain, widened = (np.array(found, dtype=np.float64) <= 0.05).mean(axis=0)
    assert widened <= 0.08 and widened < plain
