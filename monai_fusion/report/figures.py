"""All figures of a report."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monai_fusion.metrics.clusters import as_groups
from monai_fusion.report.confusion import draw_confusion
from monai_fusion.report.curves import MOST_CURVES_TOGETHER, draw_precision_recall, draw_roc, precision_recall, roc
from monai_fusion.report.gate_figure import draw_gate
from monai_fusion.report.learning import draw_learning_curves
from monai_fusion.report.maps import LDA_NEEDS, draw_map, lda_of, pca_of
from monai_fusion.report.predictions_reader import PredictionRow
from monai_fusion.report.reliability import draw_reliability
from monai_fusion.report.run_results import Results
from monai_fusion.report.style import Picture

BAND_DRAWS = 1000
BAND_SEED = 1337


@dataclass(frozen=True)
class Figures:
    """The figures of a report; None or empty where there are no data.

    Attributes:
        confusion: The confusion matrix.
        curves: ROC and precision-recall curves.
        reliability: The reliability diagram.
        gates: Gates by class and by correctness.
        maps: Embeddings in two dimensions.
        learning: Losses, validation scores and gate by epoch.
        running: The course of the training: learning rates, data wait ...
    """

    confusion: Picture | None
    curves: list[Picture]
    reliability: Picture | None
    gates: list[Picture]
    maps: list[Picture]
    learning: list[Picture]
    running: list[Picture]

    def all(self) -> Iterator[Picture]:
        """Every figure, in the report's order."""
        single = ([self.confusion], self.curves, [self.reliability], self.gates, self.maps, self.learning, self.running)
        yield from (picture for pictures in single for picture in pictures if picture is not None)


def figures_of(results: Results) -> Figures:
    """Draw all figures of a report."""
    learning, running = draw_learning_curves(results.history) if results.history else ([], [])
    return Figures(
        confusion=_confusion(results),
        curves=_curves(results),
        reliability=_reliability(results),
        gates=_gates(results),
        maps=_maps(results),
        learning=learning,
        running=running,
    )


def confusion_counts(results: Results) -> npt.NDArray[np.int64]:
    """Participants by true class (row) and predicted class (column)."""
    counts = np.zeros((len(results.classes), len(results.classes)), dtype=np.int64)
    for participant in results.labelled:
        counts[participant.label, participant.predicted] += 1
    return counts


def _confusion(results: Results) -> Picture | None:
    if not results.labelled:
        return None
    return draw_confusion(confusion_counts(results).tolist(), results.classes)


def _curves(results: Results) -> list[Picture]:
    """ROC and precision-recall: of the second of two classes, or of each class against the rest."""
    participants = results.labelled
    labels = np.array([participant.label for participant in participants], dtype=np.int64)
    probabilities = np.array([participant.probabilities for participant in participants])
    groups = as_groups([participant.group for participant in participants])
    wanted = [1] if len(results.classes) == 2 else range(len(results.classes))
    shown = [label for label in wanted if 0 < np.count_nonzero(labels == label) < len(labels)]
    if not shown:
        return []
    rocs, precisions = [], []
    for label in shown:
        scores, positive, name = probabilities[:, label], labels == label, results.classes[label]
        rocs.append((label, name, roc(scores, positive, BAND_DRAWS, BAND_SEED, groups)))
        precisions.append((label, name, precision_recall(scores, positive, BAND_DRAWS, BAND_SEED, groups)))
    shares = [float(np.mean(labels == label)) for label in shown]
    if len(shown) <= MOST_CURVES_TOGETHER:
        return [draw_roc(rocs), draw_precision_recall(precisions, shares)]
    drawn = []
    for one, other, share in zip(rocs, precisions, shares, strict=True):
        label = one[0]
        drawn.append(draw_roc([one], f"roc-{label}"))
        drawn.append(draw_precision_recall([other], [share], f"pr-{label}"))
    return drawn


def _reliability(results: Results) -> Picture | None:
    if results.metrics is None or not results.metrics.calibration.before.reliability:
        return None
    calibration = results.metrics.calibration
    curves = [("before calibration" if calibration.after else "the network's own", calibration.before.reliability)]
    if calibration.after:
        curves.append(("after calibration", calibration.after.reliability))
    return draw_reliability(curves, 1 / len(results.classes))


def _gates(results: Results) -> list[Picture]:
    participants = [
        participant
        for participant in results.participants
        if math.isfinite(participant.gate) and participant.recordings == "both"
    ]
    if not participants:
        return []

    def gates(chosen: list[PredictionRow]) -> np.ndarray:
        return np.array([participant.gate for participant in chosen])

    known = [participant for participant in participants if participant.label is not None]
    if not known:
        return [draw_gate([("all", None, gates(participants))], "gate-all", "Gate")]
    by_class = [
        (name, label, gates([participant for participant in known if participant.label == label]))
        for label, name in enumerate(results.classes)
    ]
    by_correctness = [
        ("correct", None, gates([participant for participant in known if not participant.wrong])),
        ("wrong", None, gates([participant for participant in known if participant.wrong])),
    ]
    return [
        draw_gate(by_class, "gate-class", "Gate by true class"),
        draw_gate(by_correctness, "gate-correct", "Gate by correctness"),
    ]


def _maps(results: Results) -> list[Picture]:
    drawn = []
    titles = {"fused": "Fused embedding", "eeg": "EEG embedding", "mri": "MRI embedding"}
    # With one recording, the fused embedding is the embedding of that recording.
    wanted = titles if results.modalities == "both" else [results.modalities]
    for name, title in ((name, titles[name]) for name in wanted):
        values = results.embeddings.get(name)
        if values is None:
            continue
        there = np.array([np.isfinite(row).all() for row in values], dtype=bool)
        participants = [participant for participant, found in zip(results.participants, there, strict=True) if found]
        labels = [participant.label for participant in participants]
        wrong = [participant.wrong for participant in participants]
        chosen = values[there]
        if (pca := pca_of(chosen)) is not None:
            drawn.append(draw_map(pca, labels, wrong, results.classes, f"pca-{name}", f"{title}: PCA"))
    lda = _lda(results)
    return [*drawn, lda] if lda else drawn


def _lda(results: Results) -> Picture | None:
    values = results.embeddings.get("fused")
    labels = [participant.label for participant in results.labelled]
    if values is None or len(labels) < len(results.participants) or not np.isfinite(values).all():
        return None
    projection = lda_of(values, np.array(labels, dtype=np.int64))
    if projection is None:
        return None
    wrong = [participant.wrong for participant in results.participants]
    return draw_map(projection, labels, wrong, results.classes, "lda-fused", "Fused embedding: LDA")


def lda_note(results: Results) -> str:
    """Explain what the LDA shows, or why there is none."""
    counts = [
        sum(participant.label == label for participant in results.participants) for label in range(len(results.classes))
    ]
    present = [count for count in counts if count]
    if len(present) >= 2 and min(present) >= LDA_NEEDS and len(results.labelled) == len(results.participants):
        return (
            "The LDA places each participant by directions that were fitted without them (10 folds): classes that are "
            "separate here are separate for participants whom the directions have not seen."
        )
    named = ", ".join(f"{count} {name}" for count, name in zip(counts, results.classes, strict=True))
    return f"No LDA: it needs {LDA_NEEDS} participants of each class (here {named}); with fewer it separates any data."
