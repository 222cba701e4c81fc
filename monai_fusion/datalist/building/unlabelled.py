"""A datalist of participants to predict: their classes are not known, and all are in the part ``test``."""

from __future__ import annotations

import glob
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from monai_fusion.datalist.building.assembling import from_folder, root_for, row_of
from monai_fusion.datalist.building.build_options import BuildOptions, LabelOptions, TableOptions
from monai_fusion.datalist.building.inputs import (
    PARTICIPANTS,
    few_complete,
    find_recordings,
    not_in_the_table,
    refuse_none_complete,
    under_one_id,
)
from monai_fusion.datalist.building.labelling import candidates
from monai_fusion.datalist.building.participants_table import ParticipantsTable, TableRow, read_participants_table
from monai_fusion.datalist.building.presets import preset, with_our_columns
from monai_fusion.datalist.building.scanning import EEG_ENDINGS, MRI_ENDINGS, Recordings, participant_id_of
from monai_fusion.datalist.near_misses import near_misses, notes_on_pairs
from monai_fusion.datalist.paths import FilesBelow
from monai_fusion.datalist.roots import absolute
from monai_fusion.datalist.saving.replacing import write_datalists
from monai_fusion.datalist.saving.writing import document_text
from monai_fusion.datalist.schema import SCHEMA_FILE, is_participant_id
from monai_fusion.datalist.split.resplitting import refuse_to_replace
from monai_fusion.datalist.split.split_options import SplitFiles
from monai_fusion.datalist.trained_model import TrainedModel, read_trained_model, refuse_other_classes
from monai_fusion.errors import InputError, Problem, noted
from monai_fusion.wording import a_few, quoted

SECTION = "test"

NEED_LABELS = {
    **dict.fromkeys(("label_column", "label_map", "drop_unlabelled"), "is about labels, which are not read"),
    **dict.fromkeys(
        ("method", "test_fraction", "validation_fraction", "seed", "stratify_by", "group_by", "folds", "test_fold"),
        "is about a split, but all participants are in the part test",
    ),
    **dict.fromkeys(("validation_fold", "all_folds"), "is about a split, but all participants are in the part test"),
    "extend": "is about a split: build the whole list again",
}
"""Parameters of ``datalist build`` that mean nothing without labels, and why."""


