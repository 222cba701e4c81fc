"""Reads a participants table: CSV or TSV, as Excel, LibreOffice and BIDS write it in any country."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from monai_fusion.datalist.wording import did_you_mean, quoted
from monai_fusion.errors import InputError, Problem

_DELIMITERS = {"\t": "tab", ";": "semicolon", ",": "comma"}  # the first decides where two split equally well


@dataclass(frozen=True, slots=True)
class TableRow:
    """One participant's values by column, spaces at their ends removed; ``line`` is the line in the file."""

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

    def by_participant(self, id_column: str, used_columns: tuple[str, ...]) -> dict[str, TableRow]:
        """Each participant's row, by the id in ``id_column``.

        Two rows for one participant are accepted where they agree in ``used_columns``.

        Raises:
            InputError: A column is not there, an id is empty, or two rows of a participant differ.
        """
        self._require_columns((id_column, *used_columns))
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

    def _require_columns(self, names: tuple[str, ...]) -> None:
        problems = []
        for name in dict.fromkeys(names):
            if name not in self.columns:
                known = f"the columns are {', '.join(quoted(column) for column in self.columns)}"
                advice = did_you_mean(name, self.columns)
                problems.append(Problem("column", quoted(name), "not there", advice=f"{advice} {known}".strip()))
            elif self.columns.count(name) > 1:
                problems.append(Problem("column", quoted(name), f"there {self.columns.count(name)} times", "once"))
        if problems:
            raise InputError(problems, heading=str(self.path))


def read_participants_table(path: Path) -> ParticipantsTable:
    """Read a table with a header line; comma, semicolon or tab is recognised by the header.

    Text is UTF-8 (with or without byte order mark) or UTF-16 with its mark, as Excel's "Unicode text"; anything else is
    read as Windows-1252, and a note says so.

    Raises:
        InputError: The file cannot be read, is no such table, or a row has more or fewer values than the header.
    """
    text, notes = _text(path)
    lines = text.splitlines()
    header = next((line for line in lines if line.strip()), "")
    if not header:
        raise InputError(Problem(str(path), seen="an empty file", wanted="a table with a header line"))
    delimiter = max(_DELIMITERS, key=lambda sign: len(next(csv.reader([header], delimiter=sign))))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns: tuple[str, ...] = ()
    rows: list[TableRow] = []
    problems = []
    try:
        for cells in reader:
            values = [cell.strip() for cell in cells]
            if not any(values):
                continue
            if not columns:
                columns = tuple(_without_empty_end(values, 0))
                continue
            values = _without_empty_end(values, len(columns))
            if len(values) != len(columns):
                seen = f"{len(values)} values, separated by {_DELIMITERS[delimiter]}"
                wanted = f"{len(columns)}: {', '.join(columns)}"
                problems.append(Problem(f"line {reader.line_num}", seen=seen, wanted=wanted))
                continue
            rows.append(TableRow(reader.line_num, dict(zip(columns, values, strict=True))))
    except csv.Error as error:
        problems.append(Problem(f"line {reader.line_num}", seen=f"not a table ({error})"))
    if problems:
        raise InputError(problems, heading=str(path))
    return ParticipantsTable(path, columns, tuple(rows), notes)


def _without_empty_end(values: list[str], at_least: int) -> list[str]:
    """Spreadsheets end lines with delimiters of columns that hold nothing."""
    while len(values) > at_least and not values[-1]:
        values = values[:-1]
    return values


def _text(path: Path) -> tuple[str, tuple[str, ...]]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(Problem(str(path), seen="there is no such file")) from None
    except OSError as error:
        raise InputError(Problem(str(path), seen=f"cannot be read ({error.strerror or error})")) from None
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise InputError(Problem(str(path), seen="a spreadsheet", wanted="a CSV or TSV file", advice="save it as CSV"))
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return content.decode(encoding), ()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        note = (
            f"{path}, line {line}: not UTF-8, so the table was read as Windows-1252: check names with special letters"
        )
        try:
            return content.decode("cp1252"), (note,)
        except UnicodeDecodeError:
            raise InputError(
                Problem(
                    str(path), f"line {line}", "text in an unknown encoding", "UTF-8", "save the table as CSV UTF-8"
                )
            ) from None
