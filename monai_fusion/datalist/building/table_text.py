"""From the bytes of a CSV or TSV file to lines of cells, as Excel, LibreOffice and BIDS write it in any country."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from monai_fusion.errors import InputError, Problem, noted
from monai_fusion.wording import quoted

DELIMITERS = {"\t": "tab", ";": "semicolon", ",": "comma"}  # the first decides where two split equally well
RARE_DELIMITERS = {"|": '"|"', ":": '":"', " ": "space"}  # read only where all lines agree and nothing else is there
_SEP = re.compile(r'"?sep=(\\t|[^"\r\n])"?[\t;,]*', re.IGNORECASE)  # Excel's own first line; it is no part of the table
_LONGEST = 2**31 - 1  # characters: the most that the csv module accepts on any system
_NULS_OF_UTF16 = 20  # at least one in this many bytes: separators, digits and line ends have one each
_LOOKED_AT = 50  # lines, to find out how the table is separated
_MARKS = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF8, "utf-8-sig"),
          (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip
_DIGITS = re.compile(r"\d+")
_ADVICE = "delete the quotation mark, or write it twice if it is meant"


@dataclass(frozen=True, slots=True)
class Cells:
    """A record of the file: its cells, and the lines on which it begins and ends."""

    line: int
    last: int
    values: list[str]


def text_rows(path: Path, content: bytes) -> tuple[list[tuple[int, list[str]]], str, tuple[str, ...]]:
    """The cells of each line with its number, what separates them in words, and notes.

    Text is UTF-8 or UTF-16, with or without byte order mark; anything else is read as Windows-1252, and a note reports
    it.

    Raises:
        InputError: It is no text, or a quotation mark takes whole lines into one cell.
    """
    text, notes = _decoded(path, content)
    first = re.match(r"\s*([^\r\n]*)", text)
    sep = _SEP.fullmatch(first[1]) if first else None
    with noted(notes), _cells_as_long_as(len(text)):
        if sep and first:
            delimiter = "\t" if sep[1] == "\\t" else sep[1]
            begins = first.end(1)
            text = (
                re.sub(r"[^\r\n]", "", text[:begins]) + text[begins:]
            )  # an empty line, so that lines keep their numbers
        else:
            delimiter = _rare_delimiter(text) or _delimiter(text)
        records = list(_records(path, text, delimiter))
        _refuse_swallowed(path, records, delimiter)
        if not sep and (unquoted := _unquoted(records)) is not None:
            delimiter = _delimiter(unquoted)
            records = list(_records(path, unquoted, delimiter))
            _refuse_swallowed(path, records, delimiter)
            notes = (*notes, f"{path}: every whole line is in quotation marks: it was read without them")
    if not sep and delimiter in RARE_DELIMITERS:
        notes = (*notes, f"{path}: read as separated by {RARE_DELIMITERS[delimiter]}")
    how = DELIMITERS.get(delimiter) or RARE_DELIMITERS.get(delimiter, quoted(delimiter))
    return [(record.line, record.values) for record in records], how, notes


@contextmanager
def _cells_as_long_as(characters: int) -> Iterator[None]:
    """A cell may hold the whole text: csv refuses one of more than 131,072 characters, for all of the process."""
    before = csv.field_size_limit()
    csv.field_size_limit(max(before, min(characters + 1, _LONGEST)))
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _decoded(path: Path, content: bytes) -> tuple[str, tuple[str, ...]]:
    encoding = next((codec for mark, codec in _MARKS if content.startswith(mark)), "utf-8")
    notes: tuple[str, ...] = ()
    if encoding == "utf-8" and b"\0" in content:
        encoding = _utf16_without_mark(content)
        if not encoding:
            line = content.count(b"\n", 0, content.index(b"\0")) + 1
            seen = "a NUL byte: this is not text, or it is damaged"
            raise InputError(Problem(str(path), f"line {line}", seen, "a table in UTF-8", "save it as CSV UTF-8 again"))
        notes = (f"{path}: read as UTF-16, although it does not begin with the mark of that",)
    try:
        text = content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
    else:
        return text, notes
    note = f"{path}, line {line}: not UTF-8, so the table was read as Windows-1252: check names with special letters"
    try:
        if encoding in ("utf-8", "utf-8-sig"):
            return content.removeprefix(codecs.BOM_UTF8).decode("cp1252"), (note,)
    except UnicodeDecodeError:
        pass
    advice = "save the table as CSV UTF-8"
    raise InputError(Problem(str(path), f"line {line}", "text in an unknown encoding", "UTF-8", advice))


def _utf16_without_mark(content: bytes) -> str:
    """The codec of UTF-16 text, where every second byte of a plain letter is NUL; empty if it is none."""
    even, odd = content[0::2].count(0), content[1::2].count(0)
    codec = "utf-16-le" if odd > even else "utf-16-be"
    if max(even, odd) * _NULS_OF_UTF16 < len(content):  # one here and there is damage
        return ""
    try:
        text = content.decode(codec)
    except UnicodeDecodeError:
        return ""
    return codec if "\0" not in text and any(character in text for character in "\t;,\r\n") else ""


def _delimiter(text: str) -> str:
    """What separates the cells: by the header, or by the other lines if these agree and the header does not."""
    lines = [line for line in text.splitlines() if line.strip()][:_LOOKED_AT]
    if not lines:
        return ","
    widths = {character: [_width(line, character) for line in lines] for character in DELIMITERS}
    by_header = max(DELIMITERS, key=lambda character: widths[character][0])
    agree = widths[by_header].count(widths[by_header][0])
    if len(lines) < 3 or (widths[by_header][0] > 1 and agree == len(lines)):
        return by_header
    common = {character: Counter(found[1:]).most_common(1)[0] for character, found in widths.items()}
    best = max(DELIMITERS, key=lambda character: (common[character][0] > 1, common[character][1], common[character][0]))
    width, number = common[best]
    if width <= 1 or number * 5 < 4 * (len(lines) - 1):
        return by_header
    header_is_one = widths[by_header][0] > 1 and agree * 2 > len(lines)
    return by_header if header_is_one and (width <= widths[by_header][0] or number < agree - 1) else best


def _rare_delimiter(text: str) -> str:
    """A character that separates cells if no usual one does, and makes the same columns of every line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    usual = any(2 * sum(character in line for line in lines) >= len(lines) for character in DELIMITERS)
    if len(lines) < 2 or usual or any(character in lines[0] for character in (*DELIMITERS, '"')):
        return ""
    for character in RARE_DELIMITERS:
        header = _cells(lines[0], character)
        if 1 < len(header) == len(set(header)) and all(_width(line, character) == len(header) for line in lines):
            return character
    return ""


