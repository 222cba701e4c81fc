"""How a table of samples is written: what separates its cells, and which columns are electrodes."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from monai_fusion.errors import InputError, Problem
from monai_fusion.opening import open_regular
from monai_fusion.recordings.electrode_names import known_electrode
from monai_fusion.recordings.reading.units import microvolts_in
from monai_fusion.wording import a_few, quoted

_LOOKED_AT = 1 << 18  # bytes; the header and some rows
_ROWS = 40
_DELIMITERS = ("\t", ";", ",", "|")
_COMMENT = ("#", "%")
_TIME = re.compile(r"^(?:time(?:s|stamps?)?|t|seconds?|secs?|ms|milliseconds?|latency|latencies|zeit)$", re.IGNORECASE)
_INDEX = re.compile(
    r"^(?:|unnamed:? ?\d*|index|samples?|row|nr|no|n|sample[ _]?(?:index|number)|id|counter)$", re.IGNORECASE
)
_COMMA = re.compile(r"^[-+]?\d*,\d+(?:[eE][-+]?\d+)?$")


@dataclass(frozen=True, slots=True)
class Layout:
    """How a table is written.

    Attributes:
        delimiter: What separates cells; a space stands for any number of blanks.
        decimal: The sign before decimal places.
        encoding: Of the header's names.
        names: Of all columns, without their units.
        units: Of all columns; empty where the header states none.
        samples: Numbers of the columns that are channels.
        time: Number of the column of times.
        begins: Byte at which the first sample's line begins.
        line: That line's number, from 1.
        notes: What was left out.
    """

    delimiter: str
    decimal: str
    encoding: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    samples: tuple[int, ...]
    time: int | None
    begins: int
    line: int
    notes: tuple[str, ...]


def layout_of(path: Path) -> Layout:
    """Look at the beginning of a table.

    Raises:
        InputError: It has no header of electrode names.
    """
    with open_regular(path) as stream:
        content = stream.read(_LOOKED_AT) or b""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in content[:4096]:
        seen = "text in UTF-16, or no text" if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "no text"
        raise InputError(Problem(str(path), seen=seen, wanted="a table in UTF-8", advice="save it as CSV UTF-8"))
    begins, line, header, encoding, forced = _header(path, content)
    rows = _first_lines(content[begins:], encoding)
    delimiter = forced or _delimiter(header, rows)
    names = _cells(header, delimiter)
    cells = [_cells(row, delimiter) for row in rows]
    decimal = "," if any(_COMMA.match(cell.strip()) for row in cells for cell in row) else "."
    if names and not names[-1].strip() and all(len(row) < len(names) or not row[-1].strip() for row in cells):
        names = names[:-1]  # every line ends with a separator
    if len(names) > 1 and all(_is_number(name, decimal) for name in names):
        seen, wanted = "numbers in the first line", "a header with the electrodes' names"
        raise InputError(Problem(str(path), "line 1", seen, wanted, "add one: without it the order would be a guess"))
    _refuse_wider(path, names, cells, line)
    split = [_name_and_unit(name) for name in names]
    _refuse_turned(path, cells)
    layout = _columns([name for name, _ in split], [unit for _, unit in split], cells, decimal)
    if not layout[0]:
        raise InputError(Problem(str(path), seen="no column of numbers", wanted="a column for each electrode"))
    return Layout(
        delimiter,
        decimal,
        encoding,
        tuple(name for name, _ in split),
        tuple(unit for _, unit in split),
        tuple(layout[0]),
        layout[1],
        begins,
        line,
        tuple(layout[2]),
    )


def _header(path: Path, content: bytes) -> tuple[int, int, str, str, str]:
    """Where the samples begin, in bytes and lines; the header, its encoding, and a separator that ``sep=`` states."""
    at = len(codecs.BOM_UTF8) if content.startswith(codecs.BOM_UTF8) else 0
    number = 0
    forced = ""
    while at < len(content):
        end = content.find(b"\n", at)
        end = len(content) if end < 0 else end + 1
        number += 1
        try:
            text, encoding = content[at:end].decode("utf-8"), "utf-8"
        except UnicodeDecodeError:
            text, encoding = content[at:end].decode("cp1252", "replace"), "cp1252"
        at = end
        text = text.strip("\r\n")
        if stated := re.fullmatch(r'"?sep=(.)"?\s*', text, re.IGNORECASE):
            forced = stated[1]
        elif text.strip() and not text.lstrip().startswith(_COMMENT):
            return at, number + 1, text, encoding, forced
    raise InputError(Problem(str(path), seen="no line that could be a header", wanted="electrode names in line 1"))


def _first_lines(content: bytes, encoding: str) -> list[str]:
    lines = content.decode(encoding, "replace").splitlines()
    if len(content) >= _LOOKED_AT // 2:
        lines = lines[:-1]  # it may be cut off
    return [line for line in lines if line.strip()][:_ROWS]


def _delimiter(header: str, rows: Sequence[str]) -> str:
    widths = {sign: len(_cells(header, sign)) for sign in _DELIMITERS}
    best = max(_DELIMITERS, key=lambda sign: widths[sign])
    if widths[best] > 1:
        return best
    return " " if len(header.split()) > 1 and all(len(row.split()) > 1 for row in rows) else ","


def _cells(line: str, delimiter: str) -> list[str]:
    if delimiter == " ":
        return line.split()
    return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])]


def _refuse_wider(path: Path, names: Sequence[str], cells: Sequence[Sequence[str]], line: int) -> None:
    for number, row in enumerate(cells):
        if len(row) > len(names) and any(cell.strip() for cell in row[len(names) :]):
            seen = f"{len(row)} cells, and {len(names)} names in the header"
            advice = "decimal commas between commas? Export it with points, or with ; between the cells"
            raise InputError(Problem(str(path), f"line {line + number}", seen, advice=advice))


def _refuse_turned(path: Path, cells: Sequence[Sequence[str]]) -> None:
    first = [row[0] for row in cells if row]
    if len(first) > 1 and sum(map(known_electrode, first)) * 2 > len(first):
        seen, wanted = "a line for each electrode", "a column for each electrode and a line for each sample"
        raise InputError(Problem(str(path), seen=seen, wanted=wanted, advice="save it transposed"))


def _name_and_unit(name: str) -> tuple[str, str]:
    """A header's name and the unit in brackets behind it; no pattern, which would try every blank of a long one."""
    name = name.strip()
    opens = max(name.rfind("("), name.rfind("["))
    before, unit = name[: max(opens, 0)].rstrip(), name[opens + 1 : -1]
    if not before or name[-1] not in ")]" or not {")", "]"}.isdisjoint(unit):
        return name, ""
    return before, unit.strip()


