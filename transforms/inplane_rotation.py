"""Rotate a volume within its slices by a small random angle."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from monai.config import KeysCollection
from monai.transforms import MapTransform, RandomizableTransform

from monai_fusion.keys import MRI
from monai_fusion.transforms.arrays import plain_tensor, require_volume_shape
from monai_fusion.transforms.ranges import require_between


def rotate_in_plane(volume: np.ndarray | torch.Tensor, degrees: float) -> torch.Tensor:
    """Rotate every slice of the last two axes about its centre.

    Equal within 1e-4 (for values of order 1) to ``scipy.ndimage.rotate(volume[0], degrees, axes=(1, 2), order=1,
    mode="nearest", reshape=False)``. Positive angles turn axis H towards axis W; MONAI's ``Rotate`` has the opposite
    sign. One angle for all slices makes this a 2-D problem with the slices as channels, a tenth of the work of
    sampling in 3-D.

    Args:
        volume: ``[1, D, H, W]``; D is left-right in this project, so the plane is sagittal. Not changed.
        degrees: Angle.

    Returns:
        ``[1, D, H, W]`` float32, contiguous: linear interpolation; outside the volume, the nearest edge's value.
    """
    require_volume_shape(volume)
    angle = math.radians(degrees)
    return turned(plain_tensor(volume), math.cos(angle), math.sin(angle))


def turned(volumes: torch.Tensor, cosine: float | torch.Tensor, sine: float | torch.Tensor) -> torch.Tensor:
    """Rotate volumes on their device, as `rotate_in_plane` does, each by its own angle.

    Args:
        volumes: ``[N, D, H, W]`` float32, contiguous; not changed.
        cosine: Of the angle of all volumes, or ``[N, 1, 1]`` float64 on their device: of each volume's.
        sine: In the same way.

    Returns:
        ``[N, D, H, W]`` float32, contiguous.
    """
    height, width = volumes.shape[2:]
    exact = torch.float32 if volumes.device.type == "mps" else torch.float64  # which Apple's GPUs lack
    row = torch.arange(height, dtype=exact, device=volumes.device)[:, None] - (height - 1) / 2
    column = torch.arange(width, dtype=exact, device=volumes.device) - (width - 1) / 2
    # The source of each voxel's value, in voxels from the centre, then in grid_sample's -1..1 along either side.
    source_column = (cosine * column - sine * row) * (2 / max(width - 1, 1))
    source_row = (sine * column + cosine * row) * (2 / max(height - 1, 1))
    grid = torch.stack((source_column, source_row), dim=-1).to(torch.float32)
    groups = volumes.view(-1, _group_size(volumes.shape[1]), height, width)
    per_volume = len(groups) // len(volumes)
    grids = grid.view(-1, 1, height, width, 2).expand(len(volumes), per_volume, -1, -1, -1)
    grids = grids.reshape(-1, height, width, 2)
    rotated = F.grid_sample(groups, grids, mode="bilinear", padding_mode="border", align_corners=True)
    return rotated.view(volumes.shape).contiguous()


def _group_size(slices: int) -> int:
    """Return how many slices to sample together: a few fit into the processor's cache; all would be a third slower."""
    return next((size for size in (16, 12, 24, 8) if slices % size == 0), slices)


class RandInPlaneRotated(RandomizableTransform, MapTransform):
    """Apply :func:`rotate_in_plane` with a random angle, the same for all keys.

    Args:
        keys: Keys of the volumes.
        prob: Probability that a sample is rotated at all.
        max_degrees: The angle is uniform in ``-max_degrees..max_degrees``; 0..180.
        allow_missing_keys: Skip keys that a sample does not have.
    """

    version: ClassVar[int] = 1

    def __init__(
        self,
        keys: KeysCollection = MRI,
        prob: float = 0.3,
        max_degrees: float = 10.0,
        allow_missing_keys: bool = False,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, require_between(self, "prob", prob, 0.0, 1.0))
        self.max_degrees = require_between(self, "max_degrees", max_degrees, 0.0, 180.0)
        self._degrees = 0.0

    def randomize(self, data: Any = None) -> None:
        """Draw whether to rotate and, if so, by how much. ``data`` is not used."""
        super().randomize(None)
        if self._do_transform:
            self._degrees = float(self.R.uniform(-self.max_degrees, self.max_degrees))

    def drawn(self) -> float | None:
        """Draw for one sample and return the angle in degrees; None leaves the sample as it is."""
        self.randomize()
        return self._degrees if self._do_transform else None

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of ``data`` with float32 tensors under the keys, rotated or unchanged."""
        sample = dict(data)
        self.randomize()
        for key in self.key_iterator(sample):
            volume = plain_tensor(sample[key])
            sample[key] = rotate_in_plane(volume, self._degrees) if self._do_transform else volume
        return sample
