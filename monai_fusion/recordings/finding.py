"""Finds raw recordings: files, folders, or a BIDS dataset; one entry for each, whatever files it consists of."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_fusion.datalist.building.scanning import participant_id_of
from monai_fusion.datalist.choosing import session_of
from monai_fusion.datalist.paths import natural_key
from monai_fusion.datalist.roots import absolute
from monai_fusion.datalist.schema import is_participant_id
from monai_fusion.datalist.walking import Walk
from monai_fusion.errors import InputError, Problem
from monai_fusion.recordings.condition_words import DEFAULT_CODES, Codes, condition_of_name
from monai_fusion.recordings.reading.opened import ENDINGS, TABLE_ENDINGS
from monai_fusion.wording import a_few, counted, quoted

_EXPLICIT = tuple(ending for ending in ENDINGS if ending not in TABLE_ENDINGS)
_IN_FOLDERS = (*_EXPLICIT, ".csv", ".tsv")
# Tables of BIDS and of this project that lie among recordings and are none.
_NO_TABLE = re.compile(
    r"(?:^|_)(?:channels|electrodes|events|scans|participants|sessions|coordsystem|samples|phenotype|name_match|metrics|"
    r"predictions|iclabels|flaggedchs|meta.*)\.(?:csv|tsv|txt)$",
    re.IGNORECASE,
)
_ENTITY = re.compile(r"(?:^|_)(?P<key>[a-zA-Z]+)-(?P<value>[^_.]+)")
_SPLIT_BIDS = re.compile(r"_split-0*(?P<number>\d+)(?=[_.])")
_SPLIT_MNE = re.compile(r"-(?P<number>[1-9]\d{0,2})(?=\.fif(?:\.gz)?$)", re.IGNORECASE)
_NOT_READ = frozenset((".cnt", ".gdf", ".xdf", ".nwb", ".lay", ".cdt", ".ahdr"))
_NOT_RAW_FIF = re.compile(
    r"[-_](?:ica|epo|ave|cov|fwd|inv|src|trans|proj|eve|sol|bem|evoked|dense|noise)\.fif(?:\.gz)?$", re.IGNORECASE
)
_DERIVED = frozenset(("derivatives", "sourcedata", "code", "stimuli"))
_OTHER_DATA = frozenset(("anat", "func", "dwi", "fmap", "perf", "beh", "pet", "micr", "nirs", "motion"))
_TELLING = ("ses", "run", "acq", "task")  # entities that tell recordings apart; the last is given up first
_BEFORE_NAME = "sub-"


@dataclass(frozen=True, slots=True)
class Found:
    """A raw recording that was found.

    Attributes:
        path: The file to open.
        participant_id: The beginning of its name, up to the first ``_``.
        parts: What tells it from the participant's other recordings here: ``("ses-01", "run-2")``; empty if its
            condition does, or if there is no other.
        condition: What its name says: ``EO``, ``EC``, or None.
    """

    path: Path
    participant_id: str
    parts: tuple[str, ...] = ()
    condition: str | None = None

    @property
    def name(self) -> str:
        """What the names of its output files begin with, without the condition: ``sub-01_ses-01_run-2``."""
        return "_".join((self.participant_id, *self.parts))


@dataclass(frozen=True, slots=True)
class FoundAll:
    """All recordings that were found, in natural order.

    Attributes:
        recordings: One entry for each.
        notes: What was left aside.
        refused: Files whose names say neither whose they are nor what tells them from another one, and why.
        not_read: EEG recordings in formats that are not read, which the notes name too.
    """

    recordings: tuple[Found, ...]
    notes: tuple[str, ...] = ()
    refused: tuple[tuple[Path, Problem], ...] = ()
    not_read: tuple[Path, ...] = ()


def find_recordings(paths: Sequence[Path], task: str | None = None, codes: Codes | None = None) -> FoundAll:
    """Find the recordings that some paths mean.

    A folder is searched with all folders in it, hidden ones apart; of a BIDS dataset (a folder with
    ``dataset_description.json``), ``sub-*`` only. Files that belong to a recording (.eeg, .vmrk, .fdt, the later parts
    of a split .fif) and BIDS's own tables are no recordings.

    Args:
        paths: Files and folders.
        task: Only recordings of that BIDS task (``rest`` of ``task-rest``).
        codes: As `find_conditions` has them, for the words in names.

    Raises:
        InputError: A path does not exist, nothing is found, or every file is refused for its name: it gives no
            participant id, or the outputs of two would be one.
    """
    notes: list[str] = []
    files: list[Path] = []
    not_read: list[Path] = []
    problems: list[Problem] = []
    for path in paths:
        place = absolute(Path(path))
        if place.is_dir() and not _is_recording_folder(place):
            below, others, more = _below(place, task)
            notes += more
            files += below
            not_read += others
            if not below:
                problems.append(_nothing(place, task))
        elif place.exists() or place.is_symlink():
            files.append(place)  # one that is not here, or cannot be read, fails by itself
        else:
            problems.append(Problem(str(path), seen="there is no such file or folder"))
    if problems:
        raise InputError(problems)
    once, linked = _each_once(files)
    notes += linked
    found, refused = _named(once, codes or DEFAULT_CODES)
    if refused and not found:
        raise InputError(dict.fromkeys(problem for _, problem in refused))
    return FoundAll(found, tuple(notes), refused, tuple(not_read))


def _is_recording_folder(place: Path) -> bool:
    """A folder that is itself one recording of another program (EGI's .mff): refused when it is opened."""
    return place.suffix.lower() in (".mff", ".ds")


def _nothing(place: Path, task: str | None) -> Problem:
    seen = "no raw recording" if task is None else f"no raw recording of the task {task}"
    return Problem(str(place), seen=seen, wanted=f"files that end in {' '.join(_IN_FOLDERS)}")


def _below(place: Path, task: str | None) -> tuple[list[Path], list[Path], list[str]]:
    """The recordings below a folder, those in formats that are not read, and notes."""
    is_bids = (place / "dataset_description.json").is_file() or (
        task is not None and any(each.is_dir() for each in place.glob(f"{_BEFORE_NAME}*"))
    )
    walk = Walk(place, _BEFORE_NAME) if is_bids else Walk(place)
    there = [path for path in walk.files() if not (is_bids and _is_elsewhere(path, place))]
    files = sorted(filter(_is_recording, there), key=lambda path: natural_key(path.as_posix()))
    others = _not_read(there)
    notes = [*walk.notes]
    if others:
        names = a_few(quoted(path.name) for path in others)
        notes.append(
            f"{counted(len(others), 'recording')} in a format that is not read: {names}: export as EDF or BrainVision"
        )
    if task is not None:
        wanted = task.removeprefix("task-").casefold()
        untold = [path for path in files if "task" not in _entities(path)]
        files = [path for path in files if _entities(path).get("task", wanted).casefold() == wanted]
        if untold:
            notes.append(
                f"{counted(len(untold), 'recording')} without a task in the name taken all the same: "
                f"{a_few(quoted(path.name) for path in untold)}"
            )
    return files, others, notes


def _not_read(files: Sequence[Path]) -> list[Path]:
    """EEG recordings in formats that are not read, which would otherwise be missed without a word."""
    with_header = {path.parent for path in files if path.suffix.lower() == ".vhdr"}
    return [
        path
        for path in files
        if path.suffix.lower() in _NOT_READ or (path.suffix.lower() == ".eeg" and path.parent not in with_header)
    ]


def _is_elsewhere(path: Path, place: Path) -> bool:
    """Whether a file of a BIDS dataset is derived, or lies in a folder for another kind of data than EEG."""
    folders = {part.casefold() for part in path.relative_to(place).parts[:-1]}
    return not folders.isdisjoint(_DERIVED) or path.parent.name.casefold() in _OTHER_DATA


def _is_recording(path: Path) -> bool:
    name = path.name.lower()
    if not name.endswith(_IN_FOLDERS) or name.startswith("."):
        return False
    if name.endswith(TABLE_ENDINGS):
        return _NO_TABLE.search(name) is None
    if name.endswith((".fif", ".fif.gz")):
        return _NOT_RAW_FIF.search(name) is None and not _is_later_part(path)
    return True


def _is_later_part(path: Path) -> bool:
    """Whether it is the second or a later file of a split .fif: ``x-1.fif`` beside ``x.fif``, ``split-02``."""
    if found := _SPLIT_BIDS.search(path.name):
        return int(found["number"]) > 1
    if found := _SPLIT_MNE.search(path.name):
        return os.path.lexists(path.with_name(_SPLIT_MNE.sub("", path.name)))
    return False


def _each_once(files: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """The files, each once: one path may be given with the folder that it lies in, or be a link to another."""
    first: dict[str, Path] = {}
    again: list[Path] = []
    for path in sorted(dict.fromkeys(files), key=lambda path: (path.is_symlink(), natural_key(path.as_posix()))):
        real = os.path.realpath(path)
        # Links of git-annex lead to one place if their contents are equal, and are files of their own all the same.
        if real in first and (not path.is_symlink() or path.name == first[real].name):
            again.append(path)
        else:
            first.setdefault(real if not path.is_symlink() else f"{real}\0{path}", path)
    kept = list(first.values())
    notes = [f"{counted(len(again), 'path')} to a recording that is taken already"] if again else []
    return sorted(kept, key=lambda path: natural_key(path.as_posix())), notes


def _entities(path: Path) -> dict[str, str]:
    return {found["key"].casefold(): found["value"] for found in _ENTITY.finditer(path.name)}


def _named(files: Sequence[Path], codes: Codes) -> tuple[tuple[Found, ...], tuple[tuple[Path, Problem], ...]]:
    """The recordings with ids, and with what tells those of one participant apart; and files without either."""
    refused: dict[Path, Problem] = {}
    by_id: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        name = participant_of(path)
        if is_participant_id(name):
            by_id[name].append(path)
        else:
            wanted = "a name that begins with the participant's id, such as sub-010002_EO.vhdr"
            refused[path] = Problem(str(path), seen=quoted(path.name), wanted=wanted, advice="rename it")
    found: list[Found] = []
    for name, paths in by_id.items():
        conditions = [condition_of_name(path, codes)[0] for path in paths]
        parts = _telling_apart(paths, conditions)
        for first, second in _alike(parts, conditions):
            seen = f"{paths[first]} and {paths[second]}"
            advice = (
                f"name them apart ({name}_ses-01..., {name}_run-2...), or give one of them; the id ends at the first _"
            )
            problem = Problem(name, seen=seen, wanted="names whose outputs differ", advice=advice)
            for place in (first, second):
                refused.setdefault(paths[place], problem)
        found += [
            Found(path, name, own_parts, condition)
            for path, own_parts, condition in zip(paths, parts, conditions, strict=True)
            if path not in refused
        ]
    return tuple(sorted(found, key=lambda each: natural_key(each.path.as_posix()))), tuple(refused.items())


def participant_of(path: Path) -> str:
    """The participant's id by the name of a raw recording; it may be none (`is_participant_id`)."""
    endings = [each for each in ENDINGS if path.name.lower().endswith(each)] or [path.suffix.lower()]
    return participant_id_of(path.name, endings)


def _telling_apart(paths: Sequence[Path], conditions: Sequence[str | None]) -> list[tuple[str, ...]]:
    """For each path the session, run, task ... of its name, as far as they are needed to tell all apart."""
    entities = []
    for path in paths:
        here = _entities(path)
        if (session := session_of(path)) is not None:
            here["ses"] = session
        entities.append(here)

    def parts_of(keys: Sequence[str]) -> list[tuple[str, ...]]:
        return [tuple(f"{key}-{each[key]}" for key in keys if key in each) for each in entities]

    kept = [key for key in _TELLING if len({each.get(key) for each in entities}) > 1]
    alike = len(_alike(parts_of(kept), conditions))
    for key in [each for each in reversed(kept) if each != "ses"]:
        fewer = [each for each in kept if each != key]
        if len(_alike(parts_of(fewer), conditions)) == alike:
            kept = fewer
    return parts_of(kept)


def _alike(parts: Sequence[tuple[str, ...]], conditions: Sequence[str | None]) -> list[tuple[int, int]]:
    """Pairs whose outputs could have one name; a recording whose name says no condition may have any."""
    return [
        (first, second)
        for second in range(len(parts))
        for first in range(second)
        if parts[first] == parts[second]
        and (conditions[first] == conditions[second] or None in (conditions[first], conditions[second]))
    ]
