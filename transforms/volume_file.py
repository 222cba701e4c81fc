"""Read an MRI from its NIfTI file, its axes in a known order and direction."""

# nibabel's orientation functions carry no types.
# mypy: allow-untyped-calls

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, cast

import nibabel as nib
import numpy as np
from isal import igzip, igzip_lib, isal_zlib
from monai.config import KeysCollection
from monai.transforms import MapTransform
from nibabel.filebasedimages import ImageFileError
from nibabel.imageclasses import all_image_classes
from nibabel.orientations import apply_orientation, axcodes2ornt, io_orientation, ornt_transform
from nibabel.spatialimages import HeaderDataError

from monai_fusion.errors import InputError, Problem
from monai_fusion.keys import MRI
from monai_fusion.transforms.files import FileContent, require_file

# What nibabel, gzip and numpy raise for damaged bytes. Their texts are not passed on: they may quote the header.
_UNREADABLE = (
    *(OSError, EOFError, ValueError, OverflowError, MemoryError),
    *(zlib.error, cast(type[Exception], igzip_lib.IsalError), ImageFileError, HeaderDataError),
)
_WHOLE_FILE = "a whole .nii or .nii.gz file"
_LARGEST_DEFLATE_RATIO = 1032  # a gzip trailer that claims more is damaged, and shall not allocate gigabytes


class StoredVolume(NamedTuple):
    """A volume as its file holds it.

    Attributes:
        image: nibabel's image; its values are not read yet.
        content: The uncompressed file, bytes or [n] uint8; the voxels begin at ``image.dataobj.offset``.
        reorient: nibabel's orientation array, from the stored axes to those asked for.
    """

    image: Any
    content: bytes | np.ndarray
    reorient: np.ndarray


def load_volume(
    path: str | os.PathLike[str],
    orientation: str = "RAS",
    assume_orientation: str | None = None,
) -> np.ndarray:
    """Read one MRI volume, turn its axes into ``orientation`` and check its values.

    Axes are only permuted and flipped, as by ``nibabel.as_closest_canonical``; nothing is resampled.

    A file whose qform_code and sform_code are both 0 does not say how it lies in the scanner. nibabel would then take
    it for LAS, as SPM once did; a wrong guess would put another axis than left-right first and cut the slab from the
    wrong direction, in silence. So such a file is refused unless ``assume_orientation`` states what its axes are.

    Args:
        path: A .nii or .nii.gz file of a single real-valued volume, or its content; further axes of length 1 are
            dropped.
        orientation: What the axes point to, in order: one of L/R, one of P/A and one of I/S. ``"SAR"`` puts the
            inferior-superior axis first.
        assume_orientation: The same, of the stored axes, for files that state no orientation; others ignore it.

    Returns:
        ``[1, X, Y, Z]``, the values with scl_slope and scl_inter applied: float32 where it holds every value exactly
        (no scaling, stored as float32, float16 or integers of up to 16 bits), else float64, because rounding, say,
        0.01 * int16 + 30000 to float32 would cost more than 1e-6 of the range that is later scaled to 0..1. Often a
        view with negative or permuted strides. Nothing else of the header is kept.

    Raises:
        InputError: If the file is missing, not a whole NIfTI file, not one 3-D volume of real numbers, without a
            usable orientation, or holds NaN or infinity; or if an orientation is not three axis codes.
    """
    _check_axis_codes(orientation, "orientation", "load_volume")
    if assume_orientation is not None:
        _check_axis_codes(assume_orientation, "assume_orientation", "load_volume")
    file = Path(path)
    volume = open_volume(path, orientation, assume_orientation)
    try:
        values = volume.image.get_fdata(dtype=_exact_dtype(volume.image), caching="unchanged")
    except _UNREADABLE as error:
        raise _refuse(file, _describe(error), _WHOLE_FILE, "copy or convert it again") from error
    finite = np.isfinite(values)
    if not finite.all():
        nan = int(np.isnan(values).sum())
        seen = f"{nan:,} NaN and {int((~finite).sum()) - nan:,} infinite voxels"
        raise _refuse(file, seen, "finite numbers", "replace them, for instance by 0 where they are background")
    return apply_orientation(values.reshape(values.shape[:3]), volume.reorient)[np.newaxis]


def open_volume(path: str | os.PathLike[str], orientation: str, assume_orientation: str | None) -> StoredVolume:
    """Read a file and check everything but its values; arguments and errors as of :func:`load_volume`."""
    file = Path(path) if isinstance(path, FileContent) else require_file(path, MRI)
    if not file.name.lower().endswith((".nii", ".nii.gz")):
        raise _refuse(file, f"file name ending {file.suffix!r}", ".nii or .nii.gz", "convert it to NIfTI")
    try:
        read = path if isinstance(path, FileContent) else FileContent.read(file)
        compressed = file.name.lower().endswith(".gz")
        content = _decompress(read.content) if compressed else read.content
        image = _parse(file, content)
        if compressed and len(content) < image.dataobj.offset + math.prod(image.shape) * image.dataobj.dtype.itemsize:
            content = igzip.decompress(read.content)  # bgzip writes many members, of which that was the first
            image = _parse(file, content)
        reorient = ornt_transform(_read_orientation(file, image, assume_orientation), axcodes2ornt(orientation))
    except _UNREADABLE as error:
        raise _refuse(file, _describe(error), _WHOLE_FILE, "copy or convert it again") from error
    return StoredVolume(image, content, reorient)


