"""Builds a datalist from recordings and a participants table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monai_fusion.datalist.assembling import below, from_folder, pattern_or_paths, root_for
from monai_fusion.datalist.availability import Pattern
from monai_fusion.datalist.balance import Balance
from monai_fusion.datalist.choosing import Choice
from monai_fusion.datalist.document import Document, DocumentRow, read_document
from monai_fusion.datalist.files import FilesBelow
from monai_fusion.datalist.labels import LabelRule, label_rule
from monai_fusion.datalist.left_out import about_near, probably_one
from monai_fusion.datalist.near_misses import near_misses, rows_near
from monai_fusion.datalist.presets import preset
from monai_fusion.datalist.resplitting import SplitFiles, refuse_to_replace, split_and_write
from monai_fusion.datalist.schema import SCHEMA_FILE, SECTIONS, DatalistFile
from monai_fusion.datalist.sources import Sources, read_sources
from monai_fusion.datalist.spelling import field_of, lookalike, nfc
from monai_fusion.datalist.split_options import SplitOptions
from monai_fusion.datalist.strata import ONLY_EEG, ONLY_MRI
from monai_fusion.datalist.table import TableRow
from monai_fusion.datalist.validation import ENTRY_FIELDS
from monai_fusion.datalist.wording import a_few, counted, misspelt, quoted
from monai_fusion.errors import InputError, Problem, noted


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What a datalist is built from.

    Attributes:
        out: The datalist to write.
        eeg_dir: Folder of scalograms (``.npy``), searched with its subfolders; ``None`` only with ``bids``.
        mri_dir: Folder of MRIs (``.nii``, ``.nii.gz``), searched with its subfolders; ``None`` with ``bids``.
        bids: A BIDS dataset instead of ``mri_dir``; its ``participants.tsv`` and the scalograms below its
            ``derivatives`` are taken unless ``participants`` and ``eeg_dir`` name others.
        participants: The table (CSV, TSV or .xlsx) with one row a participant; ``None`` only with ``bids``.
        choice: Which of several recordings of a participant are meant.
        preset: A cohort whose tables are known, such as ``lemon``.
        id_map: A table with two ids of everyone, where EEG, MRI and table use different ones.
        loose_ids: Take ``10002``, ``010002`` and ``sub-010002`` for one participant.
        id_column: The table's column of participant ids; an id is a file's name up to its first ``_``.
        label_column: The table's column of what is to be classified.
        classes: The class names in their order: the first is class 0; empty for M and F, or those of ``bins``.
        maps: ``VALUE=CLASS`` for values of the column that are not the classes' names.
        bins: ``CLASS=VALUE,VALUE`` instead of ``classes``; a value may be a range, ``20-25``.
        keep: Further columns to carry over, as text; an empty cell becomes null.
        drop_unlabelled: Leave out participants whose label is none of the classes instead of refusing them.
        extend: An older datalist: everyone in it stays where they are, and only new participants are distributed.
        force: Replace ``out`` if it is there.
        data_root: The folder that paths start from; ``None`` is the deepest one that holds both folders.
        name: What the cohort is called; ``None`` takes it from ``out``.
        split: How the participants are split.
        all_folds: Write a file for each fold that is tested, instead of one.
    """

    out: Path
    eeg_dir: Path | None = None
    mri_dir: Path | None = None
    bids: Path | None = None
    participants: Path | None = None
    choice: Choice = field(default_factory=Choice)
    preset: str | None = None
    id_map: Path | None = None
    loose_ids: bool = False
    id_column: str = "participant_id"
    label_column: str = "gender"
    classes: tuple[str, ...] = ()
    maps: tuple[str, ...] = ()
    bins: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    drop_unlabelled: bool = False
    extend: Path | None = None
    force: bool = False
    data_root: Path | None = None
    name: str | None = None
    split: SplitOptions = field(default_factory=SplitOptions)
    all_folds: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns carried over: those to keep, and those the split goes by."""
        return tuple(dict.fromkeys((*self.keep, *self.split.stratify_by, *self.split.group_by)))


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
    """

    paths: tuple[Path, ...]
    balance: Balance
    kept: Mapping[Pattern, tuple[str, ...]] = field(default_factory=dict, hash=False)
    only_eeg: tuple[str, ...] = ()
    only_mri: tuple[str, ...] = ()
    without_files: tuple[str, ...] = ()
    unlabelled: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

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
            datalist is there already and ``force`` is not given.
    """
    _refuse_wrong_options(options)
    older = None if options.extend is None else read_document(options.extend, require_files=True)
    sources = read_sources(options, options.columns, () if older is None else older.by_id)
    with noted(sources.notes):
        return _built(options, sources, older)


def _built(options: BuildOptions, sources: Sources, older: Document | None) -> BuildResult:
    if older is not None:
        _refuse_known_under_another_id(older, sources)
    keep = tuple(dict.fromkeys((*options.columns, *sources.keep)))
    rule = label_rule(options.classes, (*options.maps, *sources.codes(options)), options.bins)
    labels, unlabelled = _labels(sources, rule, options)
    if older is not None:  # it has a label of theirs
        unlabelled = [each for each in unlabelled if each.participant_id not in older.by_id]
    if unlabelled and not options.drop_unlabelled:
        raise _unlabelled_error(unlabelled, sources, options)
    head, rows = _rows(options, sources, labels, rule, keep, older)
    files = SplitFiles(options.out, options.force, options.all_folds)
    DatalistFile.model_validate({**head, "training": [dict(row.fields) for row in rows]})
    written = split_and_write(Document(options.out, head, tuple(rows)), older, options.split, files, keep)
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
        unlabelled=_by_value(unlabelled, at_most=len(sources.recordings.everyone)),
        notes=(
            *sources.notes,
            *written.notes,
            *_now_complete(kept, older, sources),
            *probably_one(sources, options.label_column),
        ),
    )


def _refuse_known_under_another_id(older: Document, sources: Sources) -> None:
    """Somebody new who is probably in the older datalist under another id would stand in two parts.

    Raises:
        InputError: There is somebody like that.
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
            advice="if this is one person, keep the files of one id",
        )
        for name in sorted(new - gone.keys())
        if lookalike(name) in looks
    ]
    if problems:
        raise InputError(problems)


