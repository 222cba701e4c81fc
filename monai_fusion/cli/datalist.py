"""``monai-fusion datalist``: build and split the one file that people edit by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monai_fusion.cli.asking import Yes, before_it_is_lost
from monai_fusion.cli.command_list import CommandList
from monai_fusion.cli.several_values import SeveralValuesCommand
from monai_fusion.messages import say

if TYPE_CHECKING:
    from monai_fusion.datalist.build.build_options import BuildOptions
    from monai_fusion.datalist.build.building import BuildResult

datalist_app = typer.Typer(
    cls=CommandList,
    help="The datalist: one JSON file that says who is in the cohort, their class, files and split.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class _SplitCommand(SeveralValuesCommand):
    """FILE may also stand last, where it would be taken for one more value of ``--stratify-by age site``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Puts a FILE that stands last in front."""
        takes_a_file = len(args) > 1 and args[-2] in ("--out", "--extend")
        if len(args) > 1 and args[-1].endswith(".json") and args[0].startswith("-") and not takes_a_file:
            args = [args[-1], *args[:-1]]
        return super().parse_args(ctx, args)


# The options of `build` and `split` that say how to split. Each default is None so that one given is told from none.
Method = Annotated[
    str,
    typer.Option(
        metavar="ratio|stratified|kfold|test",
        help="ratio: the test set holds two of the first class for one of the second. stratified: every part has its "
        "share of every class. kfold: everyone is in one of k folds (field fold). test: everyone is tested, with a "
        "model that is trained already.",
    ),
]
TestFraction = Annotated[
    float | None,
    typer.Option(help="About which part of the participants to test on; not with kfold.", show_default="0.2"),
]
ValidationFraction = Annotated[
    float, typer.Option(help="Which part of those not tested chooses the best epoch, in each class.")
]
Seed = Annotated[int, typer.Option(help="Another seed draws another split.")]
StratifyBy = Annotated[
    list[str] | None,
    typer.Option(metavar="age site", help="Columns to balance beside the class, alone and all together."),
]
GroupBy = Annotated[
    list[str] | None,
    typer.Option(metavar="family", help="Columns whose people stay together, such as family or site."),
]
Folds = Annotated[int | None, typer.Option(help="How many folds, for kfold.", show_default="5")]
TestFold = Annotated[
    int | None, typer.Option(help="The fold that this file tests, for kfold; the first is 0.", show_default="0")
]
ValidationFold = Annotated[
    int | None,
    typer.Option(help="The fold that chooses the best epoch, for kfold; else a part of the folds not tested does."),
]
AllFolds = Annotated[
    bool, typer.Option("--all-folds", help="Write one file a fold for kfold: OUT_fold0.json tests fold 0 and so on.")
]
AllowMissing = Annotated[
    bool,
    typer.Option(
        "--allow-missing",
        help="Also participants with one recording; every part gets its share of them. A training uses them only with "
        "--allow_missing true.",
    ),
]
Extend = Annotated[
    Path | None,
    typer.Option(
        metavar="OLD", help="An older datalist: everyone in it stays where they are, only the new are distributed."
    ),
]

Force = Annotated[
    bool,
    typer.Option("--force", help="Replace the file if it is there already; the old one is kept as FILE.1.bak, .2.bak."),
]


@datalist_app.command("build", cls=SeveralValuesCommand)
def build(
    ctx: typer.Context,
    out: Annotated[Path, typer.Option(help="The datalist to write, e.g. data_manifests/gender.json.")],
    eeg_dir: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of EEG scalograms (.npy), with its subfolders; once more for another site's."),
    ] = None,
    mri_dir: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of T1 MRIs (.nii, .nii.gz), with its subfolders; once more for another site's."),
    ] = None,
    participants: Annotated[
        Path | None,
        typer.Option(help="Participants table (CSV, TSV, or the first sheet of an .xlsx) with a header line."),
    ] = None,
    sheet: Annotated[str | None, typer.Option(help="Another sheet of the .xlsx than its first.")] = None,
    bids: Annotated[
        Path | None,
        typer.Option(
            help="A BIDS dataset instead of --mri-dir: its T1w images, participants.tsv, and .npy files below "
            "derivatives."
        ),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(metavar="lemon", help="A cohort whose tables are known: no columns need be named.")
    ] = None,
    session: Annotated[
        list[str] | None,
        typer.Option(metavar="01 02", help="Which session (ses-01) to take; of several, the first that someone has."),
    ] = None,
    t1w_pattern: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help='Which MRIs to take: "*acq-mp2rage*"; of several patterns, the first that someone has: '
            '"*acq-mp2rage*" "*".',
        ),
    ] = None,
    eeg_condition: Annotated[
        str | None, typer.Option(metavar="EO", help="Only EEG files named so: sub-010002_EO_seg0.npy.")
    ] = None,
    id_map: Annotated[
        Path | None,
        typer.Option(help="Table with two ids of everyone, where EEG and MRI carry different ones: name_match.csv."),
    ] = None,
    loose_ids: Annotated[
        bool,
        typer.Option("--loose-ids", help="Take 10002, 010002, sub-010002, SUB-010002 and 10002.0 for one participant."),
    ] = False,
    id_column: Annotated[
        str, typer.Option(help="Column of participant ids; a file's id is its name up to the first _.")
    ] = "participant_id",
    label_column: Annotated[str, typer.Option(help="Column of what is to be classified.")] = "gender",
    classes: Annotated[
        list[str] | None,
        typer.Option(
            metavar="M F", help="The class names, exactly as in the column; the first is class 0.", show_default="M F"
        ),
    ] = None,
    value_map: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="1=F 2=M", help="What other values of the column mean; case does not count."),
    ] = None,
    bins: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            metavar="young=20-25,25-30",
            help="A class by its values or ranges, instead of --classes and --map; once for each class.",
        ),
    ] = None,
    keep: Annotated[
        list[str] | None, typer.Option(metavar="age site", help="Further columns to carry over into the datalist.")
    ] = None,
    drop_unlabelled: Annotated[
        bool, typer.Option("--drop-unlabelled", help="Leave out, and list, participants whose label is no class.")
    ] = False,
    unlabelled: Annotated[
        bool,
        typer.Option(
            "--unlabelled",
            help="A list of people to be predicted: no table and no labels are needed, everybody is in the part test. "
            "A table (or list of ids) that is given says who is meant.",
        ),
    ] = False,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN_DIR",
            help="Take the classes, in their order, from this trained model: with --unlabelled or --method test.",
        ),
    ] = None,
    method: Method = "ratio",
    test_fraction: TestFraction = None,
    validation_fraction: ValidationFraction = 0.15,
    seed: Seed = 1337,
    stratify_by: StratifyBy = None,
    group_by: GroupBy = None,
    folds: Folds = None,
    test_fold: TestFold = None,
    validation_fold: ValidationFold = None,
    all_folds: AllFolds = False,
    allow_missing: AllowMissing = False,
    extend: Extend = None,
    name: Annotated[str | None, typer.Option(help="What the cohort is called.", show_default="name of OUT")] = None,
    data_root: Annotated[
        Path | None,
        typer.Option(help="Folder that the paths start from.", show_default="the one that holds all folders"),
    ] = None,
    force: Force = False,
    yes: Yes = False,
) -> None:
    """Build a datalist from two folders of recordings, or a BIDS dataset, and a participants table.

    Participants with both recordings and a label (with --allow-missing also those with one) are split into training,
    validation and test; nobody is in two of them. Everyone left out is named, and nothing is written if anything is
    wrong.

    \b
    monai-fusion datalist build --eeg-dir LEMON/eeg --mri-dir LEMON/mri --participants people.csv --out gender.json
    monai-fusion datalist build --unlabelled --eeg-dir new/eeg --mri-dir new/mri --out new_people.json
    """  # noqa: D301 - click wants the character \b, not the two letters of a raw string
    from monai_fusion.datalist.build.build_options import BuildOptions
    from monai_fusion.datalist.build.building import build_datalist
    from monai_fusion.datalist.choosing import Choice
    from monai_fusion.datalist.split.split_options import SplitOptions

    split_options = SplitOptions(
        method=method,
        test_fraction=test_fraction,
        validation_fraction=validation_fraction,
        seed=seed,
        stratify_by=tuple(stratify_by or ()),
        group_by=tuple(group_by or ()),
        folds=folds,
        test_fold=test_fold,
        validation_fold=validation_fold,
        allow_missing=allow_missing,
    )
    options = BuildOptions(
        out=out,
        eeg_dir=tuple(eeg_dir) if eeg_dir else None,
        mri_dir=tuple(mri_dir) if mri_dir else None,
        bids=bids,
        participants=participants,
        sheet=sheet,
        choice=Choice(tuple(session or ()), tuple(t1w_pattern or ()), eeg_condition),
        preset=preset,
        id_map=id_map,
        loose_ids=loose_ids,
        id_column=id_column,
        label_column=label_column,
        classes=tuple(classes or ()),
        maps=tuple(value_map or ()),
        bins=tuple(bins or ()),
        keep=tuple(keep or ()),
        drop_unlabelled=drop_unlabelled,
        model=model,
        extend=extend,
        force=force,
        ask=before_it_is_lost(yes),
        data_root=data_root,
        name=name,
        split=split_options,
        all_folds=all_folds,
    )
    if unlabelled:
        _build_unlabelled(ctx, options)
    else:
        _print_build(build_datalist(options))


@datalist_app.command("split", cls=_SplitCommand)
def split(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The datalist (.json).", show_default=False)],
    out: Annotated[
        Path | None, typer.Option(help="The datalist to write.", show_default="FILE itself, with --force")
    ] = None,
    method: Method = "ratio",
    test_fraction: TestFraction = None,
    validation_fraction: ValidationFraction = 0.15,
    seed: Seed = 1337,
    stratify_by: StratifyBy = None,
    group_by: GroupBy = None,
    folds: Folds = None,
    test_fold: TestFold = None,
    validation_fold: ValidationFold = None,
    all_folds: AllFolds = False,
    keep_test: Annotated[
        bool, typer.Option("--keep-test", help="The test set of FILE stays; the folds are of the others, for kfold.")
    ] = False,
    keep_folds: Annotated[
        bool, typer.Option("--keep-folds", help="The folds in FILE stay: choose only which is tested, for kfold.")
    ] = False,
    allow_missing: AllowMissing = False,
    extend: Extend = None,
    force: Force = False,
    yes: Yes = False,
) -> None:
    """Split the participants of a datalist anew; everything else in it stays as it is.

    The recordings need not be at hand. Excluded participants, and without --allow-missing those with one recording,
    stay where they stand.

    \b
    monai-fusion datalist split gender.json --method kfold --folds 5 --stratify-by age --all-folds
    monai-fusion datalist split gender.json --method stratified --stratify-by age site --out other.json
    """  # noqa: D301 - as in build
    from monai_fusion.cli.balance_table import print_balance
    from monai_fusion.datalist.saving.replacing import Replacing
    from monai_fusion.datalist.split.resplitting import SplitFiles, split_datalist
    from monai_fusion.datalist.split.split_options import SplitOptions

    options = SplitOptions(
        method=method,
        test_fraction=test_fraction,
        validation_fraction=validation_fraction,
        seed=seed,
        stratify_by=tuple(stratify_by or ()),
        group_by=tuple(group_by or ()),
        folds=folds,
        test_fold=test_fold,
        validation_fold=validation_fold,
        keep_test=keep_test,
        keep_folds=keep_folds,
        allow_missing=allow_missing,
    )
    how = Replacing(force, before_it_is_lost(yes), str(file))
    result = split_datalist(file, SplitFiles(out or file, how, all_folds), options, extend)
    _print_paths(result.paths, sum(row.number for row in result.balance.rows if row.name == "all"), "split")
    print_balance(result.balance)
    for note in (*result.notes, *result.replaced):
        say(f"note: {note}", err=True)


def _build_unlabelled(ctx: typer.Context, options: BuildOptions) -> None:
    from monai_fusion.datalist.build.unlabelled import (
        NEED_LABELS,
        build_unlabelled,
        refuse_what_needs_labels,
        told_of_list,
    )
    from monai_fusion.messages import pasteable

    # An enum of click, whose own copy typer may carry: by its name it is the same.
    sources = {name: ctx.get_parameter_source(name) for name in NEED_LABELS}
    refuse_what_needs_labels([name for name, source in sources.items() if source and source.name == "COMMANDLINE"])
    result = build_unlabelled(options)
    _print_paths((result.path,), result.people, "to be predicted")
    for line in told_of_list(result):
        say(line)
    for note in result.notes:
        say(f"note: {note}", err=True)
    if not result.classes:
        say("It names no classes: they are those of the model that predicts.")
    run = options.model if options.model is not None else "RUN_DIR"
    say(f"next: {pasteable(('monai-fusion', 'predict', result.path, '--model_dir', run))}")


def _print_paths(paths: Sequence[Path], number: int, what: str) -> None:
    from monai_fusion.wording import counted

    for path in paths:
        say(f"{path}: {counted(number, 'participant')} {what}")
    if len(paths) > 1:
        say(f"The table is that of {paths[0].name}.")


def _print_build(result: BuildResult) -> None:
    from monai_fusion.cli.balance_table import print_balance
    from monai_fusion.datalist.schema import SCHEMA_FILE
    from monai_fusion.wording import a_few, counted

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
