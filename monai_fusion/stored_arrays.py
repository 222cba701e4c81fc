"""Reading the arrays that a run wrote, from a file that may be damaged or come from outside."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from monai_fusion.npy_header import read_npy_header
from monai_fusion.opening import open_regular

MOST_BYTES = 2**28
"""The maximum size of all arrays together, uncompressed; those of 10,000 participants take a quarter of it."""
LARGEST = 1e9
"""Larger numbers in an embedding are invalid: the encoders' embeddings have a length of about 1."""

_KINDS = "Uiufb"  # text, numbers, truth


def read_arrays(path: Path, names: Iterable[str] | None = None, most: int = MOST_BYTES) -> dict[str, npt.NDArray[Any]]:
    """Read arrays of text or numbers from an .npz file; nothing is unpickled.

    Args:
        path: The file.
        names: The names of the arrays; None for all.
        most: Bytes of all of them together, uncompressed.

    Returns:
        The arrays found; none if the file is missing or damaged, or claims more than ``most``.
    """
    try:
        with io.BufferedReader(open_regular(path)) as stream, zipfile.ZipFile(stream) as archive:
            parts = {part.filename: part for part in archive.infolist()}
            names = [name.removesuffix(".npy") for name in parts] if names is None else names
            wanted = {name: parts[f"{name}.npy"] for name in names if f"{name}.npy" in parts}
            if sum(part.file_size for part in wanted.values()) > most:
                return {}
            return {name: _array(archive.read(part)) for name, part in wanted.items()}
    except Exception:  # zipfile, zlib and numpy raise almost any exception for damaged bytes
        return {}


def _array(content: bytes) -> npt.NDArray[Any]:
    """Read a .npy file from memory, if its content matches its header.

    Raises:
        ValueError: It does not match.
    """
    stream = io.BytesIO(content)
    shape, _, dtype = read_npy_header(stream)
    # Compared in Python's integers, before numpy allocates what a header claims.
    if dtype.kind not in _KINDS or math.prod(shape) * dtype.itemsize != len(content) - stream.tell():
        raise ValueError("the content does not match the header")
    stream.seek(0)
    return np.lib.format.read_array(stream, allow_pickle=False)
