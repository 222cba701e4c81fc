"""Opens what is at a path: it may be a folder, a pipe or a link, or one open file too many."""

from __future__ import annotations

import errno
import gc
import io
import os
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# Without O_NONBLOCK, opening a named pipe waits for a writer. O_BINARY is Windows's.
_READ_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_SCARCE = (errno.EMFILE, errno.ENFILE)
_WAITS_S = (0.05, 0.1, 0.2, 0.4)
_KINDS = {
    stat.S_IFDIR: "is a folder",
    stat.S_IFIFO: "is a named pipe",
    stat.S_IFSOCK: "is a socket",
    stat.S_IFCHR: "is a device",
    stat.S_IFBLK: "is a device",
}


class NotReadableError(OSError):
    """The path is no regular file; ``strerror`` names what it is, without the path."""


def open_regular(path: str | os.PathLike[str], *, follow: bool = True) -> io.FileIO:
    """Open a regular file to read it, unbuffered.

    Where too many files are open, it waits a second for others to close theirs.

    Args:
        path: The file.
        follow: Whether it may be a symbolic link.

    Raises:
        NotReadableError: It is a folder, a named pipe (which is not waited for) or the like, or its name is none.
        OSError: It is not there, or may not be read.
    """
    descriptor = open_patiently(path, _READ_FLAGS | (0 if follow else NO_LINK))
    try:
        require_regular(descriptor, path)
        return io.FileIO(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def require_regular(descriptor: int, path: str | os.PathLike[str]) -> os.stat_result:
    """Return the status of an open file.

    Raises:
        NotReadableError: It is no regular file.
    """
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise NotReadableError(errno.EINVAL, _KINDS.get(stat.S_IFMT(status.st_mode), "is not a file"), str(path))
    return status


def open_patiently(path: str | os.PathLike[str], flags: int, mode: int = 0o600) -> int:
    """`os.open`, tried again for a second while the process or the machine has too many files open."""
    for wait in (*_WAITS_S, 0.0):
        try:
            return os.open(path, flags, mode)
        except ValueError as error:  # a NUL in the name
            raise NotReadableError(errno.EINVAL, "not a valid file name", str(path)) from error
        except OSError as error:
            if error.errno not in _SCARCE or not wait:
                if isinstance(error, PermissionError) and Path(path).is_dir():  # Windows opens no folders
                    raise NotReadableError(errno.EISDIR, "is a folder", str(path)) from error
                raise
        gc.collect()  # files that only a cycle of objects holds open
        time.sleep(wait)
    raise AssertionError("the last attempt returns or raises")


def is_scarcity(error: BaseException) -> bool:
    """Whether the error is that too many files are open, for which the file is not to blame."""
    return isinstance(error, OSError) and error.errno in _SCARCE


def read_fully(stream: io.FileIO, size: int) -> npt.NDArray[np.uint8]:
    """Read ``size`` bytes from the position of a stream into new memory; fewer where the file ends."""
    import numpy as np  # what opens small files only does without

    content = np.empty(size, dtype=np.uint8)
    done = 0
    while done < size and (count := stream.readinto(content[done:].data)):
        done += count
    return content[:done]
