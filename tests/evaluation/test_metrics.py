"""Scores against scikit-learn and against numbers worked out by hand."""

import json
import math
import warnings

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, classification_report, log_loss, roc_auc_score

from monai_fusion.evaluation import Prediction, report_text, summarize
from monai_fusion.evaluation.metrics import SCORES, accuracy, auroc, balanced_accuracy, cross_entropy

GENERATOR = np.random.default_rng(3)
LABELS = np.array([0, 0, 0, 0, 0, 0, 0, 1, 1, 1])
PROBABILITIES = GENERATOR.dirichlet([1.0, 1.0], size=10)
THREE_LABELS = np.repeat([0, 1, 2], [18, 9, 3])  # unequal, so that averages over classes and over pairs differ
THREE_PROBABILITIES = GENERATOR.dirichlet([1.0, 1.0, 1.0], size=30)


def predictions_of(
    probabilities: np.ndarray | list[list[float]], labels: np.ndarray | list[int | None]
) -> list[Prediction]:
    return [
        Prediction(f"sub-{place:02d}", None if label is None else int(label), tuple(map(float, row)), 0.5, 2)
        for place, (row, label) in enumerate(zip(probabilities, labels, strict=True))
    ]


@pytest.mark.parametrize(
    ("probabilities", "labels"), [(PROBABILITIES, LABELS), (THREE_PROBABILITIES, THREE_LABELS)], ids=["two", "three"]
)
def test_scores_are_scikit_learns(probabilities: np.ndarray, labels: np.ndarray) -> None:
    chosen = probabilities.argmax(axis=1)
    area = (
        roc_auc_score(labels, probabilities[:, 1])
        if probabilities.shape[1] == 2
        else roc_auc_score(labels, probabilities, multi_class="ovr")
    )
    assert {name: score(probabilities, labels) for name, score in SCORES.items()} == pytest.approx(
        {
            "accuracy": accuracy_score(labels, chosen),
            "balanced_accuracy": balanced_accuracy_score(labels, chosen),
            "auroc": area,
            "cross_entropy": log_loss(labels, probabilities),
        },
        abs=1e-12,
    )


def test_scores_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.8, 0.2], [0.3, 0.7]])
    labels = np.array([0, 0, 0, 1])
    assert accuracy(probabilities, labels) == 0.75
    assert balanced_accuracy(probabilities, labels) == pytest.approx((2 / 3 + 1) / 2)
    assert auroc(probabilities, labels) == 1.0  # 0.7 is above 0.1, 0.6 and 0.2
    assert cross_entropy(probabilities, labels) == pytest.approx(-math.log(0.9 * 0.4 * 0.8 * 0.7) / 4)


def test_one_confident_mistake_does_not_make_the_cross_entropy_infinite() -> None:
    assert cross_entropy(np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx(-math.log(1e-7))


def test_scores_of_one_class_alone_are_given_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        probabilities, labels = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]]), np.array([0, 0, 0])
        assert balanced_accuracy(probabilities, labels) == pytest.approx(2 / 3)
        assert balanced_accuracy(probabilities[[0, 2]], labels[:2]) == 1.0
        assert math.isnan(auroc(probabilities, labels))


def test_a_diverged_network_is_scored_nan_and_not_an_error() -> None:
    probabilities = np.full((3, 2), np.nan)
    assert math.isnan(auroc(probabilities, np.array([0, 1, 1])))
    assert math.isnan(cross_entropy(probabilities, np.array([0, 1, 1])))
    assert "accuracy" in report_text(predictions_of(probabilities, [0, 1, 1]), ["M", "F"])


def test_summary_agrees_with_scikit_learns_report_and_counts_the_majority() -> None:
    summary = summarize(predictions_of(PROBABILITIES, LABELS), ["M", "F"])
    chosen = PROBABILITIES.argmax(axis=1)
    expected = classification_report(LABELS, chosen, target_names=["M", "F"], output_dict=True, zero_division=0.0)
    assert summary["classification_report"] == expected
    assert summary["majority_accuracy"] == 0.7
    assert summary["participants"] == 10 and summary["classes"] == ["M", "F"]
    counts = [[int(((true == LABELS) & (chosen == said)).sum()) for said in (0, 1)] for true in (0, 1)]
    assert summary["confusion_matrix"] == counts


@pytest.mark.parametrize("label", [0, 1, 2])
def test_the_confusion_matrix_is_over_all_classes_also_if_only_one_occurs(label: int) -> None:
    summary = summarize(predictions_of([[0.6, 0.3, 0.1]] * 2, [label, label]), ["a", "b", "c"])
    matrix = np.zeros((3, 3), dtype=int)
    matrix[label, 0] = 2
    assert summary["confusion_matrix"] == matrix.tolist()
    assert {"a", "b", "c"} <= summary["classification_report"].keys()


def test_a_score_that_is_not_defined_is_null_in_json() -> None:
    summary = summarize(predictions_of([[0.9, 0.1], [0.4, 0.6]], [0, 0]), ["M", "F"])
    assert summary["auroc"] is None
    assert '"auroc": null' in json.dumps(summary, allow_nan=False)


def test_participants_without_a_label_are_not_scored() -> None:
    summary = summarize(predictions_of([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9]], [0, None, 1]), ["M", "F"])
    assert summary["participants"] == 2 and summary["accuracy"] == 1.0
    with pytest.raises(ValueError, match="no participant has a label"):
        summarize(predictions_of([[0.9, 0.1]], [None]), ["M", "F"])


def test_a_participant_predicted_twice_is_refused() -> None:
    once = predictions_of([[0.9, 0.1]], [0])
    with pytest.raises(ValueError, match="twice"):
        summarize(once + once, ["M", "F"])


def test_the_report_names_the_classes_and_lines_the_matrix_up() -> None:
    predictions = predictions_of([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]], [0, 0, 1, 1])
    lines = report_text(predictions, ["young", "Ältere (60-75)"]).splitlines()
    assert lines[0] == ("accuracy 0.750, balanced accuracy 0.750 over 4 participants (always the majority: 0.500)")
    head, young, old = lines[2:5]
    assert head.split(maxsplit=1) == ["young", "Ältere (60-75)"]
    assert young.split() == ["true", "young", "2", "0"] and old.split()[-2:] == ["1", "1"]
    assert len(head) == len(young) == len(old)
    assert head.index("young") + len("young") == young.rindex("2") + 1  # each count stands under its class
    report = classification_report([0, 0, 1, 1], [0, 0, 1, 0], target_names=["young", "Ältere (60-75)"], digits=3)
    assert "\n".join(lines[5:]) == report.rstrip()
