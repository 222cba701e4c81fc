"""Reads a datalist or a table whole: of a pipe that nobody writes to, or of a device, no program ever sees the end."""

from __future__ import annotations

from pathlib import Path

from monai_fusion.datalist.walking import is_annexed
from monai_fusion.file_formats.wrong_kinds import LOOKED_AT, WrongKind, looks_compressed, wrong_kind
from monai_fusion.reading import MIB, read_bytes

_MOST_BYTES = 1024 * MIB  # a datalist of a million people has a quarter of it
_OF_A_SHELL = ("/dev/fd/", "/proc/self/fd/", "/dev/stdin")  # `<(zcat table.csv.gz)` is a pipe that somebody writes to


def content_of(path: Path) -> bytes:
    """The bytes of a regular file, or of a pipe that a shell made.

    Raises:
        OSError: It cannot be read, is no file, or far too large; ``strerror`` says why.
    """
    if str(path).startswith(_OF_A_SHELL):
        return path.read_bytes()
    return read_bytes(path, _MOST_BYTES)


def kind_of(content: bytes) -> WrongKind | None:
    """What a file is that is no text of ours: a pointer of git-annex, a web page, a picture ...; None of any text."""
    if looks_compressed(content):
        return WrongKind("compressed with gzip", "unpack it with gunzip")
    kind = wrong_kind(content[:LOOKED_AT], len(content)) if content else None
    if kind is None or kind.seen.startswith("a text"):
        return None
    return kind if kind.placeholder else kind._replace(advice="is it the right file?")  # else it speaks of recordings


def not_there(path: Path) -> tuple[str, str]:
    """What to say of a file that is not there, and what to do: a link of git-annex may lead to what was not fetched."""
    if not path.is_symlink():
        return "there is no such file", ""
    if is_annexed(path):
        return "a link of git-annex to a file that is not here", "fetch it: datalad get, or git annex get"
    return "a link to a file that is not here", "is a disk not mounted?"
