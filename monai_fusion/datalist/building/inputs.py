"""Brings recordings and table together, under one id for each participant."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from monai_fusion.datalist.building.ambiguity import about_the_id, begin_with_the_id
from monai_fusion.datalist.building.bids import scan_bids
from monai_fusion.datalist.building.participant_ids import loosely, no_id_agrees, one_spelling, read_id_map, translated
from monai_fusion.datalist.building.participants_table import ParticipantsTable, TableRow, read_participants_table
from monai_fusion.datalist.building.presets import preset, with_our_columns
from monai_fusion.datalist.building.scanning import Recordings, scan_alone, scan_folders
from monai_fusion.datalist.near_misses import near_misses, notes_on_pairs
from monai_fusion.datalist.other_files import Modality, notes_on_incomplete
from monai_fusion.datalist.roots import absolute
from monai_fusion.errors import InputError, Problem, noted
from monai_fusion.wording import a_few, counted

if TYPE_CHECKING:
    from monai_fusion.datalist.building.build_options import BuildOptions, FolderOptions, IdOptions, LabelOptions
    from monai_fusion.datalist.choosing import Choice

PARTICIPANTS = "participants.tsv"
"""The table of a BIDS dataset."""


@dataclass(frozen=True, slots=True)
class Sources:
    """All that a datalist is built from.

    Attributes:
        recordings: The files by participant.
        rows: The table's rows by participant.
        table: The table.
        folders: Where the recordings are.
        keep: Columns that the preset carries over.
        code_of: ``VALUE=CLASS`` by column, for columns whose name states what their codes mean.
        notes: What was left aside, or is odd.
        missed: Ids that the map of ids probably has in another spelling, as the notes report.
    """

    recordings: Recordings
    rows: Mapping[str, TableRow]
    table: Path
    folders: tuple[Path, ...]
    keep: tuple[str, ...]
    code_of: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]
    missed: frozenset[str] = frozenset()

    def codes(self, labels: LabelOptions) -> tuple[str, ...]:
        """What the label column's codes mean by its own name, if the classes are those and no option differs."""
        codes = self.code_of.get(labels.label_column, ())
        classes = set(labels.classes) or {"M", "F"}
        fits = {code.rpartition("=")[2] for code in codes} <= classes
        return codes if fits and not labels.label_map and not labels.bin else ()


def read_sources(options: BuildOptions, columns: Sequence[str], known: Collection[str] = ()) -> Sources:
    """Find the recordings and read the table, and give each participant one id.

    Args:
        options: What a datalist is built from.
        columns: The table's columns that are needed besides id and label.
        known: The ids of an older datalist: theirs are the spellings to keep.

    Raises:
        InputError: Something is missing or ambiguous, or two of EEG, MRI and table have no participant in common.
    """
    recordings, folders = find_recordings(options.folders, options.choice)
    ids, labels = options.ids.id_column, options.labels.label_column
    path = options.table.participants or absolute(options.folders.bids or Path()) / PARTICIPANTS
    table = read_participants_table(path, options.table.sheet)
    with noted(table.notes):
        code_of: dict[str, tuple[str, ...]] = {}
        keep: tuple[str, ...] = ()
        if options.table.preset is not None:
            preset_of = preset(options.table.preset)
            table, code_of = with_our_columns(table, preset_of)
            keep = tuple(name for name in preset_of.keep if name in table.columns and name != labels)
        table = table.with_columns((ids, labels, *columns))
        named_by = {ids: "--id-column", labels: "--label-column"}
        advice = "participants to predict need no labels: --unlabelled"
        with noted(table.notes):  # also those on columns
            rows = table.by_participant(ids, (labels, *columns, *keep), named_by, {labels: advice})
        recordings, rows, map_notes, missed = under_one_id(options.ids, recordings, rows, known)
        with noted(map_notes):
            notes = (*table.notes, *recordings.notes, *map_notes, *_refuse_unknown_ids(recordings, rows, table))
    return Sources(recordings, rows, path, folders, keep, code_of, notes, missed)


