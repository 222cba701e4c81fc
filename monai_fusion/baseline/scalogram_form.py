"""What one scalogram is like before its z-score: amplitude of each electrode, flat ones, power of each row."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from monai_fusion.contrast import flat_electrodes
from monai_fusion.file_formats.npy import load_scalogram

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ScalogramForm:
    """What a scalogram is like, in its file's own unit.

    Attributes:
        amplitude: [electrode] root mean square over rows and time.
        flat: [electrode] whether it is constant.
        power: [row] mean square over time and the electrodes that are not flat.
    """

    amplitude: Floats
    flat: npt.NDArray[np.bool_]
    power: Floats


class ScalogramFormNumbers:
    """The same as one array; the preprocessed store keeps it under this class, its version and its arguments.

    Args:
        shape: As stored: (frequency, time, electrode).
    """

    version: ClassVar[int] = 1  # part of the store's key: raise it when the numbers change

    def __init__(self, shape: Sequence[int] = (224, 224, 17)) -> None:
        self.shape = tuple(int(length) for length in shape)

    def __call__(self, source: str | os.PathLike[str]) -> Floats:
        """Return [electrode + electrode + row] float64 of a file: amplitude, flat, power.

        Raises:
            InputError: As of `load_scalogram`.
        """
        form = _form_of_scalogram(load_scalogram(source, self.shape))
        return np.concatenate([form.amplitude, form.flat.astype(np.float64), form.power])

    def form(self, numbers: Floats) -> ScalogramForm:
        """Return what an array of `__call__` holds."""
        electrodes = self.shape[2]
        amplitude, flat, power = np.split(numbers, [electrodes, 2 * electrodes])
        return ScalogramForm(amplitude, flat > 0, power)


def _form_of_scalogram(scalogram: npt.NDArray[Any]) -> ScalogramForm:
    """Measure a scalogram.

    Args:
        scalogram: [electrode, frequency, time], finite.
    """
    flat = flat_electrodes(scalogram)
    # Electrodes last, as in the file: squares and sums then follow the memory.
    values = np.moveaxis(scalogram, 0, -1).astype(np.float64)
    with np.errstate(over="ignore"):
        squares = np.multiply(values, values, out=values).mean(axis=1)  # [row, electrode]
    power = squares[:, ~flat].mean(axis=1) if not flat.all() else np.zeros(len(squares))
    return ScalogramForm(np.sqrt(squares.mean(axis=0)), flat, power)