def _columns(
    names: Sequence[str], units: Sequence[str], cells: Sequence[Sequence[str]], decimal: str
) -> tuple[list[int], int | None, list[str]]:
    """The columns that are channels, that of the times, and what to say of the others."""
    samples: list[int] = []
    time: int | None = None
    notes: list[str] = []
    texts: list[str] = []
    for number, name in enumerate(names):
        values = [row[number] if number < len(row) else "" for row in cells]
        is_channel = known_electrode(name) or bool(units[number] and microvolts_in(units[number]) is not None)
        filled = [value for value in values if value.strip()]
        if not is_channel and filled and not any(_is_number(value, decimal) for value in filled):
            texts.append(name)
        elif time is None and not is_channel and _TIME.match(name):
            time = number
        elif not is_channel and _INDEX.match(name) and _is_counter(values, decimal):
            notes.append(f"the column {quoted(name)} counts the rows and is left out")
        else:
            samples.append(number)
    if texts:
        notes.append(f"columns of text left out: {a_few(map(quoted, texts))}")
    return samples, time, notes


def _is_number(text: str, decimal: str) -> bool:
    try:
        float(text.strip().replace(decimal, "."))
    except ValueError:
        return False
    return True


def _is_counter(values: Sequence[str], decimal: str) -> bool:
    if len(values) < 2 or not all(_is_number(value, decimal) for value in values):
        return False
    numbers = [float(value.strip().replace(decimal, ".")) for value in values]
    return all(after - before == 1 for before, after in pairwise(numbers))
