"""The standard chain of the MRI in one pass over its file: the same numbers as the plain transforms, but faster.

`LoadVolumed`, `ScaleIntensityPercentilesd` and `ResampleSlabd` in sequence make four arrays of all voxels. This module
scales, clips and interpolates every stored plane while it is in the processor's cache, and only those planes that the
slab needs; it takes the percentiles from the values as they are stored. An entry of the preprocessed store does not
show which of the two ways computed it: they agree to 1e-6, and share versions and keys.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from monai_fusion.file_formats.nifti import StoredVolume, open_volume
from monai_fusion.percentile_selection import select_percentiles
from monai_fusion.transforms.intensity_percentiles import ScaleIntensityPercentilesd
from monai_fusion.transforms.slab_resampling import ResampleSlabd
from monai_fusion.transforms.volume_file import LoadVolumed

_EXACT_IN_FLOAT32 = ("i1", "u1", "i2", "u2", "f4")
_SUPPORTED = (*_EXACT_IN_FLOAT32, "i4", "u4", "f8")


class _Taps(NamedTuple):
    """Linear interpolation along one stored axis: output i is (1 - weight[i]) x[below[i]] + weight[i] x[above[i]]."""

    below: np.ndarray
    above: np.ndarray
    weight: np.ndarray

    @property
    def used(self) -> slice:
        """The part of the stored axis that the outputs need."""
        return slice(int(min(self.below.min(), self.above.min())), int(max(self.below.max(), self.above.max())) + 1)


class _Scaling(NamedTuple):
    """Stored values that become 0 and 1."""

    zero: float
    one: float


@dataclass(frozen=True)
class StandardVolume:
    """The three transforms of the standard chain as one function of the file, see `prepare_standard_volume`."""

    load: LoadVolumed
    scale: ScaleIntensityPercentilesd
    resample: ResampleSlabd

    def __call__(self, source: str) -> torch.Tensor | None:
        """Return ``[1, depth, H, W]`` float32, or None if the transforms themselves have to do it."""
        return prepare_standard_volume(source, self.load, self.scale, self.resample)


def shortcut_for(transforms: Sequence[object], key: str) -> StandardVolume | None:
    """Return the faster way, if the transforms are exactly the standard chain of the MRI, for this key alone."""
    kinds = [LoadVolumed, ScaleIntensityPercentilesd, ResampleSlabd]
    if [type(transform) for transform in transforms] != kinds:
        return None
    if any(tuple(transform.keys) != (key,) for transform in transforms):  # type: ignore[attr-defined] # all have keys
        return None
    return StandardVolume(*transforms)  # type: ignore[arg-type] # their types were compared


def prepare_standard_volume(
    source: str, load: LoadVolumed, scale: ScaleIntensityPercentilesd, resample: ResampleSlabd
) -> torch.Tensor | None:
    """Compute the result of the three transforms for a file, in one pass.

    Args:
        source: The file's path, which may be a `FileContent`.
        load: Defines the order of the axes.
        scale: Defines which percentiles, of which voxels, become 0 and 1.
        resample: Defines the slab.

    Returns:
        ``[1, depth, H, W]`` float32, contiguous, within 1e-6 of the transforms; None if the transforms themselves
        have to do it: unusual types, values that float32 or float64 cannot distinguish, NaN or infinity.

    Raises:
        InputError: As by :func:`~monai_fusion.transforms.load_volume`, and if both percentiles are the same value.
    """
    volume = open_volume(source, load.orientation, load.assume_orientation)
    stored = _stored_voxels(volume)
    if stored is None:
        return None
    scaling = _scaling(stored, volume, scale)
    if scaling is None:
        return None
    depth, size = resample.depth, resample.size
    if scaling.zero == scaling.one:
        value = scaling.zero * volume.header.slope + volume.header.inter
        raise scale.refusal(_scaled_values(stored, volume), value, str(source))
    kept = min(depth, size[0])
    slab = torch.empty(1, depth, size[1], size[2])
    before = max(depth - size[0], 0) // 2
    inner = slab[0, before : before + kept]
    _resample(stored, volume.reorient, scaling, size, kept, inner)
    slab[0, :before] = inner[0]
    slab[0, before + kept :] = inner[-1]
    return slab


def _stored_voxels(volume: StoredVolume) -> np.ndarray | None:
    """Return the file's voxels, (slowest, middle, fastest) stored axis, without a copy; None if it is unusual."""
    return volume.stored().transpose() if volume.header.dtype.str[1:] in _SUPPORTED else None


def _scaled_values(stored: np.ndarray, volume: StoredVolume) -> np.ndarray:
    return stored * np.float64(volume.header.slope) + volume.header.inter


