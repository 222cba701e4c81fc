"""Scores against scikit-learn and against numbers worked out by hand."""

import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics
from sklearn.utils.class_weight import compute_sample_weight

from monai_fusion.metrics import scores
from monai_fusion.metrics.scores import SCORES, ScoredCohort

GENERATOR = np.random.default_rng(3)
LABELS = np.array([0, 0, 0, 0, 0, 0, 0, 1, 1, 1])
PROBABILITIES = GENERATOR.dirichlet([1.0, 1.0], size=10)
THREE_LABELS = np.repeat([0, 1, 2], [18, 9, 3])  # unequal, so that averages over classes and over pairs differ
THREE_PROBABILITIES = GENERATOR.dirichlet([1.0, 1.0, 1.0], size=30)
# Coarse, so that many are equal: ties are where implementations differ.
TIED = np.round(GENERATOR.dirichlet([1.0, 1.0], size=40) * 4) / 4
CASES = {
    "two": (PROBABILITIES, LABELS),
    "three": (THREE_PROBABILITIES, THREE_LABELS),
    "ties": (TIED, GENERATOR.integers(0, 2, 40)),
}
each_case = pytest.mark.parametrize(("probabilities", "labels"), CASES.values(), ids=CASES)


def value(score: scores.Score, outcome: ScoredCohort) -> float:
    return float(score(outcome, outcome.ones)[0])


def sklearn_auroc(labels: np.ndarray, probabilities: np.ndarray) -> float:
    if probabilities.shape[1] == 2:
        return float(sklearn_metrics.roc_auc_score(labels, probabilities[:, 1]))
    return float(sklearn_metrics.roc_auc_score(labels, probabilities, multi_class="ovr"))


def sklearn_auprc(labels: np.ndarray, probabilities: np.ndarray) -> float:
    if probabilities.shape[1] == 2:
        return float(sklearn_metrics.average_precision_score(labels, probabilities[:, 1]))
    return float(sklearn_metrics.average_precision_score(labels, probabilities))


@each_case
def test_scores_are_scikit_learns(probabilities: np.ndarray, labels: np.ndarray) -> None:
    outcome, predicted = ScoredCohort.of(probabilities, labels), probabilities.argmax(axis=1)
    found = {
        name: value(getattr(scores, name), outcome)
        for name in ("accuracy", "balanced_accuracy", "macro_f1", "mcc", "auroc", "auprc", "brier")
    }
    assert found == pytest.approx(
        {
            "accuracy": sklearn_metrics.accuracy_score(labels, predicted),
            "balanced_accuracy": sklearn_metrics.balanced_accuracy_score(labels, predicted),
            "macro_f1": sklearn_metrics.f1_score(labels, predicted, average="macro"),
            "mcc": sklearn_metrics.matthews_corrcoef(labels, predicted),
            "auroc": sklearn_auroc(labels, probabilities),
            "auprc": sklearn_auprc(labels, probabilities),
            "brier": np.mean((probabilities[:, 1] - labels) ** 2)
            if probabilities.shape[1] == 2
            else np.mean(((probabilities - np.eye(3)[labels]) ** 2).sum(axis=1)),
        },
        abs=1e-12,
    )
    classes = range(probabilities.shape[1])
    assert scores.f1(outcome, outcome.ones)[0] == pytest.approx(
        sklearn_metrics.f1_score(labels, predicted, average=None, labels=classes), abs=1e-12
    )
    for label in classes:
        assert scores.class_auroc(outcome, outcome.ones, label)[0] == pytest.approx(
            sklearn_metrics.roc_auc_score(labels == label, probabilities[:, label]), abs=1e-12
        )
    assert scores.confusion(outcome, outcome.ones)[0].tolist() == (
        sklearn_metrics.confusion_matrix(labels, predicted, labels=classes).tolist()
    )


@pytest.mark.parametrize("name", ["two", "three"])
def test_cross_entropy_is_scikit_learns(name: str) -> None:
    probabilities, labels = CASES[name]
    expected = sklearn_metrics.log_loss(labels, probabilities)
    assert SCORES["cross_entropy"](probabilities, labels) == pytest.approx(expected, abs=1e-12)
    assert value(scores.cross_entropy, ScoredCohort.of(probabilities, labels)) == pytest.approx(expected, abs=1e-12)


