"""Reads JSON that is edited by hand: reports the line where it breaks and why, and refuses what JSON readers let pass.

Python's reader keeps the last of two fields of one name without a word: a second ``"test"`` section would hide the
first.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from monai_fusion.datalist.locating import Places
from monai_fusion.datalist.other_kinds import binary_kind, text_kind
from monai_fusion.datalist.repair.json_cursor import Fault
from monai_fusion.datalist.repair.json_faults import find_faults, mended
from monai_fusion.datalist.reporting import WHOLE_FILE, Finding
from monai_fusion.datalist.whole_files import content_of, not_there
from monai_fusion.wording import quoted

_SHOWN_BEFORE, _SHOWN_AFTER = 60, 40
_PARTICIPANT = re.compile(r'"participant_id"\s*:\s*"([^",\\\n\r]{1,80})"(?=\s*[,}])')
_ROW_AT_MOST = 4_096  # characters
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UTF32_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


@dataclass(frozen=True, slots=True)
class JsonFile:
    """A JSON file after reading, valid or not.

    Attributes:
        value: Its value; ``None`` if that is unclear.
        readable: Whether the value is clear, if need be past faults that do not hide what was meant.
        text: The file's text as it is, without byte order mark.
        encoding: The codec that the text was read with.
        faults: Where the text is not JSON.
        places: The lines of its parts.
        findings: What is wrong, with lines.
        content: The bytes of the file.
    """

    value: Any
    readable: bool
    text: str
    encoding: str
    faults: tuple[Fault, ...]
    places: Places
    findings: tuple[Finding, ...]
    content: bytes = b""


def read_json_file(path: Path) -> JsonFile:
    """Read a file; one that cannot be opened or parsed is a finding, not an exception."""
    try:
        if os.path.isdir(path):  # noqa: PTH112 - is_dir raises for a name too long
            return _unreadable(Finding(str(path), seen="a folder", wanted="a datalist file (.json)", group="json"))
        content = content_of(path)
    except FileNotFoundError:
        seen, advice = not_there(path)
        return _unreadable(Finding(str(path), seen=seen, advice=advice, group="json"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return _unreadable(Finding(str(path), seen=f"cannot be read ({reason})", group="json"))
    return parse_bytes(content)


def parse_bytes(content: bytes) -> JsonFile:
    """Like `read_json_file`, for the content of a file."""
    if (kind := binary_kind(content)) is not None:
        return _unreadable(kind)
    text, encoding, findings = _decoded(content)
    if not encoding:
        return _unreadable(*findings)
    if (kind := text_kind(text)) is not None:
        return _unreadable(kind)
    parsed = parse_json(text)
    return replace(parsed, encoding=encoding, findings=(*findings, *parsed.findings), content=content)


def parse_json(text: str) -> JsonFile:
    """Like `read_json_file`, for text."""
    value, repeated, error = _loaded(text)
    faults: tuple[Fault, ...] = ()
    right = text
    if error:
        faults = tuple(find_faults(text)) or (Fault(0, f"this is not JSON ({error})"),)
        if all(fault.edits for fault in faults):
            right = mended(text, faults)
            value, repeated, error = _loaded(right)
    places = Places(text if error else right)
    findings = [*_fault_findings(text, faults)]
    if repeated and not error:
        findings += _repetition_findings(value, repeated, places)
    return JsonFile(value, not error, text, "utf-8", faults, places, tuple(findings))


def _unreadable(*findings: Finding) -> JsonFile:
    return JsonFile(None, False, "", "", (), Places(""), findings)


def _decoded(content: bytes) -> tuple[str, str, list[Finding]]:
    """The text, its codec (empty if it is no text), and what is wrong with it."""
    advice = "in the editor, save the file as UTF-8"
    if content.startswith(_UTF16_MARKS) or b"\0" in content[:2]:
        width = 32 if content.startswith(_UTF32_MARKS) or content[:4].count(0) == 3 else 16
        little = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF32_LE)) or content[1:2] == b"\0" != content[:1]
        codec = f"utf-{width}-{'le' if little else 'be'}"
        try:
            text = content.decode(codec).removeprefix("\ufeff")
        except UnicodeDecodeError:
            return "", "", [_no_text()]
        seen = 'text in UTF-16 ("Unicode")' if width == 16 else "text in UTF-32"
        found = Finding("", seen=seen, wanted="UTF-8", advice=advice, group="json", line=1)
        return text, codec, [found]
    if b"\0" in content:
        return "", "", [_no_text()]
    letters = content.removeprefix(codecs.BOM_UTF8)
    try:
        text = letters.decode()
    except UnicodeDecodeError as error:
        # Shown as Windows would: most such files come from an older editor there.
        text = letters.decode("cp1252", errors="replace")
        found = Finding("", seen="text that is not UTF-8", advice=advice, group="json")
        return text, "cp1252", [_pointing(found, text, Places(text), error.start)]
    if letters == content:
        return text, "utf-8", []
    seen = "the file begins with a byte order mark (BOM), which confuses other programs"
    advice = "save it as UTF-8 without BOM, or let check --fix delete the mark"
    return text, "utf-8-sig", [Finding("", seen=seen, advice=advice, group="json", warning=True, line=1)]


def _no_text() -> Finding:
    return Finding("", seen="this is not a text file", wanted="a datalist file (.json)", group="json")


def _loaded(text: str) -> tuple[Any, Counter[str], str]:
    """The value, the names that an object has twice, and why there is no value (empty if there is one)."""
    repeated: Counter[str] = Counter()

    def remember_repeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) < len(pairs):
            repeated.update({name: n for name, n in Counter(name for name, _ in pairs).items() if n > 1})
        return fields

    try:
        value = json.loads(text, object_pairs_hook=remember_repeated, parse_constant=_refuse_constant)
    except RecursionError:
        return None, repeated, "nested too deep"
    except ValueError as error:
        return None, repeated, str(error)
    return value, repeated, ""


def _refuse_constant(constant: str) -> NoReturn:
    """NaN or Infinity, which Python reads and other programs do not."""
    raise ValueError(constant)


def _fault_findings(text: str, faults: tuple[Fault, ...]) -> Iterator[Finding]:
    """Each fault with its line and a caret; the same cause is reported once a line."""
    reported: set[tuple[int, str]] = set()
    places = Places(text)
    for fault in faults:
        line = places.line_at(fault.at)
        if (line, fault.cause) not in reported:
            reported.add((line, fault.cause))
            start, end = places.line_span(fault.at)
            names = _PARTICIPANT.findall(text, start, min(end, start + _ROW_AT_MOST))
            who = names[0] if len(names) == 1 else None  # not if several rows are in one line
            finding = Finding(who or "", advice=fault.cause, group="json", participant_id=who)
            pointing = _pointing(finding, text, places, fault.at)
            yield pointing if fault.in_line else replace(pointing, column=None)


def _pointing(finding: Finding, text: str, places: Places, at: int) -> Finding:
    """With line, column and the line itself above a caret; of a long line, the part around the caret."""
    start, end = places.line_span(at)
    left, right = max(start, at - _SHOWN_BEFORE), min(end, at + _SHOWN_AFTER)
    before = ("... " if left > start else "") + _visible(text[left:at])
    after = _visible(text[at:right]) + (" ..." if right < end else "")
    indent = len(before) - len(before.lstrip())
    caret = " " * sum(_columns(character) for character in before[indent:]) + "^"
    shown = f"{before[indent:]}{after}".rstrip()
    return replace(
        finding, line=places.line_at(at), column=at - start + 1, excerpt=f"{shown}\n{caret}" if shown else ""
    )


def _visible(text: str) -> str:
    """Text for a terminal: a tab is one space, and nothing in it can move the cursor."""
    return "".join(
        character if character.isprintable() else " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


def _columns(character: str) -> int:
    """How many columns a terminal gives the character."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _repetition_findings(value: Any, repeated: Counter[str], places: Places) -> Iterator[Finding]:
    advice = "the last would hide the others: delete or merge them"
    found = list(places.repeated_fields())
    for place, times, at in found:
        row = value[place[0]][place[1]] if len(place) > 1 else {}
        name = row.get("participant_id")
        who = name if isinstance(name, str) and name else None
        finding = Finding(
            who or ("" if len(place) > 1 else WHOLE_FILE), str(place[-1]), f"written {times} times", "once", advice,
            group="fields", place=place, participant_id=who,
        )  # fmt: skip
        yield finding.at_line(places.line_at(at))
    if not found:  # inside a further field of a row
        name, times = next(iter(repeated.items()))
        yield Finding(WHOLE_FILE, seen=f"a field {quoted(name)} is written {times} times", wanted="once", advice=advice)
