"""Finds the recordings in a folder of EEG scalograms and a folder of MRIs; the file names have the ids."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from monai_fusion.datalist.building.ambiguity import Ambiguity
from monai_fusion.datalist.choosing import (
    Choice,
    by_session,
    chosen,
    kinds_of,
    of_condition,
    refuse_patterns_without_match,
    t1_weighted,
)
from monai_fusion.datalist.other_files import (
    NO_T1W,
    NOT_CHOSEN,
    Modality,
    OtherFile,
    OtherFileKind,
    instead,
    other_formats,
)
from monai_fusion.datalist.paths import natural_key
from monai_fusion.datalist.roots import absolute, common_folder, in_two_folders
from monai_fusion.datalist.schema import is_participant_id
from monai_fusion.datalist.walking import Walk, is_annexed
from monai_fusion.errors import InputError, Problem
from monai_fusion.wording import a_few, counted, quoted

EEG_ENDINGS = (".npy",)
MRI_ENDINGS = (".nii", ".nii.gz")


@dataclass(frozen=True, slots=True)
class Recordings:
    """The files of every participant by id; paths are absolute, in natural order.

    Attributes:
        eeg: EEG scalograms.
        mri: MRIs, one each.
        notes: What was left aside.
        aside: Files that are not used, and may be the recordings of those who seem to have none.
        lacking: Those of the notes that report missing recordings.
    """

    eeg: dict[str, list[Path]]
    mri: dict[str, list[Path]]
    notes: tuple[str, ...] = ()
    aside: Mapping[Modality, tuple[OtherFile, ...]] = field(default_factory=dict, hash=False)
    lacking: tuple[str, ...] = ()

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
        aside: Files that are not used.
    """

    files: list[Path]
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    aside: tuple[OtherFile, ...] = ()


def scan_folders(eeg_dirs: Sequence[Path], mri_dirs: Sequence[Path], choice: Choice | None = None) -> Recordings:
    """Find all recordings below folders of each kind (hidden files and folders, such as git-annex's, apart).

    Linked folders are entered as others are, each once.

    MRIs whose name shows that they are no T1-weighted image (``_T1map``, ``_FLAIR``, ``inv-1`` ...) are left aside.

    Raises:
        InputError: A folder is not there or holds no such file, a file's name gives no participant id, or a participant
            has two MRIs, or EEG of two sessions, and ``choice`` does not decide, or files of one kind in two of the
            folders.
    """
    mris = _files_below_all(mri_dirs, MRI_ENDINGS, "MRI folder")
    return recordings_from(eeg_dirs, mris, mri_dirs, choice or Choice())


def recordings_from(eeg_dirs: Sequence[Path], mris: Found, mri_dirs: Sequence[Path], choice: Choice) -> Recordings:
    """The EEG below some folders and MRIs that were found before, of both those that are meant, by participant.

    Raises:
        InputError: As in `scan_folders`.
    """
    mri_dir = common_folder(mri_dirs)
    eegs = _files_below_all(eeg_dirs, EEG_ENDINGS, "EEG folder")
    t1w, others = t1_weighted(mris.files)
    eeg, misnamed_eeg = _by_participant(eegs.files, EEG_ENDINGS, "EEG folder")
    mri, misnamed_mri = _by_participant(t1w, MRI_ENDINGS, "MRI folder")
    problems = [*eegs.problems, *misnamed_eeg, *mris.problems, *misnamed_mri]
    if problems:
        raise InputError(problems)
    eeg = _only(eeg, of_condition(eegs.files, choice.eeg_condition))
    mri = {name: _each_once(paths) for name, paths in mri.items()}
    refuse_patterns_without_match(t1w, choice.t1w_patterns, mri_dir)
    chosen_eeg, chosen_mri = chosen(eeg, mri, choice, mri_dir)
    if not chosen_eeg or not chosen_mri:
        raise InputError(_no_such_session(eeg, mri, choice, mri_dir))
    if problems := [*in_two_folders(chosen_eeg, eeg_dirs, "eeg"), *in_two_folders(chosen_mri, mri_dirs, "mri")]:
        raise InputError(problems)
    if problems := list(Ambiguity(eeg, mri, choice, mri_dir).problems()):
        raise InputError(problems)
    left = f"{counted(len(others), 'MRI')} skipped, not T1-weighted by name: {kinds_of(others)}"
    aside: dict[Modality, tuple[OtherFile, ...]] = {
        "eeg": (*eegs.aside, *_not_chosen(eegs.files, chosen_eeg, common_folder(eeg_dirs), NOT_CHOSEN["eeg"])),
        "mri": (
            *mris.aside,
            *(OtherFile(path, mri_dir, NO_T1W) for path in others),
            *_not_chosen(t1w, chosen_mri, mri_dir, NOT_CHOSEN["mri"]),
        ),
    }
    return Recordings(chosen_eeg, chosen_mri, (*eegs.notes, *mris.notes, *([left] if others else ())), aside)


