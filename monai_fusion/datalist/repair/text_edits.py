"""Changes to the text of a datalist that leave the rest of it as it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

PATH_FIELDS = ("eeg", "mri", "data_root")
_BACKSLASHES = re.compile(r'\\u[0-9a-fA-F]{4}|\\["/]|\\\\?')


@dataclass(frozen=True, slots=True)
class Edit:
    """``text[start:end]`` becomes ``new``; it never holds another number of line ends than before."""

    start: int
    end: int
    new: str


def with_edits(text: str, edits: Sequence[Edit]) -> str:
    """The text with edits made that do not overlap; of two at one place both are made, in their order."""
    parts: list[str] = []
    done = 0
    for edit in sorted(edits, key=lambda one: (one.start, one.end)):
        parts += [text[done : edit.start], edit.new]
        done = edit.end
    return "".join([*parts, text[done:]])


def path_edits(text: str, start: int, end: int) -> list[Edit]:
    r"""Forward slashes for the backslashes, single or double, of the string ``text[start:end]``, quotes included.

    A path has neither tabs nor quotes, so that every backslash in it was meant as one; only ``\u00fc`` is a letter.
    """
    edits = []
    for match in _BACKSLASHES.finditer(text[start + 1 : end - 1]):
        at = start + 1 + match.start()
        if match.group() in ("\\", "\\\\", "\\/"):
            edits.append(Edit(at, at + len(match.group()), "/"))
    return edits
