"""The folds that all variants share: one datalist for each fold that is tested."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from monai_fusion.datalist.building.assembling import from_folder, root_of
from monai_fusion.datalist.saving.document import Document, DocumentRow, read_document
from monai_fusion.datalist.split.resplitting import fold_texts
from monai_fusion.datalist.split.split_options import SplitOptions
from monai_fusion.errors import InputError, Problem
from monai_fusion.wording import a_few, counted

FOLDER = "folds"


@dataclass(frozen=True)
class Folds:
    """A cohort in folds.

    Attributes:
        name: What the cohort is called.
        classes: The class names.
        texts: By file name, the datalist that tests each fold in turn.
        notes: What the user must know of who takes part.
    """

    name: str
    classes: tuple[str, ...]
    texts: Mapping[str, str]
    notes: tuple[str, ...]


def make_folds(
    datalist: Path, folder: Path, folds: int | None = None, seed: int | None = None, keep_test: bool = False
) -> Folds:
    """Take the folds of a datalist, or make some; the same ones each time.

    Everyone with both recordings and a label takes part, in ``test`` or not, unless the folds are already there and
    leave the test set out, or ``keep_test`` is given.

    Args:
        datalist: The datalist.
        folder: Where the files shall stand; nothing is written.
        folds: How many, if the datalist has none; None for 5.
        seed: Keys the folds and the validation parts; None for the split's own.
        keep_test: Whether the test part is left out.

    Raises:
        InputError: The datalist is not right, or cannot be split so.
    """
    document = read_document(datalist, require_files=True)
    rows = [row for row in document.rows if row.in_use(allow_missing=False)]
    unlabelled = [row.participant_id for row in rows if row.fields.get("label") is None]
    if unlabelled:
        advice = 'add the label, or an "exclude" with the reason'
        raise InputError(Problem(a_few(unlabelled), "label", "missing", advice=advice), heading=str(datalist))
    outside, there = _outside(rows, keep_test)
    inside = [row for row in rows if row.participant_id not in outside]
    options = SplitOptions(method="kfold", folds=folds, keep_folds=there)
    if there and folds is not None:
        number = 1 + max(row.fields["fold"] for row in inside)
        if folds != number:
            raise InputError(Problem("--folds", seen=str(folds), wanted=f"{number}, as the datalist has already"))
        options = replace(options, folds=None)
    if seed is not None:
        options = replace(options, seed=seed)
    options.refuse_what_does_not_go_together()
    fields = {name: value for name, value in document.fields.items() if name != "$schema"}  # it would lead nowhere
    fields["data_root"] = from_folder(folder, root_of(document))
    texts = fold_texts(Document(datalist, fields, tuple(inside)), options)
    named = {f"fold{number}.json": text for number, text in enumerate(texts)}
    name = str(document.fields.get("name") or datalist.stem)
    return Folds(name, document.classes, named, tuple(_notes(document, rows, outside, there)))


def _outside(rows: Sequence[DocumentRow], keep_test: bool) -> tuple[set[str], bool]:
    """Who is in no fold, and whether there are folds already."""
    tested = {row.participant_id for row in rows if row.section == "test"}
    without = {row.participant_id for row in rows if row.fields.get("fold") is None}
    there = len(without) < len(rows)
    if keep_test and not tested:
        raise InputError(Problem("--keep-test", seen="nobody is in test", wanted="a test part to keep"))
    if there and without - tested:
        advice = 'give everybody a "fold", or nobody, or put the others into test'
        names = a_few(sorted(without - tested))
        raise InputError(Problem(names, "fold", "missing, though others have one", advice=advice))
    if there:
        if keep_test and without != tested:
            seen = f"{counted(len(tested - without), 'participant')} of test in a fold"
            raise InputError(Problem("--keep-test", seen=seen, advice="take the folds of test away, or leave it out"))
        return without, True
    return (tested if keep_test else set()), False


def _notes(document: Document, rows: Sequence[DocumentRow], outside: set[str], there: bool) -> Iterator[str]:
    if outside:
        yield f"{counted(len(outside), 'participant')} of the test part left out, for a final evaluation"
    elif not there and (tested := [row for row in rows if row.section == "test"]):
        yield (
            f"the {counted(len(tested), 'participant')} of the test part are in the folds as well: nobody is left to "
            "test a variant on that is chosen here (--keep-test leaves them out)"
        )
    lacking = [row for row in document.rows if not row.excluded and not row.in_use(allow_missing=False)]
    if lacking:
        yield f"{counted(len(lacking), 'participant')} with one recording only left out: every variant needs the same"
    excluded = [row for row in document.rows if row.excluded]
    if excluded:
        yield f"{counted(len(excluded), 'participant')} excluded, as the datalist says"


def differing(folder: Path, texts: Mapping[str, str]) -> list[str]:
    """The names of files that are in a folder already and say something else, or are left over."""
    found = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("fold*.json"))}
    return [name for name, text in found.items() if texts.get(name) != text]


def sections_of(content: Mapping[str, Any]) -> dict[str, int]:
    """How many participants each part of a fold's datalist has."""
    return {name: len(content[name]) for name in ("training", "validation", "test")}
