"""Reads a participants table: CSV, TSV or .xlsx, as Excel, LibreOffice and BIDS write it in any country."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from monai_fusion.datalist.spelling import nfc, spelled_out, the_equal, written_twice
from monai_fusion.datalist.spreadsheet import is_spreadsheet, sheet_rows
from monai_fusion.datalist.table_text import DELIMITERS, shape, text_rows
from monai_fusion.datalist.wording import a_few, counted, did_you_mean, quoted
from monai_fusion.errors import InputError, Problem, noted

_TWO_SPELLINGS = "they differ only in how letters with accents are stored: write one of them in all rows"
_LOOKED_AT = 5  # lines below one that may be the header
_SEPARATORS = {**DELIMITERS, "|": '"|"', " ": "space"}  # of a header that is written by hand

Line = tuple[int, list[str]]
"""The cells of a line, and its number."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """One participant's values by column, spaces at their ends removed; ``line`` is the line in the file or sheet."""

    line: int
    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class ParticipantsTable:
    """A participants table.

    Attributes:
        path: The file.
        columns: The column names, in order.
        rows: The rows that hold anything.
        notes: What the reader of the table should know, e.g. that the file is not UTF-8.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]
    notes: tuple[str, ...] = ()

    def by_participant(
        self, id_column: str, used_columns: tuple[str, ...], named_by: Mapping[str, str] | None = None
    ) -> dict[str, TableRow]:
        """Each participant's row, by the id in ``id_column``.

        Two rows for one participant are accepted where they agree in ``used_columns``.

        Args:
            id_column: The column of ids.
            used_columns: Further columns that must be there.
            named_by: The option that names a column, for messages.

        Raises:
            InputError: A column is not there, an id is empty, or two rows of a participant differ.
        """
        self._require_columns((id_column, *used_columns), named_by or {})
        named = [row.values[id_column] for row in self.rows]
        problems = [
            Problem(spellings[0], id_column, f"there in {len(spellings)} spellings, as {both}", "one", _TWO_SPELLINGS)
            for spellings in written_twice(named).values()
            for both in [" and ".join(map(spelled_out, spellings))]
        ]
        rows: dict[str, TableRow] = {}
        for row in self.rows:
            participant_id = row.values[id_column]
            if not participant_id:
                problems.append(Problem(f"line {row.line}", id_column, "empty", "a participant id"))
                continue
            first = rows.setdefault(participant_id, row)
            for column in used_columns:
                if first.values[column] != row.values[column]:
                    values = (f"{quoted(each.values[column])} in line {each.line}" for each in (first, row))
                    seen = " and ".join(values)
                    problems.append(Problem(participant_id, column, seen, "one value"))
        if problems:
            raise InputError(problems, heading=str(self.path))
        return rows

    def with_columns(self, names: Iterable[str]) -> ParticipantsTable:
        """The same with those of the columns renamed that are one of ``names`` in other letters, equal in NFC."""
        renamed = {
            column: name
            for name in names
            if name not in self.columns and (column := the_equal(name, self.columns)) is not None
        }
        if not renamed:
            return self
        columns = tuple(renamed.get(column, column) for column in self.columns)
        rows = tuple(
            TableRow(row.line, {renamed.get(column, column): value for column, value in row.values.items()})
            for row in self.rows
        )
        return replace(self, columns=columns, rows=rows)

    def _require_columns(self, names: tuple[str, ...], named_by: Mapping[str, str]) -> None:
        problems = []
        for name in dict.fromkeys(names):
            if name not in self.columns:
                known = f"the columns are {', '.join(quoted(column) for column in self.columns)}"
                known += f"; name one with {named_by[name]}" if name in named_by else ""
                advice = did_you_mean(name, self.columns)
                problems.append(Problem("column", quoted(name), "not there", advice=f"{advice} {known}".strip()))
            elif (times := sum(nfc(column) == nfc(name) for column in self.columns)) > 1:
                problems.append(Problem("column", quoted(name), f"there {times} times", "once"))
        if problems:
            raise InputError(problems, heading=str(self.path))


def read_participants_table(path: Path, sheet: str | None = None) -> ParticipantsTable:
    """Read a table with a header line: a sheet of an .xlsx, or text whose header tells comma, semicolon or tab.

    Of a workbook it is the first sheet unless another is named.

    Text may begin with Excel's ``sep=;``. It is UTF-8 or UTF-16; anything else is read as Windows-1252, with a note.

    Raises:
        InputError: The file cannot be read, is no such table, or a row has more or fewer values than the header.
    """
    content = _content(path)
    if is_spreadsheet(content):
        rows, notes = sheet_rows(path, content, sheet)
        how = ""
    elif sheet is not None:
        raise InputError(Problem("--sheet", seen=f"{path} is no workbook", advice="leave it out"))
    else:
        rows, separated, notes = text_rows(path, content)
        how = f", separated by {separated}"
    with noted(notes):
        return _table(path, rows, how, notes)


def _table(path: Path, lines: Sequence[Line], how: str, notes: tuple[str, ...]) -> ParticipantsTable:
    """The table of these lines, of which the first that holds anything is the header."""
    filled = [(number, values) for number, cells in lines if any(values := [cell.strip() for cell in cells])]
    if not filled:
        raise InputError(Problem(str(path), seen="an empty file", wanted="a table with a header line"))
    (first, header), *others = filled
    columns = tuple(_without_empty_end(header, 0))
    others = [(number, _without_empty_end(values, len(columns))) for number, values in others]
    rows: list[TableRow] = []
    problems = []
    for number, values in others:
        if len(values) == len(columns):
            rows.append(TableRow(number, dict(zip(columns, values, strict=True))))
            continue
        wanted = f"{len(columns)}: {', '.join(columns)}"
        problems.append(Problem(f"line {number}", seen=f"{len(values)} values{how}", wanted=wanted))
    if problems:
        raise InputError(_title_above(first, columns, others) or problems, heading=str(path))
    return ParticipantsTable(path, columns, tuple(rows), notes)


def _title_above(first: int, columns: Sequence[str], others: Sequence[Line]) -> Problem | None:
    """The one problem of a table that begins with a line which is no header; ``None`` if it is rows that are wrong."""
    widest = max(len(values) for _, values in others)
    header = next(((number, values) for number, values in others if len(values) == widest and all(values)), None)
    longer = sum(len(values) > len(columns) for _, values in others)
    if header is None or widest <= len(columns) or longer * 2 <= len(others):
        return None
    number, names = header
    title = ", ".join(map(quoted, columns))
    advice = f"is line {number} the header ({a_few(names, 4)})? Then delete what stands above it"
    if _is_a_row(header, others):  # deleting what stands above it would make a header of somebody's row
        advice = _why_rows_are_wider(columns, widest)
    seen = f"{counted(len(columns), 'value')} ({title}), while the lines from {number} on have up to {widest}"
    return Problem(f"line {first}", seen=seen, wanted="the names of the columns", advice=advice)


def _is_a_row(line: Line, others: Sequence[Line]) -> bool:
    """Whether a line is a row and no header: a cell with a number is like the one below it, as sub-01 and sub-02."""
    number, values = line
    below = [cells for other, cells in others if other > number][:_LOOKED_AT]
    return any(
        any(sign.isdigit() for sign in value)
        and (not below or any(shape(cells[place]) == shape(value) for cells in below if place < len(cells)))
        for place, value in enumerate(values)
    )


def _why_rows_are_wider(columns: Sequence[str], width: int) -> str:
    """What to do where the lines below a header have more values than it."""
    for sign, name in _SEPARATORS.items():
        if width == 1 + sum(column.count(sign) for column in columns):
            return f"is the header separated by another sign ({name}) than the lines below? Then write it as these"
    return "is there a decimal comma (write a point), or row numbers without a column name (give them one)?"


def _without_empty_end(values: list[str], at_least: int) -> list[str]:
    """Spreadsheets end lines with delimiters of columns that hold nothing."""
    while len(values) > at_least and not values[-1]:
        values = values[:-1]
    return values


def _content(path: Path) -> bytes:
    if path.is_dir():  # Windows says "Permission denied" of a folder
        raise InputError(Problem(str(path), seen="a folder", wanted="a participants table (CSV, TSV or .xlsx)"))
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(Problem(str(path), seen="there is no such file")) from None
    except OSError as error:
        raise InputError(Problem(str(path), seen=f"cannot be read ({error.strerror or error})")) from None
