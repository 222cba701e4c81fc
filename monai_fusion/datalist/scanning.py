"""Finds the recordings in a folder of EEG scalograms and a folder of MRIs; the file names tell whose they are."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_fusion.datalist.files import natural_key
from monai_fusion.datalist.schema import is_participant_id
from monai_fusion.datalist.wording import a_few, quoted
from monai_fusion.errors import InputError, Problem

EEG_ENDINGS = (".npy",)
MRI_ENDINGS = (".nii", ".nii.gz")


@dataclass(frozen=True, slots=True)
class Recordings:
    """The files of every participant by id; paths are absolute, in natural order."""

    eeg: dict[str, list[Path]]
    mri: dict[str, list[Path]]

    @property
    def complete(self) -> list[str]:
        """The participants who have both, in ascending order."""
        return sorted(self.eeg.keys() & self.mri.keys())


def scan_folders(eeg_dir: Path, mri_dir: Path) -> Recordings:
    """Find all recordings below two folders (hidden files and folders, such as git-annex's, apart).

    Raises:
        InputError: A folder is not there or holds no such file, a file's name gives no participant id, a participant
            has two MRIs, or nobody has both recordings.
    """
    eeg, eeg_problems = _by_participant(eeg_dir, EEG_ENDINGS, "EEG folder")
    mri, mri_problems = _by_participant(mri_dir, MRI_ENDINGS, "MRI folder")
    problems = eeg_problems + mri_problems
    if not problems:
        problems = [*_several_mris(mri, mri_dir), *_no_overlap(eeg, mri)]
    if problems:
        raise InputError(problems)
    return Recordings(eeg, mri)


def participant_id_of(file_name: str, endings: Sequence[str]) -> str:
    """The file name up to the first ``_``, or without its ending if there is none: ``sub-010002_EO_seg0.npy``."""
    ending = next(end for end in sorted(endings, key=len, reverse=True) if file_name.lower().endswith(end))
    return file_name[: -len(ending)].partition("_")[0]


def _by_participant(folder: Path, endings: tuple[str, ...], what: str) -> tuple[dict[str, list[Path]], list[Problem]]:
    if not folder.is_dir():
        return {}, [Problem(what, seen=str(folder), wanted="a folder that exists")]
    files: dict[str, list[Path]] = defaultdict(list)
    problems = []
    for path in _files_below(folder, endings):
        participant_id = participant_id_of(path.name, endings)
        if is_participant_id(participant_id):
            files[participant_id].append(path)
        else:
            wanted = f"a name such as sub-010002_T1w{endings[0]}"
            problems.append(Problem(what, seen=quoted(path.name), wanted=wanted, advice="rename it"))
    if not files and not problems:
        problems.append(Problem(what, seen=f"no {' or '.join(endings)} file in {folder}", wanted="at least one"))
    return {
        name: sorted(paths, key=lambda path: natural_key(path.as_posix())) for name, paths in files.items()
    }, problems


def _files_below(folder: Path, endings: tuple[str, ...]) -> Iterator[Path]:
    # The path is made absolute by name only, so that links in it stay as the user wrote them.
    for place, folders, names in os.walk(os.path.abspath(folder)):  # noqa: PTH100 - Path.resolve would follow links
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.lower().endswith(endings) and not name.startswith("."):
                yield Path(place, name)


def _several_mris(mri: dict[str, list[Path]], folder: Path) -> Iterator[Problem]:
    for participant_id, paths in sorted(mri.items()):
        if len(paths) > 1:
            base = os.path.abspath(folder)  # noqa: PTH100 - as above
            names = a_few((quoted(path.relative_to(base).as_posix()) for path in paths), at_most=4)
            advice = f"keep in {folder} only the one that is meant"
            yield Problem(participant_id, "mri", f"{len(paths)} MRIs: {names}", "one", advice)


def _no_overlap(eeg: dict[str, list[Path]], mri: dict[str, list[Path]]) -> Iterator[Problem]:
    if not eeg.keys() & mri.keys():
        seen = f"EEG of {a_few(sorted(eeg))}; MRIs of {a_few(sorted(mri))}"
        yield Problem("participants", seen=seen, wanted="the same ids in both", advice="nobody has both recordings")
