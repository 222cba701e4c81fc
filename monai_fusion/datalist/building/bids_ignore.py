"""Which files a ``.bidsignore`` names: patterns as in a ``.gitignore``, a line each."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path


def names_of(file: Path) -> Callable[[str], bool]:
    """Finds whether a ``.bidsignore`` names a file, or a folder above it.

    Args:
        file: The ``.bidsignore``; one that is not there, or cannot be read, names nothing.

    Returns:
        A function of a path relative to the dataset, with forward slashes. The last pattern that matches decides.
    """
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig", errors="replace").splitlines()]
    except OSError:
        lines = []
    patterns = [(_compiled(line.removeprefix("!")), not line.startswith("!")) for line in lines if _matches_any(line)]

    def names(path: str) -> bool:
        return next((wanted for pattern, wanted in reversed(patterns) if pattern.match(path)), False)

    return names


def _matches_any(line: str) -> bool:
    return bool(line.strip("!/ ")) and not line.startswith("#")


def _compiled(pattern: str) -> re.Pattern[str]:
    """A pattern with a slash before its end is of paths from the dataset's folder, another one of names anywhere."""
    is_folder = pattern.endswith("/")
    steps = pattern.rstrip("/").lstrip("/")
    start = "" if "/" in pattern.rstrip("/") else "(?:.*/)?"
    text = "".join(_signs(steps))
    return re.compile(f"{start}{text}{'/.*' if is_folder else '(?:/.*)?'}$")


def _signs(pattern: str) -> list[str]:
    found = []
    for part in re.findall(r"\*\*/|\*\*|\*|\?|\[[^\]/]+\]|.", pattern):
        if part == "**/":
            found.append("(?:.*/)?")
        elif part == "**":
            found.append(".*")
        elif part == "*":
            found.append("[^/]*")
        elif part == "?":
            found.append("[^/]")
        elif len(part) > 1:  # a set of characters
            characters = part[1:-1].lstrip("!^").replace("\\", "")
            found.append(f"[{'^' if part[1] in '!^' else ''}{characters.replace('[', chr(92) + '[')}]")
        else:
            found.append(re.escape(part))
    return found
