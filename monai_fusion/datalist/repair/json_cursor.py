"""A place in a text that is almost JSON, the faults before it, and the steps from one character to the next."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from monai_fusion.datalist.repair.text_edits import Edit

_COMMENT = re.compile(r"//[^\n\r]*|#[^\n\r]*|/\*.*?\*/", re.DOTALL)
_LINE_END = re.compile(r"[\n\r]")
JSON_SPACE = " \t\r\n"
_ODD_SPACE = re.compile(r"[^\S \t\r\n]+|[\u200b\u200c\u200d\u2060\ufeff]+")

COMMENT = 'JSON has no comments: delete it (to leave a participant out, write "exclude": "the reason" in the row)'


@dataclass(frozen=True, slots=True)
class Fault:
    """One place where the text is not JSON.

    Attributes:
        at: Index of the character that a caret points to.
        cause: What it probably is, and what to do, in words.
        edits: What makes JSON of it; none where the reader could not go on.
        safe: Whether the edits leave the content as it is, so that a program may make them.
        in_line: Whether the column is more useful than the line.
    """

    at: int
    cause: str
    edits: tuple[Edit, ...] = ()
    safe: bool = True
    in_line: bool = True


class Stop(Exception):  # noqa: N818 - it ends the reading, it is no error of the program
    """It is unclear what was meant: the last fault is without edits."""


@dataclass(slots=True)
class Level:
    """A list or an object that is open: its bracket, and where that is."""

    bracket: str
    at: int
    name: str = ""  # of the field whose value is being read; lists inherit it
    colon: int = -1  # where the colon before the last value is
    before: str = ""  # the name of the field before that one


class Cursor:
    """Where the reading is.

    Args:
        text: All of it.

    Attributes:
        text: The same.
        at: Index of the next character.
        faults: What was found so far.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.faults: list[Fault] = []
        self._levels: list[Level] = []
        self._end = 0  # of what was read last
        self._comma = -1  # the comma that was read last, if nothing came after it yet
        self._bare = False  # whether what was read last is a word without quotes

    def _skip_space(self) -> bool:
        """Go on to the next character that counts; ``False`` at the end of the file."""
        while self.at < len(self.text):
            character = self.text[self.at]
            if character in JSON_SPACE:
                self.at += 1
            elif comment := (_COMMENT.match(self.text, self.at) if character in "/#" else None):
                kept = re.sub(r"[^\n\r]", "", comment.group())
                self._fault(self.at, COMMENT, Edit(self.at, comment.end(), kept), safe=False)
                self.at = comment.end()
            elif space := (_ODD_SPACE.match(self.text, self.at) if character > "~" or character < " " else None):
                cause = "a space that is not the plain one (often copied from a web page): write a plain space"
                self._fault(self.at, cause, Edit(self.at, space.end(), " "))
                self.at = space.end()
            else:
                return True
        return False

    def _take(self, length: int) -> None:
        self.at += length
        self._end = self.at
        self._bare = False
        if self.text[self.at - 1] not in ",;":
            self._comma = -1

    def _line_end(self, at_most: int | None = None) -> int:
        last = len(self.text) if at_most is None else min(at_most, len(self.text))
        match = _LINE_END.search(self.text, self.at, last)
        return match.start() if match else last

    def _fault(self, at: int, cause: str, *edits: Edit, safe: bool = True) -> None:
        self.faults.append(Fault(at, cause, edits, safe))

    def _stop(self, at: int, cause: str) -> NoReturn:
        self._fault(at, cause)
        raise Stop
