"""Builds a datalist from a folder of EEG scalograms, a folder of MRIs and a participants table."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from monai_fusion.datalist.files import FilesBelow
from monai_fusion.datalist.scanning import EEG_ENDINGS, Recordings, scan_folders
from monai_fusion.datalist.schema import SCHEMA_FILE, SECTIONS, DatalistFile, Entry
from monai_fusion.datalist.split import SEED, TEST_FRACTION, VALIDATION_FRACTION, Split, ratio_split
from monai_fusion.datalist.table import ParticipantsTable, TableRow, read_participants_table
from monai_fusion.datalist.validation import ENTRY_FIELDS
from monai_fusion.datalist.wording import a_few, did_you_mean, misspelt, one_of, quoted
from monai_fusion.datalist.writing import write_datalist
from monai_fusion.errors import InputError, Problem


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What a datalist is built from.

    Attributes:
        eeg_dir: Folder of scalograms (``.npy``), searched with its subfolders.
        mri_dir: Folder of MRIs (``.nii``, ``.nii.gz``), searched with its subfolders.
        participants: The table (CSV or TSV) with one row a participant.
        out: The datalist to write.
        id_column: The table's column of participant ids; an id is a file's name up to its first ``_``.
        label_column: The table's column of labels.
        classes: The class names as they stand in that column, in their order: the first is class 0.
        keep: Further columns to carry over, as text; an empty cell becomes null.
        drop_unlabelled: Leave out participants whose label is none of the classes instead of refusing them.
        force: Replace ``out`` if it is there.
        data_root: The folder that paths start from; ``None`` is the deepest one that holds both folders.
        name: What the cohort is called; ``None`` takes it from ``out``.
        seed: Draws the split.
        test_fraction: See `split.ratio_split`.
        validation_fraction: See `split.ratio_split`.
    """

    eeg_dir: Path
    mri_dir: Path
    participants: Path
    out: Path
    id_column: str = "participant_id"
    label_column: str = "gender"
    classes: tuple[str, ...] = ("M", "F")
    keep: tuple[str, ...] = ()
    drop_unlabelled: bool = False
    force: bool = False
    data_root: Path | None = None
    name: str | None = None
    seed: int = SEED
    test_fraction: float = TEST_FRACTION
    validation_fraction: float = VALIDATION_FRACTION


@dataclass(frozen=True, slots=True)
class BuildResult:
    """What was written, and who is not in it.

    Attributes:
        path: The datalist.
        counts: Participants by section and class, e.g. ``counts["test"]["F"]``.
        only_eeg: Ids without MRI, left out.
        only_mri: Ids without EEG, left out.
        without_files: Ids that are in the table only.
        unlabelled: With ``drop_unlabelled``, what is wrong with the label of each participant left out for it.
        notes: What else to know, e.g. that the table was not UTF-8.
    """

    path: Path
    counts: Mapping[str, Mapping[str, int]]
    only_eeg: tuple[str, ...]
    only_mri: tuple[str, ...]
    without_files: tuple[str, ...]
    unlabelled: tuple[Problem, ...]
    notes: tuple[str, ...]


def build_datalist(options: BuildOptions) -> BuildResult:
    """Find the recordings, look up the labels, split (SPEC.md: `split.ratio_split`) and write the datalist.

    Only participants with both recordings and a label are in it. Nothing is written if anything is wrong.

    Raises:
        InputError: Files or labels are missing or ambiguous, the split would leave a class or section empty, or the
            datalist is there already and ``force`` is not given.
    """
    _refuse_wrong_options(options)
    recordings = scan_folders(options.eeg_dir, options.mri_dir)
    table = read_participants_table(options.participants)
    rows = table.by_participant(options.id_column, (options.label_column, *options.keep))
    _refuse_foreign_table(recordings, rows, table)
    labels, unlabelled = _labels(recordings.complete, rows, options)
    if unlabelled and not options.drop_unlabelled:
        advice = Problem("all of them", advice="correct the table, or leave them out with --drop-unlabelled")
        raise InputError([*unlabelled, advice] if len(unlabelled) > 1 else unlabelled, heading=str(table.path))
    split = ratio_split(
        labels,
        seed=options.seed,
        test_fraction=options.test_fraction,
        validation_fraction=options.validation_fraction,
        classes=options.classes,
    )
    write_datalist(_assembled(options, recordings, rows, labels, split), options.out)
    return BuildResult(
        path=options.out,
        counts={
            section: {
                name: sum(labels[participant] == index for participant in split.section(section))
                for index, name in enumerate(options.classes)
            }
            for section in SECTIONS
        },
        only_eeg=tuple(sorted(recordings.eeg.keys() - recordings.mri.keys())),
        only_mri=tuple(sorted(recordings.mri.keys() - recordings.eeg.keys())),
        without_files=tuple(sorted(rows.keys() - recordings.eeg.keys() - recordings.mri.keys())),
        unlabelled=tuple(unlabelled),
        notes=table.notes,
    )


