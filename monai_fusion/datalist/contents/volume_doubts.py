"""What the values of an MRI show: background that determines its contrast, and images that are no MRIs."""

# nibabel's tables carry no types.
# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from nibabel.nifti1 import intent_codes

from monai_fusion.contrast import LOWER, UPPER, has_contrast, in_memory_order, no_contrast, percentiles_of
from monai_fusion.errors import Problem
from monai_fusion.file_formats.nifti import StoredVolume

CLIPPED_AT_MOST = 1 / 3  # of the voxels that are not 0
FEW_VALUES = 400  # a label image has fewer, an MRI of 16 bits has more
_FEW_GREYS = 64  # of 8 bits, an MRI has more
_SAMPLE = 1 << 16
_COUNTED = 1 << 20  # values this close together are ticked off in a table
_MOSTLY = 0.5

Doubt = tuple[str, str, str]
"""Seen, wanted, advice, as of `Problem`."""


def error_in(values: np.ndarray, over: str) -> Problem | None:
    """Why preparing a volume would leave no contrast; None if it would not.

    Args:
        values: ``[X, Y, Z]``, finite.
        over: Which voxels the percentiles are taken over, ``all`` or ``nonzero``.
    """
    low, high = percentiles_of(values, LOWER, UPPER, over)
    if low < high:
        return None
    if values.min() == values.max():
        return Problem("", seen="every voxel has the same value", wanted="an image of a head")
    helps = over == "all" and has_contrast(values, LOWER, UPPER, "nonzero")
    return no_contrast("", low, LOWER, UPPER, over, helps)


def doubts_about(volume: StoredVolume, values: np.ndarray, over: str) -> Iterator[Doubt]:
    """What you should check, though training would accept it."""
    if volume.behind:
        yield f"{volume.behind:,} bytes behind the voxels", "", "only the volume is used: was something appended?"
    if volume.header.codes.unknown:
        used = "assume_orientation" if volume.header.states_no_orientation else "the other orientation"
        advice = f"the code counts as 0, as in nibabel, so {used} is used: check where left is"
        yield f"{volume.header.codes} in its header", "0 to 5", advice
    if volume.header.intent:
        meaning = intent_codes.label.get(volume.header.intent, "one that NIfTI does not know")
        seen = f"intent code {volume.header.intent} in its header ({meaning})"
        yield seen, "none, of a structural MRI", "is it a map of statistics or labels? Give the MRI itself"
    few = few_whole_values(values, volume.header.dtype.itemsize)
    if few:
        advice = "is it a mask or label image? Give the MRI itself"
        yield f"only {few} different values, all of them whole numbers", "an MRI's grey values", advice
        return  # of a mask, all is at an end of the scale anyway
    clipped = clipped_tissue(values, over)
    if clipped > CLIPPED_AT_MOST:
        seen = f"{clipped:.0%} of the voxels that are not 0 lie at or above percentile {UPPER:g}: they all become 1"
        advice = "most of it is background: crop it, or set percentiles_over to nonzero (for all MRIs)"
        yield seen, f"at most {CLIPPED_AT_MOST:.0%}", advice if over == "all" else ""


def clipped_tissue(values: np.ndarray, over: str) -> float:
    """The share of the voxels that are not 0 that becomes 1; where none is 0, of those above the least.

    Args:
        values: ``[X, Y, Z]``, finite.
        over: Which voxels the percentiles are taken over.
    """
    flat = in_memory_order(values)
    _, high = percentiles_of(values, LOWER, UPPER, over)
    background = 0.0 if not flat.all() else float(flat.min())
    tissue = int(np.count_nonzero(flat != background))
    at_one = int(np.count_nonzero(flat >= high)) - (
        int(np.count_nonzero(flat == background)) if background >= high else 0
    )
    return at_one / tissue if tissue else 0.0


def few_whole_values(values: np.ndarray, width: int) -> int:
    """How many different values a volume has if they are few and whole, as those of a label image; else 0.

    MRIs that were reduced to 8 bits have as few: they are recognised by their neighbours, which are mostly equal in
    labels and seldom in grey values.

    Args:
        values: ``[X, Y, Z]``, finite.
        width: Bytes in which the file stores one.
    """
    flat = in_memory_order(values)
    sample = np.unique(flat[:: max(flat.size // _SAMPLE, 1)])
    if sample.size > FEW_VALUES or not _whole(sample):
        return 0
    different = _different(flat)
    if different is None or not 2 <= different.size <= FEW_VALUES or 4 * different.size > flat.size:
        return 0
    if width == 1 and different.size > _FEW_GREYS and _equal_neighbours(values) < _MOSTLY:
        return 0
    return int(different.size)


def _different(flat: np.ndarray) -> np.ndarray | None:
    """The different values, in pieces so that no copy of all is sorted; None if they are too many, or not whole."""
    least, most = float(flat.min()), float(flat.max())
    if not most - least < _COUNTED or max(abs(least), abs(most)) > _COUNTED:
        return _different_of_any(flat)
    seen = np.zeros(int(most - least) + 1, bool)
    for start in range(0, flat.size, _SAMPLE):
        piece = flat[start : start + _SAMPLE]
        whole = piece.astype(np.int32)
        if (whole != piece).any():
            return None
        seen[whole - int(least)] = True
    return np.flatnonzero(seen) + int(least)


def _different_of_any(flat: np.ndarray) -> np.ndarray | None:
    found = flat[:0]
    for start in range(0, flat.size, _SAMPLE):
        found = np.union1d(found, flat[start : start + _SAMPLE])
        if found.size > FEW_VALUES or not _whole(found):
            return None
    return found


def _whole(values: np.ndarray) -> bool:
    return bool((values == np.rint(values)).all())


def _equal_neighbours(values: np.ndarray) -> float:
    """The share of equal ones among pairs along the first axis of which not both are 0."""
    first, second = values[:-1], values[1:]
    either = (first != 0) | (second != 0)
    pairs = int(np.count_nonzero(either))
    return int(np.count_nonzero((first == second) & either)) / pairs if pairs else 0.0
