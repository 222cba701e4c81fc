"""What the network says of each participant: one row a participant, never several."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from monai_fusion.files import write_atomically


@dataclass(frozen=True, slots=True)
class Prediction:
    """The prediction for one participant.

    Attributes:
        participant_id: As in the datalist.
        label: The class index, or None where it is not known.
        probabilities: One probability a class, averaged over the EEG segments.
        gate: Weight of the EEG embedding, 0 to 1, averaged over the EEG segments.
        segments: The number of EEG segments.
    """

    participant_id: str
    label: int | None
    probabilities: tuple[float, ...]
    gate: float
    segments: int

    @property
    def predicted(self) -> int:
        """The index of the most probable class (the first of equals)."""
        return int(np.argmax(self.probabilities))


def write_predictions(predictions: Sequence[Prediction], classes: Sequence[str], path: str | os.PathLike[str]) -> None:
    """Write a CSV file with the columns participant_id, label, predicted, p(CLASS) for each class, gate, segments.

    ``label`` is empty where it is not known. Probabilities are written so that they read back exactly.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["participant_id", "label", "predicted", *(f"p({name})" for name in classes), "gate", "segments"])
    for row in predictions:
        label = "" if row.label is None else classes[row.label]
        shown = [row.participant_id, label, classes[row.predicted], *row.probabilities, row.gate, row.segments]
        writer.writerow(shown)
    write_atomically(Path(path), text.getvalue().encode("utf-8"))
