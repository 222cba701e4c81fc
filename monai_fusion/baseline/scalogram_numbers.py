"""Numbers of one scalogram, from its file: the mean of each frequency band at each electrode."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from monai_fusion.file_formats.npy import load_scalogram

BANDS = 28
"""Frequency bands of equally many rows."""

REGIONS = ("all", "F", "C", "P", "O")
"""Groups of electrodes; those of the 10-20 system's T are counted to C, which lies between them."""

_STANDARD = ("F", "F", "F", "F", "F", "C", "C", "C", "C", "C", "P", "P", "P", "P", "P", "O", "O")
"""Where the 17 electrodes of a standard scalogram are, in its order (``recordings.montage``)."""

Floats = npt.NDArray[np.float64]


class ScalogramNumbers:
    """The numbers of a scalogram's file; the preprocessed store keeps them under this class and its arguments.

    Args:
        shape: As stored: (frequency, time, electrode).
    """

    version: ClassVar[int] = 2  # part of the store's key: raise it when the numbers change

    def __init__(self, shape: Sequence[int] = (224, 224, 17)) -> None:
        self.shape = tuple(int(length) for length in shape)

    def __call__(self, source: str | os.PathLike[str]) -> Floats:
        """Return [2, electrode, band] float64 of a file: `numbers_of_scalogram`, and `raw_bands`.

        Raises:
            InputError: As of `load_scalogram`.
        """
        scalogram = load_scalogram(source, self.shape)
        return np.stack([numbers_of_scalogram(scalogram), raw_bands(scalogram)])


def numbers_of_scalogram(scalogram: npt.NDArray[Any]) -> Floats:
    """Return the mean of each band over time, z-scored per electrode as the network's input is.

    Args:
        scalogram: [electrode, frequency, time].

    Returns:
        [electrode, band]; `BANDS` bands, or one for each row of a scalogram with fewer. A constant electrode is 0.
    """
    values = np.asarray(scalogram, dtype=np.float64)
    rows = values.mean(axis=2)
    # The mean over time of z-scores is the z-score of the mean: no array of all of them is needed.
    mean, spread = rows.mean(axis=1, keepdims=True), values.std(axis=(1, 2))[:, np.newaxis]
    z = np.divide(rows - mean, spread, out=np.zeros_like(rows), where=spread > 1e-12 * np.abs(mean))
    return _bands_of(z)


def raw_bands(scalogram: npt.NDArray[Any]) -> Floats:
    """Return the mean of each band over time, as the file has it: in its own unit, before any z-score.

    Args:
        scalogram: [electrode, frequency, time].

    Returns:
        [electrode, band]; bands as in `numbers_of_scalogram`.
    """
    return _bands_of(np.asarray(scalogram, dtype=np.float64).mean(axis=2))


def log_power(bands: Floats) -> Floats:
    """Return log10 of `raw_bands`; NaN where a file has no power: nothing, or values that are none (below 0).

    The unit, and whether files hold power or its root, do not matter to a regression that standardises its numbers:
    they add to the logarithm, or multiply it, in the same way for everyone.
    """
    return np.log10(bands, out=np.full(bands.shape, np.nan), where=bands > 0)


def mean_of_known(values: Floats) -> Floats:
    """Return the mean along the first axis over the numbers that are known; NaN where none is."""
    known = np.isfinite(values)
    total, count = np.where(known, values, 0.0).sum(axis=0), known.sum(axis=0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _bands_of(rows: Floats) -> Floats:
    """Average rows of frequencies within bands: [electrode, frequency] -> [electrode, band]."""
    bands = min(BANDS, rows.shape[1])
    starts = np.arange(bands) * rows.shape[1] // bands
    sizes = np.diff(np.append(starts, rows.shape[1]))
    found: Floats = np.add.reduceat(rows, starts, axis=1) / sizes
    return found


def by_region(numbers: Floats) -> Floats:
    """Average electrodes within each region: [electrode, band] -> [region * band].

    An electrode whose number is NaN is left out. With other electrodes than the standard 17, whose places are not
    known, only the mean of all is taken.
    """
    if len(numbers) != len(_STANDARD):
        return mean_of_known(numbers)
    places = np.array(_STANDARD)
    return np.concatenate([mean_of_known(numbers[(places == name) | (name == "all")]) for name in REGIONS])
