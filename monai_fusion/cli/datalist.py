"""``monai-fusion datalist``: build, check and describe the one file that people edit by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from monai_fusion.cli.several_values import SeveralValuesCommand
from monai_fusion.errors import InputError, Problem

if TYPE_CHECKING:
    from monai_fusion.datalist import Datalist
    from monai_fusion.datalist.building import BuildResult

datalist_app = typer.Typer(
    help="The datalist: one JSON file that says who is in the cohort, their class, files and split.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@datalist_app.command("build", cls=SeveralValuesCommand)
def build(
    eeg_dir: Annotated[Path, typer.Option(help="Folder of EEG scalograms (.npy); subfolders are searched too.")],
    mri_dir: Annotated[Path, typer.Option(help="Folder of T1 MRIs (.nii, .nii.gz); subfolders are searched too.")],
    participants: Annotated[Path, typer.Option(help="Participants table (CSV or TSV) with a header line.")],
    out: Annotated[Path, typer.Option(help="The datalist to write, e.g. data_manifests/gender.json.")],
    id_column: Annotated[
        str, typer.Option(help="Column of participant ids; a file's id is its name up to the first _.")
    ] = "participant_id",
    label_column: Annotated[str, typer.Option(help="Column of what is to be classified.")] = "gender",
    classes: Annotated[
        list[str] | None,
        typer.Option(
            metavar="M F",
            help="The two class names, exactly as in the column; the first is class 0. The test set holds two of the "
            "first for one of the second.",
            show_default="M F",
        ),
    ] = None,
    keep: Annotated[
        list[str] | None, typer.Option(metavar="age site", help="Further columns to carry over into the datalist.")
    ] = None,
    drop_unlabelled: Annotated[
        bool, typer.Option("--drop-unlabelled", help="Leave out, and list, participants whose label is no class.")
    ] = False,
    test_fraction: Annotated[float, typer.Option(help="About which part of the participants to test on.")] = 0.20,
    validation_fraction: Annotated[
        float, typer.Option(help="Which part of the others chooses the best epoch, in each class.")
    ] = 0.15,
    seed: Annotated[int, typer.Option(help="Another seed draws another split.")] = 1337,
    name: Annotated[str | None, typer.Option(help="What the cohort is called.", show_default="name of OUT")] = None,
    data_root: Annotated[
        Path | None,
        typer.Option(help="Folder that the paths start from.", show_default="the one that holds both folders"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there already.")] = False,
) -> None:
    r"""Build a datalist from two folders of recordings and a participants table.

    Participants with both recordings and a label are split into training, validation and test; nobody is in two of
    them. Everyone left out is named, and nothing is written if anything is wrong.

    \b
    monai-fusion datalist build --eeg-dir LEMON/eeg --mri-dir LEMON/mri \
        --participants LEMON/participants.csv --id-column participant_id \
        --label-column gender --classes M F --out data_manifests/gender.json
    """
    from monai_fusion.datalist.building import BuildOptions, build_datalist

    options = BuildOptions(
        eeg_dir=eeg_dir,
        mri_dir=mri_dir,
        participants=participants,
        out=out,
        id_column=id_column,
        label_column=label_column,
        classes=tuple(classes) if classes else ("M", "F"),
        keep=tuple(keep or ()),
        drop_unlabelled=drop_unlabelled,
        force=force,
        data_root=data_root,
        name=name,
        seed=seed,
        test_fraction=test_fraction,
        validation_fraction=validation_fraction,
    )
    _print_build(build_datalist(options))


def _print_build(result: BuildResult) -> None:
    from rich.console import Console
    from rich.table import Table

    from monai_fusion.datalist.schema import SCHEMA_FILE
    from monai_fusion.datalist.wording import a_few, counted

    classes = list(result.counts["test"])
    table = Table("section", *classes, "all", " : ".join(classes))
    for column in table.columns[1:]:
        column.justify = "right"
    for section, counts in result.counts.items():
        first, second = counts[classes[0]], counts[classes[1]]
        numbers = (first, second, first + second)
        table.add_row(section, *map(str, numbers), f"{first / second:.2f} : 1")
    total = sum(sum(counts.values()) for counts in result.counts.values())
    typer.echo(f"{result.path}: {counted(total, 'participant')} with both recordings")
    Console(markup=False, highlight=False).print(table)
    for ids, what in (
        (result.only_eeg, "with an EEG but no MRI left out"),
        (result.only_mri, "with an MRI but no EEG left out"),
        (result.without_files, "of the table without any recording"),
    ):
        if ids:
            typer.echo(f"{counted(len(ids), 'participant')} {what}: {a_few(ids)}")
    if result.unlabelled:
        typer.echo(f"{counted(len(result.unlabelled), 'participant')} without a label left out:")
        for problem in result.unlabelled:
            typer.echo(f"  {problem}")
    for note in result.notes:
        typer.echo(f"note: {note}", err=True)
    schema = result.path.with_name(SCHEMA_FILE)
    if not schema.exists():
        typer.echo(f"For completion in your editor: monai-fusion datalist schema --out {schema}")


@datalist_app.command("check")
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The datalist (.json).", show_default=False)],
    deep: Annotated[bool, typer.Option("--deep", help="Open every file as well: shape, NaN, damaged files.")] = False,
    unlabelled: Annotated[
        bool, typer.Option("--unlabelled", help="Labels may be missing: a list for prediction only.")
    ] = False,
    assume_orientation: Annotated[
        str | None,
        typer.Option(
            metavar="LAS", help="With --deep: axes of MRIs whose header states none, as in your run's config."
        ),
    ] = None,
) -> None:
    """Check a datalist, and say everything that is wrong with it at once.

    The fields, labels and splits are checked, and that every file exists. Exit code 0: nothing is wrong; 2: something
    is.
    """
    from monai_fusion.datalist.reading import examine_datalist
    from monai_fusion.datalist.wording import counted

    examination = examine_datalist(file, require_labels=not unlabelled)
    problems: Sequence[Problem] = examination.problems
    if deep and not problems:
        problems = _problems_in_files(examination.datalist(), assume_orientation)
    if problems:
        _report_all(problems, file)
    typer.echo(f"{file}: nothing is wrong")
    for section in examination.sections:
        labels = [found.row.entry.label for found in examination.participants if found.row.section == section]
        by_class = [f"{labels.count(name)} {name}" for name in examination.head.classes]
        by_class += [f"{labels.count(None)} without a label"] if None in labels else []
        typer.echo(f"  {section}: {counted(len(labels), 'participant')} ({', '.join(by_class)})")


def _problems_in_files(datalist: Datalist, assume_orientation: str | None) -> list[Problem]:
    from rich.console import Console
    from rich.progress import track

    from monai_fusion.datalist.contents import check_contents, recordings_of
    from monai_fusion.transforms import load_scalogram, load_volume

    recordings = recordings_of(datalist)
    with_progress = track(recordings, description="Opening files", console=Console(stderr=True), transient=True)

    def load_mri(path: Path) -> object:
        return load_volume(path, assume_orientation=assume_orientation)

    return list(check_contents(datalist, with_progress, load_scalogram, load_mri))


def _report_all(problems: Sequence[Problem], file: Path) -> NoReturn:
    """Every problem, where the text of an InputError stops after some: whoever checks wants to correct them all."""
    from monai_fusion.datalist.wording import counted

    typer.echo(f"error: {file}: {counted(len(problems), 'problem')}", err=True)
    for problem in problems:
        typer.echo(f"  {problem}", err=True)
    raise typer.Exit(InputError.exit_code)


@datalist_app.command("schema")
def schema(
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to write it; else it is printed.")] = None,
) -> None:
    """Print or write the JSON Schema of datalists.

    With it beside your datalist, an editor such as VS Code completes field names and underlines mistakes.
    """
    from monai_fusion.datalist.writing import schema_text, write_schema

    if out is None:
        typer.echo(schema_text(), nl=False)
    else:
        write_schema(out)
        typer.echo(f"{out}: written")
