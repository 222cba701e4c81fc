"""The map among a method's arrays, whatever the method: cell by cell as computed, or shared out over the points."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from monai_fusion.explain.deletion import Places, block_cells, eeg_cells, even_edges
from monai_fusion.explain.eeg_summary import occlusion_of
from monai_fusion.explain.method import Arrays

_WHOLE = "attributions"
_CELLS, _KNOWN = "effects", "first_order"
_ROWS, _COLUMNS = "axis_band_rows", "axis_time_columns"
_BANDS, _BLOCKS, _CUBES = 6, 4, 8

Floats = NDArray[np.float64]


def own_map(arrays: Arrays) -> Floats:
    """The map as the method computed it: [electrode, band, time block] of an occlusion of the EEG, else the points.

    Raises:
        ValueError: The method has no array that is known as a map.
    """
    if _WHOLE in arrays:
        return np.asarray(arrays[_WHOLE], np.float64)
    if _CELLS not in arrays:
        raise ValueError(f"no map among the arrays {', '.join(arrays)}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a mask may have been tried on no segment
        return occlusion_of(arrays[_CELLS], arrays.get(_KNOWN))[0]


def point_map(arrays: Arrays) -> Floats:
    """The map at the points of the network's input, [electrode, frequency, time] or [T, H, W].

    The effect of hiding a cell of the EEG is shared out evenly among the cell's points.

    Raises:
        ValueError: As `own_map`.
    """
    values = own_map(arrays)
    if _WHOLE in arrays:
        return values
    rows, columns = (np.asarray(arrays[name], np.int64) for name in (_ROWS, _COLUMNS))
    found = np.zeros((len(values), int(rows.max()), int(columns.max())))
    for band, (first, end) in enumerate(rows):
        for block, (start, stop) in enumerate(columns):
            points = (end - first) * (stop - start)
            found[:, first:end, start:stop] = (np.nan_to_num(values[:, band, block]) / points)[:, None, None]
    return found


def cells_of(arrays: Arrays, recording: str) -> Places:
    """The cells that deletion curves remove one after the other: [*shape] of `point_map`.

    Of the EEG: electrode x band x block of time, as the method's own axes have them, otherwise 6 x 4 blocks of rows and
    columns. Of the MRI: cubes, 8 along the longest axis.
    """
    shape = point_map(arrays).shape
    if recording == "mri":
        return block_cells(shape, max(1, -(-max(shape) // _CUBES)))
    if _ROWS in arrays and _COLUMNS in arrays:
        edges = [[int(each[0, 0]), *map(int, each[:, 1])] for each in (arrays[_ROWS], arrays[_COLUMNS])]
        return eeg_cells(shape, *edges)
    return eeg_cells(shape, even_edges(shape[1], _BANDS), even_edges(shape[2], _BLOCKS))
