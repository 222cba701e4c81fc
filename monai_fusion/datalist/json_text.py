"""Reads JSON that people edit by hand: says on which line it breaks and why, and refuses what JSON readers let pass.

Python's reader keeps the last of two fields of one name without a word: a second ``"test"`` section would hide the
first.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from monai_fusion.datalist.wording import quoted
from monai_fusion.errors import Problem

_SHOWN_BEFORE, _SHOWN_AFTER = 30, 30


def read_json(path: Path) -> tuple[Any, list[Problem]]:
    """The parsed file and what is wrong with it; the value is ``None`` if it could not be parsed."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None, [Problem(str(path), seen="there is no such file")]
    except IsADirectoryError:
        return None, [Problem(str(path), seen="a folder", wanted="a datalist file (.json)")]
    except OSError as error:
        return None, [Problem(str(path), seen=f"cannot be read ({error.strerror or error})")]
    try:
        text = content.decode("utf-8-sig")  # an editor on Windows may have put a byte order mark in front
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return None, [
            Problem(f"line {line}", seen="text that is not UTF-8", advice="in the editor, save the file as UTF-8")
        ]
    return parse_json(text)


def parse_json(text: str) -> tuple[Any, list[Problem]]:
    """Like `read_json`, for text."""
    problems: list[Problem] = []

    def without_repeated_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) < len(pairs):
            names = [name for name, _ in pairs]
            where = fields.get("participant_id")
            problems.extend(
                Problem(
                    where if isinstance(where, str) and where else "datalist",
                    name,
                    f"written {names.count(name)} times",
                    "once",
                    "the last would hide the others: delete or merge them",
                )
                for name in fields
                if names.count(name) > 1
            )
        return fields

    def refuse(constant: str) -> None:
        raise _NotJsonError(constant)

    try:
        value = json.loads(text, object_pairs_hook=without_repeated_names, parse_constant=refuse)
    except json.JSONDecodeError as error:
        return None, [_syntax_problem(text, error)]
    except _NotJsonError as error:
        constant = str(error)
        return None, [Problem("datalist", seen=f"{constant} is not JSON", advice="write null where there is no value")]
    except ValueError:  # Python reads whole numbers of up to some thousand digits
        return None, [Problem("datalist", seen="a number of thousands of digits", wanted="a datalist")]
    except RecursionError:
        return None, [Problem("datalist", seen="lists or objects nested hundreds deep", wanted="a datalist")]
    return value, problems


class _NotJsonError(ValueError):
    """NaN or Infinity, which Python reads and other programs do not."""


def _syntax_problem(text: str, error: json.JSONDecodeError) -> Problem:
    at, cause = _likely_cause(text, error)
    line = text.count("\n", 0, at) + 1
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    end = len(text) if end < 0 else end
    shown = text[max(start, at - _SHOWN_BEFORE) : min(end, at + _SHOWN_AFTER)].strip()
    return Problem(f"line {line}, column {at - start + 1}", seen=f"near {shown}" if shown else "", advice=cause)


def _likely_cause(text: str, error: json.JSONDecodeError) -> tuple[int, str]:
    """Where the mistake is (an index into the text) and what it probably is, in words."""
    at = error.pos
    before = text[:at].rstrip()
    here = text[at:].lstrip()
    if not text.strip():
        return 0, "the file is empty"
    if here[:1] in "}]" and before.endswith(","):  # up to Python 3.12 the bracket is reported,
        return len(before) - 1, f"there is a comma too many before {quoted(here[0])}" if here else _unfinished()
    if here.startswith(",") and here[1:].lstrip()[:1] in ("}", "]"):  # later the comma
        return at, f"there is a comma too many before {quoted(here[1:].lstrip()[0])}"
    if here.startswith(("//", "/*", "#")):
        return at, "JSON has no comments: delete it (to leave a participant out, use exclude)"
    if "escape" in error.msg:
        return at, r"a backslash must be written twice (\\), or better as / (also on Windows)"
    if here.startswith("'"):
        return at, "names and text stand between double quotes: \" instead of '"
    if error.msg.startswith(("Invalid control character", "Unterminated string")):
        return at, 'a closing double quote (") is missing'
    if not here:
        return max(len(before) - 1, 0), _unfinished()
    if error.msg.startswith("Expecting ',' delimiter"):
        return len(before), "a comma is missing here"
    if error.msg.startswith("Expecting ':' delimiter"):
        return at, "a colon (:) is missing between the field's name and its value"
    if error.msg.startswith("Extra data"):
        return at, "there is text after the end of the datalist"
    if here.startswith(("True", "False", "None")):
        return at, "JSON writes true, false and null"
    return at, f"this is not JSON ({error.msg})"


def _unfinished() -> str:
    return "the file ends too early: a closing bracket (] or }) or quote is missing"
