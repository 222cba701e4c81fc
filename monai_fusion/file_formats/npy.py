"""Read an EEG scalogram from its .npy file."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from monai_fusion.file_formats.content import FileContent, FileOnDisk, UnusableFileError, require_file
from monai_fusion.file_formats.wrong_kinds import looks_compressed, wrong_kind
from monai_fusion.keys import EEG
from monai_fusion.npy_header import read_npy_header

_LONGEST_HEADER = 1 << 16
_MAGIC = b"\x93NUMPY"


@dataclass(frozen=True)
class StoredScalogram:
    """A scalogram as its file holds it.

    Attributes:
        values: ``[electrode, frequency, time]``, see :func:`load_scalogram`.
        behind: Bytes that follow the last value.
        second_array: Whether they are another array.
    """

    values: np.ndarray
    behind: int
    second_array: bool


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
    return open_scalogram(path, shape).values


def open_scalogram(path: str | os.PathLike[str], shape: Sequence[int] = (224, 224, 17)) -> StoredScalogram:
    """Do what :func:`load_scalogram` does, and report what follows the array in the file."""
    file = path.path if isinstance(path, FileContent) else require_file(path, EEG)
    expected = tuple(int(length) for length in shape)
    try:
        return _open(path if isinstance(path, FileContent) else FileOnDisk.find(file), expected)
    except UnusableFileError as error:
        raise error.of(file, EEG) from error
    except OSError as error:
        raise UnusableFileError(f"cannot be read ({type(error).__name__})", "a .npy file").of(file, EEG) from error


def _open(source: FileContent | FileOnDisk, expected: tuple[int, ...]) -> StoredScalogram:
    beginning = source.beginning(_LONGEST_HEADER)
    dtype, order, start = _check_header(beginning, source.size, expected)
    end = start + math.prod(expected) * dtype.itemsize
    content = source.bytes(min(end + len(_MAGIC), source.size))
    if content.size < end:
        raise UnusableFileError("truncated while it was read", advice="copy or write the file again")
    scalogram = np.frombuffer(content, dtype, math.prod(expected), offset=start).reshape(expected, order=order)
    finite = np.isfinite(scalogram)
    if not finite.all():
        raise UnusableFileError(_count_nonfinite(scalogram, finite), "finite numbers", "write the scalogram again")
    if not scalogram.dtype.isnative:
        scalogram = scalogram.astype(scalogram.dtype.newbyteorder("="))  # torch takes native numbers only
    second = content[end:].tobytes() == _MAGIC
    return StoredScalogram(np.moveaxis(scalogram, -1, 0), source.size - end, second)


def _check_header(beginning: bytes, size: int, expected: tuple[int, ...]) -> tuple[np.dtype, Literal["C", "F"], int]:
    """Refuse what the header alone shows to be wrong, before megabytes are read.

    Returns:
        dtype, memory order, and where the values begin.
    """
    wanted = "float32 or float64 of shape " + str(expected)
    if not beginning.startswith(_MAGIC):
        raise UnusableFileError(*_no_npy(beginning, size, expected, wanted))
    stream = io.BytesIO(beginning)
    try:
        shape, fortran_order, dtype = read_npy_header(stream)
    except KeyError as error:
        seen = f".npy format {beginning[6]}.{beginning[7]}"
        raise UnusableFileError(seen, "format 1.0, 2.0 or 3.0", "write it again with numpy.save") from error
    except Exception as error:  # numpy parses the header as a Python literal: damaged bytes raise almost anything
        seen = "a .npy file whose header is damaged"
        raise UnusableFileError(seen, "a .npy array, " + wanted, "copy or write the file again") from error
    if dtype.hasobject:
        raise UnusableFileError("pickled Python objects", wanted, "they are not loaded, because they could run code")
    if dtype.kind != "f" or dtype.itemsize not in (4, 8):
        magnitude = "save its magnitude: numpy.abs(x).astype(numpy.float32)"
        advice = magnitude if dtype.kind == "c" else "save it with x.astype(numpy.float32)"
        raise UnusableFileError(f"dtype {dtype.name}", "float32 or float64", advice)
    if shape != expected:
        raise UnusableFileError(f"shape {shape}", str(expected), _advise_on_shape(shape, expected))
    needed = math.prod(shape) * dtype.itemsize
    present = size - stream.tell()
    if present < needed:
        raise UnusableFileError(f"truncated, {present:,} bytes of data", f"{needed:,}", "copy or write the file again")
    return dtype, "F" if fortran_order else "C", stream.tell()


def _no_npy(beginning: bytes, size: int, expected: tuple[int, ...], wanted: str) -> tuple[str, str, str]:
    """What a file is that does not begin as .npy files do; the pointers and archives first."""
    array = "a .npy array, " + wanted
    if beginning and _MAGIC.startswith(beginning):
        return f"cut off after {size} bytes", array, "copy or write the file again"
    if kind := wrong_kind(beginning, size):
        return kind.seen, array, kind.advice
    if looks_compressed(beginning):
        return "compressed with gzip", array, "unpack it with gunzip"
    for name, width in (("float32", 4), ("float64", 8)):
        if size == math.prod(expected) * width:
            how = f"numpy.save(path, numpy.fromfile(file, numpy.{name}).reshape{expected})"
            return f"not a NumPy .npy file, but as many bytes as {name} values without a header", array, f"if so, {how}"
    return "not a NumPy .npy file", array, "is it the right file? Else write it with numpy.save"


_OTHER_GRID = "for another montage or grid give --eeg_shape (in Python: the transform's `shape`)"


def _advise_on_shape(seen: tuple[int, ...], expected: tuple[int, ...]) -> str:
    """Say what most likely went wrong where a scalogram has another shape than the cohort's."""
    frequency, time, electrode = expected
    if seen == (electrode, frequency, time):
        return "the electrodes come first: save numpy.transpose(x, (1, 2, 0))"
    if len(seen) > 3 and tuple(length for length in seen if length != 1) == expected:
        return "it has axes of length 1 besides: save numpy.squeeze(x)"
    if sorted(seen) == sorted(expected):
        return "the axes are in another order: save them as (frequency, time, electrode)"
    if len(seen) == 3 and seen[:2] == (frequency, time):
        difference = seen[2] - electrode
        count = "one electrode is" if abs(difference) == 1 else f"{abs(difference)} electrodes are"
        return f"{count} missing; {_OTHER_GRID}" if difference < 0 else f"{count} too many; {_OTHER_GRID}"
    return f"the axes are (frequency, time, electrode); {_OTHER_GRID}"


def _count_nonfinite(scalogram: np.ndarray, finite: np.ndarray) -> str:
    """``3 NaN and 1 infinite values, the first at (frequency 5, time 2, electrode 0)``."""
    nan = int(np.isnan(scalogram).sum())
    frequency, time, electrode = np.argwhere(~finite)[0]
    counts = f"{nan} NaN and {int((~finite).sum()) - nan} infinite values"
    return f"{counts}, the first at (frequency {frequency}, time {time}, electrode {electrode})"
