"""One entry of the store: a .npy file with a seal after the array, which identifies it and shows that it is whole.

The seal of 64 bytes: a mark, the size of the whole file, the key (the content hash of the source and the digest of the
chain, 16 bytes each) and the xxh3-128 checksum of everything before it. The key reveals an entry in another's place,
the size a truncated one, each for the cost of opening the file; the checksum reveals a changed one.

The store reads entries into memory of their own instead of mapping them: if another program truncates a mapped file,
the process that reads it ends (SIGBUS), and each mapping keeps a file open. The store compares the checksum again
whenever the file's size, times or inode differ from those of the last successful comparison.
"""

from __future__ import annotations

import io
import math
import os
import struct
from typing import IO, Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash

from monai_fusion.npy_header import read_npy_header
from monai_fusion.opening import open_regular, read_fully
from monai_fusion.store.stamps import Stamp

_SEAL = struct.Struct("<8sQ16s16s16s")  # mark, size of the whole file, content, chain, xxh3-128 of all before it
_MARK = b"mf-seal3"
_CHECKSUM_SIZE = 16
_OLDER_MARKS = (b"mf-seal2",)
_OLDER_SEAL_SIZE = 32


class DamagedEntryError(ValueError):
    """A file in an entry's place differs from what the store wrote there.

    Attributes:
        state: What it is, for `StoredChain.state`.
    """

    state: ClassVar[str] = "damaged"


class MisplacedEntryError(DamagedEntryError):
    """It is the entry of another source or chain."""

    state = "misplaced"


class OutdatedEntryError(DamagedEntryError):
    """It is an entry of an older format, which does not record its source and chain."""

    state = "outdated"


class EntryKey(NamedTuple):
    """The source and the chain of an entry.

    Attributes:
        content: The content hash of the source, 32 hexadecimal digits.
        chain: The digest of the chain, 32 hexadecimal digits; the first digits are enough to check an entry.
    """

    content: str
    chain: str


def write_entry(stream: IO[bytes], array: npt.NDArray[Any], key: EntryKey) -> None:
    """Write an entry: header, numbers, seal."""
    header = io.BytesIO()
    values = np.ascontiguousarray(array)
    described = {"descr": np.lib.format.dtype_to_descr(values.dtype), "fortran_order": False, "shape": array.shape}
    np.lib.format.write_array_header_1_0(header, described)
    data = values.reshape(-1).view(np.uint8).data
    size = len(header.getvalue()) + len(data) + _SEAL.size
    seal = _SEAL.pack(_MARK, size, bytes.fromhex(key.content), bytes.fromhex(key.chain), bytes(_CHECKSUM_SIZE))
    checksum = xxhash.xxh3_128()
    for part in (header.getvalue(), data, seal[:-_CHECKSUM_SIZE]):
        checksum.update(part)
        stream.write(part)
    stream.write(checksum.digest())


def look_at_entry(path: str | os.PathLike[str], key: EntryKey) -> None:
    """Check an entry's seal alone.

    Raises:
        OSError: It cannot be read.
        DamagedEntryError: It is truncated, of another key or of another format.
    """
    with open_regular(path, follow=False) as stream:
        _look_at_seal(stream, os.fstat(stream.fileno()).st_size, key)


def read_entry(path: str | os.PathLike[str], key: EntryKey, right: int | None = None) -> tuple[npt.NDArray[Any], Stamp]:
    """Read an entry's array into memory of its own, where it may be edited.

    Args:
        path: The entry; a symbolic link is not followed.
        key: The source and the chain that it must be of.
        right: The hash of the stamp with which the checksum matched; with that stamp it is not compared again.

    Returns:
        The array, and the stamp of the file that it was read from.

    Raises:
        OSError: It cannot be read.
        DamagedEntryError: It is not what was written.
    """
    with open_regular(path, follow=False) as stream:
        before = Stamp.of(os.fstat(stream.fileno()))
        if hash(before) != right:
            _look_at_seal(stream, before.size, key)  # before so much memory is allocated
            stream.seek(0)
        content = read_fully(stream, before.size)
        after = Stamp.of(os.fstat(stream.fileno()))
    if content.size < before.size:
        raise DamagedEntryError("it is truncated")
    _check_seal(content[-_SEAL.size :].tobytes(), before.size, key)
    known_to_be_right = hash(before) == right and before == after
    if not known_to_be_right and _checksum(content) != content[-_CHECKSUM_SIZE:].tobytes():
        raise DamagedEntryError("its checksum is wrong")
    return _array_in(content), after


def _checksum(content: npt.NDArray[np.uint8]) -> bytes:
    return xxhash.xxh3_128_digest(content[:-_CHECKSUM_SIZE].data)


def _array_in(content: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    stream = io.BytesIO(content[:4096].tobytes())
    try:
        shape, fortran_order, dtype = read_npy_header(stream)
    except Exception as error:  # numpy raises almost anything for a header that is damaged
        raise DamagedEntryError("its header is wrong") from error
    size = stream.tell() + math.prod(shape) * dtype.itemsize + _SEAL.size
    if fortran_order or dtype.hasobject or size != content.size:
        raise DamagedEntryError("its header is wrong")
    return np.frombuffer(content, dtype, math.prod(shape), stream.tell()).reshape(shape)


def _look_at_seal(stream: io.FileIO, size: int, key: EntryKey) -> None:
    stream.seek(max(0, size - _SEAL.size))
    _check_seal(read_fully(stream, min(size, _SEAL.size)).tobytes(), size, key)


def _check_seal(end: bytes, size: int, key: EntryKey) -> None:
    """Check the last bytes of an entry of that size."""
    if end[-_OLDER_SEAL_SIZE:].startswith(_OLDER_MARKS):
        raise OutdatedEntryError("its format is older and does not record its source")
    if len(end) < _SEAL.size or size == _SEAL.size:
        raise DamagedEntryError("it is truncated")
    mark, recorded, content, chain, _ = _SEAL.unpack(end)
    if mark != _MARK or recorded != size:
        raise DamagedEntryError("it is truncated or was replaced")
    if content.hex() != key.content:
        raise MisplacedEntryError("it is the entry of another file")
    if not chain.hex().startswith(key.chain):
        raise MisplacedEntryError("it is the entry of another chain of transforms")
