"""Reading the header of a .npy file in one of several threads."""

from __future__ import annotations

import ast
import io
import re
from typing import BinaryIO

import numpy as np

_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
    (3, 0): np.lib.format.read_array_header_2_0,  # differs in names of fields that are not Latin, which numbers lack
}
_ATTEMPTS = 10
_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}
_MOST = 10_000  # bytes of a header, numpy's own limit
_LONG = re.compile(rb"[0-9]\s*L")  # Python 2 wrote a long 224 as 224L
_TUPLE = re.compile(rb"\([0-9L,\s]*\)")


def read_npy_header(stream: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Read the header at the beginning of a stream, and stop where the numbers begin.

    numpy parses it as a Python literal, and up to Python 3.11.7 and 3.12.1 two threads that do so at a time may get
    "SystemError: AST constructor recursion depth mismatch" (CPython issue 106905), whatever they parse: a good file in
    thousands was refused. Another attempt succeeds.

    A header of Python 2 (``(224L, 224L, 17L)``) is read like any other: numpy would warn of it, on standard error and
    without the file's name, and warnings cannot be caught in one thread alone.

    Args:
        stream: The open file, or its first bytes.

    Returns:
        Shape, whether the order is Fortran's, and dtype.

    Raises:
        KeyError: Another version of the format than 1.0, 2.0 and 3.0.
        Exception: Almost anything, if the bytes are damaged; ValueError as a rule.
    """
    left = _ATTEMPTS
    while True:
        stream.seek(0)
        try:
            version = np.lib.format.read_magic(stream)
            return _of_python_2(stream, version) or _READERS[version](stream)
        except SystemError:
            left -= 1
            if left == 0:
                raise


def _of_python_2(stream: BinaryIO, version: tuple[int, int]) -> tuple[tuple[int, ...], bool, np.dtype] | None:
    """Read a header whose lengths end in L; None, and the stream where it was, for any other."""
    begins = stream.tell()
    length = stream.read(_LENGTH_BYTES.get(version[0], 0))
    header = stream.read(min(int.from_bytes(length, "little"), _MOST))
    if not _LONG.search(header):
        stream.seek(begins)
        return None
    header = _TUPLE.sub(lambda match: match[0].replace(b"L", b" "), header)
    ast.literal_eval(header.decode("latin1").strip())  # what is still wrong is refused here, not warned of by numpy
    found: tuple[tuple[int, ...], bool, np.dtype] = _READERS[version](io.BytesIO(length + header))
    return found
