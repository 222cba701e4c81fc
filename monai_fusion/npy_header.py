"""Reading the header of a .npy file in one of several threads."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
    (3, 0): np.lib.format.read_array_header_2_0,  # differs in names of fields that are not Latin, which numbers lack
}
_ATTEMPTS = 10


def read_npy_header(stream: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Read the header at the beginning of a stream, and stop where the numbers begin.

    numpy parses it as a Python literal, and up to Python 3.11.7 and 3.12.1 two threads that do so at a time may get
    "SystemError: AST constructor recursion depth mismatch" (CPython issue 106905), whatever they parse: a good file in
    thousands was refused. Another attempt succeeds.

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
            return _READERS[np.lib.format.read_magic(stream)](stream)
        except SystemError:
            left -= 1
            if left == 0:
                raise