def _unquoted(records: Sequence[Cells]) -> str | None:
    """The text of a table each of whose lines is in quotation marks as a whole; None if it is none such."""
    filled = [record for record in records if any(record.values)]
    if len(filled) < 2 or any(len(record.values) != 1 or record.line != record.last for record in filled):
        return None
    lines = [""] * filled[-1].line
    for record in filled:
        lines[record.line - 1] = record.values[0]
    text = "\n".join(lines)
    character = _delimiter(text)
    widths = {_width(record.values[0], character) for record in filled}
    return text if len(widths) == 1 and widths != {1} else None


def _width(line: str, delimiter: str) -> int:
    return len(_cells(line, delimiter))


def _cells(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter, skipinitialspace=delimiter == " "), [])


def _records(path: Path, text: str, delimiter: str) -> Iterator[Cells]:
    if delimiter == " ":  # several of them may be between two cells, and around a line
        text = "\n".join(map(str.strip, text.splitlines()))
    stream = io.StringIO(text, newline="")
    reader = csv.reader(stream, delimiter=delimiter, strict=True, skipinitialspace=delimiter == " ")
    last = 0
    try:
        for values in reader:
            yield Cells(last + 1, reader.line_num, values)
            last = reader.line_num
    except csv.Error as error:
        first, line = last + 1, reader.line_num
        if line <= first:
            raise InputError(Problem(str(path), f"line {line}", f"not a table ({error})", advice=_ADVICE)) from None
        seen = f"not a table: a quotation mark opens a text in line {first} that is not closed rightly by line {line}"
        raise InputError(Problem(str(path), f"lines {first} to {line}", seen, advice=_ADVICE)) from None


def _refuse_swallowed(path: Path, records: Sequence[Cells], delimiter: str) -> None:
    """A text of several lines may be a comment; it is none in a TSV, nor if one of its lines is a row of the table.

    Raises:
        InputError: Rows of participants are inside such a text.
    """
    shapes = {shape(record.values[0]) for record in records if record.values and record.line == record.last} - {""}
    width = next((len(record.values) for record in records if any(record.values)), 0)
    for record in records:
        if record.line == record.last:
            continue
        if delimiter == "\t" or any(
            len(row) == width and shape(row[0]) in shapes for row in _rows_within(record, delimiter)
        ):
            seen = f"a quotation mark opens a text in line {record.line} that ends in line {record.last}"
            wanted = "a line for each participant"
            raise InputError(Problem(str(path), f"lines {record.line} to {record.last}", seen, wanted, _ADVICE))


def _rows_within(record: Cells, delimiter: str) -> Iterator[list[str]]:
    """The lines inside the texts of a record as if they were rows, the last one of each with the cells behind it."""
    for place, value in enumerate(record.values):
        _, *within = value.splitlines() or [""]
        for number, line in enumerate(within, start=1):
            if delimiter in line or _DIGITS.search(line):  # else it is a word of a text
                behind = record.values[place + 1 :] if number == len(within) else []
                yield [*line.split(delimiter), *behind]


def shape(text: str) -> str:
    """What ids have in common: ``sub-0`` for ``sub-0301``."""
    return _DIGITS.sub("0", text.strip().strip('"')).casefold()
