"""From an edited workbook back to a datalist: the edits of its cells, in the text of the datalist it was made of."""

from __future__ import annotations

import datetime
import json
import math
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monai_fusion.datalist.changes.row_texts import Member, RowText, cut_into_rows
from monai_fusion.datalist.changes.workbook import FIRST, ORIGINAL, PART, PARTICIPANTS, rows_of, shown
from monai_fusion.datalist.schema import SECTIONS
from monai_fusion.errors import InputError, Problem
from monai_fusion.reading import read_bytes, reason_of
from monai_fusion.spelling import nfc
from monai_fusion.wording import a_few, did_you_mean, one_of, quoted
from monai_fusion.workbook_cells import storable_text
from monai_fusion.workbook_reading import TooLargeError, open_workbook, sheet_values

_NULLED = ("label", "eeg", "mri")
"""Fields that an empty cell sets to null; it removes others."""
_DIGITS = 1e-14
"""Workbooks keep 15 to 16 digits of a number: what differs by less was not edited."""


@dataclass(slots=True)
class _Table:
    """The sheet of participants: its columns, and the cells of each row by column."""

    columns: list[str]
    rows: list[tuple[int, dict[str, Any]]]
    notes: list[str] = field(default_factory=list)


def datalist_of(path: Path) -> tuple[str, tuple[str, ...]]:
    """Read a workbook that `workbook_of` made and somebody may have edited.

    Returns:
        The text of the datalist, and notes.

    Raises:
        InputError: It cannot be read, is another workbook, or has cells that cannot be.
    """
    table, original = _read(path)
    content = json.loads(original.removeprefix("\ufeff"))
    edited = _Edited(original, content, table, str(path))
    return edited.text(), tuple(table.notes)


def _read(path: Path) -> tuple[_Table, str]:
    wanted = "a workbook that `monai-fusion datalist table` wrote"
    try:
        book = open_workbook(read_bytes(path))
        sheets = {sheet.title: sheet for sheet in book.worksheets}
        missing = [name for name in (PARTICIPANTS, ORIGINAL) if name not in sheets]
        if missing:
            advice = "a table of your own: monai-fusion datalist build --participants TABLE"
            raise InputError(Problem(str(path), seen=f"no sheet {quoted(missing[0])}", wanted=wanted, advice=advice))
        cells = sheet_values(sheets[PARTICIPANTS])
        pieces = [row[0] for row in sheet_values(sheets[ORIGINAL]) if row and row[0] is not None]
        original = "".join(str(json.loads(piece)) for piece in pieces)
        cut_into_rows(original)
    except FileNotFoundError:
        raise InputError(Problem(str(path), seen="file not found", wanted=wanted)) from None
    except OSError as error:
        raise InputError(Problem(str(path), seen=reason_of(error), wanted=wanted)) from None
    except TooLargeError as error:
        raise InputError(Problem(str(path), seen=str(error), wanted=wanted)) from None
    # openpyxl's readers raise whatever the damaged XML makes them
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, IndexError, SyntaxError):
        raise InputError(Problem(str(path), seen="a workbook that cannot be read", wanted=wanted)) from None
    return _table(cells, str(path)), original


def _table(cells: Sequence[Sequence[Any]], path: str) -> _Table:
    header = ["" if cell is None else str(cell) for cell in (cells[0] if cells else ())]
    columns = [name for name in header if name.strip()]
    problems = [Problem(path, quoted(name), "two columns have this name") for name in _twice(columns)]
    if missing := [name for name in ("participant_id", PART) if name not in columns]:
        seen = f"the sheet {quoted(PARTICIPANTS)} has no column {quoted(missing[0])}"
        problems.append(Problem(path, seen=seen, advice=did_you_mean(missing[0], columns)))
    if problems:
        raise InputError(problems)
    rows = []
    for number, row in enumerate(cells[1:], start=2):
        found = {name: row[place] if place < len(row) else None for place, name in enumerate(header) if name.strip()}
        if any(value not in (None, "") for value in found.values()):
            rows.append((number, found))
    return _Table(columns, rows)