def _refuse_wrong_options(options: BuildOptions) -> None:
    """Says what is wrong before a large folder is searched."""
    problems = []
    if len(set(options.classes)) < len(options.classes) or not all(
        name == name.strip() != "" for name in options.classes
    ):
        problems.append(Problem("--classes", seen=" ".join(map(quoted, options.classes)), wanted="different names"))
    for column in options.keep:
        if column in ENTRY_FIELDS or misspelt(column, ("exclude",)):
            advice = "the datalist has a field of that name itself: rename the column"
            problems.append(Problem("--keep", seen=quoted(column), advice=advice))
    if options.out.exists() and not options.force:
        problems.append(Problem(str(options.out), seen="is there already", advice="replace it with --force"))
    if problems:
        raise InputError(problems)


def _refuse_foreign_table(recordings: Recordings, rows: Mapping[str, TableRow], table: ParticipantsTable) -> None:
    """A table without a single one of the participants has other ids: guessing which are whose is not for a program."""
    if not rows.keys() & set(recordings.complete):
        seen = f"{a_few(sorted(rows)) or 'nobody'} in {table.path.name}; files of {a_few(recordings.complete)}"
        advice = "no participant with both recordings is in the table"
        raise InputError(Problem("participants", seen=seen, wanted="the same ids in both", advice=advice))


def _labels(
    participants: list[str], rows: Mapping[str, TableRow], options: BuildOptions
) -> tuple[dict[str, int], list[Problem]]:
    """The class index of everyone whose label is exactly one of the classes, and a problem for everyone else."""
    labels, unlabelled = {}, []
    wanted = one_of(options.classes)
    for participant_id in participants:
        row = rows.get(participant_id)
        if row is None:
            unlabelled.append(Problem(participant_id, options.label_column, "not in the table", wanted))
            continue
        label = row.values[options.label_column]
        if label in options.classes:
            labels[participant_id] = options.classes.index(label)
        else:
            seen = f"{quoted(label)} in line {row.line}" if label else f"empty in line {row.line}"
            advice = did_you_mean(label, options.classes)
            unlabelled.append(Problem(participant_id, options.label_column, seen, wanted, advice))
    return labels, unlabelled


def _assembled(
    options: BuildOptions,
    recordings: Recordings,
    table: Mapping[str, TableRow],
    labels: Mapping[str, int],
    split: Split,
) -> DatalistFile:
    root = _data_root(options)
    files = FilesBelow(root)

    def entry(participant_id: str) -> Entry:
        eeg = [_below(root, path) for path in recordings.eeg[participant_id]]
        [mri] = recordings.mri[participant_id]
        kept = {column: table[participant_id].values[column] or None for column in options.keep}
        return Entry(
            participant_id=participant_id,
            label=options.classes[labels[participant_id]],
            eeg=_pattern_or_paths(participant_id, eeg, files),
            mri=_below(root, mri),
            **kept,
        )

    head = {
        "$schema": SCHEMA_FILE,
        "name": options.name if options.name is not None else options.out.stem,
        "target": options.label_column,
        "classes": list(options.classes),
        "data_root": _from_folder(options.out.parent, root),
    }
    rows = {section: [entry(participant_id) for participant_id in split.section(section)] for section in SECTIONS}
    return DatalistFile.model_validate({**head, **rows})


def _pattern_or_paths(participant_id: str, paths: list[str], files: FilesBelow) -> str | list[str]:
    """One pattern if it means exactly these files, so that a row stays short and easy to edit."""
    if len(paths) == 1:
        return paths[0]
    folder = paths[0].rpartition("/")[0]
    pattern = f"{folder}/{participant_id}_*{EEG_ENDINGS[0]}".removeprefix("/")
    return pattern if set(files.matching(pattern)) == set(paths) else paths


# Paths are made absolute and relative by name only: links stay as the user wrote them, and `read_datalist` and
# monai.data.load_decathlon_datalist join them by name as well. pathlib's resolve() would follow the links.


def _data_root(options: BuildOptions) -> Path:
    folders = [os.path.abspath(folder) for folder in (options.eeg_dir, options.mri_dir)]  # noqa: PTH100 - see above
    try:
        common = Path(os.path.commonpath(folders))
    except ValueError:  # two drives of a Windows machine
        seen = f"{folders[0]} and {folders[1]}"
        raise InputError(
            Problem("folders", seen=seen, wanted="both on one drive", advice="a datalist has one data_root")
        ) from None
    if options.data_root is None:
        return common
    root = Path(os.path.abspath(options.data_root))  # noqa: PTH100 - see above
    if not common.is_relative_to(root):
        raise InputError(Problem("--data-root", seen=str(root), wanted=f"a folder that holds {common}"))
    return root


def _below(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


def _from_folder(folder: Path, root: Path) -> str:
    """``root`` seen from the datalist's folder; absolute if it is on another drive."""
    try:
        return Path(os.path.relpath(root, folder)).as_posix()
    except ValueError:
        return root.as_posix()
