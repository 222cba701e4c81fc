"""Preprocessed recordings on disk: one memory-mapped array for each source file and chain of deterministic transforms.

An entry is found by what determines its numbers (:mod:`monai_fusion.fingerprint`): the bytes of the source file and the
chain. Copies, moves and renames of a source stay hits; a replaced file or a changed parameter is a miss. Entries are
written atomically (mode 0600), never changed afterwards, and hold numbers only: no participant id, no header of the
source.

An entry is a .npy file with a seal of 32 bytes behind the array: a mark, the file's size and the xxh3-128 checksum of
all that comes before. The seal is read whenever a dataset is filled, which finds every truncated file for the price of
opening it. The checksum is compared when a process first uses an entry (1 ms for an MRI whose bytes are needed then
anyway) and, for all entries, by ``monai-fusion cache verify``. What fails either check is prepared again.

Layout: ``FOLDER/v2/sources.bin`` (what was seen of each source, :mod:`monai_fusion.data.sources`),
``FOLDER/v2/last_run.json``, ``FOLDER/v2/<chain>/chain.json`` (what the chain is) and
``FOLDER/v2/<chain>/<content>.npy``.
"""

from __future__ import annotations

import io
import json
import logging
import mmap
import os
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash

from monai_fusion.files import write_atomically
from monai_fusion.fingerprint import describe_chain, digest_of
from monai_fusion.npy_header import read_npy_header

logger = logging.getLogger(__name__)

LAYOUT = "v2"
_SEAL = struct.Struct("<8sQ16s")  # mark, size of the whole file, xxh3-128 of everything before the seal
_MARK = b"mf-seal2"
_READ_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)


class DamagedEntryError(ValueError):
    """A file in an entry's place is not what was written there."""


class StoredChain:
    """The entries of one chain of transforms.

    Args:
        folder: The store's folder; created when the first entry is written.
        transforms: The deterministic transforms, in order.
        further: What else determines the entries, in JSON's types.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        transforms: Sequence[object],
        further: Mapping[str, Any] | None = None,
    ) -> None:
        self._description = {**describe_chain(transforms), **(further or {})}
        self.digest = digest_of(self._description)
        self.store = layout_folder(folder)
        self.folder = self.store / self.digest[:16]
        self._checked: set[str] = set()
        self._damaged: set[str] = set()

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what this process has checked: others check for themselves, and are sent less."""
        return {**self.__dict__, "_checked": set(), "_damaged": set()}

    def entry(self, content: str) -> Path:
        """Return the path of the entry for a source with this content hash, whether it exists or not."""
        return self.folder / f"{content}.npy"

    def read(self, content: str) -> npt.NDArray[Any] | None:
        """Map an entry into memory (copy-on-write), or return None when it is missing or damaged.

        The first time in a process its checksum is compared as well.
        """
        try:
            array = map_entry(self.entry(content), check=content not in self._checked)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            logger.warning("preparing again: the stored entry %s is unreadable (%s)", content, error)
            self._damaged.add(content)
            return None
        self._checked.add(content)
        return array

    def state(self, content: str) -> str:
        """Return ``sound``, ``missing`` or ``damaged``, as far as the entry's seal and past readings tell."""
        if content in self._damaged:
            return "damaged"
        try:
            descriptor = os.open(f"{self.folder}{os.sep}{content}.npy", _READ_FLAGS)
        except (FileNotFoundError, NotADirectoryError):
            return "missing"
        except OSError:
            return "damaged"
        try:
            _read_seal(descriptor)
        except (OSError, ValueError):
            return "damaged"
        finally:
            os.close(descriptor)
        return "sound"

    def write(self, content: str, array: npt.NDArray[Any]) -> None:
        """Write an entry, unless a sound one is there already.

        Raises:
            OSError: The disk is full or read-only; nothing is left behind.
        """
        self._describe_once()
        if self.state(content) == "sound":
            return
        try:
            write_atomically(self.entry(content), lambda stream: _write_sealed(stream, array), private=True)
        except PermissionError:
            # Windows does not replace a file that another process has mapped: that process was as quick, and right.
            if self.state(content) != "sound":
                raise
        self._damaged.discard(content)

    def _describe_once(self) -> None:
        path = self.folder / "chain.json"
        if not path.exists():
            make_private(self.folder)
            text = json.dumps(self._description, indent=1, sort_keys=True)
            write_atomically(path, text.encode(), private=True)


def layout_folder(folder: str | os.PathLike[str]) -> Path:
    """Return the folder that holds a store's files; those of other versions stand beside it and are left alone."""
    return Path(folder).absolute() / LAYOUT


def make_private(folder: Path) -> None:
    """Create a folder of the store, and the store's own folder, so that only the owner may look into them."""
    layout = folder if folder.name == LAYOUT else folder.parent
    layout.parent.parent.mkdir(parents=True, exist_ok=True)  # what lies above the store has the user's usual mode
    for path in (layout.parent, layout, folder):
        path.mkdir(mode=0o700, exist_ok=True)


def map_entry(path: Path, check: bool) -> npt.NDArray[Any]:
    """Map an entry's array into memory, copy-on-write.

    Args:
        path: The entry; a symbolic link is not followed.
        check: Whether to compare the checksum, which reads the whole file.

    Raises:
        OSError: It cannot be read.
        DamagedEntryError: It is not what was written.
    """
    descriptor = os.open(path, _READ_FLAGS)
    try:
        size, checksum = _read_seal(descriptor)
        mapped = mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY)
    finally:
        os.close(descriptor)
    if check and xxhash.xxh3_128_digest(memoryview(mapped)[: size - _SEAL.size]) != checksum:
        raise DamagedEntryError("its checksum is wrong")
    header = _read_header(mapped)
    if header.offset + header.voxels * header.dtype.itemsize + _SEAL.size != size:
        raise DamagedEntryError("its header is wrong")
    return np.frombuffer(mapped, header.dtype, header.voxels, header.offset).reshape(header.shape)


class _Header(NamedTuple):
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int

    @property
    def voxels(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))


def _read_header(mapped: mmap.mmap) -> _Header:
    stream = io.BytesIO(mapped[:4096])
    try:
        shape, fortran_order, dtype = read_npy_header(stream)
    except (ValueError, KeyError) as error:
        raise DamagedEntryError("its header is wrong") from error
    if fortran_order or dtype.hasobject:
        raise DamagedEntryError("its header is wrong")
    return _Header(shape, dtype, stream.tell())


def _read_seal(descriptor: int) -> tuple[int, bytes]:
    """Return an open entry's size and checksum."""
    size = os.fstat(descriptor).st_size
    if size <= _SEAL.size:
        raise DamagedEntryError("it is truncated")
    os.lseek(descriptor, size - _SEAL.size, os.SEEK_SET)
    mark, recorded, checksum = _SEAL.unpack(os.read(descriptor, _SEAL.size))
    if mark != _MARK or recorded != size:
        raise DamagedEntryError("it is truncated or was replaced")
    return size, checksum


def _write_sealed(stream: Any, array: npt.NDArray[Any]) -> None:
    header = io.BytesIO()
    values = np.ascontiguousarray(array)
    described = {"descr": np.lib.format.dtype_to_descr(values.dtype), "fortran_order": False, "shape": array.shape}
    np.lib.format.write_array_header_1_0(header, described)
    data = values.reshape(-1).view(np.uint8).data
    checksum = xxhash.xxh3_128(header.getvalue())
    checksum.update(data)
    stream.write(header.getvalue())
    stream.write(data)
    stream.write(_SEAL.pack(_MARK, len(header.getvalue()) + len(data) + _SEAL.size, checksum.digest()))
