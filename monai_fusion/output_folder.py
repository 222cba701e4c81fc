"""The folder that a run writes to: checks that it is writable, and that no second run writes to it at the same time."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from filelock import FileLock, Timeout

from monai_fusion.errors import InputError, Problem
from monai_fusion.files import remove_together
from monai_fusion.opening import NO_LINK
from monai_fusion.run_folder import MODEL_FILE

_logger = logging.getLogger(__name__)

# The data loading processes of a killed run continue for a moment, and also hold its lock.
PATIENCE_SECONDS = 10.0
# The longest path that a run, a comparison or the store writes below its folder: an event file of TensorBoard, whose
# name contains the machine's name, in VARIANT/seedS_foldF.
LONGEST_BELOW = 110

_held: dict[Path, FileLock] = {}


def longest_path() -> int | None:
    """Return how many characters a path may have; None if the files of a run never come near the limit.

    Windows takes 259, unless long paths are switched on (Windows 10, version 1607, or newer; Python obeys it).
    """
    if sys.platform != "win32":
        return None
    import winreg

    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SYSTEM\CurrentControlSet\Control\FileSystem") as key:
            switched_on = bool(winreg.QueryValueEx(key, "LongPathsEnabled")[0])
    except OSError:
        switched_on = False
    return None if switched_on else 259


def make_writable(folder: Path, option: str) -> None:
    """Create a folder if it does not exist, and check that it can be written to, also by files with long names.

    Raises:
        InputError: The folder cannot be created or written to.
    """
    limit, length = longest_path(), len(os.path.abspath(folder))  # noqa: PTH100 # Path.absolute keeps ..
    if limit is not None and length > limit - LONGEST_BELOW:
        raise InputError(
            Problem(
                option,
                seen=f"{folder}: {length} characters with all folders above it",
                wanted=f"at most {limit - LONGEST_BELOW}, as Windows takes no path of more than {limit}",
                advice="choose a folder nearer to the drive's root, or switch on LongPathsEnabled",
            )
        )
    probe = folder / ".writable"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | NO_LINK, 0o666))
        probe.unlink()
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(Problem(option, seen=f"{folder}: {reason}", wanted="a folder to write to")) from error


def lock_folder(folder: Path, kind: str, option: str) -> None:
    """Lock a folder for this process until it ends; a second call of the same process changes nothing.

    The lock is the operating system's, on ``FOLDER/.KIND.lock``, an empty file that may stay behind. Where a (network)
    file system has no locks, the function locks nothing and logs a warning.

    Args:
        folder: The folder; it exists.
        kind: The kind of run: runs of different kinds may share a folder.
        option: The option that named the folder, for the message.

    Raises:
        InputError: A living process holds it, or the file is a link, whose target would be emptied.
    """
    path = folder.resolve() / f".{kind}.lock"
    if path in _held:
        return
    if path.is_symlink():
        raise InputError(Problem(str(path), seen="is a link", wanted="a file, or nothing", advice="move it away"))
    lock = FileLock(path, timeout=PATIENCE_SECONDS)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(
            Problem(
                option,
                seen=f"{folder}: another run ({kind}) is writing to it",
                wanted="a folder of its own",
                advice=f"wait until the other run ends, or stop it; if no other run exists, remove {path}",
            )
        ) from None
    except (OSError, NotImplementedError) as error:
        _logger.warning("cannot lock %s (%s): make sure that no other run (%s) writes to it", folder, error, kind)
        return
    _held[path] = lock


def remove_all(paths: Iterable[Path]) -> None:
    """Remove files of an earlier run, all of them or none.

    Args:
        paths: The files; those that do not exist are skipped.

    Raises:
        InputError: One cannot be removed; all files are kept.
    """
    try:
        remove_together(paths)
    except OSError as error:
        seen = f"cannot be removed ({error.strerror})"
        advice = "is it open in another program? Close it there, or choose another folder; nothing was removed"
        raise InputError(Problem(str(error.filename), seen=seen, advice=advice)) from error


def refuse_trained_model(folder: Path) -> None:
    """Refuse a training in the folder of another one.

    Raises:
        InputError: The folder holds a trained model.
    """
    if (folder / MODEL_FILE).exists():
        advice = "choose another --output_dir, or give --resume true or --overwrite true"
        raise InputError(Problem(str(folder), seen=f"already holds a trained model ({MODEL_FILE})", advice=advice))
