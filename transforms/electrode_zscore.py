"""Z-score a scalogram, each electrode by itself."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from monai.utils.type_conversion import convert_to_tensor

from monai_fusion.keys import EEG


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
        unit. A constant electrode becomes zeros.
    """
    if scalogram.ndim != 3:
        raise ValueError(f"scalogram has shape {tuple(scalogram.shape)}, expected [electrode, frequency, time]")
    # The transposition is done on the narrow type, the arithmetic on contiguous rows: half the time of the reverse.
    stored = convert_to_tensor(scalogram, track_meta=False).contiguous()
    rows = stored.reshape(len(stored), -1).to(torch.float64)
    shifted = rows - rows[:, :1]
    mean = shifted.mean(dim=1, keepdim=True)
    variance = (torch.linalg.vector_norm(shifted, dim=1, keepdim=True).square() / shifted.shape[1]) - mean.square()
    unit = torch.where(variance > 0, variance.rsqrt(), 0.0)
    scores: torch.Tensor = shifted.sub_(mean).mul_(unit).to(torch.float32)
    return scores.reshape(stored.shape)


class ZScoreElectrodesd(MapTransform):
    """Apply :func:`zscore_electrodes` to the scalogram under each key.

    Args:
        keys: Keys of the scalograms.
        allow_missing_keys: Skip keys that a sample does not have.
    """

    version: ClassVar[int] = 1  # part of the preprocessed store's key: to be raised when the numbers change

    def __init__(self, keys: KeysCollection = EEG, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of ``data`` with z-scored ``[electrode, frequency, time]`` float32 tensors under the keys."""
        sample = dict(data)
        for key in self.key_iterator(sample):
            sample[key] = zscore_electrodes(sample[key])
        return sample
