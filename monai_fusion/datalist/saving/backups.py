"""Keeps the older state of a file that is replaced: ``cohort.json.1.bak``, then ``.2.bak``; no backup is replaced."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

from monai_fusion.errors import InputError, Problem
from monai_fusion.files import is_private, write_atomically


def behind_link(path: Path) -> Path:
    """Return the file that a link leads to, so that it is replaced and the link stays one; else the path as it is."""
    return path.resolve() if path.is_symlink() else path


def next_backup(path: Path) -> Path:
    """Return where the next backup of a file goes: one number above all that are there."""
    pattern = re.compile(re.escape(path.name) + r"\.([0-9]{1,9})\.bak", re.IGNORECASE)
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:  # who may not list a folder may still write into it
        names = []
    numbers = [int(found[1]) for name in names if (found := pattern.fullmatch(name))]
    return path.with_name(f"{path.name}.{1 + max(numbers, default=0)}.bak")


def write_backup(path: Path, content: bytes) -> Path:
    """Write the content of a file into a new backup of it, with the file's permissions and times.

    Args:
        path: The file.
        content: Its bytes as they were read.

    Returns:
        The backup, which was not there before.

    Raises:
        OSError: It cannot be written; nothing is left behind then.
    """
    backup = next_backup(path)
    number = int(backup.name.split(".")[-2])
    while True:
        try:
            descriptor = os.open(backup, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        except FileExistsError:  # another program was faster, or the folder could not be listed
            number += 1
            backup = path.with_name(f"{path.name}.{number}.bak")
            continue
        break
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        with suppress(OSError):  # not every file system has modes and times to set
            shutil.copystat(path, backup)
    except BaseException:
        backup.unlink(missing_ok=True)
        raise
    return backup


def replace_edited(path: Path, before: bytes, text: str) -> Path:
    """Replace a datalist by an edit of it, at once or not at all, and keep the old one.

    Args:
        path: The file, or a link to it.
        before: Its bytes when it was read.
        text: Its new text.

    Returns:
        Where the old one is: ``cohort.json.1.bak``.

    Raises:
        InputError: The file has changed since it was read, or it or the old one cannot be written.
    """
    path = behind_link(path)
    backup = None
    try:
        content = path.read_bytes()
        if content != before:
            advice = "nothing was written: check it again"
            raise InputError(Problem(str(path), seen="the file was changed in the meantime", advice=advice))
        private = is_private(path)
        backup = write_backup(path, content)
        write_atomically(path, text.encode(), private=private)
    except OSError as error:
        if backup is not None:
            backup.unlink(missing_ok=True)
        reason = error.strerror or str(error)
        what = "cannot be written" if backup is not None else f"cannot be kept as {next_backup(path).name}"
        raise InputError(Problem(str(path), seen=f"{what} ({reason})", advice="nothing was changed")) from error
    return backup
