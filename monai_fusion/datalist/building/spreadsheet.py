"""Reads a sheet of an Excel workbook, the first unless another is named, as lines of text."""

from __future__ import annotations

import datetime
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from monai_fusion.datalist.building.sheet_notes import notes_on_sheet
from monai_fusion.errors import InputError, Problem
from monai_fusion.messages import pasteable
from monai_fusion.spelling import equal_in_nfc
from monai_fusion.wording import a_few, did_you_mean, quoted
from monai_fusion.workbook_reading import TooLargeError, open_workbook, sheet_values

_ZIP = b"PK\x03\x04"
_OLD_OFFICE = b"\xd0\xcf\x11\xe0"  # .xls, or an .xlsx with a password
_SAVE_AS = "save it as .xlsx without a password, or as CSV"


def is_spreadsheet(content: bytes) -> bool:
    """Whether a file is a workbook rather than text, whatever its name is."""
    return content.startswith((_ZIP, _OLD_OFFICE))


def sheet_rows(
    path: Path, content: bytes, name: str | None = None
) -> tuple[list[tuple[int, list[str]]], tuple[str, ...]]:
    """A sheet's rows with their numbers, all cells as text, and notes.

    Whole numbers lose their decimals (Excel keeps 10002 as 10002.0); formulas give the value that was last computed.

    Args:
        path: The file.
        content: Its bytes.
        name: Which sheet; ``None`` is the first.

    Raises:
        InputError: The file is a workbook of another kind, or damaged, has no such sheet, or the first is empty and
            others are not.
    """
    if content.startswith(_OLD_OFFICE):
        raise InputError(
            Problem(str(path), seen="an old or protected Excel file", wanted=".xlsx or CSV", advice=_SAVE_AS)
        )
    try:
        book = open_workbook(content)
        sheet = book.worksheets[0] if name is None else _named(path, book, name)
        position = book.worksheets.index(sheet)
        cells = _cells(sheet)
        if name is None and not _is_filled(cells):
            _refuse_empty(path, book)
    except TooLargeError as error:
        raise InputError(Problem(str(path), seen=str(error), wanted="a table of participants")) from None
    # openpyxl's readers raise whatever the damaged XML makes them
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, IndexError, OSError, SyntaxError):
        raise InputError(
            Problem(str(path), seen="a spreadsheet that cannot be read", wanted=".xlsx or CSV", advice=_SAVE_AS)
        ) from None
    rows = _equally_long([(number, [_text(cell) for cell in row]) for number, row in cells])
    notes = [f"{path}: {note}" for note in (*_other_sheets(book, name), *notes_on_sheet(content, cells, position))]
    dates = [number for number, row in cells if any(isinstance(cell, datetime.date) for cell in row)]
    if dates:
        why = "Excel makes one of a range such as 10-12, too: format the column as text"
        notes.append(f"{path}, line {dates[0]}: a date ({why})")
    return rows, tuple(notes)


def _named(path: Path, book: Any, name: str) -> Any:
    titles = [sheet.title for sheet in book.worksheets]
    if (title := equal_in_nfc(name, titles)) is None:
        advice = f"{did_you_mean(name, titles)} the sheets are {a_few(map(quoted, titles), 8)}".strip()
        raise InputError(Problem("--sheet", quoted(name), f"not in {path}", advice=advice))
    return book.worksheets[titles.index(title)]


def _cells(sheet: Any) -> list[tuple[int, list[Any]]]:
    return list(enumerate(sheet_values(sheet), start=1))


def _is_filled(cells: list[tuple[int, list[Any]]]) -> bool:
    return any(cell is not None and str(cell).strip() for _, row in cells for cell in row)


def _refuse_empty(path: Path, book: Any) -> None:
    """The first sheet is empty: the others may hold the table.

    Raises:
        InputError: One of them holds anything.
    """
    first, *others = book.worksheets
    if filled := [sheet.title for sheet in others if _is_filled(_cells(sheet))]:
        names = a_few(map(quoted, filled), 8)
        advice = f"{'another has' if len(filled) == 1 else 'others have'} rows, {names}: name it with --sheet"
        seen = f"the first sheet, {quoted(first.title)}, is empty"
        raise InputError(Problem(str(path), seen=seen, advice=f"{advice} {pasteable([filled[0]])}"))


def _other_sheets(book: Any, name: str | None) -> Iterator[str]:
    if name is not None:
        return
    first, *others = book.worksheets
    hidden = f" (hidden: {first.sheet_state})" if first.sheet_state != "visible" else ""
    if others:
        names = a_few((repr(sheet.title) for sheet in others), 5)
        rest = f"not {names}: if the table is there, name its sheet with --sheet"
        yield f"only the first sheet, {first.title!r}{hidden}, was read, {rest}"
    elif hidden:
        yield f"the sheet {first.title!r}{hidden} was read"


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).upper()  # as Excel shows it
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime.datetime) and cell.time() == datetime.time():
        return cell.date().isoformat()
    return str(cell)


def _equally_long(rows: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """Empty cells at the end of a row are not stored: they are added up to the header's length."""
    width = next((len(row) for _, row in rows if any(map(str.strip, row))), 0)
    return [(number, row + [""] * (width - len(row))) for number, row in rows]
