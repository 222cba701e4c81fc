"""The files, tables and figures of a method that explains the MRI."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial

import numpy as np

from monai_fusion.errors import InputError
from monai_fusion.explain.class_contrasts import OTHERS
from monai_fusion.explain.derived import GROUP_FOLDER, PARTICIPANTS_FOLDER, Derived, title_of
from monai_fusion.explain.kept_arrays import file_stems
from monai_fusion.explain.mri_figures import colour_limit, draw_mosaic
from monai_fusion.explain.mri_files import write_map, write_slab_mask
from monai_fusion.explain.mri_group import MriContrast, MriGroup, mri_group_of, peak, write_mri_group
from monai_fusion.explain.mri_space import Floats, SlabGeometry, VolumeSpace
from monai_fusion.explain.running import ExplainedParticipant, ExplanationRun
from monai_fusion.report.explanation_file import ResultTable
from monai_fusion.report.number_text import p_value as p_text
from monai_fusion.report.style import Picture
from monai_fusion.wording import a_few, counted

MAP = "attributions"
UNITS = {"mri_gradcam": "", "mri_smoothgrad_squared": "logit² per intensity²"}
"""Of the methods whose map is not in logit."""
UNSIGNED = ("mri_smoothgrad_squared",)
_COARSE = (
    "Grad-CAM is coarse: a cell of R3D-18's last block is 8 voxels deep and 16 wide and high, and the map is "
    "interpolated between them. It has a sign, but no unit. On cohorts whose answer is known, "
    "mri_reference_gradients marked the right part of the head, and Grad-CAM did not."
)
_SMOOTH_BRAINS = 8  # participants whose mean is drawn below a group's map


def mri_results(
    run: ExplanationRun,
    method: str,
    participants: Sequence[ExplainedParticipant],
    classes: Sequence[str],
    shown: Collection[str],
    geometry: SlabGeometry | None,
) -> Derived:
    """Write what a method found in the MRI of each participant and of the classes.

    Args:
        run: With the arrays.
        method: The method's name.
        participants: All explained participants.
        classes: The class names.
        shown: The participants whose figures the report shows.
        geometry: How preprocessing made the network's grid; None if that is not known.

    Raises:
        InputError: A volume cannot be written.
        OSError: A table cannot be written.
    """
    derived = Derived()
    names = run.explained_by(method)
    if not names:
        return derived
    title, word = title_of(method), method.removeprefix("mri_").replace("_", "")
    spaces = _spaces(run, names, method, geometry, derived)
    _write_participants(run, method, word, spaces)
    if method == "mri_gradcam":
        derived.notes.append(_COARSE)
    drawing = _Drawing(geometry, spaces, UNITS.get(method, "logit"), method not in UNSIGNED)
    for name in names:
        if name in shown:
            text = f"{title}: {name}"
            picture = drawing.of(_map(run, method, name), _anatomy(run, [name]), f"{run.stems[name]}_{method}", text)
            derived.of_participants[name] = [picture]
    labels = {each.participant_id: each.label for each in participants}
    group = mri_group_of({name: partial(_map, run, method, name) for name in names}, labels, classes, spaces)
    if group is None:
        return derived
    place = run.folder / GROUP_FOLDER
    place.mkdir(exist_ok=True)
    derived.files += write_mri_group(place, word, group, file_stems([*classes, OTHERS]))
    brain = _anatomy(run, group.participants[:_SMOOTH_BRAINS])
    derived.figures += _pictures_of_group(drawing, group, brain, f"group_{method}", title)
    derived.notes += [f"{title}: {note}" for note in group.notes]
    derived.tables += [_table(group, each, title) for each in group.contrasts if each.test is not None]
    return derived


def _spaces(
    run: ExplanationRun, names: Sequence[str], method: str, geometry: SlabGeometry | None, derived: Derived
) -> dict[str, VolumeSpace]:
    """The grids of the participants' files, and a warning for those without."""
    if geometry is None:
        derived.notes.append(
            "The model's own preprocessing of MRIs may move voxels: maps have no known place in the files, and are only"
            f" in arrays/{method}."
        )
        return {}
    found: dict[str, VolumeSpace] = {}
    problems: dict[str, str] = {}
    for name in names:
        file = run.record(name).mri
        if file is None:
            continue
        try:
            found[name] = VolumeSpace.of_file(file, geometry)
        except InputError as error:
            problems[name] = str(error)
    if problems:
        first = next(iter(problems.values()))
        derived.warnings.append(
            f"The MRI of {counted(len(problems), 'participant')} can no longer be read, so no volumes are written of "
            f"{a_few(problems)}: {first}"
        )
    return found