@each_case
@pytest.mark.parametrize(
    "score",
    [
        scores.accuracy, scores.balanced_accuracy, scores.mcc, scores.auroc, scores.auprc, scores.brier, scores.ece,
        scores.cross_entropy,
    ],
    ids=lambda score: score.__name__,
)  # fmt: skip
def test_a_weight_of_three_is_the_same_as_being_there_three_times(
    probabilities: np.ndarray, labels: np.ndarray, score: scores.Score
) -> None:
    """The bootstrap stands on this. (Not macro F1: a class that was predicted only once may vanish.)"""
    generator = np.random.default_rng(5)
    weights = generator.integers(0, 4, (6, len(labels)))
    weights[:, [0, -1]] = 1  # every class stays
    weighted = score(ScoredCohort.of(probabilities, labels), weights.astype(float))
    # As many as there were, so that the calibration error has as many bins.
    for row, found in zip(weights, weighted, strict=True):
        repeated = ScoredCohort.of(np.repeat(probabilities, row, axis=0), np.repeat(labels, row))
        if score is scores.ece and scores.calibration_bins(len(repeated.labels)) != scores.calibration_bins(
            len(labels)
        ):
            continue
        assert found == pytest.approx(value(score, repeated), abs=1e-12)


def test_the_balanced_cross_entropy_is_scikit_learns_with_balanced_weights() -> None:
    probabilities, labels = np.random.default_rng(5).dirichlet(np.ones(3), size=40), np.repeat([0, 1, 2], [25, 12, 3])
    weights = compute_sample_weight("balanced", labels)
    expected = sklearn_metrics.log_loss(labels, probabilities, sample_weight=weights)
    assert SCORES["balanced_cross_entropy"](probabilities, labels) == pytest.approx(expected, abs=1e-12)
    assert abs(expected - SCORES["cross_entropy"](probabilities, labels)) > 0.01


def test_with_equal_class_shares_the_balanced_cross_entropy_is_the_plain_one_to_the_bit() -> None:
    probabilities = np.random.default_rng(6).dirichlet(np.ones(4), size=33)
    labels = np.arange(33) % 3  # nobody belongs to the fourth class
    assert SCORES["balanced_cross_entropy"](probabilities, labels) == SCORES["cross_entropy"](probabilities, labels)


def test_the_balanced_cross_entropy_prefers_the_network_that_knows_both_classes() -> None:
    """Nine to one: the plain mean prefers the network that always says the frequent class."""
    labels = np.array([0] * 9 + [1])
    always_first, knows_both = np.tile([0.95, 0.05], (10, 1)), np.where(labels[:, None] == [0, 1], 0.68, 0.32)
    plain, balanced = SCORES["cross_entropy"], SCORES["balanced_cross_entropy"]
    assert plain(always_first, labels) < plain(knows_both, labels)
    assert balanced(always_first, labels) > balanced(knows_both, labels)


def test_scores_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.8, 0.2], [0.3, 0.7]])
    labels = np.array([0, 0, 0, 1])
    assert SCORES["accuracy"](probabilities, labels) == 0.75
    assert SCORES["balanced_accuracy"](probabilities, labels) == pytest.approx((2 / 3 + 1) / 2)
    assert SCORES["auroc"](probabilities, labels) == 1.0  # 0.7 is above 0.1, 0.6 and 0.2
    assert SCORES["cross_entropy"](probabilities, labels) == pytest.approx(-math.log(0.9 * 0.4 * 0.8 * 0.7) / 4)
    of_each_class = (-math.log(0.9 * 0.4 * 0.8) / 3, -math.log(0.7))
    assert SCORES["balanced_cross_entropy"](probabilities, labels) == pytest.approx(sum(of_each_class) / 2)
    outcome = ScoredCohort.of(probabilities, labels)
    assert value(scores.brier, outcome) == pytest.approx((0.01 + 0.36 + 0.04 + 0.09) / 4)
    # Two bins of two: confidences 0.6 and 0.7 (one right), 0.8 and 0.9 (both right).
    assert value(scores.ece, outcome) == pytest.approx((abs(1.3 - 1) + abs(1.7 - 2)) / 4)
    # F1 of the first class 4 / 5, of the second 2 / 3.
    assert value(scores.macro_f1, outcome) == pytest.approx((4 / 5 + 2 / 3) / 2)


def test_the_predicted_class_need_not_be_the_most_probable_class() -> None:
    probabilities = np.array([[0.7, 0.3], [0.6, 0.4], [0.2, 0.8]])
    outcome = ScoredCohort.of(probabilities, np.array([0, 1, 1]), predicted=np.array([0, 1, 1]))  # a threshold of 0.35
    assert value(scores.accuracy, outcome) == 1.0
    assert scores.confusion(outcome, outcome.ones)[0].tolist() == [[1, 0], [0, 2]]
    # Confidence is in the most probable class, whatever the prediction: one bin, 0.7 + 0.6 + 0.8 against two right.
    assert value(scores.ece, outcome) == pytest.approx(abs(2.1 - 2) / 3)


