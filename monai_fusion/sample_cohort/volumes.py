"""Synthetic T1-weighted MRIs: the MNI152 average brain, whose size or local contrast shows the latent score.

The size of the head survives a resize of the whole field of view, which is fixed; the contrast of the deep grey matter
survives also a crop to the brain. Position, pose, shape, bias field, gain and noise are nuisances, and so is the size
where the signal is local. There the tissue around the deep grey matter changes the other way, by as much in total: no
mean over the head shows the score.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from monai_fusion.sample_cohort.participant import Stream, SyntheticParticipant, generator, log_head_size

SHAPES = {"small": (70, 96, 102), "full": (176, 240, 256)}
VOXEL_MM: dict[str, float] = {"small": 2.5, "full": 1.0}
MEAN_SCALE = 0.92  # the MNI152 brain (1.89 l) is larger than most: this makes the mean 1.47 l
LOG_CONTRAST = 0.10  # log-intensity at the centre of the deep grey matter per unit of the latent score

_COARSE = (8, 9, 9)  # nodes on which pose, deformation and bias are computed, then interpolated to the voxels
_WHITE_MATTER = 1000.0  # intensity of white matter before bias, gain and noise
_DEEP_GREY_MM = (0.0, -10.0, 8.0)  # between the thalami, in MNI coordinates
_DEEP_GREY_WIDTH_MM = 18.0
LOCAL_LOG_CONTRAST = 0.20  # the same where the signal is local, and nothing else shows it
_LOCAL_WIDTHS_MM = (14.0, 28.0)  # of the centre and of its surround


@dataclass(frozen=True)
class Template:
    """The brain that all others are made from.

    Attributes:
        image: ``[x, y, z]`` float32, RAS, white matter about 1, background 0.
        blob: ``[x, y, z]`` float32, 1 at the centre of the deep grey matter, falling off as a Gaussian.
        local: ``[x, y, z]`` float32, a narrower one less a wider, whose mean weighted by the image is 0.
        middle_mm: The middle of the brain's bounding box, in MNI coordinates.
        first_mm: The position of the first voxel, from the middle of the brain's bounding box.
        last_mm: The position of the last voxel.
        half_mm: Half the edges of the brain's bounding box.
    """

    image: torch.Tensor
    blob: torch.Tensor
    local: torch.Tensor
    middle_mm: NDArray[np.float64]
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
    blob, centre, surround = (_blob(offsets, width) for width in (_DEEP_GREY_WIDTH_MM, *_LOCAL_WIDTHS_MM))
    local = centre - surround * ((image * centre).sum() / (image * surround).sum())
    return Template(image, blob, local, middle, first, np.array([axis[-1] for axis in axes]), half)


def _blob(offsets: list[torch.Tensor], width_mm: float) -> torch.Tensor:
    """``[x, y, z]`` a Gaussian of this standard deviation, 1 in its middle."""
    x, y, z = (torch.exp(-((offset / width_mm) ** 2) / 2).float() for offset in offsets)
    return x[:, None, None] * y[None, :, None] * z[None, None, :]


def _log_contrast(average: Template, score: float, mri_signal: str) -> torch.Tensor | float:
    """``[x, y, z]`` log-intensity that the score adds to the template; 0.0 where the head's size alone shows it."""
    if mri_signal == "size":
        return 0.0
    log_contrast, place = (LOCAL_LOG_CONTRAST, average.local) if mri_signal == "local" else (LOG_CONTRAST, average.blob)
    return log_contrast * score * place


def _smooth_field(rng: np.random.Generator, components: int) -> NDArray[np.float64]:
    """``[component, *_COARSE]`` smooth random fields with a standard deviation of 1 over all nodes."""
    field = gaussian_filter(rng.standard_normal((components, *_COARSE)), (0, 1, 1, 1), mode="nearest")
    return field / field.std()


def _pose(rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """``[3]`` mm that the head is shifted by, and ``[3, 3]`` its rotation: a participant's first draws."""
    shift = rng.uniform(-2, 2, 3)
    return shift, Rotation.from_euler("xyz", rng.uniform(-5, 5, 3), degrees=True).as_matrix()


def _scale(participant: SyntheticParticipant, options: SampleCohortOptions) -> float:
    return MEAN_SCALE * float(np.exp(log_head_size(participant, options)))


def local_region(participants: Sequence[SyntheticParticipant], options: SampleCohortOptions) -> dict[str, Any]:
    """Where the local contrast is, in the template and in every participant's file.

    The contrast is a Gaussian; where the signal is local, a wider one around it has the opposite sign.

    Returns:
        The entry ``signal.mri.region`` of ``cohort.json``. The smooth deformation of each brain, 2.5 mm (standard
        deviation), is left out of the centres.
    """
    middle = template(options.size).middle_mm
    from_middle = np.array(_DEEP_GREY_MM) - middle
    widths = _LOCAL_WIDTHS_MM if options.mri_signal == "local" else (_DEEP_GREY_WIDTH_MM,)

    def placed(centre: NDArray[np.float64], scale: float) -> dict[str, Any]:
        voxel = centre / VOXEL_MM[options.size] + (np.array(SHAPES[options.size]) - 1) / 2
        return {
            "centre_mm": np.round(centre, 2).tolist(),
            "centre_voxel": np.round(voxel, 2).tolist(),
            **{name: round(width * scale, 2) for name, width in zip(("sd_mm", "surround_sd_mm"), widths, strict=False)},
        }

    each = {}
    for participant in participants:
        if participant.mri_file is not None:
            shift, turn = _pose(generator(options.seed, participant.index, Stream.MRI))
            scale = _scale(participant, options)
            each[participant.participant_id] = placed(shift + scale * (turn @ from_middle), scale)
    return {
        "name": "deep grey matter",
        "centre_mni_mm": list(_DEEP_GREY_MM),
        **placed(MEAN_SCALE * from_middle, MEAN_SCALE),
        "participants": each,
        "coordinates": (
            "centre_mm: world coordinates of the files (their affine; RAS+, origin in the middle of the field of view);"
            " centre_voxel: indices in a file that is stored as RAS; sd_mm: of a Gaussian"
        ),
    }


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
    shift, turn = _pose(rng)
    deformation = 2.5 * _smooth_field(rng, 3)
    bias = np.exp(0.05 * _smooth_field(rng, 1))
    gain = np.exp(0.15 * rng.standard_normal())
    scale = _scale(participant, options)

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

    contrast = _log_contrast(average, participant.mri_score, options.mri_signal)
    brain = average.image * torch.exp(torch.as_tensor(contrast))
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
