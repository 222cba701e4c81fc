"""Maps of the MRI of many participants: the mean of each class, and where classes differ, voxel by voxel.

Differences are tested by relabelling the participants; the largest statistic over all voxels corrects for their number
(`max_statistic`). Maps are compared in the network's grid. Where all files have the same grid, that has a true place in
their common space. Otherwise equal voxels are not equal places of the head, and the result says so.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_fusion.explain.class_contrasts import SEED, ClassContrast, class_contrasts
from monai_fusion.explain.eeg_summary import Row, tsv
from monai_fusion.explain.max_statistic import GroupDifference
from monai_fusion.explain.mri_files import on_grid, write_nifti
from monai_fusion.explain.mri_space import ALIGNED, Floats, VolumeSpace, mean_affine, same_space
from monai_fusion.files import write_atomically
from monai_fusion.wording import a_few

DRAWS = 1000  # of 1.6 million voxels: seconds; p-values near 0.05 are right to 0.007
_IN_MEMORY = 1 << 30  # bytes of maps; more are stacked in a temporary file
COLUMNS = (
    *("class", "against", "participants_class", "participants_against", "largest_t", "difference_there"),
    *("p_corrected", "x_mm", "y_mm", "z_mm", "t_threshold", "voxels_beyond", "relabellings", "space"),
)


@dataclass(frozen=True)
class MriContrast:
    """A class against another, or against all others where there are more than two.

    Attributes:
        name: The class.
        against: The other class, or ``others``.
        counts: Participants of the class and of the others.
        difference: [T, H, W]: the mean of the class less that of the others.
        test: The permutation test over all voxels, in C order; None with too few participants.
    """

    name: str
    against: str
    counts: tuple[int, int]
    difference: Floats
    test: GroupDifference | None

    @classmethod
    def of(cls, found: ClassContrast, values: Floats, shape: tuple[int, ...]) -> MriContrast:
        """With the difference of [P, voxels], in the shape of a map."""
        members = found.members
        difference = (_mean(values, members) - _mean(values, ~members)).reshape(shape)
        return cls(found.name, found.against, (int(members.sum()), int((~members).sum())), difference, found.test)


@dataclass(frozen=True)
class MriGroup:
    """The group result of one method, in the network's grid.

    Attributes:
        participants: Their ids.
        means: Class -> [T, H, W] float32.
        counts: Class -> number of participants.
        contrasts: One of two classes, otherwise one for each class.
        affine: [4, 4], from voxels to mm; None if no file's place is known.
        code: NIfTI's code of these coordinates.
        in_one_space: Whether all files have one grid, of which the affine is then true. Otherwise it has the mean
            spacing, and its centre is 0.
        notes: Who is left out and why, in which space maps are compared, and why there is no test; a sentence each.
    """

    participants: tuple[str, ...]
    means: Mapping[str, Floats]
    counts: Mapping[str, int]
    contrasts: tuple[MriContrast, ...]
    affine: NDArray[np.float64] | None
    code: int
    in_one_space: bool
    notes: tuple[str, ...]


def mri_group_of(
    maps: Mapping[str, Callable[[], Floats]],
    labels: Mapping[str, int | None],
    classes: Sequence[str],
    spaces: Mapping[str, VolumeSpace],
    draws: int = DRAWS,
    seed: int = SEED,
) -> MriGroup | None:
    """Compare the classes.

    Participants whose class is not known are left out and reported. All maps must be of the same explained class, so
    that a sign means the same for everyone.

    Args:
        maps: Reads the map [T, H, W] of each participant, once.
        labels: Class index of each participant.
        classes: Names of the classes.
        spaces: Of the participants' files; where one is missing, its space is not known.
        draws: Relabellings at most.
        seed: Same seed, same relabellings.

    Returns:
        The group; None without a participant of known class.
    """
    notes: list[str] = []
    chosen = [name for name in sorted(maps) if labels.get(name) is not None]
    if unlabelled := sorted(set(maps) - set(chosen)):
        notes.append(f"Not in the group, because of no known class: {a_few(unlabelled)}.")
    if not chosen:
        return None
    own = np.array([labels[name] for name in chosen], np.int64)
    present = [label for label in range(len(classes)) if (own == label).any()]
    affine, code, in_one_space = _place([spaces.get(name) for name in chosen], notes)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        values, shape = _stacked([maps[name] for name in chosen], Path(folder))
        means = {classes[label]: _mean(values, own == label).reshape(shape) for label in present}
        pairs = [(label, classes[label]) for label in present]
        found = class_contrasts(values, own, pairs, notes, draws, seed)
        contrasts = tuple(MriContrast.of(each, values, shape) for each in found)
        del values  # Windows removes no file that is mapped
    counts = {classes[label]: int((own == label).sum()) for label in present}
    return MriGroup(tuple(chosen), means, counts, contrasts, affine, code, in_one_space, tuple(notes))


def write_mri_group(
    folder: Path, description: str, group: MriGroup, stems: Mapping[str, str], prefix: str = "group"
) -> list[Path]:
    """Write the group's maps as NIfTI files in the network's grid, and a table of the contrasts.

    Args:
        folder: Exists.
        description: Letters and digits: the method, as of BIDS's ``desc-``.
        group: What to write.
        stems: What stands for each class, and for ``others``, in file names.
        prefix: Of all names.

    Returns:
        For each class ``PREFIX-CLASS_desc-DESCRIPTION_mean.nii.gz``; for each contrast
        ``PREFIX-CLASS-AGAINST_desc-DESCRIPTION_`` ``difference``, ``t`` and ``pcorrected`` (``.nii.gz``, float32; the
        last is 1 where nothing differs). Names have ``_space-network`` before ``_desc`` unless all files have one
        space. Then ``PREFIX_desc-DESCRIPTION.tsv``. No NIfTI files if no place is known.

    Raises:
        InputError: A file cannot be written.
        OSError: The table cannot be written.
    """
    space = "" if group.in_one_space else "_space-network"
    images: dict[str, NDArray[Any]] = {}
    for name, mean in group.means.items():
        images[f"{prefix}-{stems[name]}{space}_desc-{description}_mean"] = mean
    for each in group.contrasts:
        beginning = f"{prefix}-{stems[each.name]}-{stems[each.against]}{space}_desc-{description}"
        images[f"{beginning}_difference"] = each.difference
        if each.test is not None:
            images[f"{beginning}_t"] = each.test.statistic.reshape(each.difference.shape)
            images[f"{beginning}_pcorrected"] = each.test.p_values.reshape(each.difference.shape)
    paths = []
    if group.affine is not None:
        for name, values in images.items():
            paths.append(folder / f"{name}.nii.gz")
            write_nifti(paths[-1], on_grid(_finite(values), group.affine, group.code))
    table = folder / f"{prefix}_desc-{description}.tsv"
    write_atomically(table, tsv(COLUMNS, [_row(each, group) for each in group.contrasts]))
    return [*paths, table]


def peak(contrast: MriContrast) -> tuple[int, int, int]:
    """The voxel of the largest abs(t), or of the largest difference where there is no test."""
    values = contrast.difference if contrast.test is None else contrast.test.statistic
    t, h, w = np.unravel_index(int(np.abs(values).argmax()), contrast.difference.shape)
    return int(t), int(h), int(w)


def _row(contrast: MriContrast, group: MriGroup) -> Row:
    test, place = contrast.test, peak(contrast)
    at = int(np.ravel_multi_index(place, contrast.difference.shape))
    xyz = [None] * 3 if group.affine is None else [float(each) for each in (group.affine @ [*place, 1])[:3]]
    statistics: list[float | int | None] = [None] * 5
    if test is not None:
        threshold = test.threshold if math.isfinite(test.threshold) else None
        statistics = [
            float(test.statistic[at]), float(test.p_values[at]), threshold, int(test.crossed.sum()), test.relabellings,
        ]  # fmt: skip
    largest, p_value, *others = statistics
    space = "common" if group.in_one_space else "network"
    return (
        *(contrast.name, contrast.against, *contrast.counts, largest, float(contrast.difference[place])),
        *(p_value, *xyz, *others, space),
    )


def _place(spaces: Sequence[VolumeSpace | None], notes: list[str]) -> tuple[NDArray[np.float64] | None, int, bool]:
    """The affine, its code, and whether it is true of all files."""
    known = [each for each in spaces if each is not None]
    if not known:
        notes.append("Where the maps lie in the head is not known: they are compared voxel by voxel of the network.")
        return None, 0, False
    if len(known) == len(spaces) and same_space(known):
        return known[0].network_affine, known[0].network_code, True
    notes.append(
        "The MRIs are not in one space, so maps are averaged in the network's: equal voxels are not equal places of "
        "the head. Register the MRIs to a template, such as MNI152, to compare places."
    )
    return mean_affine(known), ALIGNED, False


def _stacked(maps: Sequence[Callable[[], Floats]], folder: Path) -> tuple[Floats, tuple[int, ...]]:
    """[P, voxels] float32, in memory or in a temporary file, and the shape of a map."""
    first = maps[0]()
    shape = (len(maps), first.size)
    values: Floats
    if len(maps) * first.size * 4 <= _IN_MEMORY:
        values = np.empty(shape, np.float32)
    else:
        values = np.lib.format.open_memmap(folder / "maps.npy", "w+", np.float32, shape)
    values[0] = first.reshape(-1)
    for row, read in enumerate(maps[1:], start=1):
        one = read()
        if one.shape != first.shape:
            raise ValueError(f"maps of shapes {first.shape} and {one.shape}")
        values[row] = one.reshape(-1)
    return values, first.shape


def _mean(values: Floats, members: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The mean of some rows, one after the other: they may not fit into memory together."""
    total = np.zeros(values.shape[1])
    for row in np.flatnonzero(members):
        total += values[row]
    return (total / members.sum()).astype(np.float32)


def _finite(values: NDArray[Any]) -> NDArray[np.float32]:
    """As NIfTI takes them: an infinite t, of a voxel that separates the classes without spread, becomes the largest."""
    return np.nan_to_num(values.astype(np.float32))
