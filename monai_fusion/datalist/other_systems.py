"""Recordings that a datalist can name here and another system cannot have: reported before you copy them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from monai_fusion.datalist.reporting import Finding
from monai_fusion.datalist.validation import Row
from monai_fusion.wording import counted, quoted

_DEVICE = re.compile(
    r"(?:^|/)(con|prn|aux|nul|com[0-9\xb9\xb2\xb3]|lpt[0-9\xb9\xb2\xb3])(?:\.[^/]*)?(?:/|$)", re.IGNORECASE
)
_CUT_OFF = re.compile(r"[. ](?:/|$)")
_NO_CHARACTER = re.compile(r"[<>:\"|?*]")


def on_other_systems(files: Iterable[tuple[Row | str | None, ...]]) -> Iterator[Finding]:
    """Warnings of names that Windows refuses, and of files that are one where upper and lower case do not count.

    Args:
        files: For each participant the row and their files, relative to data_root.
    """
    refused: list[tuple[Row, str, str]] = []
    alike: list[tuple[Row, str, str]] = []
    first_of: dict[str, str] = {}
    for row, *paths in files:
        for path in sorted(path for path in paths if isinstance(path, str)):
            if not isinstance(row, Row):
                continue
            if reason := why_not_on_windows(path):
                refused.append((row, path, reason))
            first = first_of.setdefault(path.casefold(), path)
            if first != path:
                alike.append((row, path, first))
    if refused:
        row, path, reason = refused[0]
        seen = f"{quoted(path)}{_more(refused)} cannot be a file on Windows: {reason}"
        yield _warning(row, path, seen, "rename it if the datalist is to be used there")
    if alike:
        row, path, first = alike[0]
        seen = f"{quoted(path)}{_more(alike)} and {quoted(first)} are one file on Windows and macOS"
        yield _warning(row, path, seen, "rename one of them if the datalist is to be used there")


def why_not_on_windows(path: str) -> str:
    """Why Windows has no such file; empty if it may have one."""
    if device := _DEVICE.search(path):
        return f"{device[1]} is a device there"
    if _CUT_OFF.search(path):
        return "a name cannot end in a dot or a space there"
    if character := _NO_CHARACTER.search(path):
        return f"a name cannot hold {character[0]} there"
    return ""


def _more(found: Sequence[tuple[Row, str, str]]) -> str:
    return f" (and {counted(len(found) - 1, 'more file')})" if len(found) > 1 else ""


def _warning(row: Row, path: str, seen: str, advice: str) -> Finding:
    field = "mri" if path == row.entry.mri else "eeg" if row.entry.eeg else "mri"
    return replace(row.finding(field, seen, advice=advice, group="files"), warning=True)
