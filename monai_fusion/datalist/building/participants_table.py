"""Reads a participants table: CSV, TSV or .xlsx, as Excel, LibreOffice and BIDS write it in any country."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from monai_fusion.datalist.building.spreadsheet import is_spreadsheet, sheet_rows
from monai_fusion.datalist.building.table_text import DELIMITERS, RARE_DELIMITERS, shape, text_rows
from monai_fusion.datalist.whole_files import WEB_PAGE, binary_content_kind, content_of, not_there
from monai_fusion.errors import InputError, Problem, noted
from monai_fusion.spelling import as_seen, equal_in_nfc, named_alike, nfc, spelled_out, written_twice
from monai_fusion.wording import a_few, counted, did_you_mean, quoted

_TWO_SPELLINGS = "they differ only in how letters with accents are stored: write one of them in all rows"
_LOOKED_AT = 5  # lines below one that may be the header
_FROM_THE_WEB = "if a spreadsheet program opens it, save it as CSV; else download it again"
_HEADER_BY = 10  # lines, in which a header may follow others
_SEPARATORS = {**DELIMITERS, **RARE_DELIMITERS}  # of a header that is written by hand
_NO_ID = frozenset(("n/a", "#n/a", "#nv", "na", "nan", "null", "none", "-", "--", "?", "."))

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
        beginning: The first lines as they are, the header included.
        also_called: Further names of columns, where a preset knows them.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]
    notes: tuple[str, ...] = ()
    beginning: tuple[Line, ...] = ()
    also_called: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)

    def by_participant(
        self,
        id_column: str,
        used_columns: tuple[str, ...],
        named_by: Mapping[str, str] | None = None,
        else_advice: Mapping[str, str] | None = None,
    ) -> dict[str, TableRow]:
        """Each participant's row, by the id in ``id_column``.

        Two rows for one participant are accepted where they agree in ``used_columns``.

        Args:
            id_column: The column of ids.
            used_columns: Further columns that must be there.
            named_by: The option that names a column, for messages.
            else_advice: What else may be meant where a column is not there.

        Raises:
            InputError: A column is not there, an id is empty, or two rows of a participant differ.
        """
        self._require_columns((id_column, *used_columns), named_by or {}, else_advice or {})
        named = [row.values[id_column] for row in self.rows]
        problems = [
            Problem(spellings[0], id_column, f"there in {len(spellings)} spellings, as {both}", "one", _TWO_SPELLINGS)
            for spellings in written_twice(named).values()
            for both in [" and ".join(map(spelled_out, spellings))]
        ]
        rows: dict[str, TableRow] = {}
        for row in self.rows:
            participant_id = row.values[id_column]
            if is_no_id(participant_id):
                seen = quoted(participant_id) if participant_id else "empty"
                problems.append(Problem(f"line {row.line}", id_column, seen, "a participant id"))
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
        """The same with those of the columns renamed that are one of ``names`` in other letters.

        That is: equal in NFC, or, with a note, but for invisible characters.
        """
        renamed: dict[str, str] = {}
        notes = list(self.notes)
        for name in names:
            if name in self.columns:
                continue
            column = equal_in_nfc(name, self.columns)
            alike = named_alike(name, self.columns) if column is None else []
            if len(alike) == 1:
                (column,) = alike
                what = "which differs in invisible characters, or quotes"
                notes.append(f"{self.path}: the column {quoted(column)}, {what}, is taken for {quoted(name)}")
            if column is not None:
                renamed[column] = name
        if not renamed:
            return self
        columns = tuple(renamed.get(column, column) for column in self.columns)
        rows = tuple(
            TableRow(row.line, {renamed.get(column, column): value for column, value in row.values.items()})
            for row in self.rows
        )
        return replace(self, columns=columns, rows=rows, notes=tuple(notes))

    def _require_columns(
        self, names: tuple[str, ...], named_by: Mapping[str, str], else_advice: Mapping[str, str]
    ) -> None:
        problems = []
        for name in dict.fromkeys(names):
            if name not in self.columns:
                problems.append(self._without(name, named_by.get(name), else_advice.get(name)))
            elif (times := sum(nfc(column) == nfc(name) for column in self.columns)) > 1:
                problems.append(Problem("column", quoted(name), f"there {times} times", "once"))
        if problems:
            wanted = [name for name in dict.fromkeys(names) if name not in self.columns]
            whole = self._header_below(wanted) or self._no_header(wanted)
            raise InputError(whole or problems, heading=str(self.path))

    def _without(self, name: str, named_by: str | None, else_advice: str | None) -> Problem:
        """The problem of a missing column, with the one that may be meant."""
        if alike := named_alike(name, self.columns):
            seen = f"there {len(alike)} times, as {' and '.join(map(quoted, alike))}"
            return Problem("column", quoted(name), seen, "once", "they look alike: rename one")
        known = f"the columns are {', '.join(quoted(column) for column in self.columns)}"
        known += f"; name one with {named_by}" if named_by else ""
        meant = did_you_mean(name, self.columns)
        known += f"; {else_advice}" if else_advice and not meant else ""
        return Problem("column", quoted(name), "not there", advice=f"{meant} {known}".strip())

    def _no_header(self, names: Sequence[str]) -> Problem | None:
        """The one problem of a table whose first line is one cell, or a row; None if it is none such."""
        first = ", ".join(map(quoted, self.columns))
        several = next(
            (cell for _, cells in self.beginning for cell in cells if _holds_several(cell, names, len(cells))), ""
        )
        if any(character in several for character in DELIMITERS):
            advice = f"the whole line {quoted(several)} is in quotation marks: delete them, in all lines alike"
        elif several:
            what = f"{quoted(several)} is read as one column"
            advice = f"{what}: separate its cells by commas, semicolons or tabs, in all lines alike"
        elif self.beginning and _is_a_row(self.beginning[0], self.beginning[1:]):
            advice = f"is the first line ({first}) a row? Then write the names of the columns above it"
        else:
            return None
        named = f"column{'s' * (len(names) > 1)} {' and '.join(map(quoted, names))}"
        return Problem(named, seen="not there", advice=advice)

    def _header_below(self, names: Sequence[str]) -> Problem | None:
        """The one problem of a table whose header is below other lines as wide as it; None if it is not."""
        called = {_seen_key(other): name for name in names for other in (name, *self.also_called.get(name, ()))}
        for number, cells in self.beginning[1:]:
            found = {called[key]: cell for cell in cells if (key := _seen_key(cell)) in called}
            if found:
                first = ", ".join(map(quoted, self.columns))
                which = " and ".join(map(quoted, found.values()))
                wanted = f"the names of the columns, with {' and '.join(map(quoted, found))}"
                advice = f"line {number} has {which}: is that the header? Then delete the lines above it"
                return Problem(f"line {self.beginning[0][0]}", seen=first, wanted=wanted, advice=advice)
        return None


def _holds_several(cell: str, names: Sequence[str], of: int) -> bool:
    """Whether a cell, of a line with this number of cells, holds the name of a column among others."""
    words = re.split(r"[|:;,\t]\s*" if of > 1 else r"[|:;,\t\s]\s*", as_seen(cell).casefold())
    return sum(map(bool, words)) > 1 and any(as_seen(name).casefold() in words for name in names)


def is_no_id(text: str) -> bool:
    """Whether a cell holds no id: nothing, or a word for a missing value."""
    return not text or text.casefold() in _NO_ID


def _seen_key(text: str) -> str:
    return as_seen(text).casefold()


def read_participants_table(path: Path, sheet: str | None = None) -> ParticipantsTable:
    """Read a table with a header line: a sheet of an .xlsx, or text whose header shows comma, semicolon or tab.

    Of a workbook it is the first sheet unless another is named.

    Text may begin with Excel's ``sep=;``. It is UTF-8 or UTF-16; anything else is read as Windows-1252, with a note.

    Raises:
        InputError: The file cannot be read, is no such table, or a row has more or fewer values than the header.
    """
    content = _content(path)
    if is_spreadsheet(content):
        rows, notes = sheet_rows(path, content, sheet)
        how = ""
    elif (kind := binary_content_kind(content, "table")) is not None:
        advice = _FROM_THE_WEB if kind is WEB_PAGE else kind.advice
        raise InputError(Problem(str(path), "", kind.seen, "a participants table (CSV, TSV or .xlsx)", advice))
    elif sheet is not None:
        raise InputError(Problem("--sheet", seen=f"{path} is not a workbook", advice="leave it out"))
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
        seen = f"{counted(len(values), 'value')}{how}"
        in_quotes = len(values) == 1 and any(character in values[0] for character in DELIMITERS)
        advice = "the whole line is in quotation marks: delete them" if in_quotes else ""
        problems.append(Problem(f"line {number}", seen=seen, wanted=wanted, advice=advice))
    if problems:
        raise InputError(_title_above(first, columns, others, how) or problems, heading=str(path))
    beginning = tuple([(first, header), *others][:_HEADER_BY])
    return ParticipantsTable(path, columns, tuple(rows), notes, beginning)


def _title_above(first: int, columns: Sequence[str], others: Sequence[Line], how: str) -> Problem | None:
    """The one problem of a table that begins with a line which is no header; ``None`` if it is rows that are wrong."""
    widest = max(len(values) for _, values in others)
    header = next(((number, values) for number, values in others if len(values) == widest and all(values)), None)
    longer = sum(len(values) > len(columns) for _, values in others)
    if header is None or widest <= len(columns) or longer * 2 <= len(others):
        return None
    number, names = header
    title = ", ".join(map(quoted, columns))
    if len(columns) == 1 and any(
        how.endswith(name) and character in columns[0] for character, name in DELIMITERS.items()
    ):
        advice = "the whole header is in quotation marks: delete them"
    elif _is_a_row(header, others):  # deleting the lines above it would make a participant's row the header
        advice = _why_rows_are_wider(columns, widest)
    else:
        advice = f"is line {number} the header ({a_few(names, 4)})? Then delete the lines above it"
    seen = f"{counted(len(columns), 'value')} ({title}), while the lines from {number} on have up to {widest}"
    return Problem(f"line {first}", seen=seen, wanted="the names of the columns", advice=advice)


def _is_a_row(line: Line, others: Sequence[Line]) -> bool:
    """Whether a line is a row and no header: a cell with a number is like the one below it, as sub-01 and sub-02."""
    number, values = line
    below = [cells for other, cells in others if other > number][:_LOOKED_AT]
    return any(
        any(character.isdigit() for character in value)
        and (not below or any(shape(cells[place]) == shape(value) for cells in below if place < len(cells)))
        for place, value in enumerate(values)
    )


def _why_rows_are_wider(columns: Sequence[str], width: int) -> str:
    """What to do where the lines below a header have more values than it."""
    for character, name in _SEPARATORS.items():
        if width == 1 + sum(column.count(character) for column in columns):
            return f"is the header separated by another character ({name}) than the lines below? Then write it as these"
    return "is there a decimal comma (write a point), or row numbers without a column name (give them one)?"


def _without_empty_end(values: list[str], at_least: int) -> list[str]:
    """Spreadsheets end lines with delimiters of columns that hold nothing."""
    while len(values) > at_least and not values[-1]:
        values = values[:-1]
    return values


def _content(path: Path) -> bytes:
    if path.is_dir():  # Windows reports "Permission denied" for a folder
        raise InputError(Problem(str(path), seen="a folder", wanted="a participants table (CSV, TSV or .xlsx)"))
    try:
        return content_of(path)
    except FileNotFoundError:
        seen, advice = not_there(path)
        raise InputError(Problem(str(path), seen=seen, advice=advice)) from None
    except OSError as error:
        raise InputError(Problem(str(path), seen=f"cannot be read ({error.strerror or error})")) from None
