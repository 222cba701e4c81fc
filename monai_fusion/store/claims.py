"""Which process prepares which file, so that processes that fill the same store do not repeat each other's work.

A process creates a claim, a small file, exclusively, and removes it when the work is done. Claims only save time:
another process breaks the claim of a killed one, and work that is done twice gives the same numbers twice.

The package `filelock`, which guards a run's output folder, does not serve here; each of its locks was tried in this
place. A `FileLock` is the operating system's lock, which many network file systems keep to each machine (two FUSE
mounts of one folder do): two machines that filled a store of 12 files prepared all 12 each, whereas claims divide the
files between them. No process breaks a `SoftFileLock` or `SoftFileLease` without a name in it, which a process leaves
if it is killed at that moment: the next filling waits forever.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from monai_fusion.opening import open_patiently
from monai_fusion.reading import read_bytes
from monai_fusion.store.file_index import name_of
from monai_fusion.store.stored_chain import make_private

_STALE_AFTER_S = 600.0  # for claims of other machines, whose processes cannot be checked
_LARGEST_CLAIM = 4096
_NAMELESS_AFTER_S = 5.0  # for claims whose holder was killed, or found the disk full, before it wrote its name


def claim_path(folder: Path, source: str) -> Path:
    """Return the path of the claim for preparing a source into a chain's folder."""
    return folder / f"{name_of(source).hex()}.claim"


def is_claimed(path: Path) -> bool:
    """Whether a living process holds the claim."""
    try:
        age = time.time() - path.lstat().st_mtime
        holder = json.loads(read_bytes(path, _LARGEST_CLAIM, follow=False) or b"{}")
    except (OSError, ValueError, RecursionError):
        return False
    if not isinstance(holder, dict):
        return False
    if not -_NAMELESS_AFTER_S < age <= (_STALE_AFTER_S if holder else _NAMELESS_AFTER_S):  # nor from the future
        return False
    number = holder.get("pid")
    can_be_asked = os.name != "nt" and holder.get("host") == socket.gethostname()
    if not can_be_asked:  # on Windows "signal 0" ends the process
        return True
    if not isinstance(number, int) or not 0 < number < 2**31:
        return False
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # alive, of another user
        return True
    return True


@contextmanager
def claim(path: Path) -> Iterator[bool]:
    """Hold a claim; yields whether the work is this caller's. Where no claim can be written, every caller works."""
    mine = _take(path)
    try:
        yield mine is not False
    finally:
        if mine:
            with suppress(OSError):  # the store was removed, or made read-only, in the meantime
                path.unlink(missing_ok=True)


def _take(path: Path) -> bool | None:
    """Return True for a claim of our own, False for another's, None where none can be made."""
    holder = json.dumps({"host": socket.gethostname(), "pid": os.getpid()}).encode()
    try:
        make_private(path.parent)
    except OSError:
        return None
    for attempt in range(2):
        try:
            descriptor = open_patiently(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            if attempt or is_claimed(path):
                return False
            try:
                path.unlink(missing_ok=True)
            except OSError:  # left behind in a store that is read-only now
                return None
            continue
        except OSError:
            return None
        with suppress(OSError):  # a full disk: the claim holds without a name
            os.write(descriptor, holder)
        os.close(descriptor)
        return True
    return False
