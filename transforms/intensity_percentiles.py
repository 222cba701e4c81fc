"""Scale a volume's intensities so that two percentiles become 0 and 1."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform

from monai_fusion.contrast import LOWER, OVER, UPPER, has_contrast, no_contrast
from monai_fusion.errors import InputError, Problem
from monai_fusion.keys import MRI
from monai_fusion.transforms.arrays import as_array, beside, require_volume_shape


def scale_percentiles(
    volume: np.ndarray | torch.Tensor, lower: float = LOWER, upper: float = UPPER, over: str = "all"
) -> torch.Tensor:
    """Map the ``lower`` and ``upper`` percentile of the voxels to 0 and 1, linearly, and clip values outside.

    If both percentiles are the same value, no scaling is possible: the result is zeros, with a warning.

    Args:
        volume: ``[1, X, Y, Z]``, finite, any real dtype and memory layout; not changed.
        lower: Percentile in 0..100, as in ``numpy.percentile`` (linear interpolation).
        upper: Percentile in 0..100, above ``lower``.
        over: ``all`` voxels, or those that are ``nonzero``. All are scaled either way.

    Returns:
        ``[1, X, Y, Z]`` float32 in 0..1, contiguous; computed in float64 by the processor, then on the input's device.
    """
    stored, slowest_first = _stored_order(volume)
    low, high = _percentiles(stored, lower, upper, over)
    if not low < high:
        message = f"percentiles {lower:g} and {upper:g} of a volume are both {low:g}: its intensities became zeros"
        warnings.warn(message, stacklevel=2)
        return beside(torch.zeros(1, *volume.shape[1:]), volume)
    return beside(_scaled(stored, slowest_first, low, high), volume)


class ScaleIntensityPercentilesd(MapTransform):
    """Apply :func:`scale_percentiles` to the volume under each key; refuse one that would become zeros.

    MONAI's ``ScaleIntensityRangePercentilesd`` (1.6.1) returns the values unclipped where both percentiles are equal
    (3000 stays 3000), fails on integers of up to a million voxels, and rounds the percentiles of float32 to float32.

    Args:
        keys: Keys of the volumes.
        lower: As in :func:`scale_percentiles`.
        upper: As in :func:`scale_percentiles`.
        allow_missing_keys: Skip keys that a sample does not have.
        over: As in :func:`scale_percentiles`; ``nonzero`` for skull-stripped volumes, whose background would otherwise
            determine the upper percentile.
    """

    version: ClassVar[int] = 1  # part of the preprocessed store's key: raise it when the numbers change
    over: str = "all"

    def __init__(
        self,
        keys: KeysCollection = MRI,
        lower: float = LOWER,
        upper: float = UPPER,
        allow_missing_keys: bool = False,
        over: str = "all",
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.lower = float(lower)
        self.upper = float(upper)
        if not 0.0 <= self.lower < self.upper <= 100.0:
            seen, wanted = f"{self.lower:g} and {self.upper:g}", "0 <= lower < upper <= 100"
            raise InputError(Problem(type(self).__name__, "lower and upper", seen, wanted))
        if over not in OVER:
            raise InputError(Problem("percentiles_over", seen=repr(over), wanted=" or ".join(OVER)))
        if over != "all":  # the default is not a parameter: entries from before this choice existed stay valid
            self.over = over

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of ``data`` with ``[1, X, Y, Z]`` float32 tensors in 0..1 under the keys.

        Raises:
            InputError: Both percentiles are the same value; the caller that knows the file adds its name.
        """
        sample = dict(data)
        for key in self.key_iterator(sample):
            stored, slowest_first = _stored_order(sample[key])
            low, high = _percentiles(stored, self.lower, self.upper, self.over)
            if not low < high:
                raise self.refusal(stored, low)
            sample[key] = beside(_scaled(stored, slowest_first, low, high), sample[key])
        return sample

    def refusal(self, values: np.ndarray, value: float, where: str = "") -> InputError:
        """The error about a volume, of any shape, whose percentiles are both ``value``."""
        helps = self.over == "all" and has_contrast(values, self.lower, self.upper, "nonzero")
        return InputError(no_contrast(where, value, self.lower, self.upper, self.over, helps))


def _stored_order(volume: np.ndarray | torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return the volume's three axes, slowest first, and which axes these are.

    All passes run in the order of the memory, which is column-major in NIfTI files; one copy transposes at the end.
    """
    require_volume_shape(volume)
    values = as_array(volume)[0]
    slowest_first = np.argsort([-abs(stride) for stride in values.strides], kind="stable")
    return values.transpose(slowest_first), slowest_first


def _scaled(stored: np.ndarray, slowest_first: np.ndarray, low: float, high: float) -> torch.Tensor:
    scaled = np.empty(stored.shape, dtype=np.float32)
    for source, target in zip(stored, scaled, strict=True):  # by slices, so that the float64 copy stays in the cache
        part = np.subtract(source, low, dtype=np.float64)
        part /= high - low
        target[...] = np.clip(part, 0.0, 1.0, out=part)
    return torch.from_numpy(np.ascontiguousarray(scaled.transpose(np.argsort(slowest_first))[np.newaxis]))


def _percentiles(stored: np.ndarray, lower: float, upper: float, over: str) -> tuple[float, float]:
    """Return both percentiles, in float64, of values in any order: flipped axes are turned back to save a copy."""
    ascending = stored[tuple(slice(None, None, -1 if stride < 0 else 1) for stride in stored.strides)].reshape(-1)
    if over == "nonzero":
        ascending = ascending[ascending != 0]
        if not ascending.size:
            return 0.0, 0.0
    # An array of two, because numpy computes a single percentile in the values' own precision.
    low, high = np.percentile(ascending, np.array([lower, upper]))
    return float(low), float(high)