def _now_complete(kept: Mapping[Pattern, Sequence[str]], older: Document | None, sources: Sources) -> Iterator[str]:
    """People of the older datalist who have got their other recording since."""
    if older is None:
        return
    now = older.by_id.keys() & set(sources.recordings.complete)
    found = sorted(now & {name for names in kept.values() for name in names})
    if found:
        whose = f"{counted(len(found), 'participant')} with one recording in {older.path}"
        yield f"{whose}, and now both: {a_few(found)}; the rows stay as they are, so add the other recording by hand"


def _refuse_wrong_options(options: BuildOptions) -> None:
    """Says what is wrong before a large folder is searched."""
    options.split.refuse_what_does_not_go_together()
    label_rule(options.classes, options.maps, options.bins)
    if options.preset is not None:
        preset(options.preset)
    problems = []
    if options.bids is not None and options.mri_dir is not None:
        problems.append(Problem("--mri-dir", advice="--bids says where the MRIs are: leave out one of the two"))
    needed = {"--eeg-dir": options.eeg_dir, "--mri-dir": options.mri_dir, "--participants": options.participants}
    if missing := [name for name, given in needed.items() if given is None and options.bids is None]:
        wanted = "them, or a BIDS dataset with --bids" if len(missing) > 1 else "it, or a BIDS dataset with --bids"
        problems.append(Problem(", ".join(missing), seen="missing", wanted=wanted))
    for column in options.columns:
        if column in ENTRY_FIELDS or misspelt(column, ("exclude",)):
            advice = "the datalist has a field of that name itself: rename the column"
            problems.append(Problem("--keep", seen=quoted(column), advice=advice))
    if problems:
        raise InputError(problems)
    refuse_to_replace(SplitFiles(options.out, options.force, options.all_folds), options.split)


@dataclass(frozen=True, slots=True)
class _Unlabelled:
    participant_id: str
    column: str
    line: int | None
    problem: Problem


def _candidates(sources: Sources, options: BuildOptions) -> list[str]:
    """Who may be in the datalist, by their recordings.

    Raises:
        InputError: Someone with an EEG only and someone with an MRI only seem to be one participant under two ids: they
            would be learned from and judged by.
    """
    recordings = sources.recordings
    if not options.split.allow_missing:
        return recordings.complete
    eeg, mri = recordings.eeg.keys(), recordings.mri.keys()
    problems = [
        Problem(
            f"{near.name} and {near.other}",
            seen="an EEG of the one, an MRI of the other",
            wanted="one id of one participant",
            advice=f"if they are one, {near.advice.removeprefix('if so, ')}, or rename the files",
        )
        for near in near_misses(eeg - mri, mri - eeg, [eeg, mri]).values()
    ]
    if problems:
        raise InputError(problems)
    return recordings.everyone


