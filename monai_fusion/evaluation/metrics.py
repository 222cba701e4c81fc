"""Scores over participants: plain functions of probabilities and labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import classification_report, confusion_matrix, recall_score, roc_auc_score

from monai_fusion.evaluation.predictions import Prediction

Probabilities = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

# Below this a probability counts as this: one confident mistake must not make the mean infinite.
_SMALLEST_PROBABILITY = 1.0e-7


def cross_entropy(probabilities: Probabilities, labels: Labels) -> float:
    """Return the mean of -log p(true class) over participants.

    Args:
        probabilities: [participant, class], rows summing to 1.
        labels: [participant] class indices.
    """
    chosen = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(chosen, _SMALLEST_PROBABILITY)).mean())


def accuracy(probabilities: Probabilities, labels: Labels) -> float:
    """Return the share of participants whose most probable class is the true one."""
    return float((probabilities.argmax(axis=1) == labels).mean())


def balanced_accuracy(probabilities: Probabilities, labels: Labels) -> float:
    """Return the mean recall over the classes that occur."""
    # scikit-learn's balanced_accuracy_score is this, but warns on every call when a class is missing.
    return float(recall_score(labels, probabilities.argmax(axis=1), labels=np.unique(labels), average="macro"))


def auroc(probabilities: Probabilities, labels: Labels) -> float:
    """Return the area under the ROC curve (one against the rest beyond two classes).

    It is NaN if a class is missing, or if a probability is (the network has diverged).
    """
    classes = probabilities.shape[1]
    if len(np.unique(labels)) < classes or np.isnan(probabilities).any():
        return float("nan")
    if classes == 2:
        return float(roc_auc_score(labels, probabilities[:, 1]))
    return float(roc_auc_score(labels, probabilities, multi_class="ovr"))


SCORES: dict[str, Callable[[Probabilities, Labels], float]] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "auroc": auroc,
    "cross_entropy": cross_entropy,
}


def summarize(predictions: Sequence[Prediction], classes: Sequence[str]) -> dict[str, Any]:
    """Score the participants whose label is known.

    Args:
        predictions: One prediction a participant.
        classes: The names of all classes, in the order of their indices.

    Returns:
        What ``metrics.json`` holds: ``participants``, ``classes``, each of :data:`SCORES` (None where it is not
        defined), ``majority_accuracy`` (of always saying the most frequent class of these participants),
        ``confusion_matrix`` (rows true, columns predicted, always over all classes) and scikit-learn's
        ``classification_report``.

    Raises:
        ValueError: No participant has a label, or one occurs twice.
    """
    labelled = [row for row in predictions if row.label is not None]
    if not labelled:
        raise ValueError("no participant has a label: there is nothing to score")
    ids = [row.participant_id for row in labelled]
    if len(set(ids)) < len(ids):
        raise ValueError("a participant was predicted twice")
    probabilities = np.array([row.probabilities for row in labelled], dtype=np.float64)
    labels = np.array([row.label for row in labelled], dtype=np.int64)
    scores = {name: score(probabilities, labels) for name, score in SCORES.items()}
    return {
        "participants": len(labelled),
        "classes": list(classes),
        **{name: None if np.isnan(value) else value for name, value in scores.items()},
        "majority_accuracy": float(np.bincount(labels, minlength=len(classes)).max() / len(labels)),
        "confusion_matrix": confusion_matrix(labels, probabilities.argmax(axis=1), labels=range(len(classes))).tolist(),
        "classification_report": _report(labels, probabilities, classes, output_dict=True),
    }


def report_text(predictions: Sequence[Prediction], classes: Sequence[str]) -> str:
    """Return accuracy, confusion matrix and classification report as a user reads them on the terminal."""
    summary = summarize(predictions, classes)
    probabilities = np.array([row.probabilities for row in predictions if row.label is not None])
    labels = np.array([row.label for row in predictions if row.label is not None])
    width = max(9, *(len(name) for name in classes))
    head = " " * (width + 7) + " ".join(f"{name:>{width}}" for name in classes)
    rows = [
        f"  true {name:<{width}}" + " ".join(f"{count:>{width}}" for count in counts)
        for name, counts in zip(classes, summary["confusion_matrix"], strict=True)
    ]
    return "\n".join(
        [
            f"accuracy {summary['accuracy']:.3f}, balanced accuracy {summary['balanced_accuracy']:.3f} over "
            f"{summary['participants']} participants (always the majority: {summary['majority_accuracy']:.3f})",
            "confusion matrix (columns: predicted)",
            head,
            *rows,
            str(_report(labels, probabilities, classes, output_dict=False)).rstrip(),
        ]
    )


def _report(labels: Labels, probabilities: Probabilities, classes: Sequence[str], *, output_dict: bool) -> Any:
    return classification_report(
        labels,
        probabilities.argmax(axis=1),
        labels=range(len(classes)),
        target_names=list(classes),
        output_dict=output_dict,
        digits=3,
        zero_division=0.0,  # a class that is never predicted has precision 0; scikit-learn would also warn each time
    )
