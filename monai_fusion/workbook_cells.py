"""Cells of an Excel workbook in which text stays text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

FORMULA = ("=", "+", "-", "@")
"""What a text begins with that a spreadsheet program takes for a formula."""


def cell_of(sheet: Any, value: str | float | int | bool | None, number_format: str = "General") -> Any:
    """Return a cell for openpyxl's write-only sheets.

    Text is never a formula, and keeps its zeros: ``0012``, ``=1+1``. What a workbook cannot hold becomes ``?``.

    Args:
        sheet: The sheet.
        value: What the cell holds; None leaves it empty.
        number_format: Of a number.
    """
    from openpyxl.cell import WriteOnlyCell

    if not isinstance(value, str):
        cell = WriteOnlyCell(sheet, value)
        cell.number_format = number_format
        return cell
    cell = WriteOnlyCell(sheet, storable_text(value))
    cell.data_type = "s"  # openpyxl takes text that begins with = for a formula
    cell.number_format = "@"
    cell.quotePrefix = value.startswith(FORMULA)  # it stays text if the user edits the cell
    return cell


def storable_text(text: str) -> str:
    """The text as a workbook gives it back: without characters that XML forbids, each line end one character."""
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    storable: str = ILLEGAL_CHARACTERS_RE.sub("?", plain)
    return storable


def set_widths(sheet: Any, rows: Sequence[Sequence[object]], widest: int) -> None:
    """Make each column as wide as its longest value, up to ``widest`` characters."""
    for column, values in enumerate(zip(*rows, strict=True), start=1):
        longest = max((len(str(value)) for value in values if value is not None), default=0)
        sheet.column_dimensions[letters_of(column)].width = min(widest, longest + 2)


def letters_of(column: int) -> str:
    """The letters of a column, counted from 1: ``A``, ``AB``."""
    from openpyxl.utils import get_column_letter

    return str(get_column_letter(column))
