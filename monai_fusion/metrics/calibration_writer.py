"""Writing ``calibration.json`` during a training: the validation predictions of the epoch that is kept."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from monai_fusion.datalist import ParticipantRecord
from monai_fusion.datalist.groups import participant_groups
from monai_fusion.errors import InputError
from monai_fusion.files import write_atomically
from monai_fusion.metrics.calibration import network_prior
from monai_fusion.metrics.calibration_file import (
    VALIDATION,
    CalibrationFile,
    StoredPrediction,
    fit_calibration_file,
    read_calibration,
)
from monai_fusion.metrics.epochs_of_others import EpochsOfOthers
from monai_fusion.metrics.predictions import Prediction
from monai_fusion.run_folder import CALIBRATION_FILE


class CalibrationWriter:
    """Store the predictions of the last validation; write ``calibration.json`` if its epoch is kept.

    It is a receiver of a `PredictionCollector`; the `ModelSaver` calls :meth:`write`.

    Args:
        folder: The run folder.
        classes: The class names, in the order of their indices.
        training_labels: The class index of each training participant.
        balanced: Whether the training draws every class equally often.
        class_weights: Weights of the classes in the loss, if any.
        keep: Which epoch the run keeps: ``best`` or ``last``, as of `ModelSaver`.
        records: The validation participants, for their groups.
        group_by: Fields of the datalist, such as family, that name the groups.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        classes: Sequence[str],
        training_labels: Sequence[int],
        balanced: bool,
        class_weights: Sequence[float] | None = None,
        keep: str = "best",
        records: Sequence[ParticipantRecord] = (),
        group_by: Sequence[str] = (),
    ) -> None:
        self.path = Path(folder) / CALIBRATION_FILE
        self.classes = list(classes)
        self.counts = np.bincount(np.asarray(training_labels, dtype=np.int64), minlength=len(self.classes)).tolist()
        self.network_prior = network_prior(self.counts, balanced, class_weights)
        self.keep = keep
        names = participant_groups({record.participant_id: record.extra for record in records}, group_by)
        numbers = {name: place for place, name in enumerate(dict.fromkeys(names.values())) if name is not None}
        self._groups = {participant: numbers[name] for participant, name in names.items() if name is not None}
        self._predictions: list[Prediction] = []
        self._others: EpochsOfOthers | None = None

    def __call__(self, predictions: Sequence[Prediction]) -> None:
        """Store the predictions of a validation, and see for whom the others would have chosen its epoch."""
        self._predictions = [row for row in predictions if row.label is not None]
        if not self._predictions:
            return
        written = self._written()
        probabilities = np.array([row.uncalibrated for row in self._predictions], dtype=np.float64)
        labels = np.array([row.label for row in self._predictions], dtype=np.int64)
        if self._others is None or not np.array_equal(self._others.labels, labels):
            before = None if written is None else written.others()
            self._others = before or EpochsOfOthers.start(probabilities, labels)
        self._others.add(probabilities, always=self.keep == "last")
        if written is not None:  # of the epoch that was kept before; this one need not be
            self._save(written.model_copy(update={"predictions": self._with_others(written.predictions)}))

    def write(self) -> None:
        """Write the calibration fitted on these predictions."""
        rows = [
            StoredPrediction(
                label=row.label, probabilities=list(row.uncalibrated), group=self._groups.get(row.participant_id)
            )
            for row in self._predictions
            if row.label is not None
        ]
        rows = self._with_others(rows)
        self._save(fit_calibration_file(self.classes, self.counts, self.network_prior, rows, VALIDATION))

    def _with_others(self, rows: Sequence[StoredPrediction]) -> list[StoredPrediction]:
        if self._others is None:
            return list(rows)
        found = zip(rows, self._others.probabilities.tolist(), self._others.scores.tolist(), strict=True)
        return [row.model_copy(update={"others": others, "others_score": score}) for row, others, score in found]

    def _written(self) -> CalibrationFile | None:
        """The file so far, if it is of these participants: a resumed run goes on with it."""
        try:
            content = read_calibration(self.path.parent, self.classes)
        except InputError:
            return None
        same = [row.label for row in content.predictions] == [row.label for row in self._predictions]
        return content if same else None

    def _save(self, content: CalibrationFile) -> None:
        write_atomically(self.path, content.model_dump_json(indent=2).encode("utf-8"))
