"""Handlers of an evaluator: they score the participants, log the results and write the files."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import torch
from ignite.engine import Engine, Events
from ignite.metrics import Metric
from monai.networks.utils import eval_mode

from monai_fusion import ranks
from monai_fusion.data.collation import UNKNOWN_LABEL, presence_of, segments_of
from monai_fusion.datalist import ParticipantRecord
from monai_fusion.evaluation.modalities import FusingNetwork, with_mean_gate, without_each_modality
from monai_fusion.evaluation.network_outputs import PredictionMaker, outputs_of
from monai_fusion.keys import LABEL, MRI_EMBEDDING, PARTICIPANT_ID, PROBABILITIES, SEGMENT_EEG_EMBEDDINGS
from monai_fusion.metrics.predictions import Prediction, from_both_recordings
from monai_fusion.metrics.scores import SCORES
from monai_fusion.metrics.terminal_text import report_text

logger = logging.getLogger(__name__)

T = TypeVar("T")


class ParticipantMetric(Metric):
    """One of :data:`~monai_fusion.metrics.scores.SCORES` over the participants of an evaluation.

    With several ranks, each rank evaluates a part and gets the score over all participants; none is counted twice.

    Args:
        score: The name of the score, e.g. ``cross_entropy``.
    """

    def __init__(self, score: str) -> None:
        if score not in SCORES:
            raise ValueError(f"score must be one of {', '.join(SCORES)}, got {score!r}")
        self._score = SCORES[score]
        super().__init__(output_transform=_probabilities_and_labels)

    def reset(self) -> None:
        """Discard the participants of the last evaluation."""
        self._rows: list[tuple[str, np.ndarray, int]] = []

    def iteration_completed(self, engine: Engine) -> None:
        """Add a batch of participants from an evaluator that runs with ``decollate=False``."""
        probabilities, labels = _probabilities_and_labels(engine.state.output)
        self.update((engine.state.batch[PARTICIPANT_ID], probabilities, labels))

    def update(self, output: tuple[Sequence[str], torch.Tensor, torch.Tensor]) -> None:
        """Add the ids, probabilities [B, K] and labels [B] of a batch of participants.

        Raises:
            ValueError: A participant has no label.
        """
        participants, probabilities, labels = output
        if (labels < 0).any():
            raise ValueError("a participant without a label cannot be scored")
        self._rows += zip(participants, probabilities.double().cpu().numpy(), labels.tolist(), strict=True)

    def compute(self) -> float:
        """Return the score over all participants added since the last reset."""
        _, probabilities, labels = zip(*_of_all_ranks(self._rows, lambda row: row[0]), strict=True)
        return self._score(np.stack(probabilities), np.array(labels))


class PredictionCollector:
    """Collect one `Prediction` for each participant from an evaluator, and pass them on at the end.

    With several ranks, each rank evaluates a part; all ranks gather all predictions, and rank 0 passes them on.

    Args:
        then: Receivers of the predictions, in this order, e.g. a `ReportPrinter` and a `ResultWriter`.
        records: The participants of the datalist, for their other fields and the conditions of their EEG segments;
            without them, the predictions have neither.
        network: The network. With it, participants who have both recordings are also predicted without each of them,
            and with the mean gate, which needs 2 kB of memory for each segment. None skips this.
        unlike: Returns in words what differs between a participant's recordings and the training's; None skips this.
    """

    def __init__(
        self,
        then: Sequence[Callable[[Sequence[Prediction]], None]] = (),
        records: Sequence[ParticipantRecord] = (),
        network: FusingNetwork | None = None,
        unlike: Callable[[ParticipantRecord], str | None] | None = None,
    ) -> None:
        self.then = list(then)
        self._maker = PredictionMaker(records)
        self.network = network
        self.unlike = unlike
        self.predictions: list[Prediction] = []
        self._eeg: list[torch.Tensor] = []
        self._mri: list[torch.Tensor] = []

    def attach(self, engine: Engine) -> None:
        """Attach to an evaluator that runs with ``decollate=False``."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.COMPLETED, self._finish)

    def _start(self, engine: Engine) -> None:
        self.predictions, self._eeg, self._mri = [], [], []

    def _collect(self, engine: Engine) -> None:
        batch, predicted = engine.state.batch, engine.state.output["pred"]
        outputs = outputs_of(batch, predicted)
        labels = batch[LABEL].tolist() if LABEL in batch else [UNKNOWN_LABEL] * len(outputs)
        for output, label in zip(outputs, labels, strict=True):
            row = self._maker.prediction(output, None if label == UNKNOWN_LABEL else label)
            record = self._maker.records.get(row.participant_id)
            if record is not None and self.unlike is not None:
                row = replace(row, unlike_training=self.unlike(record))
            self.predictions.append(row)
        if self.network is not None:
            self._keep_embeddings(predicted, segments_of(batch), presence_of(batch))

    def _keep_embeddings(
        self, predicted: Mapping[str, torch.Tensor], segments: Sequence[int], present: Sequence[tuple[bool, bool]]
    ) -> None:
        """Keep the embeddings of the participants who have both recordings."""
        eeg = torch.split(predicted[SEGMENT_EEG_EMBEDDINGS].detach(), list(segments))
        mri = torch.split(predicted[MRI_EMBEDDING].detach(), 1)
        for own_eeg, own_mri, recordings in zip(eeg, mri, present, strict=True):
            if all(recordings):
                self._eeg.append(own_eeg)
                self._mri.append(own_mri)

    def _finish(self, engine: Engine) -> None:
        if self.network is not None and len(self._eeg) > 1:
            with eval_mode(self.network):  # the engine may have switched it back to training mode, with dropout
                both = from_both_recordings(self.predictions)
                without = zip(*without_each_modality(self.network, self._eeg, self._mri), strict=True)
                gate = sum(row.gate for row in both) / len(both)
                alike = with_mean_gate(self.network, self._eeg, self._mri, gate)
            changed = {
                row.participant_id: replace(
                    row, without_eeg=eeg, without_mri=mri, mean_gate=alike[place] if alike else None
                )
                for place, (row, (eeg, mri)) in enumerate(zip(both, without, strict=True))
            }
            self.predictions = [changed.get(row.participant_id, row) for row in self.predictions]
        self._eeg, self._mri = [], []
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


def _of_all_ranks(own: list[T], participant_id: Callable[[T], str]) -> list[T]:
    """The results of all ranks in the dataset's order; a participant that an idle rank repeated occurs once."""
    if ranks.world_size() == 1:
        return own
    found = ranks.interleave(ranks.gather(own))
    return list({participant_id(each): each for each in found}.values())


def _probabilities_and_labels(output: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    return output["pred"][PROBABILITIES], output["label"]
