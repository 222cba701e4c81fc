"""MATLAB files of level 5, read within bounds: sizes are checked before they are believed, samples stay on the disk.

SciPy's reader ends the whole process on some damaged files (a class or type that does not exist, values nested without
end), and unpacks whatever a compressed element claims. MathWorks' "MAT-File Format" describes the format: elements are
a type, a size and content, padded to eight bytes; an element of type 15 holds another one compressed by zlib; an
array is an element of elements.
"""

from __future__ import annotations

import io
import math
import struct
import tempfile
import zlib
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from monai_fusion.recordings.reading.spooled import new_folder, spooled

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCTURE, _TEXT = 1, 2, 4
_NUMERIC = range(6, 16)
_COMPLEX = 0x0800
_DTYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_ENCODINGS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_LARGE = 1 << 20  # bytes, from which on the values of an array are not taken into memory
_MOST_KEPT = 256 * 2**20  # bytes of all values that are taken; what EEGLAB writes beside the samples has a few million
_MOST_LEVELS = 32


@dataclass(frozen=True, slots=True)
class StoredArray:
    """An array that was left where it is, as plain numbers in MATLAB's order: the first axis is the fastest.

    Attributes:
        path: The MATLAB file, or a temporary one.
        offset: Bytes before the first number.
        dtype: Of a number, with its byte order.
        size: Numbers.
        folder: What the temporary file lies in.
    """

    path: Path
    offset: int
    dtype: str
    size: int
    folder: tempfile.TemporaryDirectory[str] | None = None


def read_level5(path: Path, names: Container[str]) -> dict[str, Any]:
    """Read variables of a MATLAB file; no object or function of it is made.

    Args:
        path: The file.
        names: Of the variables and, in structures, of the fields that are wanted; others are passed over.

    Returns:
        By name: text as `str`; numbers as arrays, large ones as `StoredArray`; cells as lists; a structure as a
        dictionary, an array of structures as a list of them; None for what is none of these.

    Raises:
        ValueError: It is damaged, nested deeper than `_MOST_LEVELS`, or its values are too many.
        EOFError: It ends too early.
        RunFailed: There is no room to unpack a large array.
    """
    found: dict[str, Any] = {}
    kept = _Budget(_MOST_KEPT)
    with path.open("rb") as stream:
        header = stream.read(_HEADER)
        order = {b"IM": "<", b"MI": ">"}.get(header[126:128])
        if order is None:
            raise ValueError("its header states no byte order")
        while len(tag := stream.read(8)) == 8:
            kind, size = struct.unpack(f"{order}II", tag)
            begins = stream.tell()
            if kind == _COMPRESSED:
                inner = io.BufferedReader(_Unpacked(stream, size), 1 << 16)
                reader = _Reader(inner, None, path, order, names, kept)
                kind, size = reader.tag()
            else:
                reader = _Reader(stream, begins, path, order, names, kept)
            if kind == _MATRIX:
                name, value = reader.variable(size)
                if name in names:
                    found[name] = value
            stream.seek(begins + struct.unpack(f"{order}II", tag)[1])
    return found


@dataclass(slots=True)
class _Budget:
    """Bytes that may still be taken into memory."""

    left: int

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise ValueError(f"more than {_MOST_KEPT >> 20} MB beside the samples")


