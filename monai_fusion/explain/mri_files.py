"""Maps of MRIs as NIfTI files: on the file's own grid, and on the network's."""

# nibabel's functions carry no types.
# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from isal import igzip
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from monai_fusion.errors import InputError, Problem
from monai_fusion.explain.mri_space import Floats, VolumeSpace
from monai_fusion.files import write_atomically

_SMALLEST = 3  # igzip's level of the smallest files; it is as fast as zlib's fastest


def write_map(folder: Path, safe: str, description: str, values: Floats, space: VolumeSpace) -> list[Path]:
    """Write a participant's map on both grids.

    Args:
        folder: Exists.
        safe: The beginning of the file names, which the caller made fit for any file system.
        description: Letters and digits: the method, as of BIDS's ``desc-``.
        values: [T, H, W] in the network's space, signed; not rescaled.
        space: Of the participant's file.

    Returns:
        ``SAFE_desc-DESCRIPTION_T1w.nii.gz`` and ``SAFE_space-network_desc-DESCRIPTION_T1w.nii.gz``, float32.

    Raises:
        InputError: A file cannot be written; it is then not there.
    """
    own = folder / f"{safe}_desc-{description}_T1w.nii.gz"
    network = folder / f"{safe}_space-network_desc-{description}_T1w.nii.gz"
    write_nifti(own, on_file_grid(space.to_file_grid(values), space))
    write_nifti(network, on_grid(values.astype(np.float32), space.network_affine, space.network_code, space.unit))
    return [own, network]


def write_slab_mask(folder: Path, safe: str, space: VolumeSpace) -> Path:
    """Write which voxels of a file the network saw: ``SAFE_desc-slab_mask.nii.gz``, 1 inside and 0 outside.

    Raises:
        InputError: The file cannot be written.
    """
    path = folder / f"{safe}_desc-slab_mask.nii.gz"
    write_nifti(path, on_file_grid(space.inside().astype(np.uint8), space))
    return path


def on_file_grid(values: NDArray[Any], space: VolumeSpace) -> nib.Nifti1Image:
    """An image on the grid of a participant's file.

    Its header is made here: of the file's, only both affines with their codes and the voxel sizes are taken, never a
    text, which may hold a name or a date of birth.
    """
    image = nib.Nifti1Image(values, None, dtype=values.dtype)
    header, old = image.header, space.header
    header.set_zooms([abs(float(zoom)) for zoom in old["pixdim"][1:4]])
    qform_code, sform_code = space.codes
    if qform_code:
        # A quaternion that is no rotation is of no use; the sform of such a file is.
        with suppress(HeaderDataError, ValueError, np.linalg.LinAlgError):
            header.set_qform(old.get_qform(), qform_code)
    if sform_code:
        header.set_sform(old.get_sform(), sform_code)
    header.set_xyzt_units(space.unit)
    return nib.Nifti1Image(values, None, header, dtype=values.dtype)


def on_grid(values: NDArray[Any], affine: NDArray[np.float64], code: int, unit: str = "mm") -> nib.Nifti1Image:
    """An image with this affine, whose coordinates are of NIfTI's kind ``code``; see `on_file_grid`."""
    image = nib.Nifti1Image(values, affine, dtype=values.dtype)
    image.header.set_sform(affine, code)
    with suppress(HeaderDataError, ValueError, np.linalg.LinAlgError):
        image.header.set_qform(affine, code)  # without the shear of an oblique grid, which only the sform holds
    image.header.set_xyzt_units(unit)
    return image


def write_nifti(path: Path, image: nib.Nifti1Image) -> None:
    """Write an image as .nii.gz; the same image gives the same bytes.

    Raises:
        InputError: The disk is full or read-only; no part of a file is left behind.
    """
    with written(path):
        write_atomically(path, igzip.compress(image.to_bytes(), _SMALLEST, mtime=0))


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Report that a result cannot be written in one message.

    Raises:
        InputError: It cannot.
    """
    try:
        yield
    except OSError as error:
        seen = f"cannot be written ({error.strerror or type(error).__name__})"
        advice = "make room there, or choose another folder, and start again: what is done is kept"
        raise InputError(Problem(str(path), seen=seen, advice=advice)) from error