def _scaling(stored: np.ndarray, volume: StoredVolume, scale: ScaleIntensityPercentilesd) -> _Scaling | None:
    """Return the stored values of the two percentiles, or None if the arithmetic would not be exact enough.

    The header's slope and intercept keep the order of the values, or a negative slope reverses it: percentiles of the
    scaled values are the scaled percentiles.
    """
    slope, inter = volume.header.slope, volume.header.inter
    values = stored.reshape(-1)
    if not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    if values.dtype.kind == "f":
        ends = float(values.min()), float(values.max())
        if not all(map(math.isfinite, (ends[0] - ends[1], ends[0] * slope + inter, ends[1] * slope + inter))):
            return None
    if scale.over == "nonzero":
        if inter != 0:  # rounding would then decide which of the stored values is 0
            return None
        values = values[values != 0]
        if not values.size:
            return _Scaling(0.0, 0.0)
    zero, one = select_percentiles(values, scale.lower, scale.upper, descending=slope < 0)
    if zero == one:
        return _Scaling(zero, one)
    low, high = zero * slope + inter, one * slope + inter
    # If the intercept swallows the digits of the values, or the range is subnormal, the result contains the plain
    # chain's own rounding, and only the plain chain can repeat it.
    exact = 1e-30 < high - low < 1e30 and 1e-30 < abs(one - zero) < 1e30
    if not exact or max(abs(low), abs(high), abs(inter)) * 1e-15 > 1e-8 * (high - low):
        return None
    return _Scaling(zero, one)


def _resample(
    stored: np.ndarray,
    reorient: np.ndarray,
    scaling: _Scaling,
    size: Sequence[int],
    kept: int,
    target: torch.Tensor,
) -> None:
    """Scale, clip and resample the stored voxels into ``target``, ``[kept, H, W]``."""
    goes_to = [int(axis) for axis in reorient[:3, 0]]  # stored axis 0, the fastest, becomes this one, and so on
    taps = []
    for axis, goal in enumerate(goes_to):
        first = (size[0] - kept) // 2 if goal == 0 else 0
        length = kept if goal == 0 else size[goal]
        taps.append(_taps(stored.shape[2 - axis], size[goal], first, length, flipped=reorient[axis, 1] < 0))
    fast, middle, slow = taps
    planes = _ScaledPlanes(stored[:, middle.used, fast.used], scaling)
    below, above = (torch.from_numpy(ends - middle.used.start) for ends in (middle.below, middle.above))
    weight = torch.from_numpy(middle.weight)[:, None]
    rows = torch.empty(len(middle.below), len(slow.below), planes.shape[1])
    for place in range(len(slow.below)):
        plane = torch.lerp(planes[slow.below[place]], planes[slow.above[place]], float(slow.weight[place]))
        torch.lerp(plane.index_select(0, below), plane.index_select(0, above), weight, out=rows[:, place])
    # The fastest axis comes last: transposed, it too is interpolated in long contiguous rows.
    columns = rows.reshape(-1, planes.shape[1]).T.contiguous()
    arranged = target.permute(goes_to[0], goes_to[1], goes_to[2])  # [fast, middle, slow]
    for place, (one, other) in enumerate(zip(fast.below, fast.above, strict=True)):
        start = fast.used.start
        line = torch.lerp(columns[one - start], columns[other - start], float(fast.weight[place]))
        arranged[place] = line.view(len(middle.below), len(slow.below))


class _ScaledPlanes:
    """The stored planes in 0..1, each scaled when it is first requested; the last two are kept."""

    def __init__(self, stored: np.ndarray, scaling: _Scaling) -> None:
        self._stored = stored
        self._exact = stored.dtype.str[1:] in _EXACT_IN_FLOAT32
        self._factor = 1.0 / (scaling.one - scaling.zero)
        # Voxels minus a float32 are rounded once, relative to the difference; the float32's remainder is added later.
        self._shift = np.float32(scaling.zero) if self._exact else np.float64(scaling.zero)
        self._rest = np.float32((float(self._shift) - scaling.zero) * self._factor)
        self.shape = stored.shape[1:]
        self._wide = None if self._exact else np.empty(self.shape)
        self._buffers = [np.empty(self.shape, np.float32) for _ in range(2)]
        self._held = [-1, -1]

    def __getitem__(self, index: int) -> torch.Tensor:
        slot = index % 2  # neighbours never share a buffer
        plane = self._buffers[slot]
        if self._held[slot] != index:
            self._held[slot] = index
            if self._wide is None:
                np.subtract(self._stored[index], self._shift, out=plane)
                np.multiply(plane, np.float32(self._factor), out=plane)
            else:
                np.subtract(self._stored[index], self._shift, out=self._wide)
                np.multiply(self._wide, self._factor, out=self._wide)
                np.clip(self._wide, 0.0, 1.0, out=self._wide)
                np.copyto(plane, self._wide, casting="same_kind")
            np.add(plane, self._rest, out=plane)
            np.clip(plane, 0.0, 1.0, out=plane)
        return torch.from_numpy(plane)


def _taps(old: int, new: int, first: int, length: int, flipped: bool) -> _Taps:
    """Return where outputs ``first`` to ``first + length`` of ``new`` lie among ``old`` stored voxels."""
    position = np.arange(first, first + length) * ((old - 1) / (new - 1) if new > 1 else 0.0)
    below = np.minimum(position.astype(np.int64), old - 1)
    above = np.minimum(below + 1, old - 1)
    weight = (position - below).astype(np.float32)
    if flipped:
        below, above = old - 1 - below, old - 1 - above
    return _Taps(below, above, weight)
