"""The variables of a MATLAB file, as dictionaries, lists and arrays: version 5 by SciPy, 7.3 by pymatreader."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from monai_fusion.errors import InputError, Problem
from monai_fusion.recordings.reading.matlab_slim import Samples, slimmed

_HDF5 = b"\x89HDF\r\n\x1a\n"
_LARGE = 64 * 2**20  # bytes, from which on the samples are not taken into memory
_HEADER = 2048  # bytes within which a version 7.3 file's HDF5 part begins


def mat_variables(path: Path) -> tuple[dict[str, Any], Samples | None]:
    """Read all variables of a MATLAB file; no object or function of it is made.

    Returns:
        The variables, and where the samples are that are too many to be among them; ``data`` is empty then.

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

    if path.stat().st_size > _LARGE:
        with suppress(Exception):  # whatever is odd about it: then it is read as any other
            rest, samples = slimmed(path)
            return dict(loadmat(cast(Any, rest), simplify_cells=True)), samples  # any stream does
    return dict(loadmat(path, simplify_cells=True)), None


def _hdf5_variables(path: Path) -> tuple[dict[str, Any], Samples | None]:
    try:
        from pymatreader import read_mat
    except ImportError as error:
        seen = "a MATLAB file of version 7.3, which pymatreader reads"
        advice = 'pip install "monai-fusion[eeg]", or save it in EEGLAB without -v7.3'
        raise InputError(Problem(str(path), seen=seen, advice=advice)) from error
    return dict(read_mat(path)), None