def scan_alone(folders: Sequence[Path], modality: Modality, choice: Choice | None = None) -> Recordings:
    """Find the recordings of one kind alone: ``eeg`` or ``mri``, for participants of whom the other is not used.

    Raises:
        InputError: As in `scan_folders`.
    """
    choice = choice or Choice()
    endings, what = (EEG_ENDINGS, "EEG folder") if modality == "eeg" else (MRI_ENDINGS, "MRI folder")
    found = _files_below_all(folders, endings, what)
    place = common_folder(folders)
    used, others = (found.files, {}) if modality == "eeg" else t1_weighted(found.files)
    by_id, misnamed = _by_participant(used, endings, what)
    if problems := [*found.problems, *misnamed]:
        raise InputError(problems)
    eeg: dict[str, list[Path]] = {}
    mri: dict[str, list[Path]] = {}
    if modality == "eeg":
        eeg = _only(by_id, of_condition(found.files, choice.eeg_condition))
    else:
        mri = {name: _each_once(paths) for name, paths in by_id.items()}
        refuse_patterns_without_match(used, choice.t1w_patterns, place)
    chosen_eeg, chosen_mri = chosen(eeg, mri, choice, place)
    if not chosen_eeg and not chosen_mri:
        advice = "leave it out, or name one that the files have"
        raise InputError(Problem("--session", seen=f"{' '.join(choice.sessions)}: no file has it", advice=advice))
    if problems := [
        *in_two_folders(chosen_eeg or chosen_mri, folders, modality),
        *Ambiguity(eeg, mri, choice, place).problems(),
    ]:
        raise InputError(problems)
    left = f"{counted(len(others), 'MRI')} skipped, not T1-weighted by name: {kinds_of(others)}"
    return Recordings(chosen_eeg, chosen_mri, (*found.notes, *([left] if others else ())))


def participant_id_of(file_name: str, endings: Sequence[str]) -> str:
    """The file name up to the first ``_``, or without its ending if there is none: ``sub-010002_EO_seg0.npy``."""
    ending = next(end for end in sorted(endings, key=len, reverse=True) if file_name.lower().endswith(end))
    return file_name[: -len(ending)].partition("_")[0]


def _files_below_all(folders: Sequence[Path], endings: tuple[str, ...], what: str) -> Found:
    """As `files_below`, of several folders; each must hold such files."""
    found = [files_below(folder, endings, what) for folder in folders]
    return Found(
        [path for each in found for path in each.files],
        tuple(problem for each in found for problem in each.problems),
        tuple(note for each in found for note in each.notes),
        tuple(aside for each in found for aside in each.aside),
    )


def files_below(folder: Path, endings: tuple[str, ...], what: str) -> Found:
    """All files with one of the endings below a folder, those in linked folders included, hidden ones apart."""
    if not folder.is_dir():
        seen = f"{folder}: {'a file' if folder.exists() else 'there is no such folder'}"
        return Found([], (Problem(what, seen=seen, wanted="a folder"),))
    place = absolute(folder)
    walk = Walk(place)
    every = sorted(walk.files())
    files = [path for path in every if path.name.lower().endswith(endings)]
    others = (path for path in every if not path.name.lower().endswith(endings))
    aside = tuple(other_formats(others, place, "eeg" if endings == EEG_ENDINGS else "mri"))
    notes = [f"{what}: {note}" for note in walk.notes]
    return only_present(files, f"no {' or '.join(endings)} file in {folder}", what, notes, aside)


def only_present(
    paths: Sequence[Path], none: str, what: str, notes: Sequence[str] = (), aside: tuple[OtherFile, ...] = ()
) -> Found:
    """Those of the files that are there: a link of git-annex may lead to what was not downloaded.

    Args:
        paths: Files or links, absolute.
        none: What the problem reports if there is no path at all.
        what: Where they were looked for.
        notes: What else could not be looked at.
        aside: Files that are not used.
    """
    if not paths:
        but, advice = instead(aside)
        problem = Problem(
            what,
            seen=f"{none}{but}",
            wanted="at least one",
            advice="; ".join(part for part in (*notes, advice) if part),
        )
        return Found([], (problem,))
    gone = {path for path in paths if path.is_symlink() and not path.exists()}
    if not gone:
        return Found(list(paths), notes=tuple(notes), aside=aside)
    names = a_few(quoted(path.name) for path in paths if path in gone)
    way = "datalad get, or git annex get, fetches it" if any(map(is_annexed, gone)) else "a disk that is not mounted?"
    seen = f"{counted(len(gone), 'link')} to a file that is not here ({way}): {names}"
    if len(gone) == len(paths):
        return Found([], (Problem(what, seen=seen, wanted="files"),))
    present = [path for path in paths if path not in gone]
    return Found(present, notes=(f"{what}: {seen}", *notes), aside=aside)


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


def _each_once(paths: Sequence[Path]) -> list[Path]:
    """The files without links to others of them."""
    if len(paths) == 1:
        return list(paths)
    first: dict[str, Path] = {}
    for path in sorted(paths, key=Path.is_symlink):
        first.setdefault(os.path.realpath(path), path)
    kept = set(first.values())
    return [path for path in paths if path in kept]


def _not_chosen(
    paths: Sequence[Path], files: Mapping[str, list[Path]], folder: Path, kind: OtherFileKind
) -> Iterator[OtherFile]:
    used = {path for each in files.values() for path in each}
    return (OtherFile(path, folder, kind) for path in paths if path not in used)


def _no_such_session(
    eeg: Mapping[str, list[Path]], mri: Mapping[str, list[Path]], choice: Choice, mri_dir: Path
) -> Problem:
    every = chain(*eeg.values(), *mri.values())
    sessions = sorted(session for session in by_session(every) if session is not None)
    both = [each for each in sessions if all(chosen(eeg, mri, replace(choice, sessions=(each,)), mri_dir))]
    wanted = f"one that EEG and MRIs have: {a_few(both, 6)}" if both else "one that EEG and MRIs have: there is none"
    advice = "" if both else "leave it out"
    return Problem("--session", seen=" ".join(choice.sessions), wanted=wanted, advice=advice)
