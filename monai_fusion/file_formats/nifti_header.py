"""The header of a NIfTI file: what it states about one volume, or why that cannot be used.

nibabel reads it, and repairs what it may; before that, what it would report in the same words as a damaged file, or
let pass, is distinguished here. Only numbers are taken from a header, never text: it may hold a name or a date of
birth.
"""

# nibabel's functions carry no types.
# mypy: allow-untyped-calls

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import nibabel as nib
import numpy as np
from nibabel.nifti2 import header_dtype as nifti2_dtype
from nibabel.orientations import axcodes2ornt, io_orientation
from nibabel.spatialimages import HeaderDataError

from monai_fusion.file_formats.content import UnusableFileError

WHOLE_FILE = "a whole .nii or .nii.gz file"
CONVERT = "convert it from the original again"
ENOUGH = 1024  # bytes that hold the header of either version
_NIFTI1, _NIFTI2 = 348, 540
_MAGIC_AT = {_NIFTI1: 344, _NIFTI2: 4}
_SINGLE = {_NIFTI1: b"n+1", _NIFTI2: b"n+2"}
_PAIR = {_NIFTI1: b"ni1", _NIFTI2: b"ni2"}
_REFUSED_FROM = 40  # nibabel's level of what it does not repair
_CIFTI_INTENTS = range(3000, 3100)

_silent = logging.getLogger(__name__ + ".repairs")  # nibabel would print what it repairs, without the file's name
_silent.disabled = True


class OrientationCodes(NamedTuple):
    """The codes as the file has them: nibabel takes one that NIfTI does not know for 0."""

    qform: int
    sform: int

    @property
    def unknown(self) -> bool:
        """Whether NIfTI does not know one of them."""
        return any(code not in nib.nifti1.xform_codes.code for code in self)

    def __str__(self) -> str:
        """``qform_code and sform_code are 0``, ``qform_code is 99, which NIfTI does not know, sform_code is 0``."""
        if not any(self):
            return "qform_code and sform_code are 0"
        named = zip(("qform_code", "sform_code"), self, strict=True)
        known = nib.nifti1.xform_codes.code
        return ", ".join(
            f"{name} is {code}{'' if code in known else ', which NIfTI does not know'}" for name, code in named
        )


@dataclass(frozen=True)
class VolumeHeader:
    """What a header states about its volume.

    Attributes:
        shape: Voxels along the three stored axes, of which the first is the fastest.
        dtype: Of a stored voxel, with the file's byte order.
        offset: Where the voxels begin in the uncompressed file.
        slope: Values are stored voxels times this ...
        inter: ... plus this.
        affine: [4, 4], from voxels to mm.
        orientation: nibabel's orientation array of the stored axes.
        header: nibabel's header.
        codes: Those of both orientations.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    offset: int
    slope: float
    inter: float
    affine: np.ndarray
    orientation: np.ndarray
    header: Any
    codes: OrientationCodes

    @property
    def voxels(self) -> int:
        """How many there are."""
        return math.prod(self.shape)

    @property
    def needed(self) -> int:
        """Bytes of the uncompressed file up to the last voxel."""
        return self.offset + self.voxels * self.dtype.itemsize

    @property
    def intent(self) -> int:
        """NIfTI's code of what the values mean; 0 for none stated."""
        return int(self.header["intent_code"])

    @property
    def states_no_orientation(self) -> bool:
        """Whether both of its codes are 0."""
        return int(self.header["qform_code"]) == 0 and int(self.header["sform_code"]) == 0


def looks_like_nifti(beginning: bytes) -> bool:
    """Whether these bytes carry the mark of a NIfTI header of either version."""
    return _size_of_header(beginning) is not None


