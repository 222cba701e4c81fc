"""Splits a datalist again, or extends an older one, and writes it: one file, or one for each fold that is tested."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from monai_fusion.datalist.balance import Balance, Member, balance_of
from monai_fusion.datalist.groups import left_out
from monai_fusion.datalist.near_misses import near_misses
from monai_fusion.datalist.saving.document import Document, DocumentRow, read_document, with_fold
from monai_fusion.datalist.saving.replacing import refuse_what_is_no_datalist, write_datalists
from monai_fusion.datalist.saving.writing import document_text
from monai_fusion.datalist.schema import NOTE, SECTIONS
from monai_fusion.datalist.split.matching import Measured, match_classes, not_matched
from monai_fusion.datalist.split.ratio import Split
from monai_fusion.datalist.split.split_methods import make_split
from monai_fusion.datalist.split.split_options import FOLDS, KeptSplit, SplitFiles, SplitOptions
from monai_fusion.datalist.strata import SplitParticipant, groups_of, strata_by_participant
from monai_fusion.datalist.validation import ENTRY_FIELDS
from monai_fusion.errors import InputError, Problem
from monai_fusion.messages import pasteable
from monai_fusion.spelling import field_of
from monai_fusion.wording import a_few, counted, did_you_mean, quoted


@dataclass(frozen=True, slots=True)
class SplitResult:
    """What was written.

    Attributes:
        paths: The datalist, or one for each fold.
        balance: How the first of them is split.
        notes: What else to know.
        replaced: Which files were replaced, and where the older ones are.
    """

    paths: tuple[Path, ...]
    balance: Balance
    notes: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()


def split_datalist(
    file: Path, files: SplitFiles, options: SplitOptions, extend: Path | None = None, measured: Measured | None = None
) -> SplitResult:
    """Split the participants of a datalist again; everything else in it stays as it is.

    Excluded participants, and without ``options.allow_missing`` those with one recording only, stay in their sections
    and are not counted.

    Args:
        file: The datalist; its recordings need not be on this machine.
        files: What to write.
        options: How to split.
        extend: An older datalist: its participants go where they are there, and only the others are distributed.
        measured: Covariates of ``options.match`` that are not fields: by name, the number of each participant.

    Raises:
        InputError: A datalist is wrong or cannot be split so, or ``files.out`` is there already and may not be
            replaced.
    """
    options.refuse_what_does_not_go_together()
    refuse_to_replace(files, options)
    document = read_document(file, require_files=False)
    if options.keep_folds and not options.group_by:
        options = replace(options, group_by=tuple(document.fields.get("group_by", ())))
    older = None if extend is None else read_document(extend, require_files=False).spelled_as(document.by_id)
    further = {name: None for row in document.rows for name in row.fields if name not in (*ENTRY_FIELDS, NOTE)}
    if not options.matched_by:
        return split_and_write(document, older, options, files, tuple(further))
    matched = match_classes(document, options.matched_by, options.allow_missing, measured or {})
    try:
        result = split_and_write(matched.document, older, options, files, tuple(further))
    except InputError as error:
        error.add_note(f"--match: {matched.notes[0]}")  # why so few are left
        raise
    return replace(result, notes=(*matched.notes, *result.notes))


def split_and_write(
    document: Document, older: Document | None, options: SplitOptions, files: SplitFiles, columns: Sequence[str]
) -> SplitResult:
    """Split the rows of a datalist and write it; ``columns`` are those to look at in the balance table."""
    rows = [row for row in document.rows if row.in_use(options.allow_missing)]
    ids = [row.participant_id for row in rows]
    participants = _participants(document, rows, options)
    kept_split = _kept_split(document, older, ids, options)
    try:
        split = make_split(participants, document.classes, options, kept_split)
    except InputError as error:
        if error.heading and options.method != "test":  # what cannot be split may be meant for a model that is there
            error.add_note("to test all of them with a model that is trained already: --method test")
        raise
    splits = list(_for_all_folds(participants, document, options, kept_split, split)) if files.all_folds else [split]
    paths = files.paths(len(splits))
    contents = [_content(document, each, older, options) for each in splits]
    replaced = write_datalists(dict(zip(paths, contents, strict=True)), files.replacing)
    section_of = {name: section for section in SECTIONS for name in splits[0].section(section)}
    members = [
        Member(
            section_of[row.participant_id],
            splits[0].folds.get(row.participant_id),
            document.class_index(row),
            {column: row.text(column) for column in (*columns, *options.stratify_by)},
            row.recordings,
        )
        for row in rows
    ]
    target = document.fields.get("target")
    balance = balance_of(
        members, document.classes, (column for column in columns if column != target), options.stratify_by
    )
    folds = splits[0].folds
    in_folds = folds and all(row.participant_id in folds for row in rows)  # otherwise a fold validates, not tests
    place = left_out((folds[row.participant_id], row.fields) for row in rows) if in_folds else None
    notes = (*_notes(document, older, options), *([] if place is None else [str(place)]))
    return SplitResult(paths, balance, notes, replaced)


def _content(document: Document, split: Split, older: Document | None, options: SplitOptions) -> dict[str, Any]:
    """The file's content; if all are tested, excluded participants are in the test part too, the only one.

    A part that is meant to be empty is not written.
    """
    document = replace(document, fields=_with_groups(document.fields, options.group_by))
    rows = _placed(document.rows, split, older)
    if options.method != "test":
        content = document.with_rows(rows)
        empty = [name for name in options.may_be_empty if not content[name]]
        return {name: value for name, value in content.items() if name not in empty}
    content = document.with_rows(DocumentRow("test", row.fields) if older is None else row for row in rows)
    return {name: value for name, value in content.items() if name not in SECTIONS or value}


def _with_groups(fields: Mapping[str, Any], group_by: Sequence[str]) -> dict[str, Any]:
    """The fields with those that the split went by, before the first section; a split by no groups keeps none."""
    items = [(name, value) for name, value in fields.items() if name != "group_by"]
    place = next((place for place, (name, _) in enumerate(items) if name in SECTIONS), len(items))
    return dict([*items[:place], *([("group_by", list(group_by))] if group_by else []), *items[place:]])


def fold_texts(document: Document, options: SplitOptions) -> tuple[str, ...]:
    """Return the text of a datalist for each fold that is tested; nothing is written.

    Args:
        document: The datalist; all participants in use need a label.
        options: How to split: by ``kfold``.

    Raises:
        InputError: It cannot be split so.
    """
    rows = [row for row in document.rows if row.in_use(options.allow_missing)]
    participants = _participants(document, rows, options)
    kept_split = _kept_split(document, None, [row.participant_id for row in rows], options)
    first = make_split(participants, document.classes, options, kept_split)
    splits = _for_all_folds(participants, document, options, kept_split, first)
    grouped = replace(document, fields=_with_groups(document.fields, options.group_by))
    return tuple(document_text(grouped.with_rows(_placed(document.rows, each, None))) for each in splits)


def refuse_to_replace(files: SplitFiles, options: SplitOptions) -> None:
    """Says before anything is read what can never be replaced; `write_datalists` looks at all else that is there.

    Raises:
        InputError: At the path to write is a folder, or a file that is not a valid datalist.
    """
    if files.all_folds and options.method != "kfold":
        raise InputError(Problem("--all-folds", advice="only with --method kfold"))
    refuse_what_is_no_datalist(files.paths(options.folds or FOLDS))


def _participants(document: Document, rows: Sequence[DocumentRow], options: SplitOptions) -> list[SplitParticipant]:
    known = dict.fromkeys(name for row in rows for name in row.fields)
    problems = []
    for option, names in (("--stratify-by", options.stratify_by), ("--group-by", options.group_by)):
        for name in names:
            if name == "label" and option == "--stratify-by":
                problems.append(Problem(option, quoted(name), advice="the label is always balanced: leave it out"))
            elif field_of(known, name) is None or name in ENTRY_FIELDS:
                further = [column for column in known if column not in ENTRY_FIELDS]
                there = (
                    f"the rows have {', '.join(map(quoted, further))}" if further else "the rows have no further fields"
                )
                meant = did_you_mean(name, further)
                again = "" if meant else f"; if the table has it, build again with {pasteable(['--columns', name])}"
                advice = f"{meant} {there}{again}".strip()
                problems.append(Problem(option, quoted(name), "no participant has this field", advice=advice))
    if problems:
        raise InputError(problems)
    ids = [row.participant_id for row in rows]

    def column(name: str) -> Mapping[str, str]:
        return {row.participant_id: row.text(name) for row in rows}

    strata = strata_by_participant({name: column(name) for name in options.stratify_by}, ids)
    groups = groups_of({name: column(name) for name in options.group_by}, ids) if options.group_by else {}
    return [
        SplitParticipant(name, document.class_index(row), strata[name], groups.get(name), row.recordings)
        for row, name in zip(rows, ids, strict=True)
    ]


def _kept_split(document: Document, older: Document | None, ids: Sequence[str], options: SplitOptions) -> KeptSplit:
    """Who stays where: all of the older datalist; of this one the folds or the test set, if they are to be kept."""
    here = set(ids)
    rows = [row for row in (older or document).rows if row.participant_id in here and not row.excluded]
    folds = {row.participant_id: row.fields["fold"] for row in rows if row.fields.get("fold") is not None}
    sections = {row.participant_id: row.section for row in rows}
    if older is not None:
        if options.method == "kfold" and not folds:
            raise InputError(
                Problem("--extend", seen=f"no participant in {older.path} has a fold", wanted='"fold": 0, 1 ...')
            )
        return KeptSplit(sections, folds if options.method == "kfold" else {})
    tested = {name: section for name, section in sections.items() if section == "test" and options.keep_test}
    return KeptSplit(tested, folds if options.keep_folds else {})


def _for_all_folds(
    participants: Sequence[SplitParticipant],
    document: Document,
    options: SplitOptions,
    kept_split: KeptSplit,
    first: Split,
) -> Iterator[Split]:
    """The splits that test each fold in turn (or validate with it, if the test set is outside the folds)."""
    outside = set(first.test) - first.folds.keys()
    kept = KeptSplit(dict.fromkeys(outside, "test"), first.folds)
    for fold in range(1 + max(first.folds.values())):
        chosen = replace(options, folds=None, test_fold=None if outside else fold)
        if outside:
            chosen = replace(chosen, validation_fold=fold)
        elif options.validation_fold is not None:
            advice = "with --all-folds the validation part is drawn from the folds not tested"
            raise InputError(Problem("--validation-fold", advice=advice))
        same = fold in {first.folds.get(name) for name in first.test}
        yield make_split(
            participants, document.classes, chosen, KeptSplit(kept_split.sections, first.folds) if same else kept
        )


def _placed(rows: Sequence[DocumentRow], split: Split, older: Document | None) -> Iterator[DocumentRow]:
    """The rows in their order, each in its new section."""
    section_of = {name: section for section in SECTIONS for name in split.section(section)}
    known = older.by_id if older is not None else {}
    for row in rows:
        if row.participant_id in section_of and not row.excluded:
            fold = split.folds.get(row.participant_id)
            yield DocumentRow(section_of[row.participant_id], with_fold(row.fields, fold))
        else:
            there = known.get(row.participant_id)
            yield DocumentRow(there.section if there is not None else row.section, row.fields)


def _notes(document: Document, older: Document | None, options: SplitOptions) -> Iterator[str]:
    unmatched = not_matched(options.matched_by)
    excluded = [row for row in document.rows if row.excluded and row.fields.get("exclude") != unmatched]
    if excluded:
        names = a_few(row.participant_id for row in excluded)
        yield f"{counted(len(excluded), 'participant')} excluded, as before: {names}"
    lacking = [row for row in document.rows if not row.excluded and not row.in_use(options.allow_missing)]
    if lacking and options.method != "test":
        names = a_few(row.participant_id for row in lacking)
        left = f"{counted(len(lacking), 'participant')} with one recording only, left in their part: {names}"
        yield f"{left} (--allow-missing splits them too)"
    if older is not None:
        here = {row.participant_id for row in document.rows}
        gone = [row.participant_id for row in older.rows if row.participant_id not in here]
        if gone:
            yield f"{counted(len(gone), 'participant')} of {older.path} no longer here: {a_few(gone)}"
        new = [row.participant_id for row in document.rows if row.participant_id not in older.by_id]
        for near in near_misses(new, gone, [here, older.by_id]).values():
            yield f"{near.name} is new, {near.other} no longer here: if they are one participant, write the ids alike"
        names = f": {a_few(new)}" if new else ""
        yield f"{counted(len(here) - len(new), 'participant')} stay where they were, {len(new)} new{names}"
