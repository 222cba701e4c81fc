"""Samples that can only be reached by unpacking a file: they go into a temporary file, never into memory as a whole."""

from __future__ import annotations

import gzip
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monai_fusion.recordings.recording import SampleReader

_PIECE = 4 * 2**20


@dataclass(frozen=True, slots=True)
class SpooledSamples:
    """Reads from a file in a temporary folder, which is removed after the last reader."""

    read: SampleReader
    folder: tempfile.TemporaryDirectory[str]

    def __call__(self, channels: Sequence[int], start: int, stop: int) -> NDArray[np.float64]:
        """As `read`."""
        return self.read(channels, start, stop)


def new_folder() -> tempfile.TemporaryDirectory[str]:
    """A temporary folder, outside every dataset."""
    return tempfile.TemporaryDirectory(prefix="monai-fusion-", ignore_cleanup_errors=True)


def unpacked(path: Path, folder: Path) -> Path:
    """A gzip file's content as a file of the same name without ``.gz`` in a folder."""
    target = folder / path.name[: -len(".gz")]
    with gzip.open(path) as packed, target.open("wb") as out:
        shutil.copyfileobj(packed, out, _PIECE)
    return target


def copied(read: Callable[[int], bytes], size: int, target: Path) -> None:
    """Copy so many bytes into a file.

    Raises:
        EOFError: There are fewer.
    """
    with target.open("wb") as out:
        while size > 0:
            piece = read(min(_PIECE, size))
            if not piece:
                raise EOFError("ends too early")
            out.write(piece)
            size -= len(piece)
