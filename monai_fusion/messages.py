"""Text of users (ids, labels, file names) on its way to a terminal: invisible characters are written out.

A file name may hold control characters, which control a terminal (0x9b begins a sequence as ESC [ does), and
characters without width, so that two ids look alike and differ. Both are shown as JSON writes them: what is JSON stays
JSON, with the same values.
"""

from __future__ import annotations

import io
import json
import logging
import os
import shlex
import subprocess
import sys
from collections.abc import Iterable
from typing import TextIO

PRINTED_TO = ("<stdout>", "<stderr>")
"""What an `OSError` names as its file if it is a message that cannot be printed."""
QUIET = "MONAI_FUSION_QUIET"  # 1 is --quiet of every command, of the runs that they start as well

# Signs that count as letters or marks and yet show nothing: joiners, fillers of Hangul, selectors, a blank of Braille;
# and the two hyphens (0x2010, 0x2011) that look like the one of the keyboard.
_BLANK = frozenset(
    map(chr, (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2010, 0x2011, 0x2800, 0x3164, 0xFFA0, *range(0xFE00, 0xFE10)))
)


def is_unseen(character: str) -> bool:
    """Whether a character, a plain space apart, cannot be seen, or a terminal obeys it instead of showing it."""
    return character in _BLANK or not character.isprintable()


def visible(text: str, keep: str = "") -> str:
    r"""The text with every invisible character written as in JSON: ``sub-04\u200b``, ``\u009b2J``, ``\n``.

    Args:
        text: Any text.
        keep: Signs that are left as they are, such as the line ends of a message of several lines.
    """
    if text.isprintable() and _BLANK.isdisjoint(text):
        return text
    return "".join(
        _escaped(character) if is_unseen(character) and character not in keep else character for character in text
    )


def _escaped(character: str) -> str:
    if character in "\n\t\r":
        return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}[character]
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def say(message: str, *, err: bool = False) -> None:
    """Print a message, of one line or several, for the user: every command prints by this. Quiet, only errors.

    Args:
        message: The text; of what cannot be seen, line ends only are left as they are.
        err: On standard error instead of standard output.
    """
    if err or not is_quiet():
        _print(message, sys.stderr if err else sys.stdout)


def answer(message: str) -> None:
    """Print what a command was asked for and nothing else, quiet or not; see `say`."""
    _print(message, sys.stdout)


def answer_json(value: object) -> None:
    """Print an answer for programs as JSON."""
    answer(json.dumps(value, ensure_ascii=False, indent=2))


def _print(message: str, stream: TextIO | None) -> None:
    if stream is None:  # it is closed (>&-), or a program without a console started this one: nobody reads
        return
    try:
        stream.write(f"{visible(message, keep=chr(10))}\n")
        stream.flush()
    except OSError as error:
        error.filename = PRINTED_TO[stream is sys.stderr]  # else it looks like any file that cannot be written
        raise


def be_quiet(wanted: bool) -> None:
    """Print warnings and errors only from here on, in this process and in those that it starts."""
    if wanted:
        os.environ[QUIET] = "1"


def is_quiet() -> bool:
    """Whether the user wants to see warnings and errors only."""
    return os.environ.get(QUIET, "0") not in ("", "0")


def hide_bars(otherwise: bool | None = None) -> bool | None:
    """What a progress bar takes as ``disable``: it is hidden when quiet; None hides it where there is no terminal."""
    return True if is_quiet() else otherwise


def let_all_characters_through() -> None:
    r"""Write what a console, or a file in its place, has no character for as ``\u7537``, without an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def make_visible(record: logging.LogRecord) -> bool:
    """A filter of logging: lets every line through, with what cannot be seen in it written out."""
    message = record.getMessage()
    shown = visible(message, keep="\n\t")
    if shown != message:
        record.msg, record.args = shown, ()
    return True


def pasteable(words: Iterable[object]) -> str:
    """A command as it can be pasted into the shell of this system: sh and its kin, or cmd and PowerShell on Windows."""
    texts = list(map(str, words))
    return " ".join(map(_for_a_shell, texts)) if os.name == "posix" else subprocess.list2cmdline(texts)


def _for_a_shell(word: str) -> str:
    """The word in quotes if it needs them: in double ones where single ones would be hard to read."""
    return f'"{word}"' if "'" in word and not set('"$`\\!') & set(word) else shlex.quote(word)
