"""Resample a volume to a fixed grid and keep its centred slab."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import islice
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform

from monai_fusion.errors import InputError, Problem
from monai_fusion.keys import MRI
from monai_fusion.transforms.arrays import plain_tensor, require_volume_shape


class _Taps(NamedTuple):
    """Linear interpolation along one axis: output i is (1 - weight[i]) x[below[i]] + weight[i] x[above[i]].

    The tensors are on the volume's device; ``places`` has each ``(below[i], above[i])`` for the processor.
    """

    places: list[tuple[int, int]]
    below: torch.Tensor
    above: torch.Tensor
    weight: torch.Tensor


def resample_slab(
    volume: np.ndarray | torch.Tensor,
    size: Sequence[int] = (128, 128, 128),
    depth: int = 96,
) -> torch.Tensor:
    """Resample linearly to ``size``, then keep the centred ``depth`` slices of the first axis.

    Equal, within float32 rounding, to ``scipy.ndimage.zoom(order=1)`` followed by the slab: the first and last voxels
    of input and output coincide (``grid_mode=False``). There is one exception: scipy's default mode puts a slice of
    zeros at the end of an axis if rounding moves the last sample past the last voxel (55 -> 48 voxels, for example);
    here that slice is the last voxel, as with scipy's ``mode="nearest"``. Resampling of this kind is separable, and the
    function computes only the slices of the slab, each while it is in the processor's cache.

    Args:
        volume: ``[1, X, Y, Z]``; not changed.
        size: Voxels along the three axes after resampling.
        depth: Slices to keep. Half of ``size[0] - depth`` is cut off at each end, an odd slice at the far end. If
            ``depth`` is larger, the outer slices are repeated instead, an odd one at the far end.

    Returns:
        ``[1, depth, size[1], size[2]]`` float32, contiguous.
    """
    require_volume_shape(volume)
    slices = plain_tensor(volume)[0]
    before = max(depth - size[0], 0) // 2
    kept = min(depth, size[0])
    first = (size[0] - kept) // 2
    lengths = zip(slices.shape, size, strict=True)
    across, rows, columns = (_taps(old, new, slices.device) for old, new in lengths)

    slab = torch.empty(1, depth, size[1], size[2], device=slices.device)
    inner = slab[0, before : before + kept]
    # In-plane work takes most of the time, so it runs on the fewer slices: the slab's or the volume's.
    in_plane_last = kept <= len(slices)
    if not in_plane_last:
        slices = torch.stack([_resample_plane(plane, rows, columns) for plane in slices])
    places = zip(across.places, across.weight, strict=True)
    for ((below, above), weight), target in zip(islice(places, first, first + kept), inner, strict=True):
        plane = torch.lerp(slices[below], slices[above], weight)
        target.copy_(_resample_plane(plane, rows, columns) if in_plane_last else plane)
    slab[0, :before] = inner[0]
    slab[0, before + kept :] = inner[-1]
    return slab


class ResampleSlabd(MapTransform):
    """Apply :func:`resample_slab` to the volume under each key.

    Args:
        keys: Keys of the volumes.
        size: As in :func:`resample_slab`.
        depth: As in :func:`resample_slab`.
        allow_missing_keys: Skip keys that a sample does not have.
    """

    version: ClassVar[int] = 1  # part of the preprocessed store's key: raise it when the numbers change

    def __init__(
        self,
        keys: KeysCollection = MRI,
        size: Sequence[int] = (128, 128, 128),
        depth: int = 96,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.size = tuple(int(length) for length in size)
        self.depth = int(depth)
        if len(self.size) != 3 or min(self.size) < 1:
            raise InputError(Problem(type(self).__name__, "size", str(self.size), "three positive lengths"))
        if self.depth < 1:
            raise InputError(Problem(type(self).__name__, "depth", str(self.depth), "1 or more slices"))

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of ``data`` with ``[1, depth, H, W]`` float32 tensors under the keys."""
        sample = dict(data)
        for key in self.key_iterator(sample):
            sample[key] = resample_slab(sample[key], self.size, self.depth)
        return sample


def _taps(old: int, new: int, device: torch.device) -> _Taps:
    """Return where each of ``new`` samples lies among ``old`` voxels; in float64, so that weights are right to 1e-7."""
    position = np.arange(new) * ((old - 1) / (new - 1) if new > 1 else 0.0)
    below = np.minimum(position.astype(np.int64), old - 1)
    above = np.minimum(below + 1, old - 1)
    weight = (position - below).astype(np.float32)
    places = list(zip(below.tolist(), above.tolist(), strict=True))
    return _Taps(places, *(torch.from_numpy(part).to(device) for part in (below, above, weight)))


def _resample_plane(plane: torch.Tensor, rows: _Taps, columns: _Taps) -> torch.Tensor:
    """Resample ``[Y, Z]`` to ``[H, W]``. Two taps, not a matrix product: less work, and the same on every BLAS."""
    tall = torch.lerp(plane.index_select(0, rows.below), plane.index_select(0, rows.above), rows.weight[:, None])
    return torch.lerp(tall.index_select(1, columns.below), tall.index_select(1, columns.above), columns.weight)
