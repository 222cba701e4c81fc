"""Builds a datalist from recordings and a participants table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from monai_fusion.datalist.availability import AvailableModalities
from monai_fusion.datalist.balance import Balance
from monai_fusion.datalist.building.assembling import from_folder, root_for, row_of, rows_from
from monai_fusion.datalist.building.build_options import BuildOptions
from monai_fusion.datalist.building.inputs import Sources, read_sources
from monai_fusion.datalist.building.labelling import HINT, by_value, labels_of, refuse_another_column, unlabelled_error
from monai_fusion.datalist.building.labels import LabelRule, label_rule
from monai_fusion.datalist.building.left_out import probably_one
from monai_fusion.datalist.building.participants_table import TableRow
from monai_fusion.datalist.building.presets import preset
from monai_fusion.datalist.near_misses import near_misses
from monai_fusion.datalist.paths import FilesBelow
from monai_fusion.datalist.saving.document import Document, DocumentRow, read_document
from monai_fusion.datalist.schema import SCHEMA_FILE, SECTIONS, DatalistFile
from monai_fusion.datalist.split.resplitting import refuse_to_replace, split_and_write
from monai_fusion.datalist.strata import ONLY_EEG, ONLY_MRI
from monai_fusion.datalist.trained_model import read_trained_model, refuse_other_classes
from monai_fusion.errors import InputError, Problem, noted
from monai_fusion.spelling import field_of, lookalike, nfc
from monai_fusion.wording import a_few, counted, quoted


@dataclass(frozen=True, slots=True)
class BuildResult:
    """What was written, and who is not in it.

    Attributes:
        paths: The datalist, or one for each fold.
        balance: How it is split.
        kept: With ``split.allow_missing``, ids with one recording that are in the datalist: by ``eeg`` and ``mri``.
        only_eeg: Ids without MRI, left out for that.
        only_mri: Ids without EEG, left out for that.
        without_files: Ids that are in the table only.
        unlabelled: With ``drop_unlabelled``, what is wrong with the labels of those left out for it.
        notes: What else to know, e.g. that the table was not UTF-8.
        replaced: Which files were replaced, and where the older ones are.
    """

    paths: tuple[Path, ...]
    balance: Balance
    kept: Mapping[AvailableModalities, tuple[str, ...]] = field(default_factory=dict, hash=False)
    only_eeg: tuple[str, ...] = ()
    only_mri: tuple[str, ...] = ()
    without_files: tuple[str, ...] = ()
    unlabelled: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """The datalist, or the first one."""
        return self.paths[0]

    @property
    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """Participants by section and class, e.g. ``counts["test"]["F"]``."""
        return self.balance.counts()


def build_datalist(options: BuildOptions) -> BuildResult:
    """Find the recordings, look up the labels, split and write the datalist.

    Only participants with both recordings and a label are in it, with ``split.allow_missing`` also those with one
    recording and a label. Nothing is written if anything is wrong.

    Raises:
        InputError: Files or labels are missing or ambiguous, the split would leave a class or section empty, or the
            datalist already exists and ``force`` is not given.
    """
    options = _with_classes_of_the_model(options)
    _refuse_wrong_options(options)
    older = None if options.output.extend is None else read_document(options.output.extend, require_files=True)
    sources = read_sources(options, options.carried_columns, () if older is None else older.by_id)
    with noted(sources.notes):
        return _built(options, sources, older)


def _with_classes_of_the_model(options: BuildOptions) -> BuildOptions:
    """The options with the classes of ``model``, in its order.

    Raises:
        InputError: There is no such model, or ``classes`` or ``bin`` are given and others.
    """
    labels = options.labels
    if labels.model is None:
        return options
    if options.split.method != "test":
        advice = "the classes of a cohort to train on are its own: give --classes"
        raise InputError(
            Problem("--model", seen="given", wanted="--unlabelled or --method test with it", advice=advice)
        )
    model = read_trained_model(labels.model, labels.model_option)
    refuse_other_classes(model, labels.named_classes, "--bin" if labels.bin else "--classes")
    return options if labels.bin else replace(options, labels=replace(labels, classes=model.classes))


def _built(options: BuildOptions, sources: Sources, older: Document | None) -> BuildResult:
    if older is not None:
        _refuse_known_under_another_id(older, sources)
    keep = tuple(dict.fromkeys((*options.carried_columns, *sources.keep)))
    of_user, output = options.labels, options.output
    rule = label_rule(of_user.classes, (*of_user.label_map, *sources.codes(of_user)), of_user.bin)
    labels, unlabelled = labels_of(sources, rule, options)
    if unlabelled and not labels:
        refuse_another_column(sources, of_user)
    if older is not None:  # it has a label of theirs
        unlabelled = [each for each in unlabelled if each.participant_id not in older.by_id]
    none_labelled = not labels and older is None
    if unlabelled and (none_labelled or not of_user.drop_unlabelled):
        raise unlabelled_error(unlabelled, sources, options)
    head, rows = _rows(options, sources, labels, rule, keep, older)
    DatalistFile.model_validate({**head, "training": [dict(row.fields) for row in rows]})
    written = split_and_write(Document(output.out, head, tuple(rows)), older, options.split, output.files, keep)
    listed = {row.participant_id for row in rows}
    in_use = [row for row in rows if row.in_use(options.split.allow_missing)]
    kept = {
        what: tuple(row.participant_id for row in in_use if row.recordings == what) for what in (ONLY_EEG, ONLY_MRI)
    }
    eeg, mri = sources.recordings.eeg.keys(), sources.recordings.mri.keys()
    return BuildResult(
        paths=written.paths,
        balance=written.balance,
        kept=kept,
        only_eeg=() if options.split.allow_missing else tuple(sorted(eeg - mri - listed)),
        only_mri=() if options.split.allow_missing else tuple(sorted(mri - eeg - listed)),
        without_files=tuple(sorted(sources.rows.keys() - eeg - mri)),
        unlabelled=by_value(unlabelled, at_most=len(sources.recordings.everyone)),
        notes=(
            *sources.notes,
            *written.notes,
            *_now_complete(kept, older, sources),
            *probably_one(sources, of_user.label_column),
        ),
        replaced=written.replaced,
    )


def _refuse_known_under_another_id(older: Document, sources: Sources) -> None:
    """A new participant who is probably in the older datalist under another id would be in two parts.

    Raises:
        InputError: There is such a participant.
    """
    here = set(sources.recordings.everyone)
    new = here - older.by_id.keys()
    gone = near_misses(new, older.by_id.keys() - here, [here, older.by_id])
    looks = {lookalike(name): name for name in older.by_id}
    problems = [
        Problem(name, seen=f"new, and nearly {each.other} of {older.path}, who has no files now", advice=each.advice)
        for name, each in gone.items()
    ]
    problems += [
        Problem(
            name,
            seen=f"new, and looks like {looks[lookalike(name)]} of {older.path}",
            advice="if they are one participant, keep the files of one id",
        )
        for name in sorted(new - gone.keys())
        if lookalike(name) in looks
    ]
    if problems:
        raise InputError(problems)


def _now_complete(
    kept: Mapping[AvailableModalities, Sequence[str]], older: Document | None, sources: Sources
) -> Iterator[str]:
    """Participants of the older datalist who have got their other recording since."""
    if older is None:
        return
    now = older.by_id.keys() & set(sources.recordings.complete)
    found = sorted(now & {name for names in kept.values() for name in names})
    if found:
        whose = f"{counted(len(found), 'participant')} with one recording in {older.path}"
        yield f"{whose}, and now both: {a_few(found)}; the rows stay as they are, so add the other recording by hand"


def _refuse_wrong_options(options: BuildOptions) -> None:
    """Refuse wrong options before a large folder is searched."""
    options.split.refuse_what_does_not_go_together()
    label_rule(options.labels.classes, options.labels.label_map, options.labels.bin)
    if options.table.preset is not None:
        preset(options.table.preset)
    problems = list(options.contradictions(options.carried_columns))
    folders = options.folders
    needed = {"--eeg-dir": folders.eeg_dir, "--mri-dir": folders.mri_dir, "--participants": options.table.participants}
    if missing := [name for name, given in needed.items() if not given and folders.bids is None]:
        wanted = "them, or a BIDS dataset with --bids" if len(missing) > 1 else "it, or a BIDS dataset with --bids"
        advice = f"participants to predict need no table of labels: {HINT}" if missing == ["--participants"] else ""
        problems.append(Problem(", ".join(missing), seen="missing", wanted=wanted, advice=advice))
    if problems:
        raise InputError(problems)
    refuse_to_replace(options.output.files, options.split)


def _rows(
    options: BuildOptions,
    sources: Sources,
    labels: Mapping[str, str],
    rule: LabelRule,
    keep: Sequence[str],
    older: Document | None,
) -> tuple[dict[str, Any], list[DocumentRow]]:
    """The datalist's head and all rows; those of the older datalist stay as they are."""
    root = root_for(sources.folders, options.output.data_root, older)
    files = FilesBelow(root)
    known = older.by_id if older is not None else {}

    def new_row(name: str, row: TableRow) -> DocumentRow:
        further = {column: row.values[column] or None for column in keep}
        return DocumentRow("training", row_of(name, labels[name], sources.recordings, files, further))

    if older is not None:
        _refuse_another_target(older, rule, labels, options.split.allow_missing)
    head: dict[str, Any] = {
        "$schema": SCHEMA_FILE,
        "name": options.output.title,
        "target": options.labels.label_column,
        "classes": list(rule.classes),
        "data_root": from_folder(options.output.out.parent, root),
    }
    if older is not None:
        kept = {name: value for name, value in older.fields.items() if name not in SECTIONS}
        head = {**head, **kept, "data_root": head["data_root"]}
    rows = [] if older is None else [_with_new_columns(row, sources, keep) for row in rows_from(root, older)]
    rows += [new_row(name, sources.rows[name]) for name in sorted(labels) if name not in known]
    return head, rows


