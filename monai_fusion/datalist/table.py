"""Reads a participants table: CSV, TSV or .xlsx, as Excel, LibreOffice and BIDS write it in any country."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from monai_fusion.datalist.spreadsheet import is_spreadsheet, sheet_rows
from monai_fusion.datalist.wording import did_you_mean, quoted
from monai_fusion.errors import InputError, Problem

_DELIMITERS = {"\t": "tab", ";": "semicolon", ",": "comma"}  # the first decides where two split equally well


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
        rows: dict[str, TableRow] = {}
        problems = []
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

    def _require_columns(self, names: tuple[str, ...], named_by: Mapping[str, str]) -> None:
        problems = []
        for name in dict.fromkeys(names):
            if name not in self.columns:
                known = f"the columns are {', '.join(quoted(column) for column in self.columns)}"
                known += f"; name one with {named_by[name]}" if name in named_by else ""
                advice = did_you_mean(name, self.columns)
                problems.append(Problem("column", quoted(name), "not there", advice=f"{advice} {known}".strip()))
            elif self.columns.count(name) > 1:
                problems.append(Problem("column", quoted(name), f"there {self.columns.count(name)} times", "once"))
        if problems:
            raise InputError(problems, heading=str(self.path))


def read_participants_table(path: Path) -> ParticipantsTable:
    """Read a table with a header line: the first sheet of an .xlsx, or text whose header tells comma, semicolon or tab.

    Text is UTF-8 (with or without byte order mark) or UTF-16 with its mark, as Excel's "Unicode text"; anything else is
    read as Windows-1252, and a note says so.

    Raises:
        InputError: The file cannot be read, is no such table, or a row has more or fewer values than the header.
    """
    content = _content(path)
    if is_spreadsheet(content):
        rows, notes = sheet_rows(path, content)
        return _table(path, rows, "", notes)
    text, notes = _text(path, content)
    header = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(_DELIMITERS, key=lambda sign: len(next(csv.reader([header], delimiter=sign), [])))
    return _table(path, _csv_rows(path, text, delimiter), f", separated by {_DELIMITERS[delimiter]}", notes)


def _csv_rows(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            yield reader.line_num, cells
    except csv.Error as error:
        raise InputError(Problem(str(path), f"line {reader.line_num}", f"not a table ({error})")) from None


def _table(path: Path, lines: Iterable[tuple[int, list[str]]], how: str, notes: tuple[str, ...]) -> ParticipantsTable:
    """The table of these lines, of which the first that holds anything is the header."""
    columns: tuple[str, ...] = ()
    rows: list[TableRow] = []
    problems = []
    for number, cells in lines:
        values = [cell.strip() for cell in cells]
        if not any(values):
            continue
        if not columns:
            columns = tuple(_without_empty_end(values, 0))
            continue
        values = _without_empty_end(values, len(columns))
        if len(values) != len(columns):
            wanted = f"{len(columns)}: {', '.join(columns)}"
            problems.append(Problem(f"line {number}", seen=f"{len(values)} values{how}", wanted=wanted))
            continue
        rows.append(TableRow(number, dict(zip(columns, values, strict=True))))
    if problems:
        raise InputError(problems, heading=str(path))
    if not columns:
        raise InputError(Problem(str(path), seen="an empty file", wanted="a table with a header line"))
    return ParticipantsTable(path, columns, tuple(rows), notes)


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


def _text(path: Path, content: bytes) -> tuple[str, tuple[str, ...]]:
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return content.decode(encoding), ()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
    note = f"{path}, line {line}: not UTF-8, so the table was read as Windows-1252: check names with special letters"
    try:
        return content.decode("cp1252"), (note,)
    except UnicodeDecodeError:
        advice = "save the table as CSV UTF-8"
        raise InputError(Problem(str(path), f"line {line}", "text in an unknown encoding", "UTF-8", advice)) from None
