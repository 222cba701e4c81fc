"""Reads a datalist or a table whole: a pipe without a writer, or a device, has no end."""

from __future__ import annotations

from pathlib import Path

from monai_fusion.datalist.walking import is_annexed
from monai_fusion.file_formats.wrong_kinds import LOOKED_AT, WrongKind, looks_compressed, wrong_kind
from monai_fusion.reading import MIB, read_bytes

_MOST_BYTES = 1024 * MIB  # a datalist of a million participants has a quarter of it
_OF_A_SHELL = ("/dev/fd/", "/proc/self/fd/", "/dev/stdin")  # `<(zcat table.csv.gz)` is a pipe with a writer
WEB_PAGE = WrongKind("a web page (HTML)", "download the file itself: this is the page that shows it")
_BINARY = {
    b"\x93NUMPY": "a NumPy array (.npy), as an EEG scalogram is",
    b"GIF8": "a GIF picture",
    b"BM": "a bitmap picture",
    b"II*\x00": "a TIFF picture",
    b"MM\x00*": "a TIFF picture",
    b"RIFF": "a picture or sound file",
    b"SQLite format 3": "an SQLite database",
    b"\x7fELF": "a program",
    b"MZ": "a program",
}


def content_of(path: Path) -> bytes:
    """The bytes of a regular file, or of a pipe that a shell made.

    Raises:
        OSError: It cannot be read, is no file, or far too large; ``strerror`` has the reason.
    """
    if str(path).startswith(_OF_A_SHELL):
        return path.read_bytes()
    return read_bytes(path, _MOST_BYTES)


def binary_content_kind(content: bytes, wanted: str) -> WrongKind | None:
    """What a file is that is no text of ours: a pointer of git-annex, a web page, a picture ...; None of any text.

    Packed documents are none here: a table may be one, and for a datalist `other_kinds` reports which.

    Args:
        content: The file.
        wanted: What it should be, for the advice: ``datalist`` or ``table``.
    """
    if looks_compressed(content):
        return WrongKind("a file packed with gzip", advise_to_unpack(wanted))
    for magic, seen in _BINARY.items():
        if content.startswith(magic) and not (len(magic) == 2 and _is_text(content)):
            return WrongKind(seen, advise_the_file_itself(wanted))
    if content[344:347] in (b"n+1", b"ni1"):
        return WrongKind("a NIfTI volume, as an MRI is", advise_the_file_itself(wanted))
    kind = wrong_kind(content[:LOOKED_AT], len(content)) if content else None
    if kind is None or kind.seen.startswith("a text"):
        return None
    if kind.seen == "a web page":
        return WEB_PAGE
    return (
        kind if kind.placeholder else kind._replace(advice=advise_the_file_itself(wanted))
    )  # else it speaks of recordings


def advise_the_file_itself(wanted: str) -> str:
    """The advice where a file is something else altogether."""
    return f"give the {wanted} itself: is it the right path?"


def advise_to_unpack(wanted: str) -> str:
    """The advice where a file may hold the one that is meant."""
    return f"unpack it first, if the {wanted} is in it"


def _is_text(content: bytes) -> bool:
    return not any(byte < 9 for byte in content[:LOOKED_AT])


def not_there(path: Path) -> tuple[str, str]:
    """The message for a missing file, and what to do: a link of git-annex may lead to a file that was not fetched."""
    if not path.is_symlink():
        return "there is no such file", ""
    if is_annexed(path):
        return "a link of git-annex to a file that is not here", "fetch it: datalad get, or git annex get"
    return "a link to a file that is not here", "is a disk not mounted?"
