"""Finds the recordings in a folder of EEG scalograms and a folder of MRIs; the file names tell whose they are."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_fusion.datalist.choosing import (
    Choice,
    matching_t1w,
    of_condition,
    of_sessions,
    session_of,
    several_mris,
    several_sessions,
    t1_weighted,
)
from monai_fusion.datalist.files import natural_key
from monai_fusion.datalist.schema import is_participant_id
from monai_fusion.datalist.wording import a_few, counted, quoted
from monai_fusion.errors import InputError, Problem

EEG_ENDINGS = (".npy",)
MRI_ENDINGS = (".nii", ".nii.gz")


@dataclass(frozen=True, slots=True)
class Recordings:
    """The files of every participant by id; paths are absolute, in natural order.

    Attributes:
        eeg: EEG scalograms.
        mri: MRIs, one each.
        notes: What was left aside.
    """

    eeg: dict[str, list[Path]]
    mri: dict[str, list[Path]]
    notes: tuple[str, ...] = ()

    @property
    def complete(self) -> list[str]:
        """The participants who have both, in ascending order."""
        return sorted(self.eeg.keys() & self.mri.keys())

    @property
    def everyone(self) -> list[str]:
        """The participants who have at least one, in ascending order."""
        return sorted(self.eeg.keys() | self.mri.keys())


@dataclass(frozen=True, slots=True)
class Found:
    """The files of one kind below a folder.

    Attributes:
        files: Those that are there.
        problems: Why there are none.
        notes: What is not there although its name is.
    """

    files: list[Path]
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


def scan_folders(eeg_dir: Path, mri_dir: Path, choice: Choice | None = None) -> Recordings:
    """Find all recordings below two folders (hidden files and folders, such as git-annex's, apart).

    MRIs whose name says that they are no T1-weighted image (``_T1map``, ``_FLAIR``, ``inv-1`` ...) are left aside.

    Raises:
        InputError: A folder is not there or holds no such file, a file's name gives no participant id, or a participant
            has two MRIs, or EEG of two sessions, and ``choice`` does not say which.
    """
    mris = files_below(mri_dir, MRI_ENDINGS, "MRI folder")
    return recordings_of(eeg_dir, mris, absolute(mri_dir), choice or Choice())


def recordings_of(eeg_dir: Path, mris: Found, mri_dir: Path, choice: Choice) -> Recordings:
    """The EEG below a folder and MRIs that were found before, of both those that are meant, by participant.

    Raises:
        InputError: As `scan_folders` says.
    """
    eegs = files_below(eeg_dir, EEG_ENDINGS, "EEG folder")
    t1w, notes = t1_weighted(mris.files)
    eeg, misnamed_eeg = _by_participant(eegs.files, EEG_ENDINGS, "EEG folder")
    mri, misnamed_mri = _by_participant(t1w, MRI_ENDINGS, "MRI folder")
    problems = [*eegs.problems, *misnamed_eeg, *mris.problems, *misnamed_mri]
    if problems:
        raise InputError(problems)
    eeg = _only(eeg, of_condition(eegs.files, choice.eeg_condition))
    mri = _only(mri, matching_t1w(t1w, choice.t1w_pattern, mri_dir))
    eeg = of_sessions(eeg, choice.sessions, every_session_if_all=True)
    mri = of_sessions(mri, choice.sessions, every_session_if_all=False) if choice.sessions != ("all",) else mri
    if not eeg or not mri:
        there = sorted({session for path in [*eegs.files, *t1w] if (session := session_of(path)) is not None})
        wanted = f"one that EEG and MRIs have: {a_few(there, 6) or 'the files name none'}"
        raise InputError(Problem("--session", seen=" ".join(choice.sessions), wanted=wanted))
    if problems := [*several_sessions(eeg, choice.sessions), *several_mris(mri, mri_dir)]:
        raise InputError(problems)
    return Recordings(eeg, mri, (*eegs.notes, *mris.notes, *notes))


def participant_id_of(file_name: str, endings: Sequence[str]) -> str:
    """The file name up to the first ``_``, or without its ending if there is none: ``sub-010002_EO_seg0.npy``."""
    ending = next(end for end in sorted(endings, key=len, reverse=True) if file_name.lower().endswith(end))
    return file_name[: -len(ending)].partition("_")[0]


def files_below(folder: Path, endings: tuple[str, ...], what: str) -> Found:
    """All files with one of the endings below a folder, hidden ones apart."""
    if not folder.is_dir():
        seen = f"{folder}: {'a file' if folder.exists() else 'there is no such folder'}"
        return Found([], (Problem(what, seen=seen, wanted="a folder"),))
    return only_present(list(_walk(absolute(folder), endings)), f"no {' or '.join(endings)} file in {folder}", what)


def only_present(paths: Sequence[Path], none: str, what: str) -> Found:
    """Those of the files that are there: a link of git-annex may lead to what was not downloaded.

    Args:
        paths: Files or links, absolute.
        none: What is said if there is no path at all.
        what: Where they were looked for.
    """
    if not paths:
        return Found([], (Problem(what, seen=none, wanted="at least one"),))
    gone = {path for path in paths if path.is_symlink() and not path.exists()}
    if not gone:
        return Found(list(paths))
    names = a_few(quoted(path.name) for path in paths if path in gone)
    seen = (
        f"{counted(len(gone), 'link')} to a file that is not here (datalad get, or git annex get, fetches it): {names}"
    )
    if len(gone) == len(paths):
        return Found([], (Problem(what, seen=seen, wanted="files"),))
    return Found([path for path in paths if path not in gone], notes=(f"{what}: {seen}",))


def absolute(path: Path) -> Path:
    """Absolute by name only, so that links stay as the user wrote them."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve would follow links


def _walk(folder: Path, endings: tuple[str, ...]) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.lower().endswith(endings) and not name.startswith("."):
                yield Path(place, name)


def _by_participant(
    paths: Sequence[Path], endings: tuple[str, ...], what: str
) -> tuple[dict[str, list[Path]], list[Problem]]:
    files: dict[str, list[Path]] = defaultdict(list)
    problems = []
    for path in paths:
        participant_id = participant_id_of(path.name, endings)
        if is_participant_id(participant_id):
            files[participant_id].append(path)
        else:
            wanted = f"a name such as sub-010002_T1w{endings[0]}"
            problems.append(Problem(what, seen=quoted(path.name), wanted=wanted, advice="rename it"))
    return {
        name: sorted(found, key=lambda path: natural_key(path.as_posix())) for name, found in files.items()
    }, problems


def _only(files: dict[str, list[Path]], chosen: Sequence[Path]) -> dict[str, list[Path]]:
    wanted = set(chosen)
    kept = {name: [path for path in paths if path in wanted] for name, paths in files.items()}
    return {name: paths for name, paths in kept.items() if paths}