def find_recordings(where: FolderOptions, choice: Choice) -> tuple[Recordings, tuple[Path, ...]]:
    """The recordings, and the folders that they are below; of one kind alone where only folders of one are given.

    Raises:
        InputError: A folder does not exist, or its files' names have no ids.
    """
    eeg, mri = where.eeg, where.mri
    if where.bids is not None:
        return scan_bids(where.bids, eeg, choice), (where.bids, *eeg)
    if eeg and mri:
        return scan_folders(eeg, mri, choice), (*eeg, *mri)
    if not eeg and not mri:
        raise InputError(Problem("--eeg-dir, --mri-dir", seen="missing", wanted="a folder, or a dataset with --bids"))
    return scan_alone(eeg or mri, "eeg" if eeg else "mri", choice), eeg or mri


def under_one_id(
    ids: IdOptions, recordings: Recordings, rows: Mapping[str, TableRow], known: Collection[str]
) -> tuple[Recordings, dict[str, TableRow], tuple[str, ...], frozenset[str]]:
    """Everything under the ids that will be used, notes on the map of ids, and the ids that these name.

    Raises:
        InputError: Two ids of one participant have a row or an MRI each, or the map has none of the ids.
    """
    id_map = None if ids.id_map is None else read_id_map(ids.id_map)
    spelled = one_spelling((known, rows), {"EEG": recordings.eeg, "MRIs": recordings.mri})
    pairs = tuple((spelled(one), spelled(other)) for one, other in (id_map.pairs if id_map is not None else ()))
    steps: list[Callable[[str], str]] = [spelled]
    if ids.loose_ids:
        # Names of the map come last: where EEG, MRI or table have a spelling of their own, that is the one to keep.
        mapped = [[one for one, _ in pairs], [other for _, other in pairs]]
        alike = loosely([known, recordings.eeg, recordings.mri, rows, *mapped], preferred=known)
        steps.append(alike)
        pairs = tuple((alike(one), alike(other)) for one, other in pairs)
    notes: tuple[str, ...] = ()
    missed: frozenset[str] = frozenset()
    if id_map is not None:
        here = {steps[-1](spelled(name)) for name in (*recordings.eeg, *recordings.mri, *rows)}
        names = replace(id_map, pairs=pairs).translation(*_in_one_spelling(steps, recordings.mri, rows, recordings.eeg))
        near = near_misses(here - names.keys(), names.keys() - here, [here, names.keys()])
        notes = tuple(notes_on_pairs(near.values(), ("files or table", id_map.path.name)))
        if not names.keys() & here:
            seen = f"{a_few(sorted(names))}; files and table have {a_few(sorted(here))}"
            wanted = "ids that the files or the table have"
            raise InputError(Problem(str(id_map.path), seen=seen, wanted=wanted, advice=next(iter(notes), "")))
        steps.append(lambda name: names.get(name, name))
        notes = (*id_map.notes, *notes)
        missed = frozenset(each.other for each in near.values()) | near.keys()

    def translate(name: str) -> str:
        for step in steps:
            name = step(name)
        return name

    merged: dict[str, TableRow] = {}
    problems = []
    for name, row in rows.items():
        first = merged.setdefault(translate(name), row)
        if first is not row:
            seen = f"lines {first.line} and {row.line} of the table"
            problems.append(Problem(translate(name), seen=seen, wanted="one, as both ids are the same participant's"))
    mri = translated(recordings.mri, translate)
    for name, paths in mri.items():
        if len(paths) > 1:
            seen = f"{counted(len(paths), 'MRI')}: {a_few(path.name for path in paths)}"
            problems.append(Problem(name, "mri", seen, "one, as both ids are the same participant's"))
    if problems:
        raise InputError(problems)
    recordings = replace(recordings, eeg=translated(recordings.eeg, translate), mri=mri)
    return _with_notes_on_incomplete(recordings, {*recordings.everyone, *merged}, translate), merged, notes, missed


