"""Samples that can only be reached by unpacking a file: they go into a temporary file, never into memory as a whole."""

from __future__ import annotations

import gzip
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monai_fusion.errors import InputError, Problem, RunFailed
from monai_fusion.files import is_full
from monai_fusion.recordings.recording import SampleReader

_PIECE = 4 * 2**20
_LARGE = 256 * 2**20
_MOST_TIMES = 100  # a signal halves; what gzip packs a thousand times smaller is one byte, over and over


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
    """A gzip file's content as a file of the same name without ``.gz`` in a folder.

    Raises:
        InputError: It grows so much that it holds no signal.
        RunFailed: The folder's disk is full.
        EOFError: It ends too early.
        zlib.error: It is damaged.
    """
    target = folder / path.name[: -len(".gz")]
    most = max(_LARGE, _MOST_TIMES * path.stat().st_size)
    size = 0
    with gzip.open(path) as packed, _room_for(path, folder), target.open("wb") as out:
        while piece := packed.read(_PIECE):
            size += len(piece)
            if size > most:
                seen = f"unpacked, more than {_MOST_TIMES} times its size"
                raise InputError(Problem(str(path), seen=seen, wanted="a recording, of which less is zeros"))
            out.write(piece)
    return target


def spooled(read: Callable[[int], bytes], size: int, path: Path, folder: Path) -> Path:
    """So many bytes of a file, which `read` unpacks, as a file in a folder.

    Raises:
        RunFailed: The folder's disk is full.
        EOFError: There are fewer.
    """
    target = folder / "samples"
    with _room_for(path, folder), target.open("wb") as out:
        while size > 0:
            piece = read(min(_PIECE, size))
            if not piece:
                raise EOFError("ends too early")
            out.write(piece)
            size -= len(piece)
    return target


@contextmanager
def _room_for(path: Path, folder: Path) -> Iterator[None]:
    """Report a full disk as that of the temporary folder: neither the recording nor the output folder is to blame."""
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        seen = f"no space left to unpack {path} in {folder.parent}"
        advice = f"free some space there, or let {'TEMP' if os.name == 'nt' else 'TMPDIR'} name a folder that has some"
        raise RunFailed(seen, advice) from error
