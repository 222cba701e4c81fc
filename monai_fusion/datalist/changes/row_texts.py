"""A datalist's text, cut into its rows and their fields, so that an edit leaves every other byte as it is.

``datalist apply`` and the page for clinicians (its script has the same rules) put the pieces together again. The text
of a row that nobody edited is never written anew: a number such as ``1.0`` stays one, and so do spaces and escapes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from json import JSONDecoder

from monai_fusion.datalist.schema import SECTIONS

_SPACE = re.compile(r"[ \t\r\n]*")
_decode = JSONDecoder(strict=True).raw_decode


@dataclass(frozen=True, slots=True)
class Member:
    """One field of a row: ``before + value + after`` is its text, the comma behind it not included.

    Attributes:
        name: The field's name.
        before: The text up to the value: space, name, colon.
        value: The value as it is written.
        after: The space behind it.
    """

    name: str
    before: str
    value: str
    after: str

    @property
    def text(self) -> str:
        """The field as it is written."""
        return self.before + self.value + self.after


@dataclass(frozen=True, slots=True)
class RowText:
    """A row as it is written.

    Attributes:
        members: Its fields; none if the row is no object.
        raw: The text of a row that is no object, or of an object without fields.
    """

    members: tuple[Member, ...]
    raw: str = ""

    @property
    def text(self) -> str:
        """The row as it is written, without the comma behind it."""
        return "{" + ",".join(member.text for member in self.members) + "}" if self.members else self.raw

    def with_field(self, name: str, value: object) -> RowText:
        """The row with a value in a field: in its place, or else behind the last field."""
        written = json.dumps(value, ensure_ascii=False)
        if any(member.name == name for member in self.members):
            changed = (replace(each, value=written) if each.name == name else each for each in self.members)
            return replace(self, members=tuple(changed))
        *others, last = self.members
        space = last.before[: len(last.before) - len(last.before.lstrip())] or " "
        added = Member(name, f"{space}{json.dumps(name, ensure_ascii=False)}: ", written, last.after)
        return replace(self, members=(*others, replace(last, after=""), added))

    def without_field(self, name: str) -> RowText:
        """The row without a field; what stands before the first field and behind the last one stays."""
        kept = [member for member in self.members if member.name != name]
        if len(kept) == len(self.members) or not kept:
            return self
        kept[0] = replace(kept[0], before=_indent(self.members[0]) + kept[0].before.lstrip())
        kept[-1] = replace(kept[-1], after=self.members[-1].after)
        return replace(self, members=tuple(kept))


@dataclass(frozen=True, slots=True)
class SectionText:
    """A part of the datalist as it is written.

    Attributes:
        name: ``training``, ``validation`` or ``test``.
        head: The text before its list, which is written only if the list is: empty where the file has the part.
        rows: Its rows.
        gaps: The text before the first row, between rows (with the comma) and behind the last; one if there is no row.
        style: ``gaps`` of a list with other rows: before the first, between two, behind the last.
    """

    name: str
    head: str
    rows: tuple[RowText, ...]
    gaps: tuple[str, ...]
    style: tuple[str, str, str]

    def written(self, rows: Sequence[RowText]) -> str:
        """The list with these rows; nothing if the file lacks the part and there is no row."""
        if self.head and not rows:
            return ""
        first, between, last = self.style
        same = len(rows) == len(self.rows)
        gaps = self.gaps if same else (first, *[between] * (len(rows) - 1), last) if rows else ("",)
        texts = [each for pair in zip(gaps, (row.text for row in rows), strict=False) for each in pair]
        return f"{self.head}[{''.join(texts)}{gaps[-1]}]"


@dataclass(frozen=True, slots=True)
class FileText:
    """The text of a datalist in pieces: texts, and the parts between them, in the file's order."""

    pieces: tuple[str | SectionText, ...]

    @property
    def sections(self) -> dict[str, SectionText]:
        """The parts by name: all three, those that the file lacks too."""
        return {piece.name: piece for piece in self.pieces if isinstance(piece, SectionText)}

    def written(self, rows: Mapping[str, Sequence[RowText]]) -> str:
        """The file with these rows in its parts; a part that is not named keeps its own.

        Where a part has as many rows as before, the space between them stays; else it is that of the file's layout.
        """
        texts = (
            piece if isinstance(piece, str) else piece.written(rows.get(piece.name, piece.rows))
            for piece in self.pieces
        )
        return "".join(texts)


