"""What a datalist is built from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from monai_fusion.datalist.build.labels import label_rule
from monai_fusion.datalist.choosing import Choice
from monai_fusion.datalist.roots import outermost
from monai_fusion.datalist.saving.replacing import Replacing
from monai_fusion.datalist.split.resplitting import SplitFiles
from monai_fusion.datalist.split.split_options import SplitOptions
from monai_fusion.datalist.validation import ENTRY_FIELDS
from monai_fusion.errors import Problem
from monai_fusion.wording import misspelt, quoted


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What a datalist is built from.

    Attributes:
        out: The datalist to write.
        eeg_dir: Folder or folders of scalograms (``.npy``), searched with subfolders; ``None`` only with ``bids``.
        mri_dir: Folder or folders of MRIs (``.nii``, ``.nii.gz``), with subfolders; ``None`` with ``bids``.
        bids: A BIDS dataset instead of ``mri_dir``; its ``participants.tsv`` and the scalograms below its
            ``derivatives`` are taken unless ``participants`` and ``eeg_dir`` name others.
        participants: The table (CSV, TSV or .xlsx) with one row a participant; ``None`` only with ``bids``.
        sheet: The sheet of an .xlsx that is the table; ``None`` is the first.
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
        model: The run folder of a trained model: its classes are taken.
        model_option: The option that names it, for messages.
        extend: An older datalist: everyone in it stays where they are, and only new participants are distributed.
        force: Replace ``out`` if it is there; the older file is kept as ``OUT.1.bak``.
        ask: With ``force``, called with what of an older file would be lost; it raises if the answer is no.
        data_root: The folder that paths start from; ``None`` is the deepest one that holds both folders.
        name: What the cohort is called; ``None`` takes it from ``out``.
        split: How the participants are split.
        all_folds: Write a file for each fold that is tested, instead of one.
    """

    out: Path
    eeg_dir: Path | tuple[Path, ...] | None = None
    mri_dir: Path | tuple[Path, ...] | None = None
    bids: Path | None = None
    participants: Path | None = None
    sheet: str | None = None
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
    model: Path | None = None
    model_option: str = "--model"
    extend: Path | None = None
    force: bool = False
    ask: Callable[[str], None] | None = None
    data_root: Path | None = None
    name: str | None = None
    split: SplitOptions = field(default_factory=SplitOptions)
    all_folds: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns carried over: those to keep, and those the split goes by."""
        return tuple(dict.fromkeys((*self.keep, *self.split.stratify_by, *self.split.group_by)))

    @property
    def eeg_dirs(self) -> tuple[Path, ...]:
        """The folders of scalograms; none of them lies in another."""
        return _folders(self.eeg_dir)

    @property
    def mri_dirs(self) -> tuple[Path, ...]:
        """The folders of MRIs; none of them lies in another."""
        return _folders(self.mri_dir)

    @property
    def classes_said(self) -> tuple[str, ...]:
        """The classes that the options name; none if they name none."""
        return label_rule(self.classes, (), self.bins).classes if self.classes or self.bins else ()

    def contradictions(self, columns: Iterable[str]) -> Iterator[Problem]:
        """What cannot be, whatever the list is for; ``columns`` are those to carry over."""
        if self.bids is not None and self.mri_dir is not None:
            yield Problem("--mri-dir", advice="--bids says where the MRIs are: leave out one of the two")
        for column in columns:
            if column in ENTRY_FIELDS or misspelt(column, ("exclude",)):
                advice = "the datalist has a field of that name itself: rename the column"
                yield Problem("--keep", seen=quoted(column), advice=advice)

    @property
    def files(self) -> SplitFiles:
        """Where it is written, and what may be done to what is there."""
        how = Replacing(self.force, self.ask, "the table", extendable=self.extend is None)
        return SplitFiles(self.out, how, self.all_folds)


def _folders(given: Path | tuple[Path, ...] | None) -> tuple[Path, ...]:
    return outermost(given if isinstance(given, tuple) else () if given is None else (given,))