class LoadVolumed(MapTransform):
    """Replace the path under each key by what :func:`load_volume` reads from it.

    Args:
        keys: Keys of the paths.
        orientation: As in :func:`load_volume`.
        assume_orientation: As in :func:`load_volume`.
        allow_missing_keys: Skip keys that a sample does not have.
    """

    version: ClassVar[int] = 1  # part of the preprocessed store's key: to be raised when the numbers change
    decodes_content: ClassVar[bool] = True  # takes a FileContent as well as a path

    def __init__(
        self,
        keys: KeysCollection = MRI,
        orientation: str = "RAS",
        assume_orientation: str | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        _check_axis_codes(orientation, "orientation", type(self).__name__)
        if assume_orientation is not None:
            _check_axis_codes(assume_orientation, "assume_orientation", type(self).__name__)
        self.orientation = orientation
        self.assume_orientation = assume_orientation

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of ``data`` with ``[1, X, Y, Z]`` arrays under the keys."""
        sample = dict(data)
        for key in self.key_iterator(sample):
            sample[key] = load_volume(sample[key], self.orientation, self.assume_orientation)
        return sample


def _check_axis_codes(codes: str, field: str, where: str) -> None:
    one_of_each_pair = [set("LR"), set("PA"), set("IS")]
    if len(codes) != 3 or any(len(pair & set(codes)) != 1 for pair in one_of_each_pair):
        wanted = "three letters, one of L/R, one of P/A and one of I/S, such as RAS"
        raise InputError(Problem(where, field, repr(codes), wanted))


def _decompress(content: np.ndarray) -> bytes:
    """Decompress the first member of a gzip file and check its checksum; ISA-L is three times as fast as zlib."""
    if content[:2].tobytes() != b"\x1f\x8b":
        raise ImageFileError("not a gzip file")
    promised = int.from_bytes(content[-4:].tobytes(), "little")
    # Without a spare byte the buffer would be grown, and copied, once.
    room = min(promised, _LARGEST_DEFLATE_RATIO * content.size) + 64
    raw: bytes = isal_zlib.decompress(content, wbits=31, bufsize=room)
    return raw


def _parse(file: Path, content: bytes | np.ndarray) -> Any:
    """Return nibabel's image of an uncompressed file; refuse what is not one volume of real numbers."""
    if len(content) == 0:
        raise ImageFileError("empty")
    sniffed = bytes(content[:1024]).ljust(1024, b"\0")  # padded, because nibabel would go back to the disk for more
    kinds = (kind for kind in all_image_classes if kind.path_maybe_image(str(file), (sniffed, str(file)))[0])
    kind = next(kinds, None)
    if kind is None:
        raise ImageFileError("no magic number")
    if not issubclass(kind, nib.Nifti1Image):  # Nifti2Image is one; a CIFTI file, also named .nii, is not
        raise _refuse(file, f"a {kind.__name__}", "a NIfTI volume")
    image = kind.from_bytes(bytes(content))
    _check_kind(file, image)
    return image


def _check_kind(file: Path, image: Any) -> None:
    """Refuse what is not one volume of real numbers, before its values are read."""
    dtype, shape = image.get_data_dtype(), tuple(int(length) for length in image.shape)
    if dtype.kind not in "iuf":
        seen = "RGB colours" if dtype.names else f"{dtype.name} values"
        raise _refuse(file, seen, "one real number a voxel", "convert it to grey values or to its magnitude")
    if len(shape) < 3:
        raise _refuse(file, f"shape {shape}", "a 3-D volume", "this is a single slice")
    if 0 in shape:
        raise _refuse(file, f"shape {shape}", "a 3-D volume", "it has no voxels")
    if any(length != 1 for length in shape[3:]):
        advice = "it holds several volumes: pick one and save it as a file of its own"
        raise _refuse(file, f"shape {shape}", "a single 3-D volume", advice)


def _read_orientation(file: Path, image: Any, assume_orientation: str | None) -> np.ndarray:
    """Return nibabel's orientation array of the stored axes."""
    if int(image.header["qform_code"]) == 0 and int(image.header["sform_code"]) == 0:
        if assume_orientation is not None:
            return axcodes2ornt(assume_orientation)
        advice = "convert it from the original again, or set assume_orientation to what its axes point to"
        raise _refuse(file, "no orientation (qform_code and sform_code are 0)", "a known orientation", advice)
    affine = image.affine
    orientation = io_orientation(affine) if np.isfinite(affine).all() else np.full((3, 2), np.nan)
    if np.isnan(orientation).any():
        seen = "an affine matrix that leaves an axis without a direction"
        raise _refuse(file, seen, "a known orientation", "convert it from the original again")
    return orientation


def _exact_dtype(image: Any) -> type[np.floating]:
    """Return the narrowest of float32 and float64 in which every value is what ``get_fdata()`` gives."""
    scaled = (image.dataobj.slope, image.dataobj.inter) != (1, 0)
    return np.float64 if scaled or not np.can_cast(image.get_data_dtype(), np.float32) else np.float32


def _describe(error: BaseException) -> str:
    """Say what is wrong with the file without quoting it."""
    if isinstance(error, MemoryError):
        return "a volume larger than the memory, or a damaged header"
    if isinstance(error, ImageFileError):
        return "not a NIfTI file"
    if isinstance(error, OSError) and error.errno is not None:  # from the system; nibabel's and gzip's own have none
        return f"cannot be read ({error.strerror})"
    return "truncated or damaged"


def _refuse(file: Path, seen: str, wanted: str, advice: str = "") -> InputError:
    return InputError(Problem(str(file), MRI, seen, wanted, advice))
