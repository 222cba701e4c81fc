"""The texts in the metadata of an ONNX file, read without onnx, protobuf or the weights.

An ONNX file is one message of protocol buffers: fields, each with its number and its length. Its weights are inside
one field, which is skipped here, so that a text of a file of gigabytes is there at once.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from monai_fusion.opening import open_regular

GRAPH, METADATA = 7, 14
"""The numbers of ModelProto's fields that hold the network, and one text."""
MOST_TEXT = 64 * 2**20
"""Bytes of all texts of a file together; a run's JSON files have a few hundred thousand."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MOST_FIELDS = 10_000
_PIECE = 2**22


class NotOnnxError(ValueError):
    """The file is no ONNX file, or it is cut off; its text is the reason in a few words."""


class _Field(NamedTuple):
    number: int
    start: int
    length: int


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read the texts in an ONNX file's metadata, by their names.

    Raises:
        NotReadableError: It is no regular file.
        OSError: It is not there, or cannot be read.
        NotOnnxError: It is not an ONNX file, or is damaged.
    """
    with io.BufferedReader(open_regular(path)) as stream:
        size = os.fstat(stream.fileno()).st_size
        texts: dict[str, str] = {}
        read = 0
        for field in _fields(stream, size):
            if field.number != METADATA:
                continue
            read += field.length
            if read > MOST_TEXT:
                raise NotOnnxError("its metadata is too large")
            stream.seek(field.start)
            name, value = _text_of(stream.read(field.length))
            texts.setdefault(name, value)
    return texts


def hash_graph(path: str | os.PathLike[str], update: Callable[[bytes], object]) -> None:
    """Pass the bytes of the network in an ONNX file to a digest, in pieces.

    Raises:
        OSError: It cannot be read.
        NotOnnxError: It is not an ONNX file, or is damaged.
    """
    with io.BufferedReader(open_regular(path)) as stream:
        size = os.fstat(stream.fileno()).st_size
        found = [field for field in _fields(stream, size) if field.number == GRAPH]
        if len(found) != 1:
            raise NotOnnxError("holds no network" if not found else "holds several networks")
        stream.seek(found[0].start)
        left = found[0].length
        while left:
            piece = stream.read(min(left, _PIECE))
            if not piece:
                raise NotOnnxError("cut off")
            update(piece)
            left -= len(piece)


def _fields(stream: BinaryIO, size: int) -> Iterator[_Field]:
    """The fields of the message that a file is; the stream may be moved between two of them."""
    place = count = 0
    while place < size:
        stream.seek(place)
        tag = _varint(stream)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            _varint(stream)
            start, length = stream.tell(), 0
        elif kind == _BYTES:
            length = _varint(stream)
            start = stream.tell()
        elif kind in (_FIXED64, _FIXED32):
            start, length = stream.tell(), 8 if kind == _FIXED64 else 4
        else:
            raise NotOnnxError("not an ONNX file")
        count += 1
        if not number or count > _MOST_FIELDS:
            raise NotOnnxError("not an ONNX file")
        place = start + length
        if place > size:
            raise NotOnnxError("cut off, or not an ONNX file")
        yield _Field(number, start, length)


def _text_of(entry: bytes) -> tuple[str, str]:
    """Name and value of a StringStringEntryProto."""
    parts = {1: b"", 2: b""}
    stream = io.BytesIO(entry)
    for field in _fields(stream, len(entry)):
        stream.seek(field.start)
        parts[field.number] = stream.read(field.length)
    try:
        return parts[1].decode("utf-8"), parts[2].decode("utf-8")
    except UnicodeDecodeError:
        raise NotOnnxError("its metadata is not text") from None


def _varint(stream: BinaryIO) -> int:
    value = 0
    for shift in range(0, 64, 7):
        byte = stream.read(1)
        if not byte:
            raise NotOnnxError("cut off, or not an ONNX file")
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise NotOnnxError("not an ONNX file")
