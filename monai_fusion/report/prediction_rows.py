"""Rows of ``predictions.csv`` with what the table says of people whose class is not known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from monai_fusion.report.predictions import Participant, read_with_rows


@dataclass(frozen=True, slots=True)
class PredictedPerson:
    """A participant and what decided.

    Attributes:
        person: The participant.
        threshold: Of two classes, the second is predicted above this probability of it; None if there is none.
        without_eeg: The class that is predicted with the EEG of others; empty where that was not computed.
        without_mri: ... with the MRI of others.
    """

    person: Participant
    threshold: float | None = None
    without_eeg: str = ""
    without_mri: str = ""


def read_predicted(folder: Path) -> tuple[tuple[str, ...], list[PredictedPerson]]:
    """Read the predictions of an inference or evaluation.

    Returns:
        The class names in their order, and the participants in the table's.

    Raises:
        InputError: There is no such table, or a cell of it is not what it should be.
    """
    classes, people, rows = read_with_rows(folder)
    found = []
    for person, row in zip(people, rows, strict=True):
        other = [row.get(f"predicted_without_{name}") or "" for name in ("eeg", "mri")]
        without_eeg, without_mri = (name if name in classes else "" for name in other)
        found.append(PredictedPerson(person, _share(row.get("threshold")), without_eeg, without_mri))
    return classes, found


def _share(text: str | None) -> float | None:
    try:
        value = float(text or "nan")
    except ValueError:
        return None
    return value if math.isfinite(value) and 0 <= value <= 1 else None
