"""Where a map of the network's grid lies in the head: back through slab, zoom and axis order to the file's own grid.

The network sees [T, H, W] voxels: the centred slab of a volume that was turned to known axes and resampled so that the
first and last voxels of both grids coincide. Each of these steps is an affine map of voxel indices. So the grid has a
true place in the scanner's millimetres, and a map can be read at the centre of every voxel of the file.
"""

# nibabel's functions carry no types.
# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, ornt_transform
from numpy.typing import NDArray

from monai_fusion.file_formats.nifti import StoredVolume, open_volume
from monai_fusion.transforms import LoadVolumed, ResampleSlabd, ScaleIntensityPercentilesd

Floats = NDArray[np.floating[Any]]
Shape = tuple[int, int, int]

_INTENSITIES = "monai.transforms.intensity"  # MONAI's transforms that leave voxels where they are
ALIGNED = 2
"""NIfTI's code of coordinates that are aligned to something else than the scanner (NIFTI_XFORM_ALIGNED_ANAT)."""


@dataclass(frozen=True)
class SlabGeometry:
    """How preprocessing makes the network's grid from a file.

    Attributes:
        orientation: What the grid's axes point to, such as ``RAS``.
        assume_orientation: What the stored axes of files without a stated orientation point to; None for none.
        size: Voxels along the three axes after resampling.
        depth: Slices of the slab, along the first axis.
    """

    orientation: str = "RAS"
    assume_orientation: str | None = None
    size: Shape = (128, 128, 128)
    depth: int = 96

    @classmethod
    def of_transforms(cls, transforms: Sequence[object]) -> SlabGeometry | None:
        """The geometry of the MRI's preprocessing.

        Args:
            transforms: `LoadVolumed`, then transforms of intensities and one `ResampleSlabd` in any order.

        Returns:
            None if there is another transform, which may move voxels: its maps have no known place in the head.
        """
        if not transforms or not isinstance(transforms[0], LoadVolumed):
            return None
        load, slabs = transforms[0], [each for each in transforms if isinstance(each, ResampleSlabd)]
        if len(slabs) != 1 or not all(_keeps_places(each) for each in transforms[1:] if each is not slabs[0]):
            return None
        size = slabs[0].size
        return cls(load.orientation, load.assume_orientation, (size[0], size[1], size[2]), slabs[0].depth)

    @property
    def shape(self) -> Shape:
        """[T, H, W] of the network's grid."""
        return self.depth, self.size[1], self.size[2]

    @property
    def first(self) -> int:
        """The resampled slice which is the slab's first; negative where the slab repeats the outermost slice."""
        kept = min(self.depth, self.size[0])
        return (self.size[0] - kept) // 2 - (self.depth - kept) // 2

    def steps(self, oriented: Shape) -> NDArray[np.float64]:
        """[3]: the voxels of a turned volume of this shape that lie between neighbours of the network's grid."""
        pairs = zip(oriented, self.size, strict=True)
        return np.array([(old - 1) / (new - 1) if min(old, new) > 1 else old / new for old, new in pairs])

    def to_oriented(self, oriented: Shape) -> NDArray[np.float64]:
        """[4, 4]: from indices of the network's grid to those of a turned volume of this shape."""
        steps = self.steps(oriented)
        affine = np.diag([*steps, 1.0])
        affine[0, 3] = self.first * steps[0]
        return affine


