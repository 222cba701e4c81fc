"""What an evaluator does with its participants: score them, print them, write them."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from ignite.engine import Engine, Events
from ignite.metrics import Metric

from monai_fusion import ranks
from monai_fusion.evaluation.metrics import SCORES, report_text, summarize
from monai_fusion.evaluation.predictions import Prediction, write_predictions
from monai_fusion.files import write_atomically
from monai_fusion.keys import EEG, GATE, LABEL, PARTICIPANT_ID, PROBABILITIES

logger = logging.getLogger(__name__)

T = TypeVar("T")


class ParticipantMetric(Metric):
    """One of :data:`~monai_fusion.evaluation.metrics.SCORES` over the participants of an evaluation.

    Of several ranks each evaluates a part, and each gets the score over all participants, none counted twice.

    Args:
        score: The name of the score, e.g. ``cross_entropy``.
    """

    def __init__(self, score: str) -> None:
        if score not in SCORES:
            raise ValueError(f"score must be one of {', '.join(SCORES)}, got {score!r}")
        self._score = SCORES[score]
        super().__init__(output_transform=_probabilities_and_labels)

    def reset(self) -> None:
        """Forget the participants of the last evaluation."""
        self._rows: list[tuple[str, np.ndarray, int]] = []

    def iteration_completed(self, engine: Engine) -> None:
        """Add a batch of participants from an evaluator that runs with ``decollate=False``."""
        probabilities, labels = _probabilities_and_labels(engine.state.output)
        self.update((engine.state.batch[PARTICIPANT_ID], probabilities, labels))

    def update(self, output: tuple[Sequence[str], torch.Tensor, torch.Tensor]) -> None:
        """Add the ids, probabilities [B, K] and labels [B] of a batch of participants."""
        participants, probabilities, labels = output
        self._rows += zip(participants, probabilities.double().cpu().numpy(), labels.tolist(), strict=True)

    def compute(self) -> float:
        """Return the score over all participants added since the last reset."""
        _, probabilities, labels = zip(*_of_all_ranks(self._rows, lambda row: row[0]), strict=True)
        return self._score(np.stack(probabilities), np.array(labels))


class PredictionCollector:
    """Gather one `Prediction` a participant from an evaluator and hand them on when it has seen all.

    Of several ranks each evaluates a part; all gather the predictions of all, and rank 0 hands them on.

    Args:
        then: What to do with the predictions, in this order, e.g. a `ReportPrinter` and a `ResultWriter`.
    """

    def __init__(self, then: Sequence[Callable[[Sequence[Prediction]], None]] = ()) -> None:
        self.then = list(then)
        self.predictions: list[Prediction] = []

    def attach(self, engine: Engine) -> None:
        """Attach to an evaluator that runs with ``decollate=False``."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.COMPLETED, self._finish)

    def _start(self, engine: Engine) -> None:
        self.predictions = []

    def _collect(self, engine: Engine) -> None:
        batch, predicted = engine.state.batch, engine.state.output["pred"]
        probabilities = predicted[PROBABILITIES].double().cpu()
        gates = predicted[GATE].flatten().cpu()
        labels = batch[LABEL].tolist() if LABEL in batch else [None] * len(probabilities)
        for row, participant in enumerate(batch[PARTICIPANT_ID]):
            self.predictions.append(
                Prediction(
                    participant_id=participant,
                    label=labels[row],
                    probabilities=tuple(probabilities[row].tolist()),
                    gate=float(gates[row]),
                    segments=len(batch[EEG]),
                )
            )

    def _finish(self, engine: Engine) -> None:
        self.predictions = _of_all_ranks(self.predictions, lambda prediction: prediction.participant_id)
        for receiver in self.then if ranks.is_main() else ():
            receiver(self.predictions)


class ReportPrinter:
    """Log accuracy, confusion matrix and classification report.

    Args:
        classes: The class names, in the order of their indices.
        title: What was evaluated, e.g. ``validation``.
    """

    def __init__(self, classes: Sequence[str], title: str) -> None:
        self.classes = list(classes)
        self.title = title

    def __call__(self, predictions: Sequence[Prediction]) -> None:
        """Log the report of one evaluation."""
        logger.info("%s: %s", self.title, report_text(predictions, self.classes))


class ResultWriter:
    """Write ``predictions.csv`` and, where labels are known, ``metrics.json``.

    Args:
        folder: The folder to write to; made if it does not exist.
        classes: The class names, in the order of their indices.
        context: Further fields of ``metrics.json``, e.g. which part of which datalist was evaluated.
    """

    def __init__(
        self, folder: str | os.PathLike[str], classes: Sequence[str], context: dict[str, Any] | None = None
    ) -> None:
        self.folder = Path(folder)
        self.classes = list(classes)
        self.context = context or {}

    def __call__(self, predictions: Sequence[Prediction]) -> None:
        """Write the files of one evaluation."""
        self.folder.mkdir(parents=True, exist_ok=True)
        table = self.folder / "predictions.csv"
        write_predictions(predictions, self.classes, table)
        written = [str(table)]
        if any(row.label is not None for row in predictions):
            summary = self.context | summarize(predictions, self.classes)
            scores = self.folder / "metrics.json"
            write_atomically(scores, json.dumps(summary, indent=2, ensure_ascii=False).encode("utf-8"))
            written.append(str(scores))
        logger.info("wrote %s", " and ".join(written))


def _of_all_ranks(own: list[T], participant_id: Callable[[T], str]) -> list[T]:
    """What all ranks found, in the dataset's order; of a participant whom an idle rank repeated, once."""
    if ranks.count() == 1:
        return own
    found = ranks.interleave(ranks.gather(own))
    return list({participant_id(each): each for each in found}.values())


def _probabilities_and_labels(output: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    return output["pred"][PROBABILITIES], output["label"]
