"""What a datalist is built from: the options of ``datalist build``, each declared here with its help and default."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from monai_fusion.datalist.building.labels import label_rule
from monai_fusion.datalist.choosing import Choice
from monai_fusion.datalist.roots import outermost
from monai_fusion.datalist.saving.replacing import Replacing
from monai_fusion.datalist.split.split_options import AllFolds, Extend, Force, SplitFiles, SplitOptions
from monai_fusion.datalist.validation import ENTRY_FIELDS
from monai_fusion.errors import Problem
from monai_fusion.options.declared import Group, Option
from monai_fusion.wording import misspelt, quoted


@dataclass(frozen=True, slots=True)
class FolderOptions:
    """Where the recordings are. A BIDS dataset has the MRIs, and the EEG unless ``eeg_dir`` is given."""

    eeg_dir: Annotated[
        tuple[Path, ...],
        Option(
            "Folder of EEG scalograms (.npy), with its subfolders; repeat it for another site.",
            metavar="FOLDER",
            section="EEG",
        ),
    ] = ()
    mri_dir: Annotated[
        tuple[Path, ...],
        Option(
            "Folder of T1 MRIs (.nii, .nii.gz), with its subfolders; repeat it for another site.",
            metavar="FOLDER",
            section="MRI",
        ),
    ] = ()
    bids: Annotated[
        Path | None,
        Option(
            "A BIDS dataset instead of --mri-dir: its T1w images, participants.tsv, and .npy files below derivatives.",
            section="EEG and MRI",
        ),
    ] = None

    @property
    def eeg(self) -> tuple[Path, ...]:
        """The folders of scalograms; none of them is within another."""
        return outermost(self.eeg_dir)

    @property
    def mri(self) -> tuple[Path, ...]:
        """The folders of MRIs; none of them is within another."""
        return outermost(self.mri_dir)


@dataclass(frozen=True, slots=True)
class TableOptions:
    """The participants table. A BIDS dataset has its own; further columns are carried over as text, empty as null."""

    participants: Annotated[
        Path | None, Option("Participants table (CSV, TSV, or the first sheet of an .xlsx) with a header line.")
    ] = None
    sheet: Annotated[str | None, Option("Sheet of the .xlsx, if not the first.")] = None
    preset: Annotated[str | None, Option("A known cohort: you need not name its columns.", metavar="lemon")] = None
    columns: Annotated[tuple[str, ...], Option("Further columns to copy into the datalist.", metavar="age site")] = ()


@dataclass(frozen=True, slots=True)
class LabelOptions:
    """What is to be classified, and whose label means which class. ``model_option`` names ``model`` in messages."""

    label_column: Annotated[str, Option("Column with the labels.")] = "gender"
    classes: Annotated[
        tuple[str, ...],
        Option("The class names, exactly as in the column; the first is class 0.", metavar="M F", shown_default="M F"),
    ] = ()
    label_map: Annotated[
        tuple[str, ...],
        Option("Classes of other values in the column; upper and lower case are equal.", metavar="1=F 2=M"),
    ] = ()
    bin: Annotated[
        tuple[str, ...],
        Option(
            "A class by its values or ranges, instead of --classes and --label-map; repeat it for each class.",
            metavar="young=20-25,25-30",
        ),
    ] = ()
    drop_unlabelled: Annotated[bool, Option("Leave out participants whose label is not a class, and list them.")] = (
        False
    )
    model: Annotated[
        Path | None,
        Option(
            "Use the classes of this trained model, in its order; with --unlabelled or --method test.",
            metavar="RUN_DIR",
        ),
    ] = None
    model_option: str = "--model"

    @property
    def named_classes(self) -> tuple[str, ...]:
        """The classes that the options name; none if they name none."""
        return label_rule(self.classes, (), self.bin).classes if self.classes or self.bin else ()


@dataclass(frozen=True, slots=True)
class IdOptions:
    """How files and table rows are assigned to participants."""

    id_column: Annotated[str, Option("Column of participant ids; a file's id is its name up to the first _.")] = (
        "participant_id"
    )
    id_map: Annotated[
        Path | None,
        Option("Table with two ids of each participant, if EEG and MRI have different ones: name_match.csv."),
    ] = None
    loose_ids: Annotated[
        bool, Option("Treat 10002, 010002, sub-010002, SUB-010002 and 10002.0 as one participant.")
    ] = False


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """What is written where.

    Attributes:
        ask: With ``force``, called with what of an older file would be lost; it raises if the answer is no.
    """

    out: Annotated[Path, Option("The datalist to write, e.g. data_manifests/gender.json.")]
    name: Annotated[str | None, Option("Name of the cohort.", shown_default="name of OUT")] = None
    data_root: Annotated[
        Path | None,
        Option("Folder that the paths are relative to.", shown_default="the folder above all of them"),
    ] = None
    extend: Extend = None
    all_folds: AllFolds = False
    force: Force = False
    ask: Callable[[str], None] | None = None

    @property
    def title(self) -> str:
        """Name of the cohort."""
        return self.name if self.name is not None else self.out.stem

    @property
    def files(self) -> SplitFiles:
        """Where it is written, and what may be done to what is there."""
        how = Replacing(self.force, self.ask, "the table", extendable=self.extend is None)
        return SplitFiles(self.out, how, self.all_folds)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """What a datalist is built from, in groups: a function takes the ones that it reads."""

    folders: Annotated[FolderOptions, Group()] = field(default_factory=FolderOptions)
    choice: Annotated[Choice, Group()] = field(default_factory=Choice)
    table: Annotated[TableOptions, Group("Participants table")] = field(default_factory=TableOptions)
    labels: Annotated[LabelOptions, Group("Classes")] = field(default_factory=LabelOptions)
    ids: Annotated[IdOptions, Group("Participant ids")] = field(default_factory=IdOptions)
    split: Annotated[SplitOptions, Group("Split", leave_out=("keep_test", "keep_folds", "match"))] = field(
        default_factory=SplitOptions
    )
    output: Annotated[OutputOptions, Group("Output")]

    @property
    def carried_columns(self) -> tuple[str, ...]:
        """The columns carried over: those to keep, and those the split goes by."""
        return tuple(dict.fromkeys((*self.table.columns, *self.split.stratify_by, *self.split.group_by)))

    def contradictions(self, columns: Iterable[str]) -> Iterator[Problem]:
        """What cannot be, whatever the list is for; ``columns`` are those to carry over."""
        if self.folders.bids is not None and self.folders.mri_dir:
            yield Problem("--mri-dir", advice="--bids has the MRIs already: leave out one of the two")
        for column in columns:
            if column in ENTRY_FIELDS or misspelt(column, ("exclude",)):
                advice = "the datalist has a field of that name itself: rename the column"
                yield Problem("--columns", seen=quoted(column), advice=advice)
