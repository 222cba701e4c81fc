"""What shows, without reading it, that a file has not changed since it was read.

Size, modification time and inode are not enough: ``cp -p`` after ``rm``, ``touch -r`` and archives keep the time, and
file systems such as ext4 give the inode of a removed file to the next one. No program can set the change time; on
systems without one (Windows, FAT, some network and cloud file systems), the store compares a few bytes of the file.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash

from monai_fusion.opening import open_regular, read_fully

# A younger file may still change without a change of its times (FAT keeps 2 s).
SETTLED_AFTER_NS = 2_000_000_000
# On Windows st_ctime is the time of creation, and a file written over an older one of that name may keep it.
CTIME_IS_CREATION = os.name == "nt"
_PROBED_BYTES = 4096
_COARSE_NS = 1_000_000


class Stamp(NamedTuple):
    """A file's size, times and inode.

    Attributes:
        size: In bytes.
        mtime_ns: When its content was last written; any program may set it.
        ctime_ns: When content, times, mode or links last changed, recorded by the system itself.
        inode: Its number in the file system.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        """Return the stamp of ``os.stat``'s or ``os.fstat``'s result."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino & (2**64 - 1))

    def settled(self, now_ns: int) -> bool:
        """Whether the file is old enough for its times to show any later change."""
        return now_ns - max(self.mtime_ns, self.ctime_ns) > SETTLED_AFTER_NS

    @property
    def shows_changes(self) -> bool:
        """Whether the change time moves with every change.

        A file system without one returns 0, or the modification time, which is then coarse (FAT: 2 s, exFAT: 10 ms,
        SFTP: 1 s, cloud storage: 1 ms), or the time of creation, which may be before the last write.
        """
        if CTIME_IS_CREATION or self.ctime_ns <= 0:
            return False
        return self.ctime_ns > self.mtime_ns or (self.ctime_ns == self.mtime_ns and self.ctime_ns % _COARSE_NS != 0)


NEVER = Stamp(2**64 - 1, 0, 0, 0)
"""The stamp of no file."""


def probe_of(content: npt.NDArray[np.uint8]) -> int:
    """Return the hash of the first, middle and last 4 KiB of a file's bytes [n], and of their number."""
    digest = xxhash.xxh3_64(content.size.to_bytes(8, "little"))
    for start in _places(content.size):
        digest.update(content[start : start + _PROBED_BYTES].data)
    return digest.intdigest()


def probe_file(path: str | os.PathLike[str]) -> int:
    """`probe_of` for a file; reads only these parts of it.

    Raises:
        OSError: It cannot be read.
    """
    with open_regular(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        digest = xxhash.xxh3_64(size.to_bytes(8, "little"))
        for start in _places(size):
            stream.seek(start)
            digest.update(read_fully(stream, min(_PROBED_BYTES, size - start)).data)
    return digest.intdigest()


def _places(size: int) -> tuple[int, int, int]:
    last = max(0, size - _PROBED_BYTES)
    return 0, last // 2, last
