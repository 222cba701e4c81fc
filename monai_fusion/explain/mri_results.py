"""The files, tables and figures of a method that explains the MRI."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from monai_fusion.explain.derived import PARTICIPANTS_FOLDER, Derived
from monai_fusion.explain.maps import point_map
from monai_fusion.explain.mri_files import write_map, write_slab_mask
from monai_fusion.explain.mri_space import SlabGeometry, VolumeSpace
from monai_fusion.explain.running import ExplainedParticipant, ExplanationRun


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
        InputError: An MRI file is no longer there, or a file cannot be written.
        OSError: A file cannot be written.
    """
    derived = Derived()
    folder = run.folder / PARTICIPANTS_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    word = method.removeprefix("mri_").replace("_", "")
    if geometry is None:
        derived.notes.append(
            "The model's own preprocessing of MRIs may move voxels: maps have no known place in the files, and are only"
            f" in arrays/{method}."
        )
        return derived
    for name in run.explained_by(method):
        record = run.record(name)
        assert record.mri is not None  # noqa: S101 # the method was not asked about others
        space = VolumeSpace.of_file(record.mri, geometry)
        write_map(folder, run.stems[name], word, point_map(run.arrays(method, name)), space)
        write_slab_mask(folder, run.stems[name], space)
    return derived
