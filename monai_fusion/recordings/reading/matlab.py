"""The variables of a MATLAB file, as dictionaries, lists and arrays: version 5 is read here, 7.3 by pymatreader."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import Any

from monai_fusion.errors import InputError, Problem
from monai_fusion.recordings.reading.matlab5 import read_level5

_HDF5 = b"\x89HDF\r\n\x1a\n"
_LARGE = 256 * 2**20
_MOST_TIMES = 100  # what may be in memory of a byte of the file: HDF5 compresses, and stores nothing for zeros
_HEADER = 2048  # bytes within which a version 7.3 file's HDF5 part begins


def mat_variables(path: Path, names: Container[str]) -> dict[str, Any]:
    """Read variables of a MATLAB file; no object or function of it is made.

    Args:
        path: The file.
        names: Of the variables and fields that are wanted; of version 7.3 all are read.

    Returns:
        As `read_level5`; version 7.3 has arrays of any size in memory.

    Raises:
        InputError: It is no MATLAB file, or one of version 7.3 and the package that reads those is missing.
    """
    with path.open("rb") as stream:
        beginning = stream.read(_HEADER)
    if _HDF5 in beginning:
        return _hdf5_variables(path)
    if not beginning.startswith(b"MATLAB 5.0"):
        raise InputError(Problem(str(path), seen="no MATLAB file, as which EEGLAB saves a .set"))
    return read_level5(path, names)


def _hdf5_variables(path: Path) -> dict[str, Any]:
    try:
        import h5py
        from pymatreader import read_mat
    except ImportError as error:
        seen = "a MATLAB file of version 7.3, which pymatreader reads"
        advice = 'pip install "monai-fusion[eeg]", or save it in EEGLAB without -v7.3'
        raise InputError(Problem(str(path), seen=seen, advice=advice)) from error
    most = max(_LARGE, _MOST_TIMES * path.stat().st_size)
    with h5py.File(path, "r") as file:
        items = [file]
        file.visititems(lambda _, item: items.append(item))
        for item in items:
            if isinstance(item, h5py.Dataset):
                is_elsewhere = item.is_virtual or bool(item.external)
                most -= item.nbytes
            else:
                links = (item.get(name, getlink=True) for name in item)
                is_elsewhere = not all(isinstance(link, h5py.HardLink) for link in links)
            if is_elsewhere:
                raise ValueError("a part of it lies elsewhere")
            if most < 0:
                raise ValueError(f"it claims more than {_MOST_TIMES} times what it holds")
    return dict(read_mat(path))