@dataclass(frozen=True, slots=True)
class UnlabelledList:
    """A datalist of participants to predict, before or after it is written.

    Attributes:
        path: Where it is, or will be.
        content: Its content, in JSON's types.
        classes: The class names; empty if not given: the model that predicts has its own.
        participants: How many participants are in it.
        lacking: Ids in it who lack a recording, by the one that they have.
        only_eeg: Ids without MRI, left out for that.
        only_mri: Ids without EEG, left out for that.
        not_listed: Ids with recordings that the table does not name, left out for that.
        without_files: Ids that are in the table only.
        notes: What else to know.
    """

    path: Path
    content: Mapping[str, Any] = field(hash=False)
    classes: tuple[str, ...]
    participants: int
    lacking: Mapping[str, tuple[str, ...]]
    only_eeg: tuple[str, ...] = ()
    only_mri: tuple[str, ...] = ()
    not_listed: tuple[str, ...] = ()
    without_files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The content as it is written."""
        return document_text(self.content)


def refuse_what_needs_labels(given: Collection[str]) -> None:
    """Refuse options of ``datalist build`` that do not go with ``--unlabelled``.

    Args:
        given: The names of the parameters that the command line gives.

    Raises:
        InputError: One of them is about labels or a split.
    """
    if problems := [
        Problem(f"--{name.replace('_', '-')}", seen="together with --unlabelled", advice=why)
        for name, why in NEED_LABELS.items()
        if name in given
    ]:
        raise InputError(problems)


def build_unlabelled(options: BuildOptions) -> UnlabelledList:
    """Find the recordings and write a datalist of those whom they belong to.

    A table is not needed. If one is given (``options.table.participants``), it selects participants.

    Raises:
        InputError: As in `plan_unlabelled`, or ``options.output.out`` exists and ``force`` is not given.
    """
    how = replace(options.output.files.replacing, extendable=False)
    refuse_to_replace(SplitFiles(options.output.out, how), options.split)
    planned = plan_unlabelled(options)
    replaced = write_datalists({planned.path: planned.content}, how)
    return replace(planned, notes=(*planned.notes, *replaced))


def plan_unlabelled(
    options: BuildOptions, with_incomplete: bool = False, expected: Collection[str] = ()
) -> UnlabelledList:
    """Make such a datalist without writing it.

    Args:
        options: What it is made from.
        with_incomplete: Also participants without a recording that the model needs: the predictions list them as left
            out.
        expected: Participants whose scalograms are not in the EEG folder, and may be there later: their rows have the
            pattern of such files.

    Raises:
        InputError: Recordings are missing or ambiguous, the model is none, or no participant is left.
    """
    model = _model(options.labels)
    _refuse_wrong_options(options, model)
    classes = _classes(options.labels, model)
    found, folders = find_recordings(options.folders, options.choice)
    found = _with_expected(found, expected, options.folders.eeg)
    read = _read_table(options.table, options.folders.bids, options.ids.id_column, found)
    recordings, rows, map_notes, _ = under_one_id(options.ids, found, {} if read is None else read.rows, ())
    notes = (*recordings.notes, *map_notes, *(() if read is None else read.table.notes))
    with noted(notes):
        participants = _participants(options, recordings, model)
        if with_incomplete:
            participants = candidates(recordings, allow_missing=True)
        if read is None or not read.chooses:
            gathered = _Gathered(
                recordings, rows, participants, participants, notes=notes, keep=() if read is None else read.keep
            )
        else:
            if problems := not_in_the_table(recordings, participants, rows, read.table):
                raise InputError(problems)
            notes = (*notes, *_near_the_table(recordings, rows, read.table))
            chosen = [name for name in participants if name in rows]
            absent = tuple(sorted(rows.keys() - set(recordings.everyone)))
            gathered = _Gathered(recordings, rows, participants, chosen, absent, notes, read.keep)
        root = root_for(folders, options.output.data_root, None)
    return _planned(options, gathered, classes, "" if model is None else model.target, root)


def _with_expected(found: Recordings, expected: Collection[str], eeg_dirs: Sequence[Path]) -> Recordings:
    if not expected:
        return found
    folder = absolute(eeg_dirs[0])
    patterns = {name: [folder / f"{glob.escape(name)}_*{EEG_ENDINGS[0]}"] for name in expected}
    return replace(found, eeg={**found.eeg, **patterns})


@dataclass(frozen=True, slots=True)
class _Gathered:
    """Recordings and rows under one id; who can be predicted, who is meant, and who of the table has no file."""

    recordings: Recordings
    rows: Mapping[str, TableRow]
    participants: list[str]
    chosen: list[str]
    absent: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()


def plan_one(
    options: BuildOptions, eeg: Sequence[Path], mri: Path | None, participant_id: str | None
) -> UnlabelledList:
    """Make a datalist of one participant from the files themselves.

    Args:
        options: Where the list will be, and the model.
        eeg: EEG scalograms.
        mri: The MRI.
        participant_id: Whose they are; None takes it from the names, which must agree.

    Raises:
        InputError: A file is not there or no such recording by its name, or it is not clear whose they are.
    """
    model = _model(options.labels)
    _refuse_absent(eeg, mri, model, options.split.allow_missing)
    ids = {participant_id_of(path.name, EEG_ENDINGS) for path in eeg}
    ids |= set() if mri is None else {participant_id_of(mri.name, MRI_ENDINGS)}
    name = participant_id or one_participant(ids)
    if not is_participant_id(name):
        raise InputError(Problem("--id", seen=quoted(name), wanted="a participant's id, such as sub-010002"))
    recordings = Recordings(
        {name: [absolute(path) for path in eeg]} if eeg else {}, {} if mri is None else {name: [absolute(mri)]}
    )
    root = root_for([absolute(path).parent for path in (*eeg, *(() if mri is None else (mri,)))], None, None)
    classes = () if model is None else model.classes
    gathered = _Gathered(recordings, {}, [name], [name])
    return _planned(options, gathered, classes, "" if model is None else model.target, root)


def one_participant(ids: Collection[str]) -> str:
    """Return the id that the names of one participant's files have.

    Raises:
        InputError: They have several.
    """
    if len(ids) > 1:
        seen = f"files of {' and '.join(sorted(ids))}, by what their names begin with up to the first _"
        advice = "name the participant with --id"
        raise InputError(Problem("--eeg, --mri", seen=seen, wanted="one participant", advice=advice))
    return next(iter(ids))


def _refuse_absent(eeg: Sequence[Path], mri: Path | None, model: TrainedModel | None, allow_missing: bool) -> None:
    problems = []
    files = [("--eeg", path, EEG_ENDINGS) for path in eeg] + ([] if mri is None else [("--mri", mri, MRI_ENDINGS)])
    for option, path, endings in files:
        if not path.is_file():
            problems.append(Problem(option, seen=f"{path}: {'a folder' if path.is_dir() else 'there is no such file'}"))
        elif not path.name.lower().endswith(endings):
            problems.append(Problem(option, seen=str(path), wanted=f"a file that ends in {' or '.join(endings)}"))
    one_will_do = allow_missing or (model is not None and (model.learned_absence or model.modalities != "both"))
    needed = ("eeg", "mri") if model is None or model.modalities == "both" else (model.modalities,)
    given = {"eeg": bool(eeg), "mri": mri is not None}
    missing = [name for name in needed if not given[name]]
    if missing and (not one_will_do or model is None or model.modalities != "both" or len(missing) == 2):
        advice = "" if model is None else f"{model.folder} needs it"
        problems.append(Problem(f"--{missing[0]}", seen="missing", wanted="a file", advice=advice))
    if problems:
        raise InputError(problems)


def _refuse_wrong_options(options: BuildOptions, model: TrainedModel | None) -> None:
    if options.table.preset is not None:
        preset(options.table.preset)
    problems = list(options.contradictions(options.table.columns))
    folders, table = options.folders, options.table
    needed = {"eeg": ("--eeg-dir", folders.eeg_dir), "mri": ("--mri-dir", folders.mri_dir)}
    if folders.bids is None:
        of_model = ("eeg", "mri") if model is None or model.modalities == "both" else (model.modalities,)
        missing = [needed[name][0] for name in of_model if not needed[name][1]]
        one_allowed = options.split.allow_missing if model is None else model.learned_absence
        one_will_do = one_allowed and len(missing) == 1 < len(of_model)
        if missing and not one_will_do:
            wanted = f"{'it' if len(missing) == 1 else 'them'}, or a BIDS dataset with --bids"
            advice = "--allow-missing makes a list of participants without it" if len(missing) == 1 else ""
            advice = advice if model is None else f"{model.folder} needs {' and '.join(of_model).upper()}"
            problems.append(Problem(", ".join(missing), seen="missing", wanted=wanted, advice=advice))
    if model is not None and options.split.allow_missing and not model.learned_absence:
        seen = f"{model.folder} knows only participants with both recordings"
        problems.append(Problem("--allow-missing", seen=seen, advice="leave it out"))
    if table.columns and table.participants is None and folders.bids is None and table.preset is None:
        problems.append(Problem("--columns", advice="the columns are those of a table: give it with --participants"))
    if problems:
        raise InputError(problems)


def _model(labels: LabelOptions) -> TrainedModel | None:
    return None if labels.model is None else read_trained_model(labels.model, labels.model_option)


def _classes(labels: LabelOptions, model: TrainedModel | None) -> tuple[str, ...]:
    """The class names that the user gives; none if not given: the program does not invent them."""
    named = labels.named_classes
    if model is None:
        return named
    refuse_other_classes(model, named, "--bin" if labels.bin else "--classes")
    return model.classes


@dataclass(frozen=True, slots=True)
class _Table:
    """A table, its rows by participant, the columns to carry over, and whether it selects participants."""

    table: ParticipantsTable
    rows: Mapping[str, TableRow]
    keep: tuple[str, ...]
    chooses: bool


def _read_table(asked: TableOptions, bids: Path | None, id_column: str, recordings: Recordings) -> _Table | None:
    """The table that was given; of a BIDS dataset its own, if columns of it are to be carried over."""
    path, keep = asked.participants, asked.columns
    if path is None and bids is not None and (keep or asked.preset is not None):
        own = absolute(bids) / PARTICIPANTS
        path = own if own.is_file() or keep else None
    if path is None:
        return None
    table = read_participants_table(path, asked.sheet)
    if asked.preset is not None:
        known = preset(asked.preset)
        table, _ = with_our_columns(table, known)
        keep = tuple(dict.fromkeys((*keep, *(name for name in known.keep if name in table.columns))))
    with noted(table.notes):
        table, id_column = _with_ids(table, id_column, recordings)
        table = table.with_columns((id_column, *keep))
        rows = table.by_participant(id_column, keep, {id_column: "--id-column", **dict.fromkeys(keep, "--columns")})
    return _Table(table, rows, keep, asked.participants is not None)


def _with_ids(table: ParticipantsTable, id_column: str, recordings: Recordings) -> tuple[ParticipantsTable, str]:
    """The table and its column of ids: a single column is one, also without a header line."""
    table = table.with_columns((id_column,))
    if id_column in table.columns or len(table.columns) != 1:
        return table, id_column
    only = table.columns[0]
    if only not in recordings.everyone:
        return table, only
    rows = (TableRow(1, {id_column: only}), *(TableRow(row.line, {id_column: row.values[only]}) for row in table.rows))
    return replace(table, columns=(id_column,), rows=rows), id_column


def _participants(options: BuildOptions, recordings: Recordings, model: TrainedModel | None) -> list[str]:
    """Who can be predicted, by their recordings."""
    if model is not None and model.modalities != "both":
        return sorted(recordings.eeg if model.modalities == "eeg" else recordings.mri)
    if options.split.allow_missing or (model is not None and model.learned_absence):
        return candidates(recordings, allow_missing=True)
    refuse_none_complete(recordings)
    return recordings.complete


def _near_the_table(recordings: Recordings, rows: Mapping[str, TableRow], table: ParticipantsTable) -> Iterator[str]:
    """Files whose id the table has probably in another spelling."""
    everyone = set(recordings.everyone)
    near = near_misses(everyone - rows.keys(), rows.keys() - everyone, [recordings.eeg, recordings.mri, rows])
    yield from notes_on_pairs(near.values(), ("files", table.path.name), {name: row.line for name, row in rows.items()})


def _planned(
    options: BuildOptions, gathered: _Gathered, classes: tuple[str, ...], target: str, root: Path
) -> UnlabelledList:
    files = FilesBelow(root)
    document: dict[str, Any] = {
        "$schema": SCHEMA_FILE,
        "name": options.output.title,
        **({"target": target} if target else {}),
        **({"classes": list(classes)} if classes else {}),
        "data_root": from_folder(options.output.out.parent, root),
        SECTION: [_row(name, gathered, files) for name in gathered.chosen],
    }
    eeg, mri = gathered.recordings.eeg.keys(), gathered.recordings.mri.keys()
    used, both_kinds = set(gathered.participants), bool(eeg and mri)
    apart = near_misses(eeg - mri, mri - eeg, [eeg, mri]) if both_kinds else {}
    few = few_complete(gathered.recordings) if both_kinds else ()
    return UnlabelledList(
        path=options.output.out,
        content=document,
        classes=classes,
        participants=len(gathered.chosen),
        lacking={
            "eeg": tuple(name for name in gathered.chosen if name not in mri),
            "mri": tuple(name for name in gathered.chosen if name not in eeg),
        },
        only_eeg=tuple(sorted(eeg - mri - used)),
        only_mri=tuple(sorted(mri - eeg - used)),
        not_listed=tuple(sorted(used - set(gathered.chosen))),
        without_files=gathered.absent,
        notes=(*gathered.notes, *few, *notes_on_pairs(apart.values(), ("EEG", "MRI"))),
    )


def _row(name: str, gathered: _Gathered, files: FilesBelow) -> dict[str, Any]:
    values = gathered.rows[name].values if name in gathered.rows else {}
    further = {column: values.get(column) or None for column in gathered.keep}
    return row_of(name, None, gathered.recordings, files, further)


def list_summary(result: UnlabelledList) -> Iterator[str]:
    """The summary of such a list, apart from the number of participants, a line each."""
    for ids, what in (
        (result.lacking["eeg"], "with an EEG but no MRI in it"),
        (result.lacking["mri"], "with an MRI but no EEG in it"),
        (result.only_eeg, "with an EEG but no MRI left out"),
        (result.only_mri, "with an MRI but no EEG left out"),
        (result.not_listed, "with recordings, but not in the table, left out"),
        (result.without_files, "of the table without any recording"),
    ):
        if ids:
            yield f"{len(ids)} participant{'s' * (len(ids) != 1)} {what}: {a_few(ids)}"