def read_header(beginning: bytes, assume_orientation: str | None) -> VolumeHeader:
    """Read a header.

    Args:
        beginning: The first `ENOUGH` bytes of the uncompressed file, or all that there are.
        assume_orientation: Axes of a file that states none.

    Raises:
        UnusableFileError: It is not the header of one 3-D volume of real numbers with known axis directions.
    """
    length = _size_of_header(beginning)
    if length is None or len(beginning) < length:
        if 0 < len(beginning) < _NIFTI1 and _begins_like_a_header(beginning):
            raise UnusableFileError(
                f"cut off after {len(beginning)} bytes, within its header", WHOLE_FILE, "copy or convert it again"
            )
        raise UnusableFileError(*_no_nifti(beginning))
    kind = nib.Nifti1Header if length == _NIFTI1 else nib.Nifti2Header
    header = kind(beginning[:length], check=False)
    _check_magic(header, length)
    shape = _shape_of(header, beginning)
    _check_kind(header)
    _check_before_repairs(header)
    offset = _offset_of(header, length)
    codes = OrientationCodes(int(header["qform_code"]), int(header["sform_code"]))
    try:
        header.check_fix(_silent, _REFUSED_FROM)
        dtype = header.get_data_dtype()
        slope, inter = header.get_slope_inter()
    except HeaderDataError as error:
        raise UnusableFileError("a damaged header", WHOLE_FILE, "copy or convert it again") from error
    _check_volume(dtype, shape)
    affine, orientation = _orientation_of(header, codes, assume_orientation)
    return VolumeHeader(
        shape=(shape[0], shape[1], shape[2]),
        dtype=dtype,
        offset=offset,
        slope=1.0 if slope is None else float(slope),
        inter=0.0 if inter is None else float(inter),
        affine=affine,
        orientation=orientation,
        header=header,
        codes=codes,
    )


def quaternion_excess(header: Any) -> float:
    """How far the squares of a qform's quaternion add up to more than 1; NaN where one is not a number.

    A rotation has at most 1. Rounding to float32 makes it a hair more in files that are otherwise right.
    """
    b, c, d = (float(header[f"quatern_{letter}"]) for letter in "bcd")
    return b * b + c * c + d * d - 1.0


def _size_of_header(beginning: bytes) -> int | None:
    """348 or 540 in either byte order, which is what a header of version 1 or 2 begins with.

    nibabel goes by the magic alone, and takes any value here; so does this for version 1, whose magic is at the end.
    """
    first = beginning[:4]
    for length in (_NIFTI1, _NIFTI2):
        magic = beginning[_MAGIC_AT[length] :][:4].rstrip(b"\0")
        if magic in (_SINGLE[length], _PAIR[length]) and (length == _NIFTI1 or _sizes(first) & {_NIFTI2}):
            return length
    return None


def _sizes(first: bytes) -> set[int]:
    return {int.from_bytes(first, "little"), int.from_bytes(first, "big")}


def _begins_like_a_header(beginning: bytes) -> bool:
    return len(beginning) < 4 or bool(_sizes(beginning[:4]) & {_NIFTI1, _NIFTI2})


def _no_nifti(beginning: bytes) -> tuple[str, str, str]:
    if len(beginning) >= _NIFTI1 and _sizes(beginning[:4]) & {_NIFTI1}:
        seen = "a header of Analyze, or one whose mark of NIfTI is damaged"
        return seen, "a NIfTI file", "convert the volume (.hdr with .img) to NIfTI"
    return "not a NIfTI file", WHOLE_FILE, "is it the right file? Else convert it from the original again"


def _check_magic(header: Any, length: int) -> None:
    if header["magic"].item().rstrip(b"\0") == _PAIR[length]:
        seen = f"the header of a pair (magic {_PAIR[length].decode()}): its voxels are in another file, .img"
        raise UnusableFileError(seen, WHOLE_FILE, "convert .hdr and .img together to one .nii file")


def _shape_of(header: Any, beginning: bytes) -> tuple[int, ...]:
    dim = [int(length) for length in header["dim"]]
    if not 1 <= dim[0] <= 7:
        # nibabel tries the other byte order then, and reads 8 as 2048: the header's size shows which one is right.
        little, big = (int.from_bytes(beginning[:4], order) in _MAGIC_AT for order in ("little", "big"))
        if little != big:
            dim[0] = int(header.__class__(header.binaryblock, "<" if little else ">", check=False)["dim"][0])
        raise UnusableFileError(f"dim[0] is {dim[0]} in its header", "3, the number of axes", CONVERT)
    shape = tuple(dim[1 : dim[0] + 1])
    if any(length < 0 for length in shape):
        raise UnusableFileError(f"shape {shape} in its header", "a 3-D volume", CONVERT)
    return shape


