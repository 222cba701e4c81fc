"""Z-score a scalogram, each electrode separately."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform

from monai_fusion.contrast import all_constant
from monai_fusion.errors import InputError
from monai_fusion.keys import EEG
from monai_fusion.transforms.arrays import as_array, beside


def zscore_electrodes(scalogram: np.ndarray | torch.Tensor) -> torch.Tensor:
    """Scale every electrode to mean 0 and standard deviation 1 over its frequencies and times.

    The moments are taken in float64 of the differences from the electrode's first value (shifted data: Chan, Golub &
    LeVeque 1983, doi:10.1080/00031305.1983.10483115). That makes one pass over them safe however large the mean is
    beside the standard deviation: the shift is one of the N values, so it lies within sqrt(N) standard deviations of
    the mean. And it makes a constant electrode's differences exactly 0, where a rounded mean would leave noise that
    the division blows up.

    Args:
        scalogram: ``[electrode, frequency, time]``, any real dtype and memory layout; not changed.

    Returns:
        ``[electrode, frequency, time]`` float32, contiguous, with the population standard deviation (divisor N) as the
        unit. A constant electrode becomes zeros. The processor computes it; the result is on the input's device.
    """
    return beside(torch.from_numpy(_scores_of(scalogram)), scalogram)


@np.errstate(over="ignore", invalid="ignore")  # an electrode whose variance has no float64 becomes zeros, too
def _scores_of(scalogram: np.ndarray | torch.Tensor) -> np.ndarray:
    if scalogram.ndim != 3:
        raise ValueError(f"scalogram has shape {tuple(scalogram.shape)}, expected [electrode, frequency, time]")
    values = as_array(scalogram)
    rows = values.reshape(len(values), -1)  # also a view for a file's own order, electrodes last
    scores = np.empty(rows.shape, dtype=np.float32)
    shifted = np.empty(rows.shape[1])  # one electrode in float64: it stays in the processor's cache
    ones = np.ones_like(shifted)
    for row, target in zip(rows, scores, strict=True):
        np.subtract(row, row[0], out=shifted, dtype=np.float64)
        mean = (shifted @ ones) / shifted.size  # BLAS is quicker than numpy's sum, and as exact at this length
        variance = (shifted @ shifted) / shifted.size - mean * mean
        np.subtract(shifted, mean, out=shifted)
        np.multiply(shifted, 1.0 / math.sqrt(variance) if variance > 0 else 0.0, out=target, casting="same_kind")
    return scores.reshape(values.shape)


class ZScoreElectrodesd(MapTransform):
    """Apply :func:`zscore_electrodes` to the scalogram under each key; refuse one without any electrode that varies.

    Args:
        keys: Keys of the scalograms.
        allow_missing_keys: Skip keys that a sample does not have.
    """

    version: ClassVar[int] = 1  # part of the preprocessed store's key: raise it when the numbers change

    def __init__(self, keys: KeysCollection = EEG, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of ``data`` with z-scored ``[electrode, frequency, time]`` float32 tensors under the keys.

        Raises:
            InputError: Every electrode is constant; the caller that knows the file adds its name.
        """
        sample = dict(data)
        for key in self.key_iterator(sample):
            scores = _scores_of(sample[key])
            if not scores.any():
                raise InputError(all_constant("", len(scores)))
            sample[key] = beside(torch.from_numpy(scores), sample[key])
        return sample
