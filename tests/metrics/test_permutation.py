"""The permutation test: its p-value, what it keeps fixed, and that it is not too small by chance."""

import itertools

import numpy as np
import pytest
from scipy import stats

from monai_fusion.metrics import scores
from monai_fusion.metrics.permutation import count_exchangeable, exchange_cells, permutation_p_values, permuted_labels
from monai_fusion.metrics.scores import ScoredCohort


def outcome_of(positive: np.ndarray, labels: np.ndarray) -> ScoredCohort:
    return ScoredCohort.of(np.stack([1 - positive, positive], axis=1), labels)


def test_labels_are_exchanged_within_their_cell_only() -> None:
    labels = np.array([0, 1, 1, 0, 0, 1, 0])
    cells = np.array([0, 0, 0, 1, 1, 1, 2])
    permuted = permuted_labels(labels, cells, draws=300, seed=0)
    for cell in range(3):
        inside = permuted[:, cells == cell]
        assert (np.sort(inside, axis=1) == np.sort(labels[cells == cell])).all()
        arrangements = {tuple(row) for row in inside}
        assert arrangements == set(itertools.permutations(labels[cells == cell].tolist()))
    assert count_exchangeable(labels, cells) == 6


def test_cells_are_the_combinations_of_fold_and_stratum() -> None:
    assert exchange_cells(["0", "0", "1", "0"], ["young", "old", "old", "young"]).tolist() == [1, 0, 2, 1]


def test_the_p_value_is_b_plus_1_over_m_plus_1() -> None:
    """Four of five are distinguished perfectly: 1 arrangement of 6 scores as high, the identity among them."""
    outcome = outcome_of(np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 0, 1, 1]))
    found = permutation_p_values(outcome, np.zeros(4, dtype=int), draws=6000, seed=1)
    assert found["auroc"] == pytest.approx(1 / 6, abs=0.02) and found["balanced_accuracy"] == found["auroc"]
    permuted = permuted_labels(outcome.labels, np.zeros(4, dtype=int), 6000, 1)
    reached = (permuted == outcome.labels).all(axis=1).sum()
    assert found["auroc"] == (reached + 1) / 6001


@pytest.mark.parametrize("classes", [2, 3])
def test_the_scores_of_permuted_labels_are_the_scores(classes: int) -> None:
    generator = np.random.default_rng(2)
    labels = np.repeat(np.arange(classes), 5)
    probabilities = np.round(generator.dirichlet(np.ones(classes), size=len(labels)), 1)  # with ties
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    outcome = ScoredCohort.of(probabilities, labels)
    cells = np.zeros(len(labels), dtype=int)
    found = permutation_p_values(outcome, cells, draws=200, seed=3)
    others = [ScoredCohort.of(probabilities, row) for row in permuted_labels(labels, cells, 200, 3)]
    for name in ("auroc", "balanced_accuracy"):
        score = getattr(scores, name)
        observed = score(outcome, outcome.ones)[0]
        reached = sum(score(other, other.ones)[0] >= observed - 1e-12 for other in others)
        assert found[name] == (reached + 1) / 201


def test_scipy_finds_the_same_p_value_up_to_chance() -> None:
    generator = np.random.default_rng(4)
    labels = np.repeat([0, 1], [12, 9])
    positive = 1 / (1 + np.exp(-(0.8 * labels + generator.normal(size=21))))
    mine = permutation_p_values(outcome_of(positive, labels), np.zeros(21, dtype=int), draws=5000)["auroc"]
    exact = stats.mannwhitneyu(positive[labels == 1], positive[labels == 0], alternative="greater", method="exact")
    assert mine == pytest.approx(exact.pvalue, abs=0.02)


def test_a_confounder_explains_a_prediction_away() -> None:
    """Predictions that know only the age group, which goes with the class, mean nothing within it."""
    old = np.repeat([0, 1], 20)
    labels = np.where(np.arange(40) % 5 == 0, 1 - old, old)
    outcome = outcome_of(0.2 + 0.6 * old, labels)
    free = permutation_p_values(outcome, np.zeros(40, dtype=int))
    within = permutation_p_values(outcome, exchange_cells(old.astype(str).tolist()))
    assert free["auroc"] is not None and free["auroc"] < 0.01
    assert within == {"auroc": 1.0, "balanced_accuracy": 1.0}


@pytest.mark.parametrize("cells", [1, 4])
def test_where_the_predictions_say_nothing_small_p_values_are_as_rare_as_they_should_be(cells: int) -> None:
    generator = np.random.default_rng(6)
    labels = np.tile([0, 1, 0], 8)
    groups = np.arange(24) % cells
    values = [
        permutation_p_values(outcome_of(generator.random(24), labels), groups, draws=99, seed=trial)
        for trial in range(600)
    ]
    for name in ("auroc", "balanced_accuracy"):
        p = np.array([found[name] for found in values], dtype=float)
        for alpha in (0.01, 0.05, 0.1, 0.25):
            allowed = stats.binom.ppf(0.999, len(p), alpha) / len(p)  # chance of 600 trials
            assert (p <= alpha).mean() <= allowed
    assert np.mean([found["auroc"] for found in values]) == pytest.approx(0.5, abs=0.05)


def test_where_nothing_can_be_exchanged_or_scored_there_is_no_p_value() -> None:
    one_class = outcome_of(np.array([0.1, 0.9, 0.4]), np.array([1, 1, 1]))
    assert permutation_p_values(one_class, np.zeros(3, dtype=int)) == {"auroc": None, "balanced_accuracy": None}
    apart = outcome_of(np.array([0.1, 0.9, 0.4, 0.6]), np.array([0, 0, 1, 1]))
    assert permutation_p_values(apart, np.array([0, 0, 1, 1])) == {"auroc": None, "balanced_accuracy": None}
    three = ScoredCohort.of(np.full((4, 3), 1 / 3), np.array([0, 1, 0, 1]))
    found = permutation_p_values(three, np.zeros(4, dtype=int))
    assert found["auroc"] is None and found["balanced_accuracy"] == 1.0  # all get the same prediction