class _Unpacked(io.RawIOBase):
    """The content of a compressed element, unpacked piece by piece."""

    def __init__(self, stream: io.BufferedIOBase, size: int) -> None:
        self._stream, self._left = stream, size
        self._unpack = zlib.decompressobj()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = b""
        while not piece and not self._unpack.eof:
            packed = self._unpack.unconsumed_tail
            if not packed and self._left:
                packed = self._stream.read(min(1 << 16, self._left))
                self._left -= len(packed)
            if not packed:
                break
            piece = self._unpack.decompress(packed, len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


class _Reader:
    """Reads one element, uncompressed; `_at` counts its bytes."""

    def __init__(
        self,
        stream: io.BufferedIOBase,
        begins: int | None,
        path: Path,
        order: str,
        names: Container[str],
        kept: _Budget,
    ) -> None:
        self._stream, self._begins, self._path, self._order = stream, begins, path, order
        self._names, self._kept = names, kept
        self._tag = struct.Struct(f"{order}II")
        self._at = 0
        self._within = b""

    def tag(self) -> tuple[int, int]:
        """Type and size of what follows."""
        kind, size = self._tag.unpack(self._read(8))
        return int(kind), int(size)

    def variable(self, size: int) -> tuple[str, Any]:
        """A variable, whose tag has been read: its name and its value; None for one that is not wanted."""
        end = self._at + size
        return self._array(end, end, "", 0)

    def _array(self, end: int, outer: int, name: str, level: int) -> tuple[str, Any]:
        if end > outer:
            raise ValueError("a value is longer than what holds it")
        if level > _MOST_LEVELS:
            raise ValueError("nested too deep")
        if self._at == end:
            return name, np.empty(0)  # MATLAB's way to write []
        flags = self._part(end)
        kind, is_complex = flags[0 if self._order == "<" else 3], bool(self._numbers(flags[:4], "u4")[0] & _COMPLEX)
        value: Any = None
        if kind in (_CELL, _STRUCTURE, _TEXT, *_NUMERIC):
            shape = tuple(self._numbers(self._part(end), "i4").tolist())
            stated = self._part(end).decode("latin-1")
            name = name or stated
            if min(shape, default=-1) < 0:
                raise ValueError("an array of a negative size")
            if level or name in self._names:
                value = self._value(kind, is_complex, shape, end, name, level)
        self._skip(end - self._at)
        return name, value

    def _value(self, kind: int, is_complex: bool, shape: tuple[int, ...], end: int, name: str, level: int) -> Any:
        if kind == _CELL:
            self._refuse_more(math.prod(shape), end)
            return [self._inner(end, "", level) for _ in range(math.prod(shape))]
        if kind == _STRUCTURE:
            return self._structures(math.prod(shape), end, level)
        if kind == _TEXT:
            return self._text(shape, end)
        return None if is_complex else self._array_of_numbers(shape, end)

    def _inner(self, end: int, name: str, level: int) -> Any:
        kind, size = self.tag()
        if kind != _MATRIX:
            raise ValueError("a value is no array")
        if name and name not in self._names:
            self._skip(size)
            return None
        return self._array(self._at + size, end, name, level + 1)[1]

    def _structures(self, count: int, end: int, level: int) -> Any:
        width = int(self._numbers(self._part(end), "i4")[0])
        packed = self._part(end)
        if width < 1:
            raise ValueError("fields without names")
        names = [packed[at : at + width].split(b"\0")[0].decode("latin-1") for at in range(0, len(packed), width)]
        self._refuse_more(count * max(1, len(names)), end)
        rows = [{name: self._inner(end, name, level) for name in names} for _ in range(count)]
        rows = [{name: value for name, value in row.items() if name in self._names} for row in rows]
        return rows[0] if count == 1 else rows

    def _text(self, shape: tuple[int, ...], end: int) -> Any:
        kind, content = self._typed_part(end)
        encoding = _ENCODINGS.get(kind)
        if encoding is None:
            raise ValueError("text of an unknown type")
        if encoding.startswith("utf-") and kind != 16:
            encoding += "-le" if self._order == "<" else "-be"
        text = content.decode(encoding, "replace")
        rows = shape[0] if shape else 0
        return text if rows <= 1 or len(text) != math.prod(shape) else [text[row::rows] for row in range(rows)]

    def _array_of_numbers(self, shape: tuple[int, ...], end: int) -> Any:
        count = math.prod(shape)
        kind, size, is_small = self._head_of_part()
        dtype = _DTYPES.get(kind)
        if dtype is None:
            raise ValueError("numbers of an unknown type")
        if size != count * int(dtype[-1]) or size > end - self._at + (8 if is_small else 0):
            raise ValueError("an array that is not whole")
        if size > _LARGE:
            return self._left_on_disk(dtype, size, count)
        return self._numbers(self._content(size, is_small, end), dtype).reshape(shape, order="F")

    def _left_on_disk(self, dtype: str, size: int, count: int) -> StoredArray:
        dtype = f"{self._order}{dtype}"
        if self._begins is not None:
            found = StoredArray(self._path, self._begins + self._at, dtype, count)
            self._skip(size)
            return found
        folder = new_folder()
        target = spooled(self._stream.read, size, self._path, Path(folder.name))
        self._at += size
        return StoredArray(target, 0, dtype, count, folder)

    def _refuse_more(self, count: int, end: int) -> None:
        """Refuse more values than have room: each has a tag."""
        if count * 8 > end - self._at:
            raise ValueError("more values than it holds")
        self._kept.take(count * 8)

    def _part(self, end: int) -> bytes:
        return self._typed_part(end)[1]

    def _typed_part(self, end: int) -> tuple[int, bytes]:
        kind, size, is_small = self._head_of_part()
        return kind, self._content(size, is_small, end)

    def _head_of_part(self) -> tuple[int, int, bool]:
        """Type and size of plain content; up to four bytes of it stand in the tag itself, and wait for `_content`."""
        head = self._read(8)
        kind, size = self._tag.unpack(head)
        if kind >> 16:
            self._within = head[4:]
            return kind & 0xFFFF, kind >> 16, True
        return kind, size, False

    def _content(self, size: int, is_small: bool, end: int) -> bytes:
        if is_small:
            if size > 4:
                raise ValueError("a short value is too long")
            return self._within[:size]
        if size > end - self._at:
            raise ValueError("a value is longer than what holds it")
        content = self._read(size)
        self._skip(min(-size % 8, end - self._at))
        return content

    def _numbers(self, content: bytes, dtype: str) -> np.ndarray:
        return np.frombuffer(content, f"{self._order}{dtype}")

    def _read(self, size: int) -> bytes:
        self._kept.take(size)
        content = self._stream.read(size)
        if len(content) != size:
            raise EOFError("ends too early")
        self._at += size
        return content

    def _skip(self, size: int) -> None:
        if size < 0:
            raise ValueError("a value is longer than what holds it")
        self._at += size
        if self._begins is not None:
            self._stream.seek(self._begins + self._at)
            return
        while size > 0:
            piece = self._stream.read(min(size, 1 << 20))
            if not piece:
                raise EOFError("ends too early")
            size -= len(piece)
