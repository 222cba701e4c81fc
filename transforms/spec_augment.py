"""Mask a stretch of time and a band of frequencies, after SpecAugment (Park et al. 2019, arXiv:1904.08779)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, RandomizableTransform

from monai_fusion.keys import EEG
from monai_fusion.transforms.arrays import plain_tensor
from monai_fusion.transforms.ranges import require_between


def mask_time_frequency(
    scalogram: np.ndarray | torch.Tensor,
    fraction: float,
    frequency_position: float,
    time_position: float,
) -> torch.Tensor:
    """Set one band of frequencies and one stretch of time to 0 on all electrodes.

    Args:
        scalogram: ``[electrode, frequency, time]``, z-scored, so that 0 is each electrode's mean; not changed.
        fraction: Width of each mask: ``int(fraction * length of the axis)`` bins.
        frequency_position: Where the band lies, in [0, 1): equal parts of it belong to each possible first bin.
        time_position: Where the stretch lies, in the same way.

    Returns:
        ``[electrode, frequency, time]`` float32, contiguous, in memory of its own.
    """
    masked = plain_tensor(scalogram).clone()
    masked[:, _stretch(masked.shape[1], fraction, frequency_position), :] = 0.0
    masked[:, :, _stretch(masked.shape[2], fraction, time_position)] = 0.0
    return masked


class RandSpecAugmentd(RandomizableTransform, MapTransform):
    """Apply :func:`mask_time_frequency` at uniformly random positions, the same for all keys.

    Args:
        keys: Keys of the scalograms.
        prob: Probability that a sample is masked at all.
        fraction: Width of each mask as a share of its axis, 0..1.
        allow_missing_keys: Skip keys that a sample does not have.
    """

    version: ClassVar[int] = 1

    def __init__(
        self,
        keys: KeysCollection = EEG,
        prob: float = 0.8,
        fraction: float = 0.08,
        allow_missing_keys: bool = False,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, require_between(self, "prob", prob, 0.0, 1.0))
        self.fraction = require_between(self, "fraction", fraction, 0.0, 1.0)
        self._frequency_position = 0.0
        self._time_position = 0.0

    def randomize(self, data: Any = None) -> None:
        """Draw whether to mask and, if so, where. ``data`` is not used: positions are fractions of any axis."""
        super().randomize(None)
        if self._do_transform:
            self._frequency_position, self._time_position = self.R.random_sample(2).tolist()

    def drawn(self) -> tuple[float, float] | None:
        """Draw for one sample and return the positions in frequency and time; None leaves the sample as it is."""
        self.randomize()
        return (self._frequency_position, self._time_position) if self._do_transform else None

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of ``data`` with float32 tensors under the keys, masked or unchanged."""
        sample = dict(data)
        self.randomize()
        for key in self.key_iterator(sample):
            scalogram = plain_tensor(sample[key])
            if self._do_transform:
                position = self._frequency_position, self._time_position
                scalogram = mask_time_frequency(scalogram, self.fraction, *position)
            sample[key] = scalogram
        return sample


def _stretch(length: int, fraction: float, position: float) -> slice:
    start, width = stretch_at(length, fraction, position)
    return slice(start, start + width)


def stretch_at(length: int, fraction: float, position: float) -> tuple[int, int]:
    """Return the first bin and the number of bins of a mask along an axis; see `mask_time_frequency`."""
    width = int(fraction * length)
    return int(position * (length - width + 1)), width
