"""Opens every file of a datalist: what `reading` cannot see without it (shape, NaN, a file cut short)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from monai_fusion.datalist.records import Datalist, ParticipantRecord
from monai_fusion.errors import InputError, Problem

Loader = Callable[[Path], object]


def recordings_of(datalist: Datalist) -> list[tuple[ParticipantRecord, str, Path]]:
    """(participant, ``eeg`` or ``mri``, file) for every file, in the datalist's order."""
    return [
        (record, field, path)
        for section in datalist.sections
        for record in datalist.records(section)
        for field, paths in (("eeg", record.eeg), ("mri", () if record.mri is None else (record.mri,)))
        for path in paths
    ]


def check_contents(
    datalist: Datalist, recordings: Iterable[tuple[ParticipantRecord, str, Path]], load_eeg: Loader, load_mri: Loader
) -> Iterator[Problem]:
    """Open the files and yield what is wrong with each, the participant named first.

    Args:
        datalist: The datalist, for paths as it writes them.
        recordings: From `recordings_of`, possibly through a progress bar.
        load_eeg: Opens a scalogram and raises InputError if it is wrong. The loaders are handed in, because they need
            libraries that nothing else here does.
        load_mri: The same for an MRI.
    """
    for record, field, path in recordings:
        try:
            (load_eeg if field == "eeg" else load_mri)(path)
        except InputError as error:
            name = path.relative_to(datalist.data_root).as_posix()
            for problem in error.problems:
                detail = problem.field if problem.field != field else ""
                what = f"{field} {name} {detail}".rstrip()
                yield replace(problem, where=record.participant_id, field=what)
