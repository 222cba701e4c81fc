"""What kind of wrong file it is, by its first bytes: a pointer, a web page, an archive, another format.

Only the kind is told, never a byte of the file: it may hold a name.
"""

from __future__ import annotations

from typing import NamedTuple

LOOKED_AT = 1 << 12  # bytes from the beginning that are enough for all of them


class WrongKind(NamedTuple):
    """What a file is, and what to do about it."""

    seen: str
    advice: str
    placeholder: bool = False  # it stands for a file that is not there


_DOWNLOAD_AGAIN = "download it again: what came was the server's message, not the file (signed in? still there?)"
_UNPACK = "unpack it, and give the file that is in it"
_CONVERT = "convert it to NIfTI"

_MAGIC: dict[bytes, tuple[str, str]] = {
    b"\x00\x05\x16\x07": (
        "macOS's side file of another one (._...)",
        "leave it out: the recording has no ._ before it",
    ),
    b"BZh": ("a file compressed with bzip2", _UNPACK),
    b"\xfd7zXZ\x00": ("a file compressed with xz", _UNPACK),
    b"\x28\xb5\x2f\xfd": ("a file compressed with zstd", _UNPACK),
    b"\x04\x22\x4d\x18": ("a file compressed with lz4", _UNPACK),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", _UNPACK),
    b"Rar!\x1a\x07": ("a RAR archive", _UNPACK),
    b"\x89HDF\r\n\x1a\n": ("an HDF5 file", "export the recording from the program that wrote it"),
    b"CDF\x01": ("a MINC or NetCDF file", _CONVERT),
    b"CDF\x02": ("a MINC or NetCDF file", _CONVERT),
    b"MATLAB 5.0 MAT-file": ("a MATLAB file", "export the recording from MATLAB"),
    b"NRRD000": ("an NRRD volume", _CONVERT),
    b"\x00\x00\x00\x01\x00\x00": ("a FreeSurfer volume (.mgh, .mgz)", "convert it to NIfTI: mri_convert"),
    b"%PDF-": ("a PDF document", "give the recording itself"),
    b"\x89PNG\r\n\x1a\n": ("a PNG picture", "give the recording itself"),
    b"\xff\xd8\xff": ("a JPEG picture", "give the recording itself"),
    b"bplist00": ("a placeholder of iCloud or of a Mac's settings", "let the Mac download the file itself"),
}
_WEB = (b"<!doctype", b"<html", b"<head", b"<body", b"<?xml", b"<error", b"<!--", b"<script", b"<meta", b"<title")


def wrong_kind(beginning: bytes, size: int) -> WrongKind | None:
    """Say what a file is that is not what its name says, or None if its first bytes do not tell.

    Args:
        beginning: Its first bytes, `LOOKED_AT` or all that there are.
        size: How many bytes it has.
    """
    if size == 0:
        return WrongKind("an empty file", "copy or download it again", placeholder=True)
    beginning = beginning[:LOOKED_AT]
    if not beginning.strip(b"\0"):
        advice = "copy or download it again: this is what a broken-off transfer leaves"
        return WrongKind("nothing but zero bytes", advice, placeholder=True)
    if stands_for := pointer(beginning, size):
        return stands_for
    for magic, (seen, advice) in _MAGIC.items():
        if beginning.startswith(magic):
            return WrongKind(seen, advice)
    if beginning.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        if b".npy" in beginning[:256]:
            return WrongKind(
                "an .npz archive of arrays", "save the array by itself: numpy.save(path, numpy.load(file)[name])"
            )
        return WrongKind("a ZIP archive", _UNPACK)
    if beginning[128:132] == b"DICM":
        return WrongKind("a DICOM file", "convert the series to NIfTI: dcm2niix")
    if beginning[257:262] == b"ustar":
        return WrongKind("a tar archive", _UNPACK)
    if beginning[:1] == b"\x80" and beginning[1:2] in b"\x02\x03\x04\x05":
        return WrongKind("a pickle", "it is not loaded, because it could run code: write the array with numpy.save")
    return _text(beginning)


def looks_compressed(beginning: bytes) -> bool:
    """Whether it begins as gzip files do."""
    return beginning[:2] == b"\x1f\x8b"


def pointer(beginning: bytes, size: int) -> WrongKind | None:
    """Say which program's pointer stands in the file's place, or None; see `wrong_kind`."""
    if size > LOOKED_AT:
        return None
    slashes = beginning.replace(b"\\", b"/")
    if b"annex/objects/" in slashes:
        advice = "fetch the file itself: datalad get, or git annex get"
        return WrongKind("a pointer of git-annex, not the file", advice, placeholder=True)
    if beginning.lstrip(b"\xef\xbb\xbf \r\n").startswith((b"version https://git-lfs", b"version https://hawser")):
        advice = "fetch the file itself: git lfs pull"
        return WrongKind("a pointer of Git LFS, not the file", advice, placeholder=True)
    return None


def _text(beginning: bytes) -> WrongKind | None:
    """Web pages, messages of servers and other text; binary formats are rarely without any control character."""
    if beginning.startswith((b"\xff\xfe", b"\xfe\xff")):
        beginning = beginning[2:].replace(b"\0", b"")
    start = beginning.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith(_WEB):
        return WrongKind("a web page", _DOWNLOAD_AGAIN, placeholder=True)
    control = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in beginning)
    if control or not start:
        return None
    if start.startswith((b"{", b"[")):
        return WrongKind("a text (JSON)", "is it the right path? Else " + _DOWNLOAD_AGAIN, placeholder=True)
    if all(byte < 127 for byte in beginning) or _is_utf8(beginning):
        return WrongKind("a text", "is it the right path? Else copy or download it again", placeholder=True)
    return None


def _is_utf8(beginning: bytes) -> bool:
    try:
        beginning.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= len(beginning) - 3  # a letter cut in two at the end
    return True
