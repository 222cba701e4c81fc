"""Opens Excel workbooks of others: a file of a few kilobytes may claim billions of rows, or unpack to gigabytes."""

from __future__ import annotations

import io
import zipfile
from typing import Any

MIB = 2**20
MOST_BYTES = 256 * MIB
"""Of all parts of a workbook, unpacked; a table of 100,000 participants and 50 columns has about as many."""
MOST_ROWS, MOST_CELLS = 2**20, 20_000_000
"""Excel's own limit, and how many cells are kept, with the empty ones between those that are filled."""


class TooLargeError(ValueError):
    """A workbook is larger than a table of participants can be; its text says what was seen."""


def open_workbook(content: bytes) -> Any:
    """Open a workbook of openpyxl from memory, to read the values of its cells.

    Raises:
        TooLargeError: It unpacks to more than `MOST_BYTES`.
        Exception: Whatever damaged XML makes openpyxl raise.
    """
    import openpyxl  # takes a third of a second, and few tables are workbooks

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        unpacked = sum(part.file_size for part in archive.infolist())  # zipfile unpacks no more than a part claims
    if unpacked > MOST_BYTES:
        raise TooLargeError(f"a workbook of {unpacked // MIB:,} MiB when it is unpacked")
    return openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)


def sheet_values(sheet: Any) -> list[list[Any]]:
    """The values of a sheet's rows from the first on, each up to its last cell that is not empty.

    Raises:
        TooLargeError: The sheet is larger than `MOST_ROWS` or `MOST_CELLS`.
        Exception: Whatever damaged XML makes openpyxl raise.
    """
    sheet.reset_dimensions()  # some programs write a wrong extent, and rows would be lost
    rows: list[list[Any]] = []
    filled = widest = 0
    for number, cells in enumerate(sheet.iter_rows(values_only=True), start=1):
        row = list(cells)
        while row and row[-1] is None:
            row.pop()
        rows.append(row)
        if row:
            filled, widest = number, max(widest, len(row))
        if number > MOST_ROWS or filled * widest > MOST_CELLS:
            raise TooLargeError(f"cells in line {number:,}, and {widest:,} columns")
    return rows[:filled]
