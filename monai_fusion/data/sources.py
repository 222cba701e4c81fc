"""What was seen of each source file: its content hash, remembered by size, modification time and inode.

The index only saves time. It is a file of 64-byte records that processes append to without waiting for each other; a
record that is torn or damaged fails its own checksum and is passed over, and a lost one costs a reading of its source.
Names are hashes of paths, because paths may contain names of people.
"""

from __future__ import annotations

import logging
import os
import struct
import threading
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import xxhash

from monai_fusion.data.store import layout_folder, make_private
from monai_fusion.files import write_atomically
from monai_fusion.fingerprint import content_hash

logger = logging.getLogger(__name__)

FILE_NAME = "sources.bin"
_RECORD = struct.Struct("<16s16sQqQ")  # path, content, size, mtime_ns, inode; then the checksum of these
_CHECK = struct.Struct("<Q")
RECORD_SIZE = _RECORD.size + _CHECK.size
# A file this young may still change without its modification time showing it (FAT keeps 2 s).
_SETTLED_AFTER_NS = 2_000_000_000


class Stamp(NamedTuple):
    """What tells that a file is still the one that was hashed."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        """Return the stamp of ``os.stat``'s or ``os.fstat``'s result."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ino & (2**64 - 1))


class Known(NamedTuple):
    """What the index says of a file.

    Attributes:
        content: Its content hash, 32 hexadecimal digits.
        fresh: Whether the file still has the stamp it had then.
    """

    content: str
    fresh: bool


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
        self._lock = threading.Lock()
        self.refresh()

    def __getstate__(self) -> dict[str, object]:
        """Send worker processes the place, not the content: they only append."""
        return {"path": self.path}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state, _records={}, _read_up_to=0, _lock=threading.Lock())

    def __len__(self) -> int:
        return len(self._records)

    def refresh(self) -> None:
        """Read what was appended since, by whichever process."""
        with self._lock:
            self._read_added()

    def _read_added(self) -> None:
        try:
            with open(self.path, "rb") as stream:  # noqa: PTH123 # Path.open costs more than the reading
                stream.seek(self._read_up_to)
                added = stream.read()
        except OSError:
            return
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
        """Return what is known of a file, without reading it; None if nothing is.

        Raises:
            OSError: There is no such file.
        """
        record = self._records.get(name_of(source))
        stamp = Stamp.of(os.stat(source))  # noqa: PTH116 # a Path for each of 10,000 files costs more than the stat
        if record is None:
            return None
        _, content, *seen = _RECORD.unpack(record)
        return Known(content.hex(), tuple(seen) == stamp)

    def remember(self, source: str | os.PathLike[str], stamp: Stamp, content: str) -> None:
        """Append what was read of a file, unless it is so young that it may change unnoticed.

        A store that cannot be written stays without it.
        """
        if time.time_ns() - stamp.mtime_ns <= _SETTLED_AFTER_NS:
            return
        record = _RECORD.pack(name_of(source), bytes.fromhex(content), *stamp)
        with self._lock:
            self._records[record[:16]] = record
            try:
                make_private(self.path.parent)
                _append(self.path, record + _CHECK.pack(xxhash.xxh3_64_intdigest(record)))
            except OSError as error:
                logger.debug("the index of sources was not written: %s", error)

    def compact(self, keep: Iterable[str]) -> None:
        """Write the index anew with one record a file, those of the given contents only."""
        wanted = {bytes.fromhex(content) for content in keep}
        kept = [record for record in self._records.values() if record[16:32] in wanted]
        write_atomically(
            self.path,
            b"".join(record + _CHECK.pack(xxhash.xxh3_64_intdigest(record)) for record in kept),
            private=True,
        )
        self._records = {record[:16]: record for record in kept}
        self._read_up_to = len(kept) * RECORD_SIZE


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


def read_source(source: str | os.PathLike[str]) -> tuple[np.ndarray, str, Stamp]:
    """Read a file once: its bytes [n] uint8, their hash, and the stamp that belongs to them.

    Raises:
        OSError: It cannot be read.
        BlockingIOError: It is being written while it is read.
    """
    for _ in range(3):
        with open(source, "rb") as stream:  # noqa: PTH123 # fromfile takes it as well
            before = Stamp.of(os.fstat(stream.fileno()))
            content = np.fromfile(stream, dtype=np.uint8)
            after = Stamp.of(os.fstat(stream.fileno()))
        if before == after and content.size == after.size:
            return content, xxhash.xxh3_128_hexdigest(content.data), after
    raise BlockingIOError(0, "the file is being written to")


def _append(path: os.PathLike[str], record: bytes) -> None:
    """Add a whole record in one write; a torn one before it is filled up, so that this one stands in its place."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        torn = os.fstat(descriptor).st_size % RECORD_SIZE
        os.write(descriptor, (b"\0" * (RECORD_SIZE - torn) if torn else b"") + record)
    finally:
        os.close(descriptor)
