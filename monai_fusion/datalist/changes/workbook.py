"""A datalist as an Excel workbook, for people who edit tables; nothing of the file is lost on the way back.

The sheet ``participants`` has a row for each participant. The hidden sheet ``original`` holds the datalist's text:
a cell that nobody edited changes nothing, whatever Excel makes of numbers, lists and spaces.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from monai_fusion.datalist.schema import SECTIONS
from monai_fusion.wording import counted
from monai_fusion.workbook_cells import cell_of, letters_of, set_widths

PARTICIPANTS, ABOUT, ORIGINAL = "participants", "about", "original"
PART = "part"
FIRST = ("participant_id", PART, "label", "exclude", "note")
LAST = ("fold", "eeg", "mri")

Cell = str | float | int | bool | None

_CHUNK = 8_000  # characters of the original in a cell; JSON's escapes make them up to six times as many, Excel's limit
_MOST_TEXT = 32_000  # characters of a cell
_EXACT = 2**53  # larger whole numbers are rounded by Excel
_WIDEST = 60
_RULES = (
    ("part", "training, validation or test"),
    ("label", "one of the classes, in exactly this spelling"),
    ("exclude", "why this participant is left out; empty: in use. Do not delete the row"),
    ("note", "a remark for people; the program does not use it"),
    ("eeg", 'a path or pattern; a list of files in the form of JSON: ["a.npy", "b.npy"]'),
    ("other columns", "fields of the datalist, such as age; a new column becomes a field"),
    ("order of rows", "sort as you like: the datalist keeps its own order"),
    ("back to a datalist", "monai-fusion datalist build --from-table THIS_FILE --out NEW.json"),
    (ORIGINAL, "a hidden sheet with the datalist as it was: leave it, so that nothing is lost"),
)


def workbook_of(text: str, content: Mapping[str, Any]) -> bytes:
    """Return the bytes of the workbook.

    Args:
        text: The text of a datalist without problems.
        content: The same as parsed JSON.
    """
    from openpyxl import Workbook

    columns = _columns_of(content)
    rows: list[list[Cell]] = [list(columns), *(list(cells_of(part, row, columns)) for part, row in rows_of(content))]
    book = Workbook(write_only=True)
    sheet = book.create_sheet(PARTICIPANTS)
    sheet.freeze_panes = "B2"
    set_widths(sheet, rows, _WIDEST)
    for row in rows:
        sheet.append([cell_of(sheet, value) for value in row])
    sheet.auto_filter.ref = f"A1:{letters_of(len(columns))}{len(rows)}"
    about = book.create_sheet(ABOUT)
    set_widths(about, _RULES, _WIDEST)
    for name, meaning in (("column", "what it holds"), *_RULES):
        about.append([cell_of(about, name), cell_of(about, meaning)])
    original = book.create_sheet(ORIGINAL)
    original.sheet_state = "hidden"
    for start in range(0, len(text), _CHUNK):
        original.append([cell_of(original, json.dumps(text[start : start + _CHUNK]))])
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def _columns_of(content: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns: who, part, class, reason, note, then further fields, then fold and files."""
    fields = dict.fromkeys(name for _, row in rows_of(content) for name in row)
    further = [name for name in fields if name not in (*FIRST, *LAST)]
    return (*FIRST, *further, *(name for name in LAST if name in fields))


def rows_of(content: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Part and fields of each row, in the file's order."""
    for part in SECTIONS:
        for row in content.get(part) or ():
            yield part, row


def cells_of(part: str, row: Mapping[str, Any], columns: tuple[str, ...]) -> Iterator[Cell]:
    """The cells of a row."""
    for name in columns:
        yield part if name == PART else shown(row.get(name))


def shown(value: Any) -> Cell:
    """What a cell shows of a value: text and numbers as they are, lists in the form of JSON, nothing for null."""
    if isinstance(value, list | dict):
        text = json.dumps(value, ensure_ascii=False)
        number = counted(len(value), "file" if isinstance(value, list) else "field")
        return text if len(text) <= _MOST_TEXT else f"({number}: too many for a cell; they stay as they are)"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _EXACT:
        return str(value)
    if isinstance(value, str) and len(value) > _MOST_TEXT:
        return "(too long for a cell; it stays as it is)"
    return value if isinstance(value, str | float | int) else None
