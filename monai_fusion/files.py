"""Writing files that are either there in full or not at all."""

from __future__ import annotations

import csv
import errno
import io
import json
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO

from monai_fusion.causes import causes_of

logger = logging.getLogger(__name__)

# Windows replaces no file that another program has open: a virus scanner or a synchronised folder lets go of it within
# seconds, Excel or a viewer does not.
_COPIED_WITHIN_S = 2.0  # a copy of a folder has its files in any order
WAITS_S = (0.1, 0.2, 0.4, 0.8, 1.5)
_FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})


def is_full(error: BaseException) -> bool:
    """Whether the error is that the disk, or what this user may have of it, is full."""
    return isinstance(error, OSError) and error.errno in _FULL


def write_atomically(
    path: Path, content: bytes | Callable[[IO[bytes]], object], *, private: bool = False, sync: bool = True
) -> None:
    """Write a file under a temporary name in its own folder, then rename it.

    Args:
        path: The file; an older one is replaced. Its folder must exist.
        content: The bytes, or a function that writes them to the open stream.
        private: Whether only the owner may read it (mode 0600); otherwise the user's umask decides.
        sync: Whether to wait until the disk has it; otherwise `sync_all` does, for many files at once.

    Raises:
        PermissionError: Another program keeps the older file open, for seconds on end; or the folder is read-only.
        OSError: The disk is full or read-only; it names the file. Nothing is left behind then.
    """
    temporary = path.parent / f".{secrets.token_hex(8)}.part"
    mode = 0o600 if private else 0o666
    try:
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as stream:
            if callable(content):
                content(stream)
            else:
                stream.write(content)
            stream.flush()
            if sync:
                os.fsync(stream.fileno())
        _replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        _name(path, error, temporary)
        raise


def _name(path: Path, error: BaseException, temporary: Path) -> None:
    """Let an error of writing tell the file: a write that fails names none, and nobody knows the temporary one."""
    for cause in causes_of(error):  # torch raises another error on top of the one of its stream
        if isinstance(cause, OSError) and cause.errno is not None and cause.filename in (None, str(temporary)):
            cause.filename = str(path)


def write_json(path: Path, content: object, indent: int = 2) -> None:
    """Write JSON as UTF-8, letters as they are, as `write_atomically` does."""
    write_atomically(path, json.dumps(content, indent=indent, ensure_ascii=False).encode("utf-8"))


def delimited(rows: Iterable[Iterable[object]], delimiter: str = ",") -> str:
    """Rows as a CSV file has them, or a TSV with a tab between: Unix line ends, quotes where a cell needs them."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return text.getvalue()


def write_unix_text(path: Path, text: str) -> None:
    """Write UTF-8 with Unix line ends on every system; the last line ends as the others do."""
    write_atomically(path, f"{text.rstrip()}\n".encode(), sync=False)


def is_private(path: Path) -> bool:
    """Whether only its owner may read a file; what is made of it should be as private."""
    return path.stat().st_mode & 0o077 == 0


def sync_all(paths: Iterable[Path]) -> None:
    """Wait until the disk has files that were written without `sync`.

    Raises:
        OSError: The disk is full or failing.
    """
    for path in paths:
        with path.open("r+b") as stream:  # Windows wants it open for writing
            os.fsync(stream.fileno())


def write_for_readers(path: Path, content: bytes) -> Path:
    """Write a file that is opened in other programs; one that is open there costs no results.

    Args:
        path: The file. If another program keeps the older one open, as Excel does on Windows, the new
            one is written beside it, as ``NAME.new.csv``, and the log reports it.
        content: The bytes.

    Returns:
        Where it is.

    Raises:
        OSError: It can be written in neither place.
    """
    beside = beside_of(path)
    try:
        write_atomically(path, content)
    except PermissionError:
        if not path.is_file():
            raise
        write_atomically(beside, content)
        logger.warning("%s is open in another program: the new content is in %s", path, beside.name)
        return beside
    with suppress(OSError):  # of an earlier time; open in another program, it is known by its age
        beside.unlink(missing_ok=True)
    return path


def latest(path: Path) -> Path:
    """The path of the latest state of a file of `write_for_readers`."""
    beside = beside_of(path)
    if not beside.is_file():
        return path
    is_older = path.is_file() and path.stat().st_mtime - beside.stat().st_mtime > _COPIED_WITHIN_S
    return path if is_older else beside


def beside_of(path: Path) -> Path:
    """Where a file is written while another program keeps the older one open."""
    return path.with_name(f"{path.stem}.new{path.suffix}")


def remove_together(paths: Iterable[Path]) -> None:
    """Remove files, all of them or none: what is left of half a result could be taken for a whole one.

    They are renamed first, which Windows refuses for a file that another program has open, and removed after that.

    Args:
        paths: The files; those that are not there are passed over.

    Raises:
        OSError: One cannot be removed, for seconds on end; it is named, and all are where they were.
    """
    moved: list[tuple[Path, Path]] = []
    try:
        for path in paths:
            if not path.is_file() and not path.is_symlink():
                continue
            aside = path.parent / f".{secrets.token_hex(8)}.part"
            _replace(path, aside, held=path)
            moved.append((aside, path))
    except OSError as error:
        for aside, before in reversed(moved):
            aside.replace(before)
        raise OSError(error.errno, error.strerror, str(path)) from error
    for aside, _ in moved:
        with suppress(OSError):  # hidden, and cleared up by the next one who may
            aside.unlink()


def _replace(temporary: Path, path: Path, held: Path | None = None) -> None:
    """Rename a file; while another program has one open (``held``; by default the one replaced), try again."""
    held = held or path
    for wait in WAITS_S:
        try:
            temporary.replace(path)
        except PermissionError:
            if not held.is_file() or not os.access(held.parent, os.W_OK):
                raise
            time.sleep(wait)
        else:
            return
    temporary.replace(path)
