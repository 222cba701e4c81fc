"""Scores over folds and the significance of differences, against hand calculations, scipy and plain resampling."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ttest_1samp
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from monai_fusion.comparison.statistics import (
    DIFFERENCE,
    OutOfFold,
    auroc_within_folds,
    corrected_t_test,
    fallback_interval,
    fold_values,
    holm,
    values_and_intervals,
)
from monai_fusion.metrics.intervals import wilson
from monai_fusion.metrics.scores import ScoredCohort


def outcome(scores: Sequence[float], labels: Sequence[int]) -> ScoredCohort:
    """Two classes, by the probability of the second."""
    second = np.array(scores, dtype=np.float64)
    return ScoredCohort.of(np.stack([1 - second, second], axis=1), np.array(labels))


def simulated(folds: int = 3, each: int = 12, seeds: int = 1, seed: int = 0) -> OutOfFold:
    """Two variants, one better than the other; the models of different folds are on different scales."""
    generator = np.random.default_rng(seed)
    numbers = np.repeat(np.arange(folds), each)
    labels = np.tile([0, 0, 1], folds * each)[: folds * each]
    outcomes = {}
    for name, effect in (("weak", 0.3), ("strong", 1.2)):
        logits = [generator.normal(effect * labels, 1) + 3 * numbers for _ in range(seeds)]
        outcomes[name] = [outcome(1 / (1 + np.exp(-each)), labels.tolist()) for each in logits]
    return OutOfFold(labels, numbers, outcomes)


def test_the_auroc_compares_participants_of_one_fold_only() -> None:
    # fold 0: pairs (0.2, 0.9), (0.4, 0.9) are both right; fold 1: of (0.1, 0.05), (0.1, 0.1) one is wrong, one a tie
    labels, folds = [0, 0, 1, 0, 1, 1], np.array([0, 0, 0, 1, 1, 1])
    cohort = outcome([0.2, 0.4, 0.9, 0.1, 0.05, 0.1], labels)
    assert auroc_within_folds(cohort, folds, cohort.ones)[0] == pytest.approx((2 + 0.5) / 4)
    # all pairs of the cohort would be compared over folds, too
    assert roc_auc_score(labels, cohort.probabilities[:, 1]) != pytest.approx(2.5 / 4)


def test_one_fold_is_the_usual_auroc_also_of_three_classes() -> None:
    generator = np.random.default_rng(1)
    probabilities, labels = generator.dirichlet([1, 1, 1], 40), generator.integers(0, 3, 40)
    cohort = ScoredCohort.of(probabilities, labels)
    expected = roc_auc_score(labels, probabilities, multi_class="ovr", average="macro")
    assert auroc_within_folds(cohort, np.zeros(40, np.int64), cohort.ones)[0] == pytest.approx(expected)


def test_a_fold_without_a_class_has_no_pairs_and_no_score_of_its_own_that_needs_it() -> None:
    labels, folds = np.array([0, 1, 1, 1, 1]), np.array([0, 0, 0, 1, 1])
    data = OutOfFold(labels, folds, {"one": [outcome([0.1, 0.9, 0.05, 0.3, 0.4], labels.tolist())]})
    cohort = data.cohorts["one"][0]
    assert auroc_within_folds(cohort, folds, cohort.ones)[0] == pytest.approx(0.5)
    assert fold_values("auroc", data, "one") == [pytest.approx(0.5), None]
    assert fold_values("balanced_accuracy", data, "one") == [pytest.approx(0.75), None]
    assert fold_values("accuracy", data, "one") == [pytest.approx(2 / 3), 0.0]
    only = outcome([0.1, 0.9], [1, 1])
    assert math.isnan(auroc_within_folds(only, np.array([0, 1]), only.ones)[0])


def test_values_of_folds_are_scikit_learns_averaged_over_seeds() -> None:
    data = simulated(seeds=2)
    for fold in range(3):
        rows = data.folds == fold
        areas = [roc_auc_score(data.labels[rows], each.probabilities[rows, 1]) for each in data.cohorts["weak"]]
        hits = [balanced_accuracy_score(data.labels[rows], each.predicted[rows]) for each in data.cohorts["weak"]]
        assert fold_values("auroc", data, "weak")[fold] == pytest.approx(np.mean(areas))
        assert fold_values("balanced_accuracy", data, "weak")[fold] == pytest.approx(np.mean(hits))


def test_the_interval_of_a_difference_is_that_of_plain_paired_resampling() -> None:
    data = simulated(folds=4, each=30)
    values, intervals = values_and_intervals(data, "weak", draws=4000, seed=3)
    weak, strong = (data.cohorts[name][0] for name in ("weak", "strong"))

    def pooled(cohort: ScoredCohort, rows: np.ndarray) -> float:
        right = pairs = 0.0
        for fold in range(4):
            own = rows[data.folds[rows] == fold]
            scores, labels = cohort.probabilities[own, 1], data.labels[own]
            apart = scores[labels == 1][:, None] - scores[labels == 0][None]
            right, pairs = right + (apart > 0).sum() + (apart == 0).sum() / 2, pairs + apart.size
        return right / pairs

    all_rows = np.arange(len(data.labels))
    assert values[DIFFERENCE + "auroc", 1] == pytest.approx(pooled(strong, all_rows) - pooled(weak, all_rows))
    assert values[DIFFERENCE + "auroc", 0] == 0.0
    generator = np.random.default_rng(9)
    cells = [np.flatnonzero((data.folds == fold) & (data.labels == label)) for fold in range(4) for label in (0, 1)]
    differences = []
    for _ in range(1500):
        rows = np.concatenate([generator.choice(cell, len(cell)) for cell in cells])
        differences.append(pooled(strong, rows) - pooled(weak, rows))
    interval = intervals[DIFFERENCE + "auroc", 1]
    assert interval is not None
    low, high = np.quantile(differences, [0.025, 0.975])
    assert interval.low == pytest.approx(low, abs=0.02) and interval.high == pytest.approx(high, abs=0.02)


def test_the_same_seed_gives_the_same_intervals_and_variants_do_not_change_each_others() -> None:
    data = simulated()
    first = values_and_intervals(data, "weak", draws=200, seed=5)[1]
    assert first == values_and_intervals(data, "weak", draws=200, seed=5)[1]
    alone = OutOfFold(data.labels, data.folds, {"weak": data.cohorts["weak"]})
    assert values_and_intervals(alone, "weak", draws=200, seed=5)[1]["auroc", 0] == first["auroc", 0]


def test_families_are_drawn_whole_over_all_folds() -> None:
    """Every participant twice, as a pair: the difference is as uncertain as that of the participants alone."""
    data = simulated(folds=3, each=20)
    rows = np.repeat(np.arange(len(data.labels)), 2)
    pairs = OutOfFold(
        data.labels[rows],
        data.folds[rows],
        {name: [each.subset(rows) for each in cohorts] for name, cohorts in data.cohorts.items()},
        groups=rows,
    )
    names = list(data.cohorts)
    values, found = values_and_intervals(pairs, names[0], 2000, 1)
    alone = values_and_intervals(replace(pairs, groups=None), names[0], 2000, 1)[1]
    strangers = values_and_intervals(data, names[0], 2000, 1)
    for key in (("difference: balanced_accuracy", 1), ("difference: accuracy", 1)):
        single, whole, wrong = strangers[1][key], found[key], alone[key]
        assert single is not None and whole is not None and wrong is not None
        assert values[key] == pytest.approx(strangers[0][key])
        assert whole.method == "bootstrap t"
        assert whole.high - whole.low == pytest.approx(single.high - single.low, rel=0.2)
        assert wrong.high - wrong.low < 0.8 * (whole.high - whole.low)
    assert found["accuracy", 0] == fallback_interval("accuracy", pairs, names[0])
    method = found["auroc", 0]
    assert method is not None and method.method == "newcombe, design effect"


def test_a_fold_with_one_participant_of_a_class_has_no_bootstrap_but_a_cautious_interval() -> None:
    labels, folds = np.array([0, 0, 1, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 1, 1, 1])
    data = OutOfFold(labels, folds, {"one": [outcome([0.1, 0.2, 0.9, 0.1, 0.6, 0.9, 0.3], labels.tolist())]})
    intervals = values_and_intervals(data, "one", draws=50)[1]
    assert intervals["auroc", 0] is None and intervals["balanced_accuracy", 0] is not None
    assert fallback_interval("accuracy", data, "one") == wilson(5, 7)
    area = fallback_interval("auroc", data, "one")
    assert area is not None and 0 < area.low < 5 / 6 < area.high < 1


def test_the_interval_of_a_count_holds_the_truth_also_where_a_fold_has_few_of_a_class() -> None:
    """Two of a class in each of 10 folds: resampled within fold and class, such intervals hold it in 76 %."""
    labels, folds = np.tile([0, 0, 1, 1], 10), np.repeat(np.arange(10), 4)
    generator = np.random.default_rng(4)
    held = 0
    for place in range(150):
        right = generator.random(40) < 0.75
        predicted = np.where(right, labels, 1 - labels)
        cohort = ScoredCohort(np.stack([1.0 - predicted, predicted], axis=1), labels, predicted)
        found = values_and_intervals(OutOfFold(labels, folds, {"one": [cohort]}), "one", 300, place)[1]
        interval = found["balanced_accuracy", 0]
        held += interval is not None and interval.low <= 0.75 <= interval.high
    assert held >= 0.9 * 150


def test_the_corrected_t_test_by_its_formula() -> None:
    differences = [0.10, 0.02, 0.07, -0.01, 0.06]
    test = corrected_t_test(differences, 0.25)
    assert test is not None
    s2 = sum((d - 0.048) ** 2 for d in differences) / 4
    t = 0.048 / math.sqrt((1 / 5 + 1 / 4) * s2)
    assert test.mean == pytest.approx(0.048) and test.t == pytest.approx(t) and test.degrees == 4
    half = 2.7764451 * math.sqrt((1 / 5 + 1 / 4) * s2)  # 97.5 % of Student's t with 4 degrees of freedom
    assert test.interval == (pytest.approx(0.048 - half), pytest.approx(0.048 + half))


def test_without_the_correction_it_is_the_usual_t_test() -> None:
    differences = np.random.default_rng(2).normal(0.1, 1, 10).tolist()
    test, usual = corrected_t_test(differences, 0.0), ttest_1samp(differences, 0)
    assert test is not None
    assert (test.t, test.p) == (pytest.approx(usual.statistic), pytest.approx(usual.pvalue))
    assert test.interval == pytest.approx(tuple(usual.confidence_interval(0.95)))
    corrected = corrected_t_test(differences, 0.25)
    assert corrected is not None and corrected.p > test.p


@pytest.mark.parametrize("differences", [[0.1], [0.1, 0.1, 0.1]])
def test_no_t_test_without_a_variance(differences: list[float]) -> None:
    assert corrected_t_test(differences, 0.25) is None


def test_holm_by_hand() -> None:
    # sorted 0.01, 0.02, 0.04: times 3, 2, 1, never falling; what is not known does not count
    assert holm([0.04, None, 0.01, 0.02]) == [pytest.approx(0.04), None, pytest.approx(0.03), pytest.approx(0.04)]
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
