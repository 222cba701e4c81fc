"""Read an MRI from its NIfTI file, its axes in a known order and direction."""

# nibabel's functions carry no types.
# mypy: allow-untyped-calls

from __future__ import annotations

import io
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from isal import igzip, igzip_lib, isal_zlib
from nibabel.orientations import apply_orientation, axcodes2ornt, ornt_transform
from nibabel.volumeutils import apply_read_scaling

from monai_fusion.errors import InputError, Problem
from monai_fusion.file_formats.content import FileContent, FileOnDisk, UnusableFileError, require_file
from monai_fusion.file_formats.nifti_header import (
    CONVERT,
    ENOUGH,
    WHOLE_FILE,
    VolumeHeader,
    looks_like_nifti,
    read_header,
)
from monai_fusion.file_formats.wrong_kinds import LOOKED_AT, looks_compressed, wrong_kind
from monai_fusion.keys import MRI

_DAMAGED = (EOFError, OSError, zlib.error, cast(type[Exception], igzip_lib.IsalError))
_LARGEST_DEFLATE_RATIO = 1032  # a header that claims more than a file can hold is damaged, and must not allocate it
_PLAUSIBLE_RATIO, _LARGE = 100, 1 << 28
_COMPRESSED_BEGINNING = 1 << 16
_SPARE = 1 << 12
_SHORTEST = 348  # bytes of the shorter header
_BEHIND_AT_A_TIME, _BEHIND_AT_MOST = 1 << 24, 1 << 30
_PRINTED_BELOW = 10**15
_ABSURD = 16  # times the bytes that are there


@dataclass(frozen=True)
class StoredVolume:
    """A volume as its file holds it.

    Attributes:
        header: What the file states about it.
        content: The uncompressed file up to the last voxel at least, bytes or [n] uint8.
        reorient: nibabel's orientation array, from the stored axes to those asked for.
        behind: Bytes that follow the last voxel.
    """

    header: VolumeHeader
    content: bytes | np.ndarray
    reorient: np.ndarray
    behind: int

    def stored(self) -> np.ndarray:
        """The voxels as they are stored: the file's shape and dtype, a view, the first axis the fastest."""
        header = self.header
        flat = np.frombuffer(self.content, header.dtype, header.voxels, header.offset)
        return flat.reshape(header.shape, order="F")

    def values(self) -> np.ndarray:
        """The values with slope and intercept, axes as asked for; ``[X, Y, Z]``, see :func:`load_volume`.

        Raises:
            UnusableFileError: Some are NaN or infinite, or there is not memory enough.
        """
        dtype = _exact_dtype(self.header)
        # As nibabel's `get_fdata(dtype)`, to the last bit.
        slope, inter = (np.asanyarray(factor) for factor in (self.header.slope, self.header.inter))
        slope, inter = (factor.astype(dtype) if np.can_cast(factor, dtype) else factor for factor in (slope, inter))
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                scaled = apply_read_scaling(self.stored(), cast(Any, slope), cast(Any, inter))
                shared = np.may_share_memory(scaled, np.frombuffer(self.content, np.uint8))
                values = scaled.astype(dtype, copy=shared)
            finite = np.isfinite(values)
        except MemoryError as error:
            raise UnusableFileError("a volume larger than the memory", advice="is its header right?") from error
        if not finite.all():
            nan = int(np.isnan(values).sum())
            seen = f"{nan:,} NaN and {int((~finite).sum()) - nan:,} infinite voxels"
            advice = "replace them, for instance by 0 where they are background"
            raise UnusableFileError(seen, "finite numbers", advice)
        return cast(np.ndarray, apply_orientation(values, self.reorient))


