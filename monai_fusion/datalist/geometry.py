"""How large an MRI is in the scanner's millimetres, and whether its header contradicts itself.

Only numbers are taken from a header, never text: it may hold a name or a date of birth.
"""

# nibabel's functions carry no types.
# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.orientations import axcodes2ornt, io_orientation

AXES = ("left-right", "back-front", "down-up")
# Generous bounds of a head MRI; outside them, the spacing is most likely not in millimetres.
PLAUSIBLE_MM = (60.0, 500.0)
_SPACINGS_AGREE = 0.01  # relative


@dataclass(frozen=True, slots=True)
class Geometry:
    """Of one volume.

    Attributes:
        field_of_view: Dimension times spacing along `AXES`, in mm.
        contradicting_forms: Whether its two statements of orientation (sform, qform) point the axes elsewhere.
        contradicting_spacing: Whether its two statements of voxel spacing differ, as a tuple of both in mm, else None.
    """

    field_of_view: tuple[float, float, float]
    contradicting_forms: bool
    contradicting_spacing: tuple[tuple[float, ...], tuple[float, ...]] | None

    def doubts(self) -> Iterator[tuple[str, str, str]]:
        """What a person should look at: seen, wanted, advice."""
        low, high = PLAUSIBLE_MM
        if not all(low <= length <= high for length in self.field_of_view):
            seen = f"a field of view of {by(self.field_of_view)} mm"
            yield seen, f"{low:.0f} to {high:.0f} mm along each axis", "is the spacing in the header in mm?"
        if self.contradicting_forms:
            seen = "its header states two orientations that differ (sform and qform)"
            yield seen, "", "the first is used: look at it in a viewer, or convert it from the original again"
        if self.contradicting_spacing:
            first, second = self.contradicting_spacing
            seen = f"its header states two voxel sizes, {by(first)} and {by(second)} mm"
            yield seen, "", "convert it from the original again"


def by(lengths: tuple[float, ...]) -> str:
    """``176 x 240 x 256``."""
    return " x ".join(f"{length:.4g}" for length in lengths)


def read_geometry(path: Path, assume_orientation: str | None = None) -> Geometry:
    """Read a header of which ``load_volume`` accepted the file.

    Args:
        path: A .nii or .nii.gz file.
        assume_orientation: Its axes if it states none, e.g. ``LAS``.
    """
    image: Any = nib.load(path)
    header = image.header
    spacing = np.asarray(header.get_zooms()[:3], dtype=float)
    codes = int(header["qform_code"]), int(header["sform_code"])
    orientation = axcodes2ornt(assume_orientation) if assume_orientation and codes == (0, 0) else None
    if orientation is None:
        orientation = io_orientation(image.affine)
    lengths = np.zeros(3)
    lengths[orientation[:, 0].astype(int)] = np.asarray(image.shape[:3]) * spacing
    stated = np.sqrt((np.asarray(image.affine)[:3, :3] ** 2).sum(axis=0))
    agree = codes == (0, 0) or np.allclose(stated, spacing, rtol=_SPACINGS_AGREE)
    return Geometry(
        field_of_view=(float(lengths[0]), float(lengths[1]), float(lengths[2])),
        contradicting_forms=all(codes) and _differ(header.get_sform(), header.get_qform()),
        contradicting_spacing=None if agree else (tuple(spacing.tolist()), tuple(stated.tolist())),
    )


def _differ(sform: np.ndarray, qform: np.ndarray) -> bool:
    if not (np.isfinite(sform).all() and np.isfinite(qform).all()):
        return True
    return not np.array_equal(io_orientation(sform), io_orientation(qform), equal_nan=True)