def draw_calibrated(number: int, sharpen: float) -> ScoredCohort:
    """Labels drawn with the probabilities, which are then given sharper, or blunter, than they are."""
    generator = np.random.default_rng(0)
    log_odds = generator.normal(0, 1.5, number)
    labels = (generator.random(number) < 1 / (1 + np.exp(-log_odds))).astype(np.int64)
    positive = 1 / (1 + np.exp(-sharpen * log_odds))
    return ScoredCohort.of(np.stack([1 - positive, positive], axis=1), labels)


def test_the_calibration_error_separates_a_calibrated_model_from_over_and_underconfident_ones() -> None:
    calibrated, sure, unsure = (value(scores.ece, draw_calibrated(20_000, by)) for by in (1.0, 4.0, 0.25))
    assert calibrated < 0.012
    assert sure > 0.12 and unsure > 0.12
    # The same by scikit-learn's own bins of equally many, as far as they are the same.
    outcome = draw_calibrated(20_000, 4.0)
    confidence = outcome.probabilities.max(axis=1)
    right = outcome.probabilities.argmax(axis=1) == outcome.labels
    edges = np.quantile(confidence, np.linspace(0, 1, 11))
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, 9)
    gaps = [abs(confidence[place == b].sum() - right[place == b].sum()) for b in range(10)]
    assert sure == pytest.approx(sum(gaps) / 20_000, abs=1e-3)


def test_equal_probabilities_share_a_bin_whatever_their_order() -> None:
    probabilities = np.array([[0.3, 0.7]] * 30 + [[0.1, 0.9]] * 6)
    labels = np.array([1] * 20 + [0] * 10 + [1] * 6)
    outcome = ScoredCohort.of(probabilities, labels)
    turned = ScoredCohort.of(probabilities[::-1], labels[::-1])
    assert value(scores.ece, outcome) == value(scores.ece, turned) == pytest.approx((1 + 6 * 0.1) / 36)
    counts = scores.reliability(outcome, outcome.ones)[0][0]
    assert sorted(counts[counts > 0]) == [6, 30]


@pytest.mark.parametrize(("participants", "bins"), [(1, 1), (3, 1), (4, 2), (12, 3), (60, 7), (100, 10), (5000, 10)])
def test_few_participants_make_few_bins(participants: int, bins: int) -> None:
    assert scores.calibration_bins(participants) == bins


def test_one_confident_mistake_does_not_make_the_cross_entropy_infinite() -> None:
    assert SCORES["cross_entropy"](np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx(-math.log(1e-7))


def test_scores_of_one_class_alone_are_given_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        probabilities, labels = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]]), np.array([0, 0, 0])
        assert SCORES["balanced_accuracy"](probabilities, labels) == pytest.approx(2 / 3)
        assert SCORES["balanced_accuracy"](probabilities[[0, 2]], labels[:2]) == 1.0
        assert math.isnan(SCORES["auroc"](probabilities, labels))
        outcome = ScoredCohort.of(probabilities, labels)
        assert math.isnan(value(scores.auprc, outcome)) and value(scores.mcc, outcome) == 0.0


@pytest.mark.parametrize("score", [scores.macro_f1, scores.mcc], ids=lambda score: score.__name__)
@pytest.mark.parametrize("predicted", [[0, 0, 0, 0], [0, 1, 0, 1], [2, 2, 2, 2]])
def test_a_class_that_is_missing_or_never_predicted_is_treated_as_scikit_learn_does(
    score: scores.Score, predicted: list[int]
) -> None:
    labels = np.array([0, 0, 1, 1])
    outcome = ScoredCohort(np.full((4, 3), 1 / 3), labels, np.array(predicted))
    reference: dict[str, Callable[..., float]] = {
        "macro_f1": lambda: float(sklearn_metrics.f1_score(labels, predicted, average="macro", zero_division=0.0)),
        "mcc": lambda: float(sklearn_metrics.matthews_corrcoef(labels, predicted)),
    }
    assert value(score, outcome) == pytest.approx(reference[score.__name__](), abs=1e-12)


def test_a_diverged_network_is_scored_nan_while_it_trains_and_not_an_error() -> None:
    probabilities = np.full((3, 2), np.nan)
    assert math.isnan(SCORES["auroc"](probabilities, np.array([0, 1, 1])))
    assert math.isnan(SCORES["cross_entropy"](probabilities, np.array([0, 1, 1])))
    assert SCORES["accuracy"](probabilities, np.array([0, 1, 1])) == pytest.approx(1 / 3)
