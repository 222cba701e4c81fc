"""The words of a command as they were meant: ``~`` is the home folder, and an empty word is a forgotten variable."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from monai_fusion.errors import InputError, Problem

# A shell expands `~/res` but not `--out=~/res`; the one of Windows neither.
_HOME = re.compile(r"(?P<option>--?[A-Za-z][\w-]*=)?(?P<path>~(?:[/\\].*)?)", re.DOTALL)


def as_meant(words: Sequence[str]) -> list[str]:
    """Expand ``~``, and refuse empty values; what stands behind ``--`` is for other programs and stays.

    Raises:
        InputError: A word or the value of an option is empty: as a path it would be the working folder.
    """
    end = list(words).index("--") if "--" in words else len(words)
    for place, word in enumerate(words[:end]):
        option = words[place - 1] if place and words[place - 1].startswith("--") else "an argument"
        if not word.strip() or re.fullmatch(r"--[A-Za-z][\w-]*=\s*", word):
            where = option if not word.strip() else word.partition("=")[0]
            raise InputError(
                Problem(where, seen="empty", wanted="a value", advice="is a variable of the shell not set?")
            )
    return [_expanded(word) for word in words[:end]] + list(words[end:])


def _expanded(word: str) -> str:
    found = _HOME.fullmatch(word)
    if found is None:
        return word
    return (found["option"] or "") + os.path.expanduser(found["path"])  # noqa: PTH111 # a word, not always a path
