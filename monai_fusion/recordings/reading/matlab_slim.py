"""A large MATLAB file without its samples: these stay on the disk, and the rest is small enough to be parsed.

The format is described in MathWorks' "MAT-File Format" (level 5): elements of a type, a size and content, padded to
eight bytes; an element of type 15 holds another one compressed by zlib; an array is an element of elements.
"""

from __future__ import annotations

import io
import struct
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from monai_fusion.recordings.reading.spooled import copied, new_folder

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_STRUCTURE = 2
_NUMERIC = range(6, 16)
_DTYPES = {1: "<i1", 2: "<u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8", 12: "<i8", 13: "<u8"}
_SAMPLES = "data"
_OF_THE_RECORDING = "EEG"
_SMALL = 1 << 20  # bytes; smaller arrays named so are no samples worth a detour
# An array of no numbers, in the place of the samples: flags, sizes 0 x 0, no name, no values.
_NOTHING = struct.pack("<IIIIII II ii II II", _MATRIX, 48, 6, 8, 6, 0, 5, 8, 0, 0, 1, 0, 9, 0)


@dataclass(frozen=True, slots=True)
class Samples:
    """Where the samples lie, as plain numbers in MATLAB's order: all channels of the first sample, of the second ...

    Attributes:
        path: The MATLAB file, or a temporary one.
        offset: Bytes before the first number.
        dtype: Of a number.
        count: Numbers.
        folder: What the temporary file lies in.
    """

    path: Path
    offset: int
    dtype: str
    count: int
    folder: tempfile.TemporaryDirectory[str] | None = None


class _Bytes(Protocol):
    def read(self, size: int) -> bytes: ...
    def tell(self) -> int: ...


class _Unpacked:
    """Reads the content of a compressed element piece by piece."""

    def __init__(self, stream: io.BufferedReader, size: int) -> None:
        self._stream, self._left = stream, size
        self._unpack = zlib.decompressobj()
        self._at = 0

    def tell(self) -> int:
        return self._at

    def read(self, size: int) -> bytes:
        parts = []
        wanted = size
        while wanted > 0:
            packed = self._unpack.unconsumed_tail
            if not packed and self._left:
                packed = self._stream.read(min(1 << 20, self._left))
                self._left -= len(packed)
            piece = self._unpack.decompress(packed, wanted)
            if not piece and not packed:
                break
            parts.append(piece)
            wanted -= len(piece)
        self._at += size - wanted
        return b"".join(parts)


def slimmed(path: Path) -> tuple[io.BytesIO, Samples | None]:
    """A MATLAB file of level 5 without the array ``data``, in it or in its structure ``EEG``, and where that is.

    Raises:
        ValueError: It is written in another byte order, or damaged.
        EOFError: It ends too early.
    """
    out = io.BytesIO()
    samples: Samples | None = None
    with path.open("rb") as stream:
        header = stream.read(_HEADER)
        if header[126:128] != b"IM":
            raise ValueError("not in this computer's byte order")
        out.write(header)
        while len(tag := stream.read(8)) == 8:
            kind, size = struct.unpack("<II", tag)
            end = stream.tell() + size
            if kind == _COMPRESSED:
                source: _Bytes = _Unpacked(stream, size)
                inner, length = struct.unpack("<II", _exactly(source, 8))
                content, found = _variable(source, inner, length, path, None)
            else:
                content, found = _variable(stream, kind, size, path, stream.tell)
            out.write(content)
            samples = found or samples
            stream.seek(end)
    out.seek(0)
    return out, samples


def _exactly(source: _Bytes, size: int) -> bytes:
    content = source.read(size)
    if len(content) != size:
        raise EOFError("ends too early")
    return content


def _variable(
    source: _Bytes, kind: int, size: int, path: Path, where: Callable[[], int] | None
) -> tuple[bytes, Samples | None]:
    """One variable as an uncompressed element, without its samples if it holds them."""
    start = source.tell()
    if kind != _MATRIX or size < 32:
        return _element(kind, _exactly(source, size)), None
    head, flags, name = _head(source)
    if name == _SAMPLES and flags in _NUMERIC and size > _SMALL:
        return _renamed_nothing(name), _samples(source, path, where)
    if name != _OF_THE_RECORDING or flags != _STRUCTURE:
        return _element(_MATRIX, head + _exactly(source, size - (source.tell() - start))), None
    lengths = _part(source)
    names_part = _part(source)
    width = struct.unpack("<i", lengths[4:8])[0]
    packed = names_part[8:]
    names = [packed[at : at + width].split(b"\0")[0].decode("latin-1") for at in range(0, len(packed), max(width, 1))]
    body = head + lengths + names_part
    found: Samples | None = None
    for number in range(size):
        if source.tell() - start >= size:
            break
        field_kind, field_size = struct.unpack("<II", _exactly(source, 8))
        field_start = source.tell()
        is_samples = number < len(names) and names[number] == _SAMPLES and field_size > _SMALL
        if is_samples and field_kind == _MATRIX:
            field_head, field_flags, _ = _head(source)
            if field_flags in _NUMERIC:
                found = _samples(source, path, where)
                _skip(source, field_size - (source.tell() - field_start))
                body += _NOTHING
                continue
            rest = _exactly(source, field_size - (source.tell() - field_start))
            body += _element(field_kind, field_head + rest)
        else:
            body += _element(field_kind, _exactly(source, field_size))
    return _element(_MATRIX, body), found


def _element(kind: int, content: bytes) -> bytes:
    return struct.pack("<II", kind, len(content)) + content


def _renamed_nothing(name: str) -> bytes:
    """`_NOTHING` as a variable of that name, of up to eight letters."""
    text = name.encode("ascii")
    body = struct.pack("<IIII II ii II", 6, 8, 6, 0, 5, 8, 0, 0, 1, len(text)) + text.ljust(8, b"\0")
    return _element(_MATRIX, body + struct.pack("<II", 9, 0))


def _part(source: _Bytes) -> bytes:
    """A part of an array with its tag, as it is stored, padding included."""
    tag = _exactly(source, 8)
    kind, size = struct.unpack("<II", tag)
    if kind >> 16:  # up to four bytes stand in the tag itself
        return tag
    return tag + _exactly(source, -(-size // 8) * 8)


def _head(source: _Bytes) -> tuple[bytes, int, str]:
    """Flags, sizes and name of an array as they are stored; its class, and its name."""
    flags, sizes, name = _part(source), _part(source), _part(source)
    kind, size = struct.unpack("<II", name[:8])
    text = name[4 : 4 + (kind >> 16)] if kind >> 16 else name[8 : 8 + size]
    return flags + sizes + name, flags[8], text.decode("latin-1")


def _samples(source: _Bytes, path: Path, where: Callable[[], int] | None) -> Samples:
    kind, size = struct.unpack("<II", _exactly(source, 8))
    dtype = _DTYPES.get(kind)
    if dtype is None or kind >> 16:
        raise ValueError("samples of an unknown type")
    count = size // int(dtype[-1])
    if where is not None:
        found = Samples(path, where(), dtype, count)
        _skip(source, size)
        return found
    folder = new_folder()
    target = Path(folder.name) / "samples"
    copied(source.read, size, target)
    return Samples(target, 0, dtype, count, folder)


def _skip(source: _Bytes, size: int) -> None:
    if isinstance(source, io.BufferedReader):
        source.seek(size, io.SEEK_CUR)
        return
    while size > 0 and (piece := source.read(min(size, 1 << 20))):
        size -= len(piece)
