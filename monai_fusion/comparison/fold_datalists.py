"""The folds that all variants share: one datalist for each fold."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from monai_fusion.datalist.building.assembling import from_folder, root_of
from monai_fusion.datalist.groups import KIN, PLACES, LeftOut, TornField, left_out, torn_fields
from monai_fusion.datalist.saving.document import Document, DocumentRow, read_document
from monai_fusion.datalist.schema import SECTIONS
from monai_fusion.datalist.split.resplitting import fold_texts
from monai_fusion.datalist.split.split_options import SplitOptions
from monai_fusion.errors import InputError, Problem
from monai_fusion.wording import a_few, counted

FOLDER = "folds"


@dataclass(frozen=True)
class Folds:
    """A cohort in folds.

    Attributes:
        name: The cohort's name.
        classes: The class names.
        texts: By file name, the datalist with each fold as test part.
        notes: Notes for the user on who takes part.
    """

    name: str
    classes: tuple[str, ...]
    texts: Mapping[str, str]
    notes: tuple[str, ...]


def make_folds(
    datalist: Path,
    folder: Path,
    folds: int | None = None,
    seed: int | None = None,
    keep_test: bool = False,
    group_by: Sequence[str] = (),
) -> Folds:
    """Use the folds of a datalist, or make new ones, always the same.

    All participants with both recordings and a label take part, including the test part, unless existing folds leave
    the test part out, or ``keep_test`` is given.

    Args:
        datalist: The datalist.
        folder: The folder for the files; this function writes none.
        folds: The number of folds if the datalist has none; None for 5.
        seed: Seed of the folds and the validation parts; None for the split's default.
        keep_test: Whether the test part is left out.
        group_by: Fields whose groups stay in one fold, and in one part of it; none for those of the datalist.

    Raises:
        InputError: The datalist is wrong, or cannot be split into these folds.
    """
    document = read_document(datalist, require_files=True)
    rows = [row for row in document.rows if row.in_use(allow_missing=False)]
    unlabelled = [row.participant_id for row in rows if row.fields.get("label") is None]
    if unlabelled:
        advice = 'add the label, or an "exclude" with the reason'
        raise InputError(Problem(a_few(unlabelled), "label", "missing", advice=advice), heading=str(datalist))
    outside, there = _outside(rows, keep_test)
    inside = [row for row in rows if row.participant_id not in outside]
    groups = tuple(group_by) or tuple(document.fields.get("group_by", ()))
    options = SplitOptions(method="kfold", folds=folds, keep_folds=there, group_by=groups)
    if there and folds is not None:
        number = 1 + max(row.fields["fold"] for row in inside)
        if folds != number:
            raise InputError(Problem("--folds", seen=str(folds), wanted=f"{number}, as in the datalist"))
        options = replace(options, folds=None)
    if seed is not None:
        options = replace(options, seed=seed)
    options.refuse_what_does_not_go_together()
    fields = {
        name: value for name, value in document.fields.items() if name != "$schema"
    }  # its relative path would be wrong
    fields["data_root"] = from_folder(folder, root_of(document))
    texts = fold_texts(Document(datalist, fields, tuple(inside)), options)
    named = {f"fold{number}.json": text for number, text in enumerate(texts)}
    name = str(document.fields.get("name") or datalist.stem)
    notes = (*_notes(document, rows, outside, there), *_notes_on_groups(texts, groups))
    return Folds(name, document.classes, named, notes)


def refuse_given_folds(datalist: Path, repeats: int) -> None:
    """Refuse to repeat the folds that a datalist has.

    Raises:
        InputError: It has folds, or cannot be read.
    """
    document = read_document(datalist, require_files=True)
    if any(row.fields.get("fold") is not None for row in document.rows if row.in_use(allow_missing=False)):
        advice = (
            "leave out --repeats, or remove the folds from the datalist (--seeds repeats trainings in the same folds)"
        )
        seen, wanted = str(repeats), "1: the datalist has folds, and others cannot be drawn"
        raise InputError(Problem("--repeats", seen=seen, wanted=wanted, advice=advice))


def refuse_equal_folds(repeats: Sequence[Folds]) -> None:
    """Refuse repeats that divide the participants in the same way: they would count as further results.

    Raises:
        InputError: Two repeats have the same folds, whatever their numbers.
    """
    seen: dict[frozenset[frozenset[str]], int] = {}
    for number, folds in enumerate(repeats, start=1):
        contents = [json.loads(text) for text in folds.texts.values()]
        tested = frozenset(frozenset(row["participant_id"] for row in content["test"]) for content in contents)
        if (first := seen.setdefault(tested, number)) != number:
            groups = contents[0].get("group_by")
            whole = f"whole groups of {' and '.join(groups)}" if groups else "so few participants"
            advice = f"{whole} leave no other folds: use fewer --repeats (--seeds repeats trainings in the same folds)"
            same = f"the folds of repeat {number} are those of repeat {first}"
            raise InputError(Problem("--repeats", seen=str(len(repeats)), wanted=f"fewer: {same}", advice=advice))


def _outside(rows: Sequence[DocumentRow], keep_test: bool) -> tuple[set[str], bool]:
    """The participants without a fold, and whether the datalist has folds."""
    tested = {row.participant_id for row in rows if row.section == "test"}
    without = {row.participant_id for row in rows if row.fields.get("fold") is None}
    there = len(without) < len(rows)
    if keep_test and not tested:
        raise InputError(Problem("--keep-test", seen="no participant is in test", wanted="a test part to keep"))
    if there and without - tested:
        advice = 'give all participants a "fold", or none, or move the others to test'
        names = a_few(sorted(without - tested))
        raise InputError(Problem(names, "fold", "missing, but other participants have one", advice=advice))
    if there:
        if keep_test and without != tested:
            seen = f"{counted(len(tested - without), 'participant')} of test in a fold"
            raise InputError(
                Problem("--keep-test", seen=seen, advice="remove the folds of test, or leave out --keep-test")
            )
        return without, True
    return (tested if keep_test else set()), False


def _notes(document: Document, rows: Sequence[DocumentRow], outside: set[str], there: bool) -> Iterator[str]:
    if outside:
        yield f"{counted(len(outside), 'participant')} of the test part left out, for a final evaluation"
    elif not there and (tested := [row for row in rows if row.section == "test"]):
        yield (
            f"the {counted(len(tested), 'participant')} of the test part are in the folds too: no participant is left "
            "to test a variant that you choose here (--keep-test leaves them out)"
        )
    lacking = [row for row in document.rows if not row.excluded and not row.in_use(allow_missing=False)]
    if lacking:
        left_out = f"{counted(len(lacking), 'participant')} with only one recording left out"
        yield f"{left_out}: all variants must use the same participants"
    excluded = [row for row in document.rows if row.excluded]
    if excluded:
        yield f"{counted(len(excluded), 'participant')} excluded, as in the datalist"


def _notes_on_groups(texts: Sequence[str], groups: Sequence[str]) -> Iterator[str]:
    place = left_out_place(texts)
    if place is not None:
        yield str(place)
    if others := [name for name in groups if place is None or name != place.field]:
        yield f"participants of one {' or '.join(others)} are in one part of every fold"
    torn: dict[str, TornField] = {}
    for text in texts:
        content = json.loads(text)
        members = [(section, row) for section in SECTIONS for row in content[section]]
        for found in torn_fields(members, [name for name in (*KIN, *PLACES) if name not in groups]):
            torn.setdefault(found.name, found)
    for name, found in torn.items():
        why = "no new one is tested" if name in PLACES else "if they are relatives, the test is not independent"
        yield f"{name}: {found}; {why} (--group-by {name} keeps them together)"


def left_out_place(texts: Iterable[str]) -> LeftOut | None:
    """The field of places that the folds leave out, if there is one."""
    return left_out((fold, row) for fold, text in enumerate(texts) for row in json.loads(text)["test"])


def changed_files(folder: Path, texts: Mapping[str, str]) -> list[str]:
    """The names of existing files in a folder whose content differs, or that are not needed."""
    found = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("fold*.json"))}
    return [name for name, text in found.items() if texts.get(name) != text]


def sections_of(content: Mapping[str, Any]) -> dict[str, int]:
    """The number of participants in each part of a fold's datalist."""
    return {name: len(content[name]) for name in ("training", "validation", "test")}
