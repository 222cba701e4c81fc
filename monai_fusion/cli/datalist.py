"""``monai-fusion datalist``: build and split the one file that you edit by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monai_fusion.cli.asking import Yes, before_it_is_lost
from monai_fusion.cli.command_list import CommandList
from monai_fusion.cli.declared_options import with_declared_options
from monai_fusion.cli.several_values import SeveralValuesCommand, datalist_first
from monai_fusion.datalist.building.build_options import BuildOptions
from monai_fusion.datalist.split.split_options import ResplitOutput, SplitFiles, SplitOptions
from monai_fusion.errors import InputError, Problem
from monai_fusion.messages import pasteable, say
from monai_fusion.options.declared import Group
from monai_fusion.wording import a_few, counted

if TYPE_CHECKING:
    from monai_fusion.datalist.building.new_datalist import BuildResult

datalist_app = typer.Typer(
    cls=CommandList,
    help="The datalist: one JSON file with the participants, their classes, files and split.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class _SplitCommand(SeveralValuesCommand):
    """FILE may also come last, where it would be read as one more value of ``--stratify-by age site``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Moves a FILE that comes last to the front."""
        return super().parse_args(ctx, datalist_first(args, ("--out", "--extend")))


@datalist_app.command("build", cls=SeveralValuesCommand)
@with_declared_options
def build(
    ctx: typer.Context,
    options: Annotated[BuildOptions, Group()],
    unlabelled: Annotated[
        bool,
        typer.Option(
            "--unlabelled",
            help="A list of participants to predict: needs no table and no labels; all participants are in the part "
            "test. A table (or list of ids) selects participants.",
            rich_help_panel="Classes",
        ),
    ] = False,
    from_table: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.xlsx",
            help="The edited workbook of `datalist table`: takes only --out, --force and --yes.",
            rich_help_panel="Participants table",
            show_default=False,
        ),
    ] = None,
    yes: Yes = False,
) -> None:
    """Build a datalist from two folders of recordings, or a BIDS dataset, and a participants table.

    Participants with both recordings and a label (with --allow-missing also those with one) are split into training,
    validation and test; each is in exactly one of them. The program lists all participants that it leaves out, and
    writes nothing if it finds a problem.

    \b
    monai-fusion datalist build --eeg-dir LEMON/eeg --mri-dir LEMON/mri --participants table.csv --out gender.json
    monai-fusion datalist build --unlabelled --eeg-dir new/eeg --mri-dir new/mri --out new_participants.json
    """  # noqa: D301 - click wants the character \b, not the two letters of a raw string
    from monai_fusion.datalist.building.new_datalist import build_datalist

    if from_table is not None:
        _build_from_table(ctx, from_table, options, yes)
        return
    options = replace(options, output=replace(options.output, ask=before_it_is_lost(yes)))
    if unlabelled:
        _build_unlabelled(ctx, options)
    else:
        _print_build(build_datalist(options))


@datalist_app.command("split", cls=_SplitCommand)
@with_declared_options
def split(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The datalist (.json).", show_default=False)],
    options: Annotated[SplitOptions, Group("Split")],
    output: Annotated[ResplitOutput, Group("Output")],
    yes: Yes = False,
) -> None:
    """Split the participants of a datalist again; everything else in it stays as it is.

    The recordings need not be on this machine. Excluded participants stay where they are; without --allow-missing,
    so do those with one recording.

    \b
    monai-fusion datalist split gender.json --method kfold --folds 5 --stratify-by age --all-folds
    monai-fusion datalist split gender.json --method stratified --stratify-by age site --out other.json
    monai-fusion datalist split gender.json --method kfold --group-by site --all-folds
    monai-fusion datalist split gender.json --method stratified --match age head_volume --out matched.json
    """  # noqa: D301 - as in build
    from monai_fusion.cli.balance_table import print_balance
    from monai_fusion.datalist.saving.replacing import Replacing
    from monai_fusion.datalist.split.resplitting import split_datalist

    how = Replacing(output.force, before_it_is_lost(yes), str(file))
    files = SplitFiles(output.out or file, how, output.all_folds)
    result = split_datalist(file, files, options, output.extend, _measured(file, options))
    _print_paths(result.paths, sum(row.number for row in result.balance.rows if row.name == "all"), "split")
    print_balance(result.balance)
    for note in (*result.notes, *result.replaced):
        say(f"note: {note}", err=True)


def _measured(file: Path, options: SplitOptions) -> dict[str, dict[str, float]]:
    """The covariates that are computed from recordings, if the split asks for them."""
    from monai_fusion.baseline.participant_numbers import HEAD_VOLUME, NumberSettings, head_volumes
    from monai_fusion.datalist import everyone_in, read_datalist

    if HEAD_VOLUME not in options.matched_by:
        return {}
    everyone = everyone_in(read_datalist(file, require_labels=False, modalities="mri"))
    return {HEAD_VOLUME: head_volumes(everyone, NumberSettings())}


def _build_from_table(ctx: typer.Context, source: Path, options: BuildOptions, yes: bool) -> None:
    from monai_fusion.cli.datalist_changes import build_from_table

    taken = ("from_table", "out", "force", "yes", "quiet")
    given = [
        name
        for name in ctx.params
        if name not in taken and (found := ctx.get_parameter_source(name)) and found.name == "COMMANDLINE"
    ]
    if given:
        advice = "leave it out: the workbook is a whole datalist; split it afterwards with datalist split"
        raise InputError(Problem(f"--{given[0].replace('_', '-')}", seen="together with --from-table", advice=advice))
    build_from_table(source, options.output.out, options.output.force, yes)


def _build_unlabelled(ctx: typer.Context, options: BuildOptions) -> None:
    from monai_fusion.datalist.building.unlabelled import (
        NEED_LABELS,
        build_unlabelled,
        list_summary,
        refuse_what_needs_labels,
    )

    # An enum of click, whose own copy typer may carry: by its name it is the same.
    sources = {name: ctx.get_parameter_source(name) for name in NEED_LABELS}
    refuse_what_needs_labels([name for name, source in sources.items() if source and source.name == "COMMANDLINE"])
    result = build_unlabelled(options)
    _print_paths((result.path,), result.participants, "to predict")
    for line in list_summary(result):
        say(line)
    for note in result.notes:
        say(f"note: {note}", err=True)
    if not result.classes:
        say("It names no classes: they are those of the model that predicts.")
    run = options.labels.model if options.labels.model is not None else "RUN_DIR"
    say(f"next: {pasteable(('monai-fusion', 'predict', run, '--datalist', result.path))}")


def _print_paths(paths: Sequence[Path], number: int, what: str) -> None:
    for path in paths:
        say(f"{path}: {counted(number, 'participant')} {what}")
    if len(paths) > 1:
        say(f"The table is that of {paths[0].name}.")


def _print_build(result: BuildResult) -> None:
    from monai_fusion.cli.balance_table import print_balance
    from monai_fusion.datalist.schema import SCHEMA_FILE

    total = sum(row.number for row in result.balance.rows if row.name == "all")
    with_one = sum(map(len, result.kept.values()))
    _print_paths(
        result.paths, total - with_one, "with both recordings" + (f", {with_one} with one" if with_one else "")
    )
    print_balance(result.balance)
    for ids, what in (
        (result.kept.get("eeg"), "with an EEG but no MRI kept"),
        (result.kept.get("mri"), "with an MRI but no EEG kept"),
        (result.only_eeg, "with an EEG but no MRI left out"),
        (result.only_mri, "with an MRI but no EEG left out"),
        (result.without_files, "of the table without any recording"),
    ):
        if ids:
            say(f"{counted(len(ids), 'participant')} {what}: {a_few(ids)}")
    if left_out := len(result.only_eeg) + len(result.only_mri):
        have = "participant has" if left_out == 1 else "participants have"
        say(f"{left_out} {have} one recording only: --allow-missing would keep those of them with a label")
    if result.unlabelled:
        number = sum(problem.where.count(", ") + 1 for problem in result.unlabelled)
        say(f"{counted(number, 'participant')} without a label left out:")
        for problem in result.unlabelled:
            say(f"  {problem}")
    for note in (*result.notes, *result.replaced):
        say(f"note: {note}", err=True)
    schema = result.path.with_name(SCHEMA_FILE)
    if not schema.exists():
        say(f"For completion in your editor: monai-fusion datalist schema --out {schema}")