def _check_kind(header: Any) -> None:
    """A CIFTI file is named .nii, too."""
    if header.template_dtype is nifti2_dtype and int(header["intent_code"]) in _CIFTI_INTENTS:
        raise UnusableFileError("a Cifti2Image", "a NIfTI volume", "give the volume that it was made from")


def _check_before_repairs(header: Any) -> None:
    """What nibabel refuses without saying why."""
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    if slope != 0 and math.isfinite(slope) and not math.isfinite(inter):
        seen = f"scl_inter is {inter:g} in its header, with scl_slope {slope:g}"
        raise UnusableFileError(seen, "a number", "write 0 there if there is no offset, or " + CONVERT)
    code = int(header["datatype"])
    if (
        code not in nib.nifti1.data_type_codes.code
        or not np.dtype(cast(Any, nib.nifti1.data_type_codes.dtype[code])).itemsize
    ):
        seen = f"datatype {code} in its header"
        raise UnusableFileError(seen, "a code of NIfTI such as 4 (int16) or 16 (float32)", CONVERT)


def _offset_of(header: Any, length: int) -> int:
    offset, least = float(header["vox_offset"]), length + 4
    if not (math.isfinite(offset) and offset >= least):
        seen = f"vox_offset is {offset:g} in its header: the voxels would begin within the header"
        advice = f"write {least} there if there is nothing between header and voxels, or {CONVERT}"
        raise UnusableFileError(seen, f"{least} or more", advice)
    if offset != int(offset):
        raise UnusableFileError(f"vox_offset is {offset:g} in its header", "a whole number of bytes", CONVERT)
    return int(offset)


def _check_volume(dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """Refuse what is not one volume of real numbers, before its values are read."""
    if dtype.kind not in "iuf":
        seen = "RGB colours" if dtype.names else f"{dtype.name} values"
        raise UnusableFileError(seen, "one real number a voxel", "convert it to grey values or to its magnitude")
    if len(shape) < 3:
        raise UnusableFileError(f"shape {shape}", "a 3-D volume", "this is a single slice")
    if 0 in shape:
        raise UnusableFileError(f"shape {shape}", "a 3-D volume", "it has no voxels")
    if any(length != 1 for length in shape[3:]):
        advice = "it holds several volumes: pick one and save it as a file of its own"
        if len(shape) == 4 and shape[0] == 1:
            advice = f"the channel comes first: save the last three axes alone, shape {shape[1:]}"
        raise UnusableFileError(f"shape {shape}", "a single 3-D volume", advice)


def _orientation_of(
    header: Any, codes: OrientationCodes, assume_orientation: str | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the affine and nibabel's orientation array of the stored axes."""
    if int(header["qform_code"]) == 0 and int(header["sform_code"]) == 0:
        if assume_orientation is None:
            advice = "convert it from the original again, or set assume_orientation to what its axes point to"
            raise UnusableFileError(f"no orientation ({codes})", "a known orientation", advice)
        return np.asarray(header.get_base_affine()), axcodes2ornt(assume_orientation)
    if int(header["sform_code"]) == 0 and not quaternion_excess(header) <= 3 * np.finfo(np.float32).eps:
        values = ", ".join(f"{float(header[f'quatern_{letter}']):.8g}" for letter in "bcd")
        reason = "squares add up to more than 1" if math.isfinite(quaternion_excess(header)) else "not all are numbers"
        seen = f"its qform is not a rotation (quatern_b, c, d = {values}: {reason})"
        raise UnusableFileError(seen, "a known orientation", f"it has no sform to use instead: {CONVERT}")
    with np.errstate(all="ignore"):
        try:
            affine = np.asarray(header.get_best_affine(), dtype=float)
            finite = bool(np.isfinite(affine).all())
            orientation = io_orientation(affine) if finite else np.full((3, 2), np.nan)
        except (ValueError, np.linalg.LinAlgError, HeaderDataError):
            orientation = np.full((3, 2), np.nan)
    if np.isnan(orientation).any():
        seen = "an affine matrix that leaves an axis without a direction"
        raise UnusableFileError(seen, "a known orientation", CONVERT)
    return affine, orientation