def _with_new_columns(row: DocumentRow, sources: Sources, keep: Sequence[str]) -> DocumentRow:
    table = sources.rows.get(row.participant_id)
    new = (
        {name: table.values[name] or None for name in keep if field_of(row.fields, name) is None}
        if table is not None
        else {}
    )
    return DocumentRow(row.section, {**row.fields, **new})


def _refuse_another_target(older: Document, rule: LabelRule, labels: Mapping[str, str], allow_missing: bool) -> None:
    """An older datalist is extended only by participants labelled as its own are."""
    problems = []
    if tuple(map(nfc, older.classes)) != tuple(map(nfc, rule.classes)):
        seen, wanted = (" ".join(map(quoted, names)) for names in (rule.classes, older.classes))
        problems.append(Problem("--extend", "classes", seen, f"{wanted}, as in {older.path}"))
    else:
        for row in older.rows:
            label = labels.get(row.participant_id)
            differs = label is not None and nfc(str(row.fields.get("label"))) != nfc(label)
            if differs and row.in_use(allow_missing):
                seen = f"{quoted(label)} in the table, {quoted(row.fields.get('label'))} in {older.path.name}"
                advice = "correct the one that is wrong"
                problems.append(Problem(row.participant_id, "label", seen, "the same", advice))
    if problems:
        raise InputError(problems)
