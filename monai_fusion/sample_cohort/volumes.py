"""Synthetic T1-weighted MRIs: the MNI152 average brain, with a size and a local contrast that show the latent score.

The size of the head survives a resize of the whole field of view, which is fixed; the contrast of the deep grey matter
survives also a crop to the brain. Position, pose, shape, bias field, gain and noise are nuisances.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import nibabel as nib
import numpy as np
import torch
from nilearn.datasets import load_mni152_template
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation
from torch.nn.functional import avg_pool3d, grid_sample, interpolate

from monai_fusion.sample_cohort.options import SampleCohortOptions
from monai_fusion.sample_cohort.participant import Stream, SyntheticParticipant, generator

SHAPES = {"small": (70, 96, 102), "full": (176, 240, 256)}
VOXEL_MM: dict[str, float] = {"small": 2.5, "full": 1.0}
MEAN_SCALE = 0.92  # the MNI152 brain (1.89 l) is larger than most: this makes the mean 1.47 l
LOG_SCALE = -0.03  # log of the head's linear size per unit of the latent score: as in life, F have the smaller heads
LOG_CONTRAST = 0.10  # log-intensity at the centre of the deep grey matter per unit of the latent score

_COARSE = (8, 9, 9)  # nodes on which pose, deformation and bias are computed, then interpolated to the voxels
_WHITE_MATTER = 1000.0  # intensity of white matter before bias, gain and noise
_DEEP_GREY_MM = (0.0, -10.0, 8.0)  # between the thalami, in MNI coordinates
_DEEP_GREY_WIDTH_MM = 18.0


@dataclass(frozen=True)
class Template:
    """The brain that all others are made from.

    Attributes:
        image: ``[x, y, z]`` float32, RAS, white matter about 1, background 0.
        blob: ``[x, y, z]`` float32, 1 at the centre of the deep grey matter, falling off as a Gaussian.
        first_mm: The position of the first voxel, from the middle of the brain's bounding box.
        last_mm: The position of the last voxel.
        half_mm: Half the edges of the brain's bounding box.
    """

    image: torch.Tensor
    blob: torch.Tensor
    first_mm: NDArray[np.float64]
    last_mm: NDArray[np.float64]
    half_mm: NDArray[np.float64]


@lru_cache(maxsize=2)
def template(size: str) -> Template:
    """The template that nilearn ships (no download), halved to 2 mm for small cohorts so that it does not alias."""
    packaged = load_mni152_template(resolution=1)
    image = torch.from_numpy(np.ascontiguousarray(packaged.get_fdata(dtype=np.float32)))
    origin = packaged.affine[:3, 3]
    brain = np.argwhere(image.numpy() > 0)
    middle = origin + (brain.min(axis=0) + brain.max(axis=0)) / 2
    half = (brain.max(axis=0) - brain.min(axis=0)) / 2
    image = image / torch.quantile(image[image > 0][::7], 0.9)
    step = 1
    if size == "small":
        step = 2
        image = avg_pool3d(image[None, None], 2, ceil_mode=True)[0, 0]
    first = origin + (step - 1) / 2 - middle
    axes = [first[a] + step * np.arange(image.shape[a]) for a in range(3)]
    offsets = [torch.from_numpy(axes[a] + middle[a] - _DEEP_GREY_MM[a]) for a in range(3)]
    x, y, z = (torch.exp(-((offset / _DEEP_GREY_WIDTH_MM) ** 2) / 2).float() for offset in offsets)
    blob = x[:, None, None] * y[None, :, None] * z[None, None, :]
    return Template(image, blob, first, np.array([axis[-1] for axis in axes]), half)


def _smooth_field(rng: np.random.Generator, components: int) -> NDArray[np.float64]:
    """``[component, *_COARSE]`` smooth random fields with a standard deviation of 1 over all nodes."""
    field = gaussian_filter(rng.standard_normal((components, *_COARSE)), (0, 1, 1, 1), mode="nearest")
    return field / field.std()


def _box(half_mm: NDArray[np.float64], shift: NDArray[np.float64], size: str) -> tuple[slice, slice, slice]:
    """The part of the field of view that may hold a brain of this size: nothing outside it is computed."""
    middle = (np.array(SHAPES[size]) - 1) / 2 + shift / VOXEL_MM[size]
    reach = (half_mm + 14) / VOXEL_MM[size]  # 14 mm for the rotation and the deformation
    first = np.maximum(np.floor(middle - reach), 0).astype(int)
    last = np.minimum(np.ceil(middle + reach), np.array(SHAPES[size]) - 1).astype(int)
    x, y, z = (slice(int(a), int(b) + 1) for a, b in zip(first, last, strict=True))
    return x, y, z


def render_mri(participant: SyntheticParticipant, options: SampleCohortOptions) -> NDArray[np.float32]:
    """The participant's head in the fixed field of view of the cohort's size.

    Returns:
        ``[x, y, z]`` float32 of :data:`SHAPES`, RAS, skull-stripped: background exactly 0, white matter near 1000.
    """
    average = template(options.size)
    rng = generator(options.seed, participant.index, Stream.MRI)
    shift = rng.uniform(-2, 2, 3)
    turn = Rotation.from_euler("xyz", rng.uniform(-5, 5, 3), degrees=True).as_matrix()
    deformation = 2.5 * _smooth_field(rng, 3)
    bias = np.exp(0.05 * _smooth_field(rng, 1))
    gain = np.exp(0.15 * rng.standard_normal())
    scale = MEAN_SCALE * float(np.exp(LOG_SCALE * participant.mri_score))

    box = _box(average.half_mm * scale, shift, options.size)
    centre = (np.array(SHAPES[options.size]) - 1) / 2
    ends = [
        ((s.start - centre[a]) * VOXEL_MM[options.size], (s.stop - 1 - centre[a]) * VOXEL_MM[options.size])
        for a, s in enumerate(box)
    ]
    nodes = np.stack(np.meshgrid(*(np.linspace(*end, n) for end, n in zip(ends, _COARSE, strict=True)), indexing="ij"))
    # Where each node looks in the template: in mm from its middle, then in grid_sample's -1..1, first to last voxel.
    looks = np.einsum("ji,jxyz->ixyz", turn, nodes - shift[:, None, None, None]) / scale + deformation
    first, last = average.first_mm[:, None, None, None], average.last_mm[:, None, None, None]
    looks = 2 * (looks - first) / (last - first) - 1
    coarse = torch.from_numpy(np.concatenate([looks[::-1], bias]).astype(np.float32))  # grid_sample wants z, y, x
    shape = tuple(s.stop - s.start for s in box)
    fine = interpolate(coarse[None], shape, mode="trilinear", align_corners=True)[0]

    brain = average.image * torch.exp(LOG_CONTRAST * participant.mri_score * average.blob)
    grid = fine[:3].permute(1, 2, 3, 0)[None]
    seen = grid_sample(brain[None, None], grid, mode="bilinear", padding_mode="zeros", align_corners=True)[0, 0]
    values = (seen * fine[3]).numpy()
    inside = values > 0.05
    noise = rng.standard_normal(int(inside.sum()), dtype=np.float32)
    volume = np.zeros(SHAPES[options.size], np.float32)
    volume[box][inside] = np.maximum(_WHITE_MATTER * gain * (values[inside] + 0.03 * noise), 1)
    return volume


def as_nifti(
    volume: NDArray[np.float32], participant: SyntheticParticipant, options: SampleCohortOptions
) -> nib.Nifti1Image:
    """The volume as a NIfTI image in the participant's orientation and dtype; the head's place is the same in all."""
    array = np.rint(volume).astype(np.int16) if participant.dtype == "int16" else volume
    size_mm = VOXEL_MM[options.size]
    affine = np.diag([size_mm, size_mm, size_mm, 1.0])
    affine[:3, 3] = -size_mm * (np.array(volume.shape) - 1) / 2
    for axis, (code, positive) in enumerate(zip(participant.orientation, "RAS", strict=True)):
        if code != positive:
            array = np.flip(array, axis)
            affine[:3, 3] += affine[:3, axis] * (volume.shape[axis] - 1)
            affine[:3, axis] *= -1
    image: Any = nib.Nifti1Image(np.ascontiguousarray(array), affine)  # type: ignore[no-untyped-call]  # nibabel leaves it untyped
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code="scanner")
    image.set_qform(affine, code="scanner")
    return image
