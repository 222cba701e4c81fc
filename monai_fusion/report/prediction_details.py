"""Rows of ``predictions.csv`` with the threshold, and the predictions without each recording."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from monai_fusion.report.predictions_reader import PredictionRow, read_predictions_with_cells


@dataclass(frozen=True, slots=True)
class PredictionDetails:
    """A prediction and how it was decided.

    Attributes:
        participant: The row of the participant.
        threshold: Of two classes, the second is predicted above this probability of it; None if there is none.
        without_eeg: The predicted class with the EEG of other participants; empty if it was not computed.
        without_mri: ... with the MRI of other participants.
        spread: The standard deviation over the EEG segments of the predicted class's probability; None if it is not
            known.
    """

    participant: PredictionRow
    threshold: float | None = None
    without_eeg: str = ""
    without_mri: str = ""
    spread: float | None = None


def read_prediction_details(folder: Path) -> tuple[tuple[str, ...], list[PredictionDetails]]:
    """Read the predictions of an inference or evaluation.

    Returns:
        The class names in their order, and the participants in the table's.

    Raises:
        InputError: There is no such table, or a cell is wrong.
    """
    classes, participants, rows = read_predictions_with_cells(folder)
    found = []
    for participant, row in zip(participants, rows, strict=True):
        other = [row.get(f"predicted_without_{name}") or "" for name in ("eeg", "mri")]
        without_eeg, without_mri = (name if name in classes else "" for name in other)
        threshold, spread = _share(row.get("threshold")), _share(row.get("segment_spread"))
        found.append(PredictionDetails(participant, threshold, without_eeg, without_mri, spread))
    return classes, found


def _share(text: str | None) -> float | None:
    try:
        value = float(text or "nan")
    except ValueError:
        return None
    return value if math.isfinite(value) and 0 <= value <= 1 else None