def cut_into_rows(text: str) -> FileText:
    """Cut the text of a datalist: JSON, an object whose parts are lists.

    Raises:
        ValueError: It is something else.
    """
    start = _skip(text, 1 if text.startswith("\ufeff") else 0)
    if text[start : start + 1] != "{":
        raise ValueError("not an object")
    lists, end = _lists(text, start)
    line_end = "\r\n" if "\r\n" in text else "\n"
    style = _style(text, lists, line_end)
    pieces: list[str | SectionText] = []
    done = 0
    for name, at in lists.items():
        rows, gaps, behind = _cut_list(text, at)
        pieces += [text[done:at], SectionText(name, "", rows, gaps, style)]
        done = behind
    last = end - len(text[done:end]) + len(text[done:end].rstrip(" \t\r\n"))
    pieces.append(text[done:last])
    for name in SECTIONS:
        if name not in lists:
            pieces.append(SectionText(name, f",{line_end}  {json.dumps(name)}: ", (), ("",), style))
    return FileText((*pieces, text[last:]))


def _lists(text: str, start: int) -> tuple[dict[str, int], int]:
    """Where the list of each part begins, in the file's order, and where the file's object ends (its brace)."""
    lists: dict[str, int] = {}
    at = _skip(text, start + 1)
    if text[at] == "}":
        raise ValueError("empty")
    while text[at] != "}":
        name, end = _decode(text, at)
        value = _skip(text, _skip(text, end) + 1)
        if name in SECTIONS:
            if text[value] != "[":
                raise ValueError(f"{name} is not a list")
            if name in lists:
                raise ValueError(f"{name} is written twice")
            lists[name] = value
        _, end = _decode(text, value)
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return lists, at


def _cut_list(text: str, start: int) -> tuple[tuple[RowText, ...], tuple[str, ...], int]:
    """The rows of a list, the gaps around them, and where the text behind its bracket begins."""
    rows: list[RowText] = []
    gaps: list[str] = []
    done = start + 1
    at = _skip(text, done)
    while text[at] != "]":
        _, end = _decode(text, at)
        gaps.append(text[done:at])
        rows.append(_cut_row(text, at, end))
        done = end
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    gaps.append(text[done:at])
    return tuple(rows), tuple(gaps), at + 1


def _cut_row(text: str, start: int, end: int) -> RowText:
    members: list[Member] = []
    done = start + 1
    at = _skip(text, done) if text[start] == "{" else end
    while at < end and text[at] != "}":
        name, name_end = _decode(text, at)
        value_at = _skip(text, _skip(text, name_end) + 1)
        _, value_end = _decode(text, value_at)
        at = _skip(text, value_end)
        members.append(Member(name, text[done:value_at], text[value_at:value_end], text[value_end:at]))
        done = at + 1
        if text[at] == ",":
            at = _skip(text, at + 1)
    return RowText(tuple(members), "" if members else text[start:end])


def _style(text: str, lists: Mapping[str, int], line_end: str) -> tuple[str, str, str]:
    """How this file sets its rows apart: as in its longest list."""
    longest = max((_cut_list(text, at) for at in lists.values()), key=lambda cut: len(cut[0]), default=None)
    if longest is None or not longest[0]:
        return f"{line_end}    ", f",{line_end}    ", f"{line_end}  "
    gaps = longest[1]
    return gaps[0], gaps[1] if len(gaps) > 2 else f",{gaps[0]}", gaps[-1]


def _indent(member: Member) -> str:
    return member.before[: len(member.before) - len(member.before.lstrip())]


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at
