"""The words of a command as the user means them: ``~`` is the home folder, ``--output_dir`` is ``--output-dir``."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Sequence

from monai_fusion.errors import InputError, Problem

# A shell expands `~/res` but not `--out=~/res`; the one of Windows neither.
_HOME = re.compile(r"(?P<option>--?[A-Za-z][\w-]*=)?(?P<path>~(?:[/\\].*)?)", re.DOTALL)

_RENAMED = {"--class": "--bin", "--keep": "--columns", "--map": "--label-map"}


def with_hyphens(name: str) -> str:
    """The name of an option as the commands declare it: every option takes ``_`` and ``-`` alike.

    Click calls it (``token_normalize_func``) for every option, so that no command needs to declare two spellings. The
    knobs of the bundle go the other way, in `monai_fusion.options.command_line.read_options`.
    """
    return name.replace("_", "-")


def refuse_old_names(words: Iterable[str], known: Collection[str]) -> None:
    """Name the new name of a renamed option.

    Args:
        words: The words of a command.
        known: The options of the command.

    Raises:
        InputError: A word is an option that has another name now.
    """
    for word in words:
        name = word.partition("=")[0]
        if name not in known and _RENAMED.get(name) in known:
            raise InputError(Problem(name, advice=f"this option is now {_RENAMED[name]}: type that instead"))


def as_meant(words: Sequence[str]) -> list[str]:
    """Expand ``~``, and refuse empty values; words after ``--`` are for other programs and stay.

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
