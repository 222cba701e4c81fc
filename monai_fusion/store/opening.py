"""Opening what stands in a file's place: never waits for a pipe, never follows a link, never reads without a limit."""

from __future__ import annotations

import errno
import gc
import io
import os
import stat
import time

import numpy as np
import numpy.typing as npt

_READ_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_SCARCE = (errno.EMFILE, errno.ENFILE)
_WAITS_S = (0.05, 0.1, 0.2, 0.4)


class NotAFileError(OSError):
    """A folder, a pipe, a socket or a device stands in a file's place."""


def open_regular(path: str | os.PathLike[str], *, follow: bool = False) -> io.FileIO:
    """Open a regular file to read it, unbuffered.

    Where too many files are open, it waits a second for others to close theirs.

    Args:
        path: The file.
        follow: Whether it may be a symbolic link.

    Raises:
        NotAFileError: Something else stands there; a pipe is not waited for.
        OSError: It cannot be opened.
    """
    descriptor = open_patiently(path, _READ_FLAGS | (0 if follow else NO_LINK))
    try:
        require_regular(descriptor)
        return io.FileIO(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def require_regular(descriptor: int) -> os.stat_result:
    """Return the status of an open file.

    Raises:
        NotAFileError: It is no regular file.
    """
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise NotAFileError(errno.EINVAL, "not a regular file")
    return status


def open_patiently(path: str | os.PathLike[str], flags: int, mode: int = 0o600) -> int:
    """`os.open`, tried again for a second while the process or the machine has too many files open."""
    for wait in (*_WAITS_S, 0.0):
        try:
            return os.open(path, flags, mode)
        except OSError as error:
            if error.errno not in _SCARCE or not wait:
                if isinstance(error, PermissionError) and os.path.isdir(path):  # noqa: PTH112 # what Windows says of one
                    raise NotAFileError(errno.EISDIR, os.strerror(errno.EISDIR)) from error
                raise
        gc.collect()  # files that only a cycle of objects holds open
        time.sleep(wait)
    raise AssertionError("the last attempt returns or raises")


def is_scarcity(error: BaseException) -> bool:
    """Whether an error says that too many files are open, which is nothing the file is to blame for."""
    return isinstance(error, OSError) and error.errno in _SCARCE


def read_fully(stream: io.FileIO, size: int) -> npt.NDArray[np.uint8]:
    """Read ``size`` bytes from where a stream stands into memory of their own; fewer where the file ends."""
    content = np.empty(size, dtype=np.uint8)
    done = 0
    while done < size and (count := stream.readinto(content[done:].data)):
        done += count
    return content[:done]


def read_small(path: str | os.PathLike[str], at_most: int) -> bytes:
    """Return a small regular file's bytes.

    Raises:
        OSError: It cannot be read.
        ValueError: It is larger than ``at_most`` bytes.
    """
    with open_regular(path) as stream:
        content = read_fully(stream, min(os.fstat(stream.fileno()).st_size, at_most + 1)).tobytes()
    if len(content) > at_most:
        raise ValueError(f"larger than {at_most} bytes")
    return content
