"""The index of source files: the content hash of each, recognised by size, times, inode and a few of its bytes.

The index only saves time. It is a file of 128-byte records that processes append to without waiting for each other; a
torn or damaged record fails its own checksum and is skipped, and a lost one costs a reading of its source.
Names are hashes of paths, because paths may contain names of participants.
"""

from __future__ import annotations

import logging
import os
import struct
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy.typing as npt
import xxhash

from monai_fusion.files import write_atomically
from monai_fusion.fingerprint import content_hash
from monai_fusion.opening import (
    NO_LINK,
    NotReadableError,
    open_patiently,
    open_regular,
    read_fully,
    require_regular,
)
from monai_fusion.store.stamps import NEVER, Stamp, probe_file, probe_of
from monai_fusion.store.stored_chain import layout_folder, make_private

logger = logging.getLogger(__name__)

FILE_NAME = "sources.bin"
# Path, content, size, mtime_ns, ctime_ns, inode, probe and zeros; then their checksum. The zeros fill it up to 128
# bytes: a file grows page by page during a write, so another process may see half of a record that crosses from one
# page into the next, treat it as torn, and misplace its own. A record whose size is a power of two crosses no page.
_RECORD = struct.Struct("<16s16sQqqQQ48x")
_CHECK = struct.Struct("<Q")
RECORD_SIZE = _RECORD.size + _CHECK.size
_CHUNK = RECORD_SIZE << 14
# 1.7 million records, thousands of times a cohort: a larger file in this place is not an index.
LARGEST_INDEX = RECORD_SIZE * (100 << 14)
_warned: set[Path] = set()


class Known(NamedTuple):
    """What the index records of a file.

    Attributes:
        content: Its content hash, 32 hexadecimal digits.
        fresh: Whether the file still has the stamp it had then.
    """

    content: str
    fresh: bool


class Reading(NamedTuple):
    """A file that was read once.

    Attributes:
        buffer: Its bytes, [n] uint8.
        content: Their hash, 32 hexadecimal digits.
        stamp: What shows that the file has not changed since.
        settled: Whether the stamp shows any later change; a file written just now may still change unnoticed.
    """

    buffer: npt.NDArray[Any]
    content: str
    stamp: Stamp
    settled: bool


