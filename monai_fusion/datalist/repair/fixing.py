"""Repairs of a datalist that do not change its content: commas, quotes, slashes, the byte order mark.

They are edits of the text, not a new file: order, layout, further fields, letters and line ends stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_fusion.datalist.examination import Examination, Requirements, examine
from monai_fusion.datalist.json_text import JsonFile, parse_bytes, parse_json, read_json_file
from monai_fusion.datalist.locating import Places
from monai_fusion.datalist.repair.json_faults import mended
from monai_fusion.datalist.repair.text_edits import PATH_FIELDS, Edit, path_edits, with_edits
from monai_fusion.datalist.reporting import Place
from monai_fusion.datalist.saving.backups import behind_link, next_backup, replace_edited
from monai_fusion.datalist.schema import SECTIONS

_LINE_END = re.compile(r"\r\n|\n|\r")
_BACKSLASH_OR_CONTROL = re.compile(r"[\\\x00-\x1f]")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
# What the file is read with, where the file itself changes: in words.
_RECODED = {
    "utf-8-sig": "the byte order mark at the beginning of the file is deleted",
    "utf-16-le": "the file is saved as UTF-8 instead of UTF-16",
    "utf-16-be": "the file is saved as UTF-8 instead of UTF-16",
    "utf-32-le": "the file is saved as UTF-8 instead of UTF-32",
    "utf-32-be": "the file is saved as UTF-8 instead of UTF-32",
}


@dataclass(frozen=True, slots=True)
class Repair:
    """What can be repaired in a datalist; nothing is written before `write`.

    Attributes:
        before: The datalist as it is.
        after: The datalist as it would be.
        text: Its text then.
    """

    before: Examination
    after: Examination
    text: str

    @property
    def recoding(self) -> str:
        """What changes although no line does; empty if nothing does."""
        return _RECODED.get(self.before.json.encoding, "")

    @property
    def changes(self) -> list[tuple[int, str, str]]:
        """The lines that change: number, before, after."""
        lines = zip(_LINE_END.split(self.before.json.text), _LINE_END.split(self.text), strict=True)
        return [(number, old, new) for number, (old, new) in enumerate(lines, start=1) if old != new]

    @property
    def worth_writing(self) -> bool:
        """Whether anything changes, and nothing is worse then than it was."""
        if self.text == self.before.json.text and not self.recoding:
            return False
        revealed = self.after.json.readable and not self.before.json.readable
        return revealed or len(self.after.problems) <= len(self.before.problems)

    def diff(self) -> Iterator[str]:
        """The change in lines for a terminal: ``line 12``, then the line before (``-``) and after (``+``)."""
        if self.recoding:
            yield self.recoding
        for number, old, new in self.changes:
            yield from (f"line {number}", f"- {old.strip()}", f"+ {new.strip()}")

    @property
    def backup(self) -> Path:
        """Where the file as it is will be kept."""
        return next_backup(behind_link(self.before.path))

    def write(self) -> Path:
        """Replace the file, at once or not at all, and keep the old one.

        Returns:
            Where the old one is: ``cohort.json.1.bak``.

        Raises:
            InputError: The file has changed since it was read, or it or the old one cannot be written.
        """
        return replace_edited(self.before.path, self.before.json.content, self.text)


def plan_repair(path: Path, asked: Requirements | None = None) -> Repair:
    """Find out what can be repaired.

    Args:
        path: The datalist.
        asked: What is asked of it, as for a check.
    """
    asked = asked or Requirements()
    file = read_json_file(path)
    before = examine(file, path, asked)
    text = _repaired(file)
    return Repair(before, examine(parse_bytes(text.encode()), path, asked) if file.content else before, text)


def _repaired(file: JsonFile) -> str:
    if file.encoding == "cp1252":  # only a guess, which might damage a name
        return file.text
    text = mended(file.text, file.faults, only_safe=True)
    parsed = parse_json(text)
    if parsed.faults or not isinstance(parsed.value, dict):
        return text
    return with_edits(text, list(_slashes(text, parsed.value, parsed.places)))


def _slashes(text: str, document: dict[str, Any], places: Places) -> Iterator[Edit]:
    for place in _paths_with_backslash(document):
        for at in places.values(place):
            if string := _STRING.match(text, at):
                yield from path_edits(text, at, string.end())


def _paths_with_backslash(document: dict[str, Any]) -> Iterator[Place]:
    if _has_backslash(document.get("data_root")):
        yield ("data_root",)
    for section in SECTIONS:
        rows = document.get(section)
        for number, row in enumerate(rows if isinstance(rows, list) else ()):
            for field in PATH_FIELDS if isinstance(row, dict) else ():
                if _has_backslash(row.get(field)):
                    yield section, number, field


def _has_backslash(value: Any) -> bool:
    """Whether a path, or one of a list of paths, has one; also one that JSON took for the beginning of a tab."""
    texts = value if isinstance(value, list) else [value]
    return any(isinstance(text, str) and _BACKSLASH_OR_CONTROL.search(text) for text in texts)