def load_volume(
    path: str | os.PathLike[str],
    orientation: str = "RAS",
    assume_orientation: str | None = None,
) -> np.ndarray:
    """Read one MRI volume, turn its axes into ``orientation`` and check its values.

    Axes are only permuted and flipped, as by ``nibabel.as_closest_canonical``; nothing is resampled.

    A file whose qform_code and sform_code are both 0 does not state its orientation in the scanner. nibabel would then
    take it for LAS, as SPM once did; a wrong guess would put another axis than left-right first and cut the slab from
    the wrong direction, in silence. So such a file is refused unless ``assume_orientation`` states what its axes are.

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
    check_axis_codes(orientation, "orientation", "load_volume")
    if assume_orientation is not None:
        check_axis_codes(assume_orientation, "assume_orientation", "load_volume")
    volume = open_volume(path, orientation, assume_orientation)
    try:
        return volume.values()[np.newaxis]
    except UnusableFileError as error:
        raise error.of(Path(path), MRI) from error


def open_volume(path: str | os.PathLike[str], orientation: str, assume_orientation: str | None) -> StoredVolume:
    """Read a file and check everything but its values; arguments and errors as of :func:`load_volume`."""
    file = path.path if isinstance(path, FileContent) else require_file(path, MRI)
    try:
        return _open(
            file, path if isinstance(path, FileContent) else FileOnDisk.find(file), orientation, assume_orientation
        )
    except UnusableFileError as error:
        raise error.of(file, MRI) from error
    except MemoryError as error:
        seen = "a volume larger than the memory, or a damaged header"
        raise UnusableFileError(seen, WHOLE_FILE, CONVERT).of(file, MRI) from error
    except OSError as error:
        raise UnusableFileError(f"cannot be read ({error.strerror})", "a readable file").of(file, MRI) from error
    except Exception as error:  # an unforeseen header; the exception's text may hold what the header holds
        seen = f"a header that cannot be understood ({type(error).__name__})"
        raise UnusableFileError(seen, WHOLE_FILE, CONVERT).of(file, MRI) from error


def check_axis_codes(codes: str, field: str, where: str) -> None:
    """Make sure that codes are those of three axes.

    Raises:
        InputError: They are not.
    """
    one_of_each_pair = [set("LR"), set("PA"), set("IS")]
    if len(codes) != 3 or any(len(pair & set(codes)) != 1 for pair in one_of_each_pair):
        wanted = "three letters, one of L/R, one of P/A and one of I/S, such as RAS"
        raise InputError(Problem(where, field, repr(codes), wanted))


def _open(
    file: Path, source: FileContent | FileOnDisk, orientation: str, assume_orientation: str | None
) -> StoredVolume:
    name = file.name.lower()
    if not name.endswith((".nii", ".nii.gz")):
        raise UnusableFileError(f"file name ending {file.suffix!r}", ".nii or .nii.gz", "convert it to NIfTI")
    compressed = name.endswith(".gz")
    beginning = source.beginning(_COMPRESSED_BEGINNING if compressed else LOOKED_AT)
    _refuse_wrong_kinds(file, beginning, source.size, compressed)
    inner = _inflated_beginning(beginning) if compressed else beginning
    header = read_header(inner[:ENOUGH], assume_orientation)
    reorient = ornt_transform(header.orientation, axcodes2ornt(orientation))
    content: bytes | np.ndarray
    if compressed:
        _refuse_absurd(header, _LARGEST_DEFLATE_RATIO * source.size, source.size)
        _refuse_empty(header, source.size)
        content, behind = _inflate(source.bytes(), header.needed)
    else:
        _refuse_absurd(header, source.size, source.size)
        content, behind = source.bytes(header.needed), source.size - header.needed
    if len(content) < header.needed:
        _refuse_far_offset(header, len(content))
        raise UnusableFileError(*_TRUNCATED)
    return StoredVolume(header, content, reorient, behind)


_TRUNCATED = ("truncated or damaged", WHOLE_FILE, "copy or convert it again")


def _refuse_wrong_kinds(file: Path, beginning: bytes, size: int, compressed: bool) -> None:
    if compressed == looks_compressed(beginning):
        inner = _inflated_beginning(beginning) if compressed else beginning
        if compressed and looks_compressed(inner):
            advice = "unpack it once: it was compressed again, by a download or by hand"
            raise UnusableFileError("compressed twice (gzip in gzip)", WHOLE_FILE, advice)
        kind = None if looks_like_nifti(inner) else wrong_kind(inner, len(inner) if compressed else size)
        if kind is not None:
            seen = kind.seen if not compressed else f"gzip of {kind.seen}"
            raise UnusableFileError(seen, WHOLE_FILE, kind.advice)
    elif compressed and looks_like_nifti(beginning):
        advice = f'rename it to "{file.name[:-3]}", or compress it with gzip'
        raise UnusableFileError("not compressed, although its name ends in .gz", "a .nii.gz file", advice)
    elif not compressed:
        advice = f'rename it to "{file.name}.gz", or unpack it with gunzip'
        raise UnusableFileError("compressed with gzip, although its name does not end in .gz", "a .nii file", advice)
    else:
        kind = wrong_kind(beginning, size)
        seen, advice = (kind.seen, kind.advice) if kind else ("not a NIfTI file (nor gzip)", "is it the right file?")
        raise UnusableFileError(seen, WHOLE_FILE, advice)


def _refuse_empty(header: VolumeHeader, size: int) -> None:
    """Refuse what gzip could have packed so small, but no scanner wrote: it would fill the memory."""
    if header.needed > max(_LARGE, _PLAUSIBLE_RATIO * size):
        seen = f"{header.needed:,} bytes packed into {size:,}: hardly a voxel differs from the others"
        raise UnusableFileError(seen, "an MRI", CONVERT)


def _refuse_absurd(header: VolumeHeader, most: int, size: int) -> None:
    """Compare what the header promises with what the file can hold, before anything is allocated."""
    if header.needed > most:
        _refuse_far_offset(header, most)
        if header.needed > _ABSURD * most:
            seen = f"shape {header.shape} in its header, which a file of {size:,} bytes cannot hold"
            raise UnusableFileError(seen, WHOLE_FILE, "copy it again; if that does not help, " + CONVERT)
        raise UnusableFileError(*_TRUNCATED)


def _refuse_far_offset(header: VolumeHeader, most: int) -> None:
    """Say of a file that is too short that its voxels would begin behind its end, unless they begin early anyway."""
    if header.offset > max(most, ENOUGH):
        offset = f"{header.offset:,}" if header.offset < _PRINTED_BELOW else f"{header.offset:g}"
        seen = f"vox_offset is {offset} in its header: the voxels would begin behind the end of the file"
        raise UnusableFileError(seen, WHOLE_FILE, "copy it again; if that does not help, " + CONVERT)


def _inflated_beginning(beginning: bytes) -> bytes:
    member = isal_zlib.decompressobj(wbits=31)
    try:
        inner: bytes = member.decompress(beginning, LOOKED_AT)
    except _DAMAGED as error:
        raise UnusableFileError(*_TRUNCATED) from error
    if len(inner) < _SHORTEST and not member.eof and len(beginning) < _COMPRESSED_BEGINNING:
        seen = f"cut off after {len(beginning)} bytes, within its header"
        raise UnusableFileError(seen, WHOLE_FILE, "copy it again")
    if len(inner) < ENOUGH:  # bgzip and others may write a first member that is as short
        try:
            with igzip.GzipFile(fileobj=io.BytesIO(beginning)) as stream:
                inner = stream.read(LOOKED_AT)
        except _DAMAGED:
            pass
    return inner


def _inflate(content: np.ndarray, needed: int) -> tuple[bytes, int]:
    """Decompress a gzip file up to the last voxel, and check it to the end without keeping that.

    Returns:
        The uncompressed bytes, and how many follow behind ``needed``.

    Raises:
        UnusableFileError: It is damaged or truncated.
    """
    try:
        member = isal_zlib.decompressobj(wbits=31)  # ISA-L is three times as fast as zlib
        data: bytes = member.decompress(content, needed + _SPARE)
        length = len(data)
        while not member.eof:
            more = len(member.decompress(member.unconsumed_tail, _BEHIND_AT_A_TIME))
            if not more and not member.eof:
                raise EOFError
            length += more
            _refuse_endless(length - needed)
        if length >= needed:
            return data, length - needed + len(member.unused_data.strip(b"\0"))
        return _inflate_members(content, needed)  # bgzip writes many members, of which that was the first
    except _DAMAGED as error:
        raise UnusableFileError(*_TRUNCATED) from error


def _inflate_members(content: np.ndarray, needed: int) -> tuple[bytes, int]:
    with igzip.GzipFile(fileobj=io.BytesIO(content)) as stream:  # type: ignore[arg-type] # takes any buffer
        pieces: list[bytes] = []
        length = 0
        while length < needed and (piece := stream.read(min(_BEHIND_AT_A_TIME, needed - length))):
            pieces.append(piece)
            length += len(piece)
        behind = 0
        while more := len(stream.read(_BEHIND_AT_A_TIME)):
            behind += more
            _refuse_endless(behind)
    return b"".join(pieces), behind


def _refuse_endless(behind: int) -> None:
    if behind > _BEHIND_AT_MOST:
        raise UnusableFileError(f"more than {_BEHIND_AT_MOST:,} bytes behind the voxels", WHOLE_FILE, CONVERT)


def _exact_dtype(header: VolumeHeader) -> type[np.floating[Any]]:
    """Return the narrowest of float32 and float64 in which every value is what ``get_fdata()`` gives."""
    scaled = (header.slope, header.inter) != (1, 0)
    return np.float64 if scaled or not np.can_cast(header.dtype, np.float32) else np.float32
