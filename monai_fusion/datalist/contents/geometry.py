"""How large an MRI is in the scanner's millimetres, and whether its header contradicts itself.

Only numbers are taken from a header, never text: it may hold a name or a date of birth.
"""

# nibabel's functions carry no types.
# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel.orientations import io_orientation
from nibabel.spatialimages import HeaderDataError

from monai_fusion.file_formats.nifti_header import VolumeHeader, quaternion_excess

AXES = ("left-right", "back-front", "down-up")
# Generous bounds of a head MRI; outside them, the spacing is most likely not in millimetres.
PLAUSIBLE_MM = (60.0, 500.0)
_SPACINGS_AGREE = 0.01  # relative
_ROUNDING = 1e-3  # of a quaternion, squared


@dataclass(frozen=True, slots=True)
class Geometry:
    """The geometry of one volume.

    Attributes:
        field_of_view: Dimension times spacing along `AXES`, in mm.
        contradicting_forms: Whether its two statements of orientation (sform, qform) point the axes elsewhere.
        contradicting_spacing: Whether its two statements of voxel spacing differ, as a tuple of both in mm, else None.
        unusable_qform: Whether its qform is not a rotation, and the sform is used.
    """

    field_of_view: tuple[float, float, float]
    contradicting_forms: bool
    contradicting_spacing: tuple[tuple[float, ...], tuple[float, ...]] | None
    unusable_qform: bool = False

    def doubts(self) -> Iterator[tuple[str, str, str]]:
        """What you should check: seen, wanted, advice."""
        low, high = PLAUSIBLE_MM
        if not all(low <= length <= high for length in self.field_of_view):
            seen = f"a field of view of {by(self.field_of_view)} mm"
            yield seen, f"{low:.0f} to {high:.0f} mm along each axis", "is the spacing in the header in mm?"
        if self.contradicting_forms:
            seen = "its header states two orientations that differ (sform and qform)"
            yield seen, "", "the first is used: check it in a viewer, or convert it from the original again"
        if self.unusable_qform:
            yield "its qform is not a rotation", "", "the sform is used; programs that prefer the qform will differ"
        if self.contradicting_spacing:
            first, second = self.contradicting_spacing
            seen = f"its header states two voxel sizes, {by(first)} and {by(second)} mm"
            yield seen, "", "convert it from the original again"


def by(lengths: tuple[float, ...]) -> str:
    """``176 x 240 x 256``."""
    return " x ".join(f"{length:.4g}" for length in lengths)


@np.errstate(all="ignore")  # damaged numbers overflow; they are reported, not warned of
def geometry_of(header: VolumeHeader) -> Geometry:
    """What the header of a usable volume states about its size, and where it contradicts itself."""
    stated_by = header.header
    spacing = np.asarray(stated_by.get_zooms()[:3], dtype=float)
    lengths = np.zeros(3)
    lengths[header.orientation[:, 0].astype(int)] = np.asarray(header.shape) * spacing
    stated = np.sqrt((header.affine[:3, :3] ** 2).sum(axis=0))
    codes = int(stated_by["qform_code"]), int(stated_by["sform_code"])
    agree = header.states_no_orientation or np.allclose(stated, spacing, rtol=_SPACINGS_AGREE)
    qform = _qform_of(stated_by) if all(codes) else None
    return Geometry(
        field_of_view=(float(lengths[0]), float(lengths[1]), float(lengths[2])),
        contradicting_forms=qform is not None and _differ(stated_by.get_sform(), qform),
        contradicting_spacing=None if agree else (tuple(spacing.tolist()), tuple(stated.tolist())),
        unusable_qform=all(codes) and qform is None,
    )


def _qform_of(header: Any) -> np.ndarray | None:
    """The affine of a qform, or None if it is no rotation by more than rounding; nibabel knows no more than yes or no.

    Its quaternion adds up to a hair more than 1 in many files that were rounded to float32 (nipreps/fmriprep#845).
    """
    excess = quaternion_excess(header)
    if not excess <= _ROUNDING:
        return None
    header = header.copy()
    if excess > 0:
        for letter in "bcd":
            header[f"quatern_{letter}"] /= np.sqrt(1.0 + excess) * (1 + 1e-7)
    try:
        return np.asarray(header.get_qform(), dtype=float)
    except (ValueError, HeaderDataError):
        return None


def _differ(sform: np.ndarray, qform: np.ndarray) -> bool:
    if not (np.isfinite(sform).all() and np.isfinite(qform).all()):
        return True
    try:
        return not np.array_equal(io_orientation(sform), io_orientation(qform), equal_nan=True)
    except np.linalg.LinAlgError:
        return True