class SourceIndex:
    """The index of one store.

    Args:
        folder: The store's folder.

    Attributes:
        path: The index's file.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.path = layout_folder(folder) / FILE_NAME
        self._records: dict[bytes, bytes] = {}
        self._read_up_to = 0
        self._inode = 0
        self._lock = threading.Lock()
        self.refresh()

    def __getstate__(self) -> dict[str, object]:
        """Send worker processes the place, not the content: they only append."""
        return {"path": self.path}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state, _records={}, _read_up_to=0, _inode=0, _lock=threading.Lock())

    def __len__(self) -> int:
        return len(self._records)

    def refresh(self) -> None:
        """Read what any process has appended since the last reading."""
        with self._lock:
            self._read_added()

    def _read_added(self) -> None:
        try:
            with open_regular(self.path, follow=False) as stream:
                status = os.fstat(stream.fileno())
                if status.st_size > LARGEST_INDEX:
                    raise NotReadableError(0, f"{status.st_size} bytes, more than any index")
                if status.st_ino != self._inode or status.st_size < self._read_up_to:  # it was written again, or is new
                    self._inode, self._read_up_to = status.st_ino, 0
                stream.seek(self._read_up_to)
                more = True
                while more:
                    added = read_fully(stream, _CHUNK).tobytes()
                    self._take_in(added)
                    more = len(added) == _CHUNK
        except NotReadableError as error:
            if self.path not in _warned:
                _warned.add(self.path)
                logger.warning(
                    "reading every recording: %s is not an index of source files (%s)", self.path, error.strerror
                )
        except OSError as error:
            logger.debug("could not read the index of source files: %s", error)

    def _take_in(self, added: bytes) -> None:
        whole = len(added) - len(added) % RECORD_SIZE
        for start in range(0, whole, RECORD_SIZE):
            record = added[start : start + _RECORD.size]
            (check,) = _CHECK.unpack_from(added, start + _RECORD.size)
            if check == xxhash.xxh3_64_intdigest(record):
                self._records[record[:16]] = record
        self._read_up_to += whole

    def forget(self) -> None:
        """Free the memory; :meth:`refresh` reads it all again."""
        with self._lock:
            self._records, self._read_up_to = {}, 0

    def look_up(self, source: str | os.PathLike[str]) -> Known | None:
        """Return what the index knows of a file, without reading the file; None if nothing.

        Raises:
            OSError: The file does not exist.
        """
        record = self._records.get(name_of(source))
        stamp = Stamp.of(os.stat(source))  # noqa: PTH116 # a Path for each of 10,000 files costs more than the stat
        if record is None:
            return None
        _, content, *seen, probe = _RECORD.unpack(record)
        fresh = tuple(seen) == stamp and (stamp.shows_changes or _has_probe(source, probe))
        return Known(content.hex(), fresh)

    def remember(self, source: str | os.PathLike[str], reading: Reading) -> None:
        """Append what was read of a file.

        A file so young that it may change unnoticed will be read again: the index keeps its content hash, to recognise
        a change, but no stamp. In a store that cannot be written, nothing is appended.
        """
        name, content = name_of(source), bytes.fromhex(reading.content)
        stamp = reading.stamp if reading.settled else NEVER
        record = _RECORD.pack(name, content, *stamp, probe_of(reading.buffer))
        with self._lock:
            self._records[name] = record
            try:
                make_private(self.path.parent)
                _append(self.path, _sealed(record))
            except OSError as error:
                logger.debug("could not write the index of source files: %s", error)

    def compact(self, keep: Iterable[str]) -> None:
        """Rewrite the index with one record per file, for files with the given contents only.

        Raises:
            OSError: The disk is full or read-only; the index stays as it is.
        """
        wanted = {bytes.fromhex(content) for content in keep}
        kept = [record for record in self._records.values() if record[16:32] in wanted]
        write_atomically(
            self.path,
            b"".join(_sealed(record) for record in kept),
            private=True,
        )
        self._records = {record[:16]: record for record in kept}
        self._inode, self._read_up_to = 0, 0


def contents_of(
    sources: Iterable[str | os.PathLike[str]], folder: str | os.PathLike[str] | None = None
) -> Iterator[str]:
    """Yield the content hash of each file: the one that a store's index knows, or by reading it.

    Args:
        sources: The files.
        folder: The store's folder; None reads all files.

    Raises:
        OSError: A file cannot be read.
    """
    index = None if folder is None else SourceIndex(folder)
    for source in sources:
        known = None if index is None else index.look_up(source)
        yield known.content if known is not None and known.fresh else content_hash(source)


def name_of(source: str | os.PathLike[str]) -> bytes:
    """Return the 16 bytes that stand for a path in the index."""
    return xxhash.xxh3_128_digest(os.fsencode(os.path.abspath(source)))  # noqa: PTH100 # as above: speed


def read_source(source: str | os.PathLike[str]) -> Reading:
    """Read a file once.

    Raises:
        OSError: It cannot be read, or is not a file.
        BlockingIOError: It is being written while it is read.
    """
    for _ in range(3):
        with open_regular(source) as stream:
            now = time.time_ns()
            before = Stamp.of(os.fstat(stream.fileno()))
            content = read_fully(stream, before.size)
            after = Stamp.of(os.fstat(stream.fileno()))
        if before == after and content.size == after.size:
            return Reading(content, xxhash.xxh3_128_hexdigest(content.data), after, after.settled(now))
    raise BlockingIOError(0, "the file is being written to")


def _has_probe(source: str | os.PathLike[str], probe: int) -> bool:
    try:
        return probe_file(source) == probe
    except OSError:
        return False  # reading it will report what is wrong


def _sealed(record: bytes) -> bytes:
    return record + _CHECK.pack(xxhash.xxh3_64_intdigest(record))


def _append(path: Path, record: bytes) -> None:
    """Add a whole record in one write; fill up a torn one before it, so that this one starts at a record boundary.

    A file or a pipe that is not an index is replaced.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | NO_LINK
    if path.is_fifo():
        write_atomically(path, record, private=True)
        return
    descriptor = open_patiently(path, flags)
    try:
        size = require_regular(descriptor, path).st_size
        torn = size % RECORD_SIZE
        if size <= LARGEST_INDEX:
            os.write(descriptor, (b"\0" * (RECORD_SIZE - torn) if torn else b"") + record)
    finally:
        os.close(descriptor)
    if size > LARGEST_INDEX:
        write_atomically(path, record, private=True)