@dataclass(frozen=True)
class VolumeSpace:
    """The grid of an MRI file, and that of the network on it.

    Attributes:
        geometry: How preprocessing made the network's grid.
        shape: The file's voxels along the stored axes.
        affine: [4, 4] float64, from the file's voxels to mm, as viewers take it.
        stored: nibabel's orientation array of the stored axes.
        header: nibabel's header, of which only numbers of the space are used.
    """

    geometry: SlabGeometry
    shape: Shape
    affine: NDArray[np.float64]
    stored: NDArray[np.float64]
    header: Any

    @classmethod
    def of_file(cls, path: Path, geometry: SlabGeometry) -> VolumeSpace:
        """Read the grid of an MRI file.

        Raises:
            InputError: The file is no longer there, or cannot be used.
        """
        return cls.of_volume(open_volume(path, geometry.orientation, geometry.assume_orientation), geometry)

    @classmethod
    def of_volume(cls, volume: StoredVolume, geometry: SlabGeometry) -> VolumeSpace:
        """The grid of a volume that is open."""
        header = volume.header
        affine = np.asarray(header.affine, dtype=np.float64)
        return cls(geometry, header.shape, affine, np.asarray(header.orientation), header.header)

    @property
    def oriented(self) -> Shape:
        """The file's voxels along the turned axes."""
        turned = [0, 0, 0]
        for length, axis in zip(self.shape, self._turning[:, 0], strict=True):
            turned[int(axis)] = length
        return turned[0], turned[1], turned[2]

    @property
    def _turning(self) -> NDArray[np.float64]:
        """Nibabel's orientation array from the stored axes to the turned ones."""
        turning: NDArray[np.float64] = ornt_transform(self.stored, axcodes2ornt(self.geometry.orientation))
        return turning

    @property
    def network_affine(self) -> NDArray[np.float64]:
        """[4, 4]: from the network's voxels to mm.

        For a file without a stated orientation, mm follow the assumed one, with the origin of its header.
        """
        turned: NDArray[np.float64] = inv_ornt_aff(self._turning, self.shape)
        return self._stated_affine @ turned @ self.geometry.to_oriented(self.oriented)

    @property
    def codes(self) -> tuple[int, int]:
        """The file's qform_code and sform_code."""
        return int(self.header["qform_code"]), int(self.header["sform_code"])

    @property
    def unit(self) -> str:
        """The unit of the file's coordinates: ``mm``, seldom another of NIfTI's."""
        try:
            return str(self.header.get_xyzt_units()[0])
        except KeyError:
            return "unknown"

    @property
    def network_code(self) -> int:
        """NIfTI's code of the coordinates of `network_affine`."""
        return self.codes[1] or self.codes[0] or ALIGNED

    @property
    def _stated_affine(self) -> NDArray[np.float64]:
        """The affine, with the assumed directions where the file states none."""
        if any(self.codes) or self.geometry.assume_orientation is None:
            return self.affine
        zooms = np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0))
        assumed = np.zeros((4, 4))
        for axis, (to, direction) in enumerate(axcodes2ornt(self.geometry.assume_orientation)):
            assumed[int(to), axis] = direction * zooms[axis]
        centre = (np.array(self.shape) - 1) / 2
        assumed[:3, 3] = self.affine[:3, :3] @ centre + self.affine[:3, 3] - assumed[:3, :3] @ centre
        assumed[3, 3] = 1
        return assumed

    def to_file_grid(self, values: Floats) -> NDArray[np.float32]:
        """Carry a map of the network's grid to the voxels of the file.

        A voxel gets the map's value at its own centre, interpolated linearly. Where the file's voxels are larger than
        the network's, it gets a mean of the values around its centre (weights fall linearly to 0 at the neighbours'
        centres). So a value means the same as in the network's grid: the sum over voxels changes with their number.

        Args:
            values: [T, H, W].

        Returns:
            The file's shape; 0 outside the slab, see :meth:`inside`.

        Raises:
            ValueError: The map is not of the network's grid.
        """
        if values.shape != self.geometry.shape:
            raise ValueError(f"a map of shape {values.shape}, expected {self.geometry.shape}")
        carried = np.asarray(values, dtype=np.float32)
        for axis, weights in enumerate(self._weights()):
            carried = np.moveaxis(np.tensordot(weights.astype(np.float32), carried, axes=(1, axis)), 0, axis)
        return np.ascontiguousarray(self._stored(carried))

    def inside(self) -> NDArray[np.bool_]:
        """The voxels of the file that the network saw: those of the slab. The file's shape."""
        slab = self._weights()[0].sum(axis=1) > 0
        return np.ascontiguousarray(self._stored(np.broadcast_to(slab[:, None, None], self.oriented)))

    def _weights(self) -> list[NDArray[np.float64]]:
        """For each turned axis [voxels of the file, voxels of the network]; rows add up to 1, outside the slab to 0."""
        firsts = (self.geometry.first, 0, 0)
        steps, sizes = self.geometry.steps(self.oriented), self.geometry.size
        lengths = zip(self.oriented, self.geometry.shape, firsts, sizes, steps, strict=True)
        return [_weights(old, new, first, size, step) for old, new, first, size, step in lengths]

    def _stored(self, turned: NDArray[Any]) -> NDArray[Any]:
        """Turn a volume back to the stored axes."""
        back = ornt_transform(axcodes2ornt(self.geometry.orientation), self.stored)
        stored: NDArray[Any] = apply_orientation(turned, back)
        return stored


def same_space(spaces: Sequence[VolumeSpace], tolerance: float = 1e-3) -> bool:
    """Whether all files have the same grid: shape, affine and axes, the affine within ``tolerance``."""
    first = spaces[0]
    return all(
        each.shape == first.shape
        and each.geometry == first.geometry
        and bool(np.abs(each.affine - first.affine).max() <= tolerance)
        and bool((each.stored == first.stored).all())
        for each in spaces[1:]
    )


def mean_affine(spaces: Sequence[VolumeSpace]) -> NDArray[np.float64]:
    """[4, 4]: a grid like the network's, with the mean spacing of several and its centre at 0 mm.

    Volumes of different spaces have no common place; this only keeps directions and size.
    """
    geometry = spaces[0].geometry
    spacings = np.mean([np.sqrt((each.network_affine[:3, :3] ** 2).sum(axis=0)) for each in spaces], axis=0)
    affine = np.zeros((4, 4))
    for axis, (to, direction) in enumerate(axcodes2ornt(geometry.orientation)):
        affine[int(to), axis] = direction * spacings[axis]
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(geometry.shape) - 1) / 2)
    affine[3, 3] = 1
    return affine


def _weights(old: int, new: int, first: int, size: int, step: float) -> NDArray[np.float64]:
    places = np.arange(old) / step if min(old, size) > 1 else np.full(old, (size - 1) / 2)
    own = np.arange(new) + first
    reach = max(1.0, 1 / step)
    weights = np.maximum(0, 1 - np.abs(places[:, None] - own[None, :]) / reach)
    weights[:, (own < 0) | (own >= size)] = 0  # slices that only repeat the outermost one have no place of their own
    weights[(places < max(own[0], 0) - 0.5) | (places > min(own[-1], size - 1) + 0.5)] = 0
    total = weights.sum(axis=1, keepdims=True)
    return np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)


def _keeps_places(transform: object) -> bool:
    module = type(transform).__module__
    return isinstance(transform, ScaleIntensityPercentilesd) or module.startswith(_INTENSITIES)
