"""``predictions.xlsx``: the predictions as Excel, LibreOffice and R's readxl read them as they are, in any country."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

from monai_fusion.report.prediction_rows import PredictedPerson

DIGITS = 4
"""Of probabilities; ``predictions.csv`` has all."""

_FORMULA = ("=", "+", "-", "@")
_WIDEST = 40  # letters of a column
_NOT_IN_A_NAME = re.compile(r"\W")
_ABOUT = {
    "participant_id": "as in the datalist",
    "predicted": "the predicted class",
    "threshold": "of two classes, the second is predicted above this probability of it",
    "gate": "weight of the EEG, 0 to 1: 1 without an MRI, 0 without an EEG",
    "segments": "EEG segments that were used",
    "recordings": "what the prediction was made from: both, eeg or mri",
    "predicted_without_eeg": "the predicted class with the EEG of other people in place of this one's",
    "predicted_without_mri": "... with the MRI of other people",
    "label": "the true class, where it is known",
}


def column_names(classes: Sequence[str]) -> list[str]:
    """A name for the probability of each class that R and Stata take as it is: letters, digits and ``_``.

    Two classes that would get one name are numbered: ``probability_a_b`` and ``probability_a_b_2``.
    """
    names: list[str] = []
    for label in classes:
        name = f"probability_{_NOT_IN_A_NAME.sub('_', label)}"
        number, first = 2, name
        while name.casefold() in (known.casefold() for known in names):
            name, number = f"{first}_{number}", number + 1
        names.append(name)
    return names


def table_rows(people: Iterable[PredictedPerson], classes: Sequence[str]) -> list[list[str | float | int | None]]:
    """The header line and a row for each participant."""
    people = list(people)
    labelled = any(each.person.label is not None for each in people)
    header = ["participant_id", "predicted", *column_names(classes), "threshold", "gate", "segments", "recordings"]
    header += ["predicted_without_eeg", "predicted_without_mri", *(["label"] if labelled else [])]
    rows: list[list[str | float | int | None]] = [list(header)]
    for each in people:
        person = each.person
        label = None if person.label is None else classes[person.label]
        rows.append(
            [
                person.participant_id,
                classes[person.predicted],
                *(round(value, DIGITS) for value in person.probabilities),
                None if each.threshold is None else round(each.threshold, DIGITS),
                None if person.gate != person.gate else round(person.gate, DIGITS),
                int(person.segments) if person.segments.isdecimal() else None,
                person.recordings,
                each.without_eeg or None,
                each.without_mri or None,
                *([label] if labelled else []),
            ]
        )
    return rows


def workbook(people: Sequence[PredictedPerson], classes: Sequence[str], about: Sequence[str]) -> bytes:
    """The file's bytes: the table on the first sheet, what its columns mean on the second.

    Text is text, whatever it begins with: an id such as ``=1+1`` is never a formula.

    Args:
        people: Who was predicted.
        classes: The class names in their order.
        about: What to know of the predictions, a line each.
    """
    from openpyxl import Workbook

    rows = table_rows(people, classes)
    book = Workbook(write_only=True)
    sheet = book.create_sheet("predictions")
    sheet.freeze_panes = "B2"
    for column, values in enumerate(zip(*rows, strict=True), start=1):
        longest = max(len(str(value)) for value in values if value is not None)
        sheet.column_dimensions[_letters(column)].width = min(_WIDEST, longest + 2)
    _fill(sheet, rows)
    meaning = book.create_sheet("about")
    meaning.column_dimensions["A"].width, meaning.column_dimensions["B"].width = 28, 100
    names = dict(zip(column_names(classes), classes, strict=True))
    told = {name: f"probability of {label}, rounded to {DIGITS} digits" for name, label in names.items()} | _ABOUT
    _fill(meaning, [["column", "meaning"], *([str(name), told[str(name)]] for name in rows[0])])
    _fill(meaning, [[None, line] for line in about])
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def _fill(sheet: Any, rows: Iterable[Sequence[str | float | int | None]]) -> None:
    for row in rows:
        sheet.append([_cell(sheet, value) for value in row])


def _cell(sheet: Any, value: str | float | int | None) -> Any:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    if not isinstance(value, str):
        cell = WriteOnlyCell(sheet, value)
        cell.number_format = "0.0000" if isinstance(value, float) else "General"
        return cell
    cell = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub("?", value))
    cell.data_type = "s"  # openpyxl takes what begins with = for a formula
    cell.number_format = "@"
    cell.quotePrefix = value.startswith(_FORMULA)  # it stays text when somebody edits the cell
    return cell


def _letters(column: int) -> str:
    from openpyxl.utils import get_column_letter

    return str(get_column_letter(column))
