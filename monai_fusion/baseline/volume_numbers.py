"""Numbers of one MRI, from its file: the volume of the head, its extents, its intensities, and a coarse picture.

What its grid and its histogram are like follows them (`volume_form`), so that a file is read once for both.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from monai_fusion.baseline.volume_form import grid_numbers, histogram_numbers, sampled
from monai_fusion.contrast import LOWER, UPPER, percentiles_of
from monai_fusion.file_formats.content import UnusableFileError
from monai_fusion.file_formats.nifti import open_volume
from monai_fusion.keys import MRI

GRID = 8
"""Blocks along each axis of the coarse picture."""

SUMMARY = ("log head volume", "extent left-right", "extent back-front", "extent down-up", "mean inside", "SD inside")
"""The first numbers; the means of the `GRID` x `GRID` x `GRID` blocks follow."""

NUMBERS = len(SUMMARY) + GRID**3

_BINS = 256
_TAIL = 0.005  # of the foreground beyond either end of an extent: single bright voxels of the air do not count

Floats = npt.NDArray[np.float64]


class VolumeNumbers:
    """The numbers of an MRI file; the preprocessed store keeps them under this class, its version and its arguments.

    Args:
        assume_orientation: As of `load_volume`.
    """

    version: ClassVar[int] = 2  # part of the store's key: raise it when the numbers change

    def __init__(self, assume_orientation: str | None = None) -> None:
        self.assume_orientation = assume_orientation

    def __call__(self, source: str | os.PathLike[str]) -> Floats:
        """Return float64: the `NUMBERS` of `numbers_of_volume`, then those that `volume_form.FORM` names.

        Raises:
            InputError: As of `load_volume`.
        """
        volume = open_volume(source, "RAS", self.assume_orientation)
        grid = grid_numbers(volume)
        try:
            values = volume.values()
        except UnusableFileError as error:
            raise error.of(Path(source), MRI) from error
        low, high = percentiles_of(values, LOWER, UPPER)
        numbers = numbers_of_volume(values, grid.voxel_mm, low, high)
        return np.concatenate([numbers, grid.as_array(), histogram_numbers(values, low, high)])


def numbers_of_volume(values: npt.NDArray[Any], voxel_mm: Floats, low: float, high: float) -> Floats:
    """Compute the numbers of a volume.

    The foreground is what Otsu's threshold separates from the air (or from the zeros around an extracted brain). The
    volume is that of the file, before anything is resized: resizing the field of view to a cube loses it.

    Args:
        values: [X, Y, Z] in RAS.
        voxel_mm: [3] the edges of a voxel along the same axes, in mm.
        low: The 1st percentile of the values; it becomes 0.
        high: The 99th percentile; it becomes 1.

    Returns:
        [`NUMBERS`]: `SUMMARY` (natural log of mm^3, mm, mm, mm, and scaled intensities), then the mean scaled intensity
        of every block.
    """
    inside = values > otsu_threshold(values)
    count = max(int(inside.sum()), 1)
    extents = [_extent(inside.sum(axis=tuple({0, 1, 2} - {axis}))) * voxel_mm[axis] for axis in range(3)]
    scaled = np.clip((values.astype(np.float32) - low) / ((high - low) or 1.0), 0, 1)
    intensities = scaled[inside] if inside.any() else np.zeros(1, np.float32)
    summary = [
        np.log(count * voxel_mm.prod()),
        *extents,
        intensities.mean(dtype=np.float64),
        intensities.std(dtype=np.float64),
    ]
    return np.concatenate([np.array(summary, dtype=np.float64), block_means(scaled, GRID).ravel()])


def otsu_threshold(values: npt.NDArray[Any]) -> float:
    """Return the value that separates two groups of voxels with the largest variance between them (Otsu 1979).

    It takes at most about a million voxels at even distances, and the values up to the 99.9th percentile, so that a
    few bright vessels do not set the width of the bins.
    """
    sample = sampled(values)
    low, high = float(sample.min()), float(np.quantile(sample, 0.999))
    if not low < high:
        return low
    counts, edges = np.histogram(np.minimum(sample, high), _BINS, (low, high))
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above = counts.sum() - below
    sums = np.cumsum(counts * middles)
    with np.errstate(invalid="ignore", divide="ignore"):
        between = below * above * (sums[:-1] / below - (sums[-1] - sums[:-1]) / above) ** 2
    best = np.nan_to_num(between, nan=-1.0)
    # Of equally good thresholds (an empty gap between two groups) the middle one.
    reached = np.flatnonzero(best >= best.max() * (1 - 1e-12))
    return float(edges[1 + int(reached[len(reached) // 2])])


def block_means(values: npt.NDArray[Any], blocks: int) -> Floats:
    """Return the mean of each of blocks x blocks x blocks parts of a volume, [blocks, blocks, blocks].

    The parts are as equal as whole voxels allow; an axis of fewer voxels than blocks repeats voxels.
    """
    means = np.asarray(values, dtype=np.float64)
    for axis in range(3):
        length = means.shape[axis]
        if length < blocks:
            means = np.take(means, np.arange(blocks) * length // blocks, axis=axis)
            length = blocks
        starts = np.arange(blocks) * length // blocks
        sizes = np.diff(np.append(starts, length)).reshape([-1 if each == axis else 1 for each in range(3)])
        means = np.add.reduceat(means, starts, axis=axis) / sizes
    return means


def _extent(profile: npt.NDArray[Any]) -> float:
    """How many planes the foreground spans, without the outermost `_TAIL` at either end; 0 for none."""
    total = int(profile.sum())
    if total == 0:
        return 0.0
    share = np.cumsum(profile) / total
    first, last = np.searchsorted(share, [_TAIL, 1 - _TAIL])
    return float(last - first + 1)
