"""``predictions.xlsx``: the predictions as a table for Excel, LibreOffice and R's readxl, in any locale."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from monai_fusion.metrics.predictions import set_text
from monai_fusion.report.prediction_details import PredictionDetails
from monai_fusion.workbook_cells import cell_of, set_widths

DIGITS = 4
"""Digits of probabilities; ``predictions.csv`` has all."""

_WIDEST = 40  # letters of a column
_NOT_IN_A_NAME = re.compile(r"\W")
_ABOUT = {
    "participant_id": "as in the datalist",
    "predicted": "the predicted class",
    "threshold": "of two classes, the second is predicted above this probability of it",
    "gate": "weight of the EEG, 0 to 1: 1 without an MRI, 0 without an EEG",
    "segments": "number of EEG segments used",
    "recordings": "the recordings that the prediction was made from: both, eeg or mri",
    "predicted_without_eeg": "the predicted class with the EEG of other participants in place of the participant's own",
    "predicted_without_mri": "... with the MRI of other participants",
    "segment_spread": "standard deviation over the EEG segments of the predicted class's probability",
    "label": "the true class, if known",
    "unlike_training": "what differs between the recordings and those that the model learned from; empty: nothing",
    "prediction_set": "the classes that cannot be excluded at the coverage below, with | between them: several if the "
    "recordings do not decide",
    "not_used": "what of the EEG the prediction was made without, and why; empty: all was used",
    "error": "why there is no prediction",
}


def column_names(classes: Sequence[str]) -> list[str]:
    """A column name for the probability of each class that R and Stata accept: letters, digits and ``_``.

    If two classes would get the same name, they are numbered: ``probability_a_b`` and ``probability_a_b_2``.
    """
    names: list[str] = []
    for label in classes:
        name = f"probability_{_NOT_IN_A_NAME.sub('_', label)}"
        number, first = 2, name
        while name.casefold() in (known.casefold() for known in names):
            name, number = f"{first}_{number}", number + 1
        names.append(name)
    return names


def table_rows(
    participants: Iterable[PredictionDetails], classes: Sequence[str], failed: Mapping[str, str] | None = None
) -> list[list[str | float | int | None]]:
    """The header line and a row for each participant, those who could not be predicted at the end.

    Args:
        participants: The predictions.
        classes: The class names in their order.
        failed: Why others could not be predicted, by id.
    """
    participants, failed = list(participants), failed or {}
    removed = any(each.without_eeg or each.without_mri for each in participants)
    labelled = any(each.participant.label is not None for each in participants)
    in_part = any(each.participant.not_used for each in participants)
    compared = any(each.participant.unlike_training is not None for each in participants)
    header = ["participant_id", "predicted", *column_names(classes), "threshold", "gate", "segments", "recordings"]
    with_sets = any(each.participant.prediction_set is not None for each in participants)
    header += [*(["predicted_without_eeg", "predicted_without_mri"] if removed else []), "segment_spread"]
    header += [*(["label"] if labelled else []), *(["unlike_training"] if compared else [])]
    header += [*(["prediction_set"] if with_sets else []), *(["not_used"] if in_part else [])]
    header += ["error"] if failed else []
    rows: list[list[str | float | int | None]] = [list(header)]
    for each in participants:
        participant = each.participant
        label = None if participant.label is None else classes[participant.label]
        rows.append(
            [
                participant.participant_id,
                classes[participant.predicted],
                *(round(value, DIGITS) for value in participant.probabilities),
                None if each.threshold is None else round(each.threshold, DIGITS),
                None if participant.gate != participant.gate else round(participant.gate, DIGITS),
                int(participant.segments) if participant.segments.isdecimal() else None,
                participant.recordings,
                *([each.without_eeg or None, each.without_mri or None] if removed else []),
                None if each.spread is None else round(each.spread, DIGITS),
                *([label] if labelled else []),
                *([participant.unlike_training or None] if compared else []),
                *([set_text(classes, participant.prediction_set or ())] if with_sets else []),
                *([participant.not_used or None] if in_part else []),
                *([None] if failed else []),
            ]
        )
    nothing = [None] * (len(header) - 2)
    rows += [[name, *nothing, reason] for name, reason in failed.items()]
    return rows


def workbook(
    participants: Sequence[PredictionDetails],
    classes: Sequence[str],
    about: Sequence[str],
    failed: Mapping[str, str] | None = None,
) -> bytes:
    """The file's bytes: the table on the first sheet, the meaning of its columns on the second.

    Text stays text: an id such as ``=1+1`` is never a formula.

    Args:
        participants: The predictions.
        classes: The class names in their order.
        about: Facts about the predictions, one for each line.
        failed: Why others could not be predicted, by id.
    """
    from openpyxl import Workbook

    rows = table_rows(participants, classes, failed)
    book = Workbook(write_only=True)
    sheet = book.create_sheet("predictions")
    sheet.freeze_panes = "B2"
    set_widths(sheet, rows, _WIDEST)
    _fill(sheet, rows)
    meaning = book.create_sheet("about")
    meaning.column_dimensions["A"].width, meaning.column_dimensions["B"].width = 28, 100
    names = dict(zip(column_names(classes), classes, strict=True))
    meanings = {name: f"probability of {label}, rounded to {DIGITS} digits" for name, label in names.items()} | _ABOUT
    _fill(meaning, [["column", "meaning"], *([str(name), meanings[str(name)]] for name in rows[0])])
    _fill(meaning, [[None, line] for line in about])
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def _fill(sheet: Any, rows: Iterable[Sequence[str | float | int | None]]) -> None:
    for row in rows:
        sheet.append([cell_of(sheet, value, "0.0000" if isinstance(value, float) else "General") for value in row])