def _write_participants(run: ExplanationRun, method: str, word: str, spaces: Mapping[str, VolumeSpace]) -> None:
    folder = run.folder / PARTICIPANTS_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name, space in spaces.items():
        write_map(folder, run.stems[name], word, _map(run, method, name), space)
        write_slab_mask(folder, run.stems[name], space)


def _map(run: ExplanationRun, method: str, name: str) -> Floats:
    return np.asarray(run.arrays(method, name)[MAP], np.float32)


def _anatomy(run: ExplanationRun, names: Sequence[str]) -> Floats | None:
    """The mean of some MRIs as the network sees them, [T, H, W]."""
    total: Floats | None = None
    for name in names:
        mri = run.participant(name).mri
        if mri is not None:
            volume = mri[0, 0].numpy()
            total = volume if total is None else total + volume
    return None if total is None else total / len(names)


class _Drawing:
    """Draws maps of one method in the network's grid."""

    def __init__(
        self, geometry: SlabGeometry | None, spaces: Mapping[str, VolumeSpace], unit: str, signed: bool
    ) -> None:
        self.orientation = "RAS" if geometry is None else geometry.orientation
        self.unit, self.signed = unit, signed
        lengths = [np.sqrt((each.network_affine[:3, :3] ** 2).sum(axis=0)) for each in spaces.values()]
        self.spacing: tuple[float, ...] = tuple(np.mean(lengths, axis=0).tolist()) if lengths else (1.0, 1.0, 1.0)

    def of(
        self, values: Floats, anatomy: Floats | None, name: str, title: str, limit: float | None = None,
        marked: np.ndarray | None = None,
    ) -> Picture:  # fmt: skip
        return draw_mosaic(
            values, anatomy, self.orientation, self.spacing, name, title, self.unit, limit, marked, self.signed
        )  # fmt: skip


def _pictures_of_group(
    drawing: _Drawing, group: MriGroup, brain: Floats | None, name: str, title: str
) -> list[Picture]:
    """The means of each class with one colour scale; the differences, with an outline where they are beyond chance."""
    where = "" if group.in_one_space else ", in the network's grid"
    limit = colour_limit(list(group.means.values()))
    pictures = [
        drawing.of(mean, brain, f"{name}_mean{place}", f"{title}: mean of {group.counts[label]} {label}{where}", limit)
        for place, (label, mean) in enumerate(group.means.items())
    ]
    for place, each in enumerate(group.contrasts):
        marked = None if each.test is None else each.test.crossed.reshape(each.difference.shape)
        text = f"{title}: {each.name} less {each.against}{where}"
        pictures.append(drawing.of(each.difference, brain, f"{name}_difference{place}", text, None, marked))
    return pictures


def _table(group: MriGroup, contrast: MriContrast, title: str) -> ResultTable:
    """The voxel that differs most."""
    test, place = contrast.test, peak(contrast)
    assert test is not None  # noqa: S101 # the caller looked
    at = int(np.ravel_multi_index(place, contrast.difference.shape))
    where = ", ".join(str(each) for each in place)
    if group.affine is not None and group.in_one_space:
        where = ", ".join(f"{each:.0f}" for each in (group.affine @ [*place, 1])[:3]) + " mm"
    p_value = test.p_values[at]
    row = [
        where, f"{contrast.difference[place]:+.3g}", f"{test.statistic[at]:+.2f}",
        p_text(float(p_value)), str(int(test.crossed.sum())),
    ]  # fmt: skip
    note = (
        f"The voxel that differs most; p is corrected for all {test.p_values.size} voxels (permutation of the labels, "
        f"largest statistic). {contrast.counts[0]} participants against {contrast.counts[1]}."
    )
    if not group.in_one_space:
        note += " The MRIs are not in one space: the voxel is one of the network's grid."
    columns = ["Voxel", "Difference", "t", "p", "Voxels with p of at most 0.05"]
    return ResultTable(
        title=f"{title}: {contrast.name} against {contrast.against}", columns=columns, rows=[row], note=note
    )
