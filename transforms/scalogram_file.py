"""Read an EEG scalogram from its .npy file."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Literal

import numpy as np
from monai.config import KeysCollection
from monai.transforms import MapTransform

from monai_fusion.errors import InputError, Problem
from monai_fusion.keys import EEG
from monai_fusion.npy_header import read_npy_header
from monai_fusion.transforms.files import FileContent, require_file

_LONGEST_HEADER = 1 << 16


def load_scalogram(path: str | os.PathLike[str], shape: Sequence[int] = (224, 224, 17)) -> np.ndarray:
    """Read one scalogram and check it.

    Args:
        path: A .npy file of ``shape``, float32 or float64: (frequency, time, electrode); or its content.
        shape: The shape that every file of the cohort must have, as stored.

    Returns:
        ``[electrode, frequency, time]``, a transposed view of the file's array in the file's own dtype (native byte
        order). The view costs nothing; what comes next writes its own contiguous array anyway.

    Raises:
        InputError: If the file is missing, not a whole .npy file, of another shape or dtype, or holds NaN or infinity.
    """
    expected = tuple(int(length) for length in shape)
    if isinstance(path, FileContent):
        file = path.path
        header = io.BytesIO(path.content[:_LONGEST_HEADER].tobytes())
        dtype, order = _check_header(file, header, path.content.size, expected)
        values = np.frombuffer(path.content, dtype, math.prod(expected), offset=header.tell())
    else:
        file = require_file(path, EEG)
        try:
            with file.open("rb") as stream:
                dtype, order = _check_header(file, stream, os.fstat(stream.fileno()).st_size, expected)
                values = np.fromfile(stream, dtype, math.prod(expected))
        except OSError as error:
            raise _refuse(file, f"cannot be read ({type(error).__name__})", "a .npy file") from error
    scalogram = values.reshape(expected, order=order)
    finite = np.isfinite(scalogram)
    if not finite.all():
        raise _refuse(file, _count_nonfinite(scalogram, finite), "finite numbers", "write the scalogram again")
    if not scalogram.dtype.isnative:
        scalogram = scalogram.astype(scalogram.dtype.newbyteorder("="))  # torch takes native numbers only
    return np.moveaxis(scalogram, -1, 0)


class LoadScalogramd(MapTransform):
    """Replace the path under each key by what :func:`load_scalogram` reads from it.

    Args:
        keys: Keys of the paths.
        shape: As in :func:`load_scalogram`.
        allow_missing_keys: Skip keys that a sample does not have.
    """

    version: ClassVar[int] = 1  # part of the preprocessed store's key: to be raised when the numbers change
    decodes_content: ClassVar[bool] = True  # takes a FileContent as well as a path

    def __init__(
        self,
        keys: KeysCollection = EEG,
        shape: Sequence[int] = (224, 224, 17),
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.shape = tuple(int(length) for length in shape)
        if len(self.shape) != 3 or min(self.shape) < 1:
            wanted = "three positive lengths: (frequency, time, electrode)"
            raise InputError(Problem(type(self).__name__, "shape", str(self.shape), wanted))

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of ``data`` with ``[electrode, frequency, time]`` arrays under the keys."""
        sample = dict(data)
        for key in self.key_iterator(sample):
            sample[key] = load_scalogram(sample[key], self.shape)
        return sample


def _check_header(
    file: Path, stream: BinaryIO, size: int, expected: tuple[int, ...]
) -> tuple[np.dtype, Literal["C", "F"]]:
    """Refuse what the header alone shows to be wrong, before megabytes are read; return dtype and memory order."""
    wanted = "float32 or float64 of shape " + str(expected)
    try:
        shape, fortran_order, dtype = read_npy_header(stream)
    except Exception as error:  # numpy parses the header as a Python literal: damaged bytes raise almost anything
        raise _refuse(
            file, "an empty file" if size == 0 else "not a NumPy .npy file", "a .npy array, " + wanted
        ) from error
    if dtype.hasobject:
        raise _refuse(file, "pickled Python objects", wanted, "they are not loaded, because they could run code")
    if dtype.kind != "f" or dtype.itemsize not in (4, 8):
        magnitude = "save its magnitude: numpy.abs(x).astype(numpy.float32)"
        advice = magnitude if dtype.kind == "c" else "save it with x.astype(numpy.float32)"
        raise _refuse(file, f"dtype {dtype.name}", "float32 or float64", advice)
    if shape != expected:
        raise _refuse(file, f"shape {shape}", str(expected), _advise_on_shape(shape, expected))
    needed = math.prod(shape) * dtype.itemsize
    present = size - stream.tell()
    if present < needed:
        raise _refuse(file, f"truncated, {present:,} bytes of data", f"{needed:,}", "copy or write the file again")
    return dtype, "F" if fortran_order else "C"


def _advise_on_shape(seen: tuple[int, ...], expected: tuple[int, ...]) -> str:
    """Say what most likely went wrong where a scalogram has another shape than the cohort's."""
    frequency, time, electrode = expected
    if seen == (electrode, frequency, time):
        return "the electrodes come first: save numpy.transpose(x, (1, 2, 0))"
    if sorted(seen) == sorted(expected):
        return "the axes are in another order: save them as (frequency, time, electrode)"
    if len(seen) == 3 and seen[:2] == (frequency, time):
        difference = seen[2] - electrode
        count = "one electrode is" if abs(difference) == 1 else f"{abs(difference)} electrodes are"
        return f"{count} missing" if difference < 0 else f"{count} too many"
    return "the axes are (frequency, time, electrode); another montage or grid is set by the transform's `shape`"


def _count_nonfinite(scalogram: np.ndarray, finite: np.ndarray) -> str:
    """``3 NaN and 1 infinite values, the first at (frequency 5, time 2, electrode 0)``."""
    nan = int(np.isnan(scalogram).sum())
    frequency, time, electrode = np.argwhere(~finite)[0]
    counts = f"{nan} NaN and {int((~finite).sum()) - nan} infinite values"
    return f"{counts}, the first at (frequency {frequency}, time {time}, electrode {electrode})"


def _refuse(file: Path, seen: str, wanted: str, advice: str = "") -> InputError:
    return InputError(Problem(str(file), EEG, seen, wanted, advice))