def _with_notes_on_incomplete(
    recordings: Recordings, known: Collection[str], translate: Callable[[str], str]
) -> Recordings:
    """The recordings with notes on other files of participants without one."""
    sides: tuple[tuple[Modality, Collection[str]], ...] = (("eeg", recordings.eeg), ("mri", recordings.mri))
    lacking = tuple(
        str(problem)
        for modality, have in sides
        for problem in notes_on_incomplete(recordings.aside.get(modality, ()), modality, have, known, translate)
    )
    return replace(recordings, notes=(*recordings.notes, *lacking), lacking=lacking)


def _in_one_spelling(steps: Sequence[Callable[[str], str]], *sources: Collection[str]) -> list[set[str]]:
    """The ids of each source after these steps."""
    found = []
    for ids in sources:
        names = set(ids)
        for step in steps:
            names = set(map(step, names))
        found.append(names)
    return found


def _refuse_unknown_ids(
    recordings: Recordings, rows: Mapping[str, TableRow], table: ParticipantsTable
) -> tuple[str, ...]:
    """Two sources with no participant in common use different ids: a program must not guess which belong together.

    The problem also reports what else is in the folders for participants without a recording.
    """
    eeg, mri = ("EEG", recordings.eeg.keys()), ("MRIs", recordings.mri.keys())
    problems = [] if recordings.complete else [_with_other_advice(no_id_agrees(eeg, mri), recordings)]
    problems += not_in_the_table(recordings, recordings.complete or recordings.everyone, rows, table)
    if problems:
        raise InputError([*problems, *(Problem(each) for each in recordings.lacking)])
    return few_complete(recordings)


def refuse_none_complete(recordings: Recordings) -> None:
    """The same of EEG and MRIs alone.

    Raises:
        InputError: Nobody has both.
    """
    if not recordings.complete:
        problem = no_id_agrees(("EEG", recordings.eeg.keys()), ("MRIs", recordings.mri.keys()))
        problems = [_with_other_advice(problem, recordings), *(Problem(each) for each in recordings.lacking)]
        raise InputError(problems)


def not_in_the_table(
    recordings: Recordings, participants: Collection[str], rows: Mapping[str, TableRow], table: ParticipantsTable
) -> list[Problem]:
    """The problem that the table has none of these participants, if so."""
    if rows.keys() & set(participants):
        return []
    problem = no_id_agrees(("files", participants), (f"rows in {table.path.name}", rows.keys()))
    return [_with_other_advice(problem, recordings)]


def few_complete(recordings: Recordings) -> tuple[str, ...]:
    """A note if most of those who could have both recordings have not."""
    fewer = min(len(recordings.eeg), len(recordings.mri))
    if 2 * len(recordings.complete) < fewer:
        eeg, mri = ("EEG", recordings.eeg.keys()), ("MRIs", recordings.mri.keys())
        problem = no_id_agrees((eeg[0], eeg[1] - mri[1]), (mri[0], mri[1] - eeg[1]))
        common = counted(len(recordings.complete), "participant")
        return (f"only {common} with both, of {fewer} there could be: {problem.seen}: {problem.advice}",)
    return ()


def _with_other_advice(problem: Problem, recordings: Recordings) -> Problem:
    """The reason, if an id that is none has most of the files, or ids are in the names of folders."""
    for files, others in ((recordings.eeg, recordings.mri), (recordings.mri, recordings.eeg)):
        total = sum(map(len, files.values()))
        for name, paths in files.items():
            if advice := about_the_id(name, paths, total):
                return replace(problem, advice=advice)
        inside = [path for paths in files.values() for path in paths if set(path.parts[:-1]) & others.keys()]
        if inside and not files.keys() & others.keys():
            return replace(problem, advice=begin_with_the_id([inside[0], inside[-1]]))
    return problem
