"""Recordings without contrast, which preprocessing would turn into nothing: the messages before and during it."""

from __future__ import annotations

import numpy as np

from monai_fusion.errors import Problem
from monai_fusion.keys import EEG, MRI
from monai_fusion.percentile_selection import select_percentiles

LOWER, UPPER = 1.0, 99.0
"""The percentiles that become 0 and 1 in the shipped chains."""

OVER = ("all", "nonzero")
"""Which voxels the percentiles are taken over."""


def in_memory_order(values: np.ndarray) -> np.ndarray:
    """Return all values of an array with flipped or permuted axes in one axis, in the order of the memory if possible.

    Flipped axes are turned back, so that a volume that was only reoriented is not copied.
    """
    ascending = values[tuple(slice(None, None, -1 if stride < 0 else 1) for stride in values.strides)]
    slowest_first = np.argsort([-stride for stride in ascending.strides], kind="stable")
    return ascending.transpose(slowest_first).reshape(-1)


def percentiles_of(values: np.ndarray, lower: float, upper: float, over: str = "all") -> tuple[float, float]:
    """Return two percentiles of a volume's voxels, or of those that are not 0; of none, both are 0.

    Args:
        values: Any shape, finite.
        lower: Percentile in 0..100, as of ``numpy.percentile`` (linear interpolation).
        upper: Percentile in 0..100.
        over: One of `OVER`.
    """
    flat = in_memory_order(values)
    if over == "nonzero":
        flat = flat[flat != 0]
    return select_percentiles(flat, lower, upper) if flat.size else (0.0, 0.0)


def no_contrast(where: str, value: float, lower: float, upper: float, over: str, helps: bool) -> Problem:
    """What is wrong with a volume both of whose percentiles are ``value``.

    Args:
        where: The file.
        value: Of both percentiles.
        lower: Percentile.
        upper: Percentile.
        over: One of `OVER`.
        helps: Whether the voxels that are not 0 alone have two different percentiles.
    """
    voxels = "the voxels" if over == "all" else "the voxels that are not 0"
    seen = f"percentiles {lower:g} and {upper:g} of {voxels} are both {value:g}: scaled by them, all voxels become 0"
    advice = "nearly all of it is background: crop it, or set percentiles_over to nonzero (for all MRIs)"
    return Problem(where, MRI, seen, "an image of a head", advice if helps else "is it the right file?")


def all_constant(where: str, electrodes: int) -> Problem:
    """What is wrong with a scalogram none of whose electrodes varies."""
    return Problem(where, EEG, f"all {electrodes} electrodes are constant", "a scalogram")


def flat_electrodes(scalogram: np.ndarray) -> np.ndarray:
    """Which electrodes become zeros when they are z-scored: constant ones, and those whose variance has no float64.

    Args:
        scalogram: ``[electrode, frequency, time]``, finite.

    Returns:
        ``[electrode]`` bool.
    """
    spread = scalogram.max(axis=(1, 2)).astype(np.float64) - scalogram.min(axis=(1, 2))
    with np.errstate(over="ignore", under="ignore"):
        squared = spread * spread * scalogram[0].size
    return ~((squared > 0) & np.isfinite(squared))


def has_contrast(values: np.ndarray, lower: float, upper: float, over: str) -> bool:
    """Whether the percentiles differ."""
    low, high = percentiles_of(values, lower, upper, over)
    return low < high
