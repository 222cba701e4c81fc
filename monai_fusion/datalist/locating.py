"""Finds the line of each part of a datalist, for any layout of the file.

Python's JSON reader is fast, but forgets positions. So a right file is read by it alone; only where there is something
to report, the text is walked once more: it decodes one row after the other, and notes where each begins. Within a row,
its fields are walked in the same way when they are asked for.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from json import JSONDecoder

from monai_fusion.datalist.reporting import Place
from monai_fusion.datalist.schema import SECTIONS

_SPACE = re.compile(r"[ \t\r\n]*")
_LINE_END = re.compile(r"\r\n|\n|\r")
_decode = JSONDecoder(strict=True).raw_decode


@dataclass(frozen=True, slots=True)
class JsonField:
    """One field of an object in the text: its name, and where its name and its value begin."""

    name: str
    at: int
    value_at: int


class Places:
    """Finds the lines of a JSON text that ``json.loads`` accepts; nothing is done before the first question."""

    def __init__(self, text: str) -> None:
        self._text = text
        # By where a list or an object begins: one may have thousands of problems, and each needs its line.
        self._elements_of: dict[int, list[int]] = {}
        self._fields_of: dict[int, dict[str, int]] = {}

    def line(self, place: Place) -> int | None:
        """The line of a row, of a field of the head or of a row, or of one path in a list; ``None`` if not there.

        A place that is deeper than what is in the file has the line of the deepest part that is there: a field that
        a row lacks has the line of the row.
        """
        at = self.index(place)
        return None if at is None else self.line_at(at)

    def index(self, place: Place) -> int | None:
        """The same as an index into the text; of a field, where its name begins, and of a text in a list, itself."""
        if not place:
            return None
        name, *deeper = place
        if not deeper or not isinstance(deeper[0], int):
            return self._head_fields.get(str(name))
        rows = self._rows.get(str(name), [])
        if deeper[0] >= len(rows):
            return None
        at = rows[deeper[0]]
        for step in deeper[1:]:
            found = self._within(at, step)
            if found is None:
                break
            at = found
        return at

    def line_at(self, index: int) -> int:
        """The line of an index into the text, counted from 1."""
        return bisect_right(self._line_starts, index)

    def line_span(self, index: int) -> tuple[int, int]:
        """Where the line of an index begins, and where it ends, its line end not included."""
        line = self.line_at(index)
        start = self._line_starts[line - 1]
        end = self._line_starts[line] if line < len(self._line_starts) else len(self._text)
        return start, start + len(self._text[start:end].rstrip("\r\n"))

    def repeated_fields(self) -> Iterator[tuple[Place, int, int]]:
        """Fields that an object has more than once: place, how many times, and where the last one is."""
        yield from _repeated((), self._head)
        for section in SECTIONS:
            for number, at in enumerate(self._rows.get(section, [])):
                if self._text[at] == "{":
                    yield from _repeated((section, number), _members(self._text, at))

    def values(self, place: Place) -> Iterator[int]:
        """Where the value of a field begins; of a list, where each of its elements does."""
        at = self.index(place)
        if at is None:
            return
        start = _after_colon(self._text, at)
        if self._text[start] == "[":
            yield from _elements(self._text, start)
        else:
            yield start

    def _within(self, at: int, step: str | int) -> int | None:
        """One step deeper from an object or from a field whose value is a list."""
        if isinstance(step, int):
            elements = self._elements_at(_after_colon(self._text, at))
            return elements[step] if step < len(elements) else None
        return self._fields_at(at).get(step)

    def _elements_at(self, start: int) -> list[int]:
        """Where the elements of a list begin; nowhere, if no list begins there."""
        if start not in self._elements_of:
            self._elements_of[start] = list(_elements(self._text, start)) if self._text[start] == "[" else []
        return self._elements_of[start]

    def _fields_at(self, start: int) -> dict[str, int]:
        """Where the fields of an object begin, of two of one name the last; none, if no object begins there."""
        if start not in self._fields_of:
            members = _members(self._text, start) if self._text[start] == "{" else ()
            self._fields_of[start] = {member.name: member.at for member in members}
        return self._fields_of[start]

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in _LINE_END.finditer(self._text))]

    @cached_property
    def _head(self) -> list[JsonField]:
        start = _skip(self._text, 0)
        return list(_members(self._text, start)) if self._text[start : start + 1] == "{" else []

    @cached_property
    def _head_fields(self) -> dict[str, int]:
        return {member.name: member.at for member in self._head}

    @cached_property
    def _rows(self) -> dict[str, list[int]]:
        # Of two sections of one name the last counts, as for json.loads.
        at = {member.name: member.value_at for member in self._head if member.name in SECTIONS}
        return {
            name: list(_elements(self._text, start)) if self._text[start] == "[" else [] for name, start in at.items()
        }


def _repeated(place: Place, members: Iterator[JsonField] | list[JsonField]) -> Iterator[tuple[Place, int, int]]:
    times: dict[str, list[int]] = {}
    for member in members:
        times.setdefault(member.name, []).append(member.at)
    for name, found in times.items():
        if len(found) > 1:
            yield (*place, name), len(found), found[-1]


def _members(text: str, start: int) -> Iterator[JsonField]:
    """The fields of the object that begins at ``start``."""
    at = _skip(text, start + 1)
    while text[at] != "}":
        name, end = _decode(text, at)
        value_at = _skip(text, _skip(text, end) + 1)
        yield JsonField(name, at, value_at)
        _, end = _decode(text, value_at)
        at = _next(text, end)


def _elements(text: str, start: int) -> Iterator[int]:
    """Where each element of the list that begins at ``start`` begins."""
    at = _skip(text, start + 1)
    while text[at] != "]":
        yield at
        _, end = _decode(text, at)
        at = _next(text, end)


def _next(text: str, end: int) -> int:
    at = _skip(text, end)
    return _skip(text, at + 1) if text[at] == "," else at


def _after_colon(text: str, at: int) -> int:
    _, end = _decode(text, at)
    return _skip(text, _skip(text, end) + 1)


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at
