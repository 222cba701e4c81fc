"""Scale a volume's intensities so that two percentiles become 0 and 1."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform

from monai_fusion.errors import InputError, Problem
from monai_fusion.keys import MRI
from monai_fusion.transforms.arrays import require_volume_shape


def scale_percentiles(volume: np.ndarray | torch.Tensor, lower: float = 1.0, upper: float = 99.0) -> torch.Tensor:
    """Map the ``lower`` and ``upper`` percentile of all voxels to 0 and 1, linearly, and clip what lies outside.

    Where both percentiles are the same value, there is nothing to scale by: the result is zeros, with a warning.

    Args:
        volume: ``[1, X, Y, Z]``, finite, any real dtype and memory layout; not changed.
        lower: Percentile in 0..100, as in ``numpy.percentile`` (linear interpolation).
        upper: Percentile in 0..100, above ``lower``.

    Returns:
        ``[1, X, Y, Z]`` float32 in 0..1, contiguous; computed in float64.
    """
    require_volume_shape(volume)
    values = np.asarray(volume)[0]
    # All passes run in the order of the memory, which is column-major in NIfTI files; one copy transposes at the end.
    slowest_first = np.argsort([-abs(stride) for stride in values.strides], kind="stable")
    stored = values.transpose(slowest_first)
    low, high = _percentiles(stored, lower, upper)
    if not low < high:
        warn_of_no_contrast(lower, upper, low)
        return torch.zeros(1, *values.shape)
    scaled = np.empty(stored.shape, dtype=np.float32)
    for source, target in zip(stored, scaled, strict=True):  # by slices, so that the float64 copy stays in the cache
        part = np.subtract(source, low, dtype=np.float64)
        part /= high - low
        target[...] = np.clip(part, 0.0, 1.0, out=part)
    return torch.from_numpy(np.ascontiguousarray(scaled.transpose(np.argsort(slowest_first))[np.newaxis]))


class ScaleIntensityPercentilesd(MapTransform):
    """Apply :func:`scale_percentiles` to the volume under each key.

    MONAI's ``ScaleIntensityRangePercentilesd`` (1.6.1) returns the values unclipped where both percentiles are equal
    (3000 stays 3000), fails on integers of up to a million voxels, and rounds the percentiles of float32 to float32.

    Args:
        keys: Keys of the volumes.
        lower: As in :func:`scale_percentiles`.
        upper: As in :func:`scale_percentiles`.
        allow_missing_keys: Skip keys that a sample does not have.
    """

    version: ClassVar[int] = 1  # part of the preprocessed store's key: to be raised when the numbers change

    def __init__(
        self,
        keys: KeysCollection = MRI,
        lower: float = 1.0,
        upper: float = 99.0,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.lower = float(lower)
        self.upper = float(upper)
        if not 0.0 <= self.lower < self.upper <= 100.0:
            seen, wanted = f"{self.lower:g} and {self.upper:g}", "0 <= lower < upper <= 100"
            raise InputError(Problem(type(self).__name__, "lower and upper", seen, wanted))

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of ``data`` with ``[1, X, Y, Z]`` float32 tensors in 0..1 under the keys."""
        sample = dict(data)
        for key in self.key_iterator(sample):
            sample[key] = scale_percentiles(sample[key], self.lower, self.upper)
        return sample


def warn_of_no_contrast(lower: float, upper: float, value: float) -> None:
    """Say that a volume became zeros because both of its percentiles are ``value``."""
    message = f"percentiles {lower:g} and {upper:g} of a volume are both {value:g}: its intensities became zeros"
    warnings.warn(message, stacklevel=3)


def _percentiles(stored: np.ndarray, lower: float, upper: float) -> tuple[float, float]:
    """Return both percentiles, in float64, of values in any order: flipped axes are turned back to save a copy."""
    ascending = stored[tuple(slice(None, None, -1 if stride < 0 else 1) for stride in stored.strides)]
    # An array of two, because numpy computes a single percentile in the precision of the values.
    low, high = np.percentile(ascending.reshape(-1), np.array([lower, upper]))
    return float(low), float(high)
