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

    version: ClassVar[int] = 1  # part of the store's key: raise it when the numbers change

    def __init__(self, shape: Sequence[int] = (224, 224, 17)) -> None:
        self.shape = tuple(int(length) for length in shape)

    def __call__(self, source: str | os.PathLike[str]) -> Floats:
        """Return [electrode, band] float64 of a file.

        Raises:
            InputError: As of `load_scalogram`.
        """
        return numbers_of_scalogram(load_scalogram(source, self.shape))


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
    bands = min(BANDS, z.shape[1])
    starts = np.arange(bands) * z.shape[1] // bands
    sizes = np.diff(np.append(starts, z.shape[1]))
    found: Floats = np.add.reduceat(z, starts, axis=1) / sizes
    return found


def by_region(numbers: Floats) -> Floats:
    """Average electrodes within each region: [electrode, band] -> [region * band].

    With other electrodes than the standard 17, whose places are not known, only the mean of all is taken.
    """
    if len(numbers) != len(_STANDARD):
        return numbers.mean(axis=0)
    places = np.array(_STANDARD)
    return np.concatenate([numbers[(places == name) | (name == "all")].mean(axis=0) for name in REGIONS])
