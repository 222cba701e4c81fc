"""What one MRI's grid and histogram are like, from numbers of its header and its voxels; no text of it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from monai_fusion.file_formats.nifti import StoredVolume

QUANTILES = (0.10, 0.25, 0.50, 0.75, 0.90)
"""Of the scaled intensities of all voxels."""

FORM = (
    *("stored axis 1", "stored axis 2", "stored axis 3"),
    *("voxel left-right", "voxel back-front", "voxel down-up"),
    *("field of view left-right", "field of view back-front", "field of view down-up"),
    *("tilt", "share of the lowest value"),
    *(f"intensity quantile {quantile:g}" for quantile in QUANTILES),
)
"""What the numbers are, in their order."""

SAMPLED = 1 << 20
"""Voxels that thresholds and quantiles are taken from."""

Floats = npt.NDArray[np.float64]
_CODES = ("LR", "PA", "IS")


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The grid of a volume; all but ``axes`` along left-right, back-front and down-up.

    Attributes:
        axes: [3] of each stored axis: 1, 2 or 3 for R, A and S; negative for L, P and I.
        voxel_mm: [3] the edges of a voxel.
        view_mm: [3] the field of view.
        tilt: The largest angle between an axis of the grid and the scanner's nearest one, in degrees.
    """

    axes: Floats
    voxel_mm: Floats
    view_mm: Floats
    tilt: float

    def as_array(self) -> Floats:
        """[10], as the beginning of `FORM`."""
        return np.array([*self.axes, *self.voxel_mm, *self.view_mm, self.tilt], dtype=np.float64)


def grid_numbers(volume: StoredVolume) -> Grid:
    """Return the grid of a volume that was opened in RAS."""
    header = volume.header
    columns = header.affine[:3, :3]
    # A column of the affine is the step along a stored axis, which follows one axis of the head.
    steps = np.linalg.norm(columns, axis=0)
    place = header.orientation[:, 0].astype(int)
    voxel, view = np.empty(3), np.empty(3)
    voxel[place], view[place] = steps, steps * np.array(header.shape)
    along = np.abs(columns[place, np.arange(3)]) / steps
    tilt = float(np.degrees(np.arccos(np.clip(along.min(), 0.0, 1.0))))
    return Grid((place + 1) * header.orientation[:, 1], voxel, view, tilt)


def histogram_numbers(values: npt.NDArray[Any], low: float, high: float) -> Floats:
    """Return the share of voxels with the lowest value, and `QUANTILES` of the scaled intensities.

    Noise around a head has many values; a masked, defaced or skull-stripped background has one.

    Args:
        values: [X, Y, Z].
        low: The intensity that becomes 0.
        high: ... that becomes 1.
    """
    sample = sampled(values)
    quantiles = (np.quantile(sample, QUANTILES) - low) / ((high - low) or 1.0)
    return np.array([(sample == sample.min()).mean(), *np.clip(quantiles, 0, 1)], dtype=np.float64)


def sampled(values: npt.NDArray[Any]) -> Floats:
    """Return at most about a million voxels at even distances, [n]."""
    step = max(1, round((values.size / SAMPLED) ** (1 / 3)))
    return np.asarray(values[::step, ::step, ::step], dtype=np.float64).ravel()


def axis_codes(axes: Floats) -> str:
    """``LAS``: what the stored axes point to; ``axes`` as of `Grid`."""
    return "".join(_CODES[round(abs(axis)) - 1][int(axis > 0)] for axis in axes)