def _labels(sources: Sources, rule: LabelRule, options: BuildOptions) -> tuple[dict[str, str], list[_Unlabelled]]:
    """The class of everyone whose label means exactly one, and what is wrong with everyone else's."""
    labels, unlabelled = {}, []
    candidates = _candidates(sources, options)
    recordings = sources.recordings
    near = near_misses(
        set(candidates) - sources.rows.keys(),
        sources.rows.keys() - set(recordings.everyone),
        [recordings.eeg, recordings.mri, sources.rows],
    )
    alike = rows_near(set(candidates) - sources.rows.keys() - near.keys(), sources.rows)
    for participant_id in candidates:
        row = sources.rows.get(participant_id)
        if row is None:
            near_to = alike.get(participant_id, ())
            advice = about_near(participant_id, near.get(participant_id), near_to, sources, options.label_column)
            problem = Problem("", seen="not in the table", wanted="a row", advice=advice)
            unlabelled.append(_Unlabelled(participant_id, options.label_column, None, problem))
            continue
        label = rule.class_of(row.values[options.label_column])
        if isinstance(label, Problem):
            unlabelled.append(_Unlabelled(participant_id, options.label_column, row.line, label))
        else:
            labels[participant_id] = label
    return labels, unlabelled


def _unlabelled_error(unlabelled: Sequence[_Unlabelled], sources: Sources, options: BuildOptions) -> InputError:
    problems = list(_by_value(unlabelled))
    if len(unlabelled) > 1:
        way = "give it to a --class" if options.bins else "say what it means with --map VALUE=CLASS"
        has_a_value = any(each.problem.seen.startswith('"') for each in unlabelled)  # what is empty means nothing
        way = f", {way}" if has_a_value else ""
        advice = f"correct the table{way}, or leave them out with --drop-unlabelled"
        problems.append(Problem("all of them", advice=advice))
    return InputError(problems, heading=str(sources.table))


def _by_value(unlabelled: Sequence[_Unlabelled], at_most: int = 3) -> tuple[Problem, ...]:
    """One problem for each value of the table that means no class, with whose it is."""
    groups: dict[Problem, list[_Unlabelled]] = {}
    for each in unlabelled:
        groups.setdefault(each.problem, []).append(each)
    found = []
    for problem, members in groups.items():
        lines = [str(each.line) for each in members if each.line is not None]
        where = f" in line{'s' * (len(lines) > 1)} {a_few(lines, 5)}" if lines else ""
        people = a_few((each.participant_id for each in members), at_most)
        found.append(Problem(people, members[0].column, f"{problem.seen}{where}", problem.wanted, problem.advice))
    return tuple(found)


def _rows(
    options: BuildOptions,
    sources: Sources,
    labels: Mapping[str, str],
    rule: LabelRule,
    keep: Sequence[str],
    older: Document | None,
) -> tuple[dict[str, Any], list[DocumentRow]]:
    """The datalist's head and all rows; those of the older datalist stay as they are."""
    root = root_for(sources.folders, options.data_root, older)
    files = FilesBelow(root)
    known = older.by_id if older is not None else {}

    def new_row(participant_id: str, row: TableRow) -> DocumentRow:
        mri = [below(root, path) for path in sources.recordings.mri.get(participant_id, ())]
        eeg = [below(root, path) for path in sources.recordings.eeg.get(participant_id, ())]
        fields = {
            "participant_id": participant_id,
            "label": labels[participant_id],
            "eeg": pattern_or_paths(eeg, files) if eeg else None,
            "mri": mri[0] if mri else None,
            **{column: row.values[column] or None for column in keep},
        }
        return DocumentRow("training", fields)

    if older is not None:
        _refuse_another_target(older, rule, labels, options.split.allow_missing)
    head: dict[str, Any] = {
        "$schema": SCHEMA_FILE,
        "name": options.name if options.name is not None else options.out.stem,
        "target": options.label_column,
        "classes": list(rule.classes),
        "data_root": from_folder(options.out.parent, root),
    }
    if older is not None:
        kept = {name: value for name, value in older.fields.items() if name not in SECTIONS}
        head = {**head, **kept, "data_root": head["data_root"]}
    rows = [] if older is None else [_with_new_columns(row, sources, keep) for row in older.rows]
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
    """An older datalist is extended only by people labelled as its own are."""
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
