"""Files beside a recording: the one that a header names although it was renamed, and text of unknown encoding."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from pathlib import Path

from monai_fusion.datalist.walking import is_annexed
from monai_fusion.errors import InputError, Problem
from monai_fusion.file_formats.wrong_kinds import LOOKED_AT, pointer
from monai_fusion.messages import pasteable
from monai_fusion.opening import open_regular
from monai_fusion.reading import read_bytes

_CODEPAGE = re.compile(rb"^[ \t]*codepage[ \t]*=[ \t]*([\w-]+)", re.IGNORECASE | re.MULTILINE)
_SEPARATORS = re.compile(r"[\\/]")


def named_beside(path: Path, name: str) -> Path | None:
    r"""The file that a header names, in the header's folder, whatever folder of another computer it lay in before.

    Upper and lower case are distinguished only where both exist.

    Args:
        path: The header.
        name: What it calls the other file: ``rec.eeg``, ``C:\data\rec.EEG``, ``$b.eeg`` (the header's own name).
    """
    steps = [step for step in _SEPARATORS.split(name.strip().strip('"').replace("$b", path.stem)) if step != "."]
    name = steps[-1] if steps else ""
    if not name or "\0" in name or name == "..":
        return None
    is_below = len(steps) > 1 and ".." not in steps and ":" not in steps[0] and steps[0]
    if is_below and (below := path.parent.joinpath(*steps)).is_file():
        return below
    exact = path.parent / name
    if exact.is_symlink() or exact.is_file():
        return exact
    try:
        entries = sorted(path.parent.iterdir())
    except OSError:
        return None
    return next((entry for entry in entries if entry.name.casefold() == name.casefold()), None)


def renamed_beside(path: Path, endings: Iterable[str]) -> Path | None:
    """The file beside a header that has the header's own name and one of the endings (``.eeg``), the first there is."""
    return next((found for ending in endings if (found := named_beside(path, path.stem + ending))), None)


def companion(header: Path, name: str, endings: Iterable[str]) -> tuple[Path | None, bool]:
    """The file that belongs to a header, and whether it is not the one that the header names.

    Users copy and rename recordings, and the name in the header stays: it may be the name of another recording's file.

    Args:
        header: The ``.vhdr`` or ``.set``.
        name: What it calls the other file; may be empty.
        endings: Of such files.

    Raises:
        InputError: The only file there is belongs to a recording of another participant.
    """
    named, own = named_beside(header, name) if name else None, renamed_beside(header, endings)
    other = named_beside(header, f"{named.stem}{header.suffix}") if named is not None and named != own else None
    if named is not None and other not in (None, header):
        if own is not None:
            named = None
        elif named.stem.partition("_")[0] != header.stem.partition("_")[0]:
            seen = f"names {named.name}, which is the file of {other.name if other else 'another'}"
            advice = f"put its own file beside it, as {header.stem}{named.suffix}"
            raise InputError(Problem(str(header), seen=seen, advice=advice))
    found = named or own
    return found, found is not None and found != named


def require_here(path: Path, of: Path | None = None) -> None:
    """Refuse a file whose content is not here.

    Args:
        path: The file.
        of: The recording that it belongs to, if that is another one.

    Raises:
        InputError: It is not there, or git-annex or Git LFS have left a pointer in its place.
    """
    where = str(path if of is None else of)
    field = "" if of is None or of == path else path.name
    if path.is_symlink() and not path.exists():
        if is_annexed(path):
            raise InputError(_not_downloaded(where, field, pasteable(["datalad", "get", path])))
        raise InputError(Problem(where, field, seen="a link to a file that is not here", advice="a disk not mounted?"))
    if not path.exists():
        raise InputError(Problem(where, field, seen="there is no such file"))
    if path.is_dir():
        raise InputError(Problem(where, field, seen="a folder", wanted="a file"))
    with open_regular(path) as stream:
        beginning = stream.read(LOOKED_AT) or b""
    kind = pointer(beginning, path.stat().st_size)
    if kind is not None:
        way = ["datalad", "get", path] if "annex" in kind.seen else ["git", "lfs", "pull", "--include", path.name]
        raise InputError(_not_downloaded(where, field, pasteable(way)))
    if not beginning:
        raise InputError(Problem(where, field, seen="an empty file", advice="copy or download it again"))


def _not_downloaded(where: str, field: str, way: str) -> Problem:
    return Problem(where, field, seen="this file's content was not downloaded", advice=way)


def text_of(path: Path, codepage: str = "") -> str:
    """The text of a small file: UTF-8 or UTF-16 with a mark, else the code page that it names, else Windows-1252."""
    content = read_bytes(path)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace")
    for encoding in ("utf-8-sig", codepage, "cp1252"):
        try:
            if encoding:
                return content.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return content.decode("latin-1")


def codepage_of(path: Path) -> str:
    """The encoding that a BrainVision header or marker file states; nothing if it states none."""
    found = _CODEPAGE.search(read_bytes(path)[: 1 << 16])
    name = found[1].decode("ascii", "replace") if found else ""
    return {"ANSI": "cp1252"}.get(name.upper(), name)
