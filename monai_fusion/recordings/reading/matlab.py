"""The variables of a MATLAB file, as dictionaries, lists and arrays: version 5 by SciPy, 7.3 by pymatreader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monai_fusion.errors import InputError, Problem

_HDF5 = b"\x89HDF\r\n\x1a\n"
_HEADER = 2048  # bytes within which a version 7.3 file's HDF5 part begins


def mat_variables(path: Path) -> dict[str, Any]:
    """Read all variables of a MATLAB file; no object or function of it is made.

    Raises:
        InputError: It is no MATLAB file, or one of version 7.3 and the package that reads those is missing.
    """
    with path.open("rb") as stream:
        beginning = stream.read(_HEADER)
    if _HDF5 in beginning:
        return _hdf5_variables(path)
    if not beginning.startswith(b"MATLAB 5.0"):
        raise InputError(Problem(str(path), seen="no MATLAB file, as which EEGLAB saves a .set"))
    from scipy.io import loadmat

    return dict(loadmat(path, simplify_cells=True))


def _hdf5_variables(path: Path) -> dict[str, Any]:
    try:
        from pymatreader import read_mat
    except ImportError as error:
        seen = "a MATLAB file of version 7.3, which pymatreader reads"
        advice = 'pip install "monai-fusion[eeg]", or save it in EEGLAB without -v7.3'
        raise InputError(Problem(str(path), seen=seen, advice=advice)) from error
    return dict(read_mat(path))