class _Edited:
    """The datalist while the edits of a workbook are made in it."""

    def __init__(self, original: str, content: Mapping[str, Any], table: _Table, path: str) -> None:
        self._file = cut_into_rows(original)
        self._path = path
        self._table = table
        self._parts: dict[str, list[RowText]] = {part: [] for part in SECTIONS}
        texts = [row for part in SECTIONS for row in self._file.sections[part].rows]
        self._old = list(zip(rows_of(content), texts, strict=True))
        fields = {name for (_, row), _ in self._old for name in row}
        absent = [name for name in (*fields, "exclude", "note") if name not in table.columns]
        kept = [name for name in dict.fromkeys(absent) if any(name in row for (_, row), _ in self._old)]
        if kept:
            table.notes.append(f"no column {a_few(map(quoted, kept))}: these fields stay as they are")

    def text(self) -> str:
        """The text of the datalist.

        Raises:
            InputError: Rows or cells that cannot be.
        """
        problems: list[Problem] = []
        moved: dict[str, list[RowText]] = {part: [] for part in SECTIONS}  # they become the last of their part
        by_id = self._rows_by_id(problems)
        for (part, row), text in self._old:
            key = nfc(str(row["participant_id"])), row.get("exclude") is not None
            found = by_id.pop(key, None) or by_id.pop((key[0], not key[1]), None)
            if found is None:
                advice = "put the row back; to leave somebody out, write the reason into the column exclude"
                problems.append(Problem(str(row["participant_id"]), seen="is not in the table", advice=advice))
                continue
            number, cells = found
            new_part = self._part(number, cells, problems) or part
            rows = self._parts[part] if new_part == part else moved[new_part]
            rows.append(self._edited(row, text, number, cells, problems))
        for number, cells in by_id.values():
            new_part = self._part(number, cells, problems) or SECTIONS[0]
            moved[new_part].append(self._new_row(number, cells, problems))
            self._table.notes.append(f"{cells['participant_id']}: added")
        if problems:
            raise InputError(problems, heading=self._path)
        return self._file.written({part: [*rows, *moved[part]] for part, rows in self._parts.items()})

    def _rows_by_id(self, problems: list[Problem]) -> dict[tuple[str, bool], tuple[int, dict[str, Any]]]:
        """The rows by id and whether they are left out: a participant may have one row in use and one left out."""
        found: dict[tuple[str, bool], tuple[int, dict[str, Any]]] = {}
        for number, cells in self._table.rows:
            name = _as_text(cells["participant_id"])
            key = nfc(name), cells.get("exclude") not in (None, "")
            if not name:
                problems.append(Problem(f"row {number}", "participant_id", "empty", "an id"))
            elif key in found:
                problems.append(Problem(f"row {number}", "participant_id", f"{name} is in row {found[key][0]}, too"))
            else:
                found[key] = number, cells
        return found

    def _part(self, number: int, cells: Mapping[str, Any], problems: list[Problem]) -> str | None:
        part = _as_text(cells[PART])
        if part in SECTIONS:
            return part
        problems.append(
            Problem(_who(number, cells), PART, quoted(part), one_of(SECTIONS), did_you_mean(part, SECTIONS))
        )
        return None

    def _edited(
        self, row: Mapping[str, Any], text: RowText, number: int, cells: Mapping[str, Any], problems: list[Problem]
    ) -> RowText:
        for name, cell in cells.items():
            if name in (PART, "participant_id") or _same(cell, shown(row.get(name))):
                continue
            value = _value(cell, row.get(name), name)
            if isinstance(value, Problem):
                problems.append(Problem(_who(number, cells), name, value.seen, value.wanted, value.advice))
            elif value is None and name not in _NULLED:
                text = text.without_field(name)
            else:
                text = text.with_field(name, value)
        return text

    def _new_row(self, number: int, cells: Mapping[str, Any], problems: list[Problem]) -> RowText:
        """A row for a participant that the datalist did not have: fields in the order of a datalist's rows."""
        order = [name for name in ("participant_id", "label", "eeg", "mri") if name in cells]
        order += [name for name in cells if name not in (*order, PART)]
        members: list[Member] = []
        for name in order:
            value = _value(cells[name], None, name)
            if isinstance(value, Problem):
                problems.append(Problem(_who(number, cells), name, value.seen, value.wanted, value.advice))
            elif value is not None or name in _NULLED:
                space = " " if members else ""
                written = json.dumps(value, ensure_ascii=False)
                members.append(Member(name, f"{space}{json.dumps(name, ensure_ascii=False)}: ", written, ""))
        return RowText(tuple(members))


def _value(cell: Any, before: Any, name: str) -> Any:
    """What an edited cell means; a `Problem` where that is not clear."""
    if cell is None or cell == "":
        return None
    if isinstance(cell, datetime.date | datetime.time | datetime.timedelta):
        advice = "Excel makes one of a text such as 10-12, too: format the cell as text, and write it again"
        return Problem("", seen=f"a date or time ({cell})", wanted="text or a number", advice=advice)
    if isinstance(cell, bool):
        return cell
    if isinstance(cell, int | float):
        whole = isinstance(cell, float) and cell.is_integer()
        number = int(cell) if whole and not isinstance(before, float) else cell
        is_text = name in FIRST or isinstance(before, str)  # a class "1", an id 0012, an age written as text
        return str(number) if is_text else number
    text = str(cell)
    if name == "eeg" and text.lstrip().startswith("["):
        try:
            return json.loads(text)
        except ValueError:
            return Problem("", seen=quoted(text), wanted='a list of files, such as ["a.npy", "b.npy"]')
    return text.strip() if name in (*FIRST, "mri") else text


def _same(cell: Any, before: Any) -> bool:
    """Whether a cell shows what the datalist has: 1 and 1.0 are the same, 1 and true are not, "" is nothing."""
    cell = None if cell == "" else cell
    before = None if before == "" else storable_text(before) if isinstance(before, str) else before
    if isinstance(cell, bool) is not isinstance(before, bool):
        return False
    if isinstance(cell, int | float) and isinstance(before, int | float):
        return math.isclose(cell, before, rel_tol=_DIGITS)
    return bool(cell == before)


def _as_text(cell: Any) -> str:
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return "" if cell is None else str(cell).strip()


def _who(number: int, cells: Mapping[str, Any]) -> str:
    return f"row {number}, {_as_text(cells['participant_id'])}"


def _twice(names: Sequence[str]) -> Iterator[str]:
    return (name for name in dict.fromkeys(names) if names.count(name) > 1)
