"""``monai-fusion train``, ``evaluate`` and ``predict``: short commands for `python -m monai.bundle run`."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monai_fusion.cli.knob_help import ANYTHING, BundleRunCommand
from monai_fusion.cli.run_input import check_files, datalist_of_run, refuse_results_of_others
from monai_fusion.cli.several_values import one_flag_a_value
from monai_fusion.cli.starting import configs_of, print_and_start
from monai_fusion.errors import InputError, Problem
from monai_fusion.messages import answer, pasteable, say
from monai_fusion.run_folder import RECIPE_FILE
from monai_fusion.wording import a_few, counted

if TYPE_CHECKING:
    from monai_fusion.cli.new_participants import NewParticipants

_Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="DATALIST [--KNOB VALUE]...", help="The cohort's JSON file, then options.", show_default=False
    ),
]
_EvaluatedWords = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="DATALIST|RUN_DIR [--KNOB VALUE]...",
        help="The cohort's JSON file, or the folder of a training; then options.",
        show_default=False,
    ),
]
_ModelWords = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="MODEL [--KNOB VALUE]...",
        help="The trained model: a run folder, the ensemble of a comparison, or an exported .onnx file; then options.",
        show_default=False,
    ),
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Check the input, and only print the bundle run.")]


def train(words: _Words = None, dry_run: _DryRun = False) -> None:
    """Train the fusion network in two stages on a datalist.

    Every knob of train.yaml is an option; the list below has the defaults. `--config_file FILE` adds your config on top
    of train.yaml (repeatable). The command first prints the bundle run that it starts. Exit code 0 if done, 2 for wrong
    input.

    \b
    monai-fusion train gender.json --output_dir runs/first
    monai-fusion train gender.json --output_dir runs/quick --num_epochs "[5, 3]" --batch_size 8 --device cpu
    """  # noqa: D301 - click wants the character \b, not the two letters of a raw string
    _run("train", words, dry_run, require_labels=True)


def evaluate(words: _EvaluatedWords = None, dry_run: _DryRun = False) -> None:
    """Score a trained model on the test part of a datalist, and write report.html.

    Of a training's folder alone (RUN_DIR), it scores the model on the datalist of the training, and writes there.

    Every knob of evaluate.yaml is an option; the list below has the defaults. The command first prints the bundle run
    that it starts. Exit code 0 if done, 2 for wrong input.

    \b
    monai-fusion evaluate runs/first
    monai-fusion evaluate gender.json --output_dir runs/first
    monai-fusion evaluate site_b.json --model_dir runs/first --output_dir runs/site_b
    """  # noqa: D301 - click wants the character \b, not the two letters of a raw string
    _run("evaluate", with_run_folder(words or ()), dry_run, require_labels=True)


def with_run_folder(words: Sequence[str]) -> Sequence[str]:
    """Replace the folder of a training, if it comes first, by its datalist and the options that name the folder.

    Raises:
        InputError: A folder without a trained model comes first, or the datalist of the training is not there any more.
    """
    from monai_fusion.options.command_line import read_options

    if not words or words[0].startswith("-"):
        return words
    folder = Path(words[0]).expanduser()
    if folder.is_file() or folder.suffix.lower() == ".json":  # a datalist that is not there is reported with the model
        return words
    if not (folder / RECIPE_FILE).is_file():
        why = f"a folder without {RECIPE_FILE}" if folder.is_dir() else "there is no such file or folder"
        seen = f"{words[0]}: {why}"
        raise InputError(Problem("DATALIST", seen=seen, wanted="a datalist, or the --output_dir of a training"))
    rest = words[1:]
    _, typed, _ = read_options([*rest])
    if "model_dir" in typed:
        seen = f"given beside the model {words[0]}"
        raise InputError(
            Problem("--model_dir", seen=seen, advice="give one of them; a datalist in place of the folder")
        )
    datalist = () if "datalist" in typed else ("--datalist", str(datalist_of_run(folder)))
    return [*datalist, "--model_dir" if "output_dir" in typed else "--output_dir", words[0], *rest]


class PredictCommand(BundleRunCommand):
    """``--eeg`` takes several files after one flag, because a shell expands a pattern to several files."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat the flag before each file."""
        return super().parse_args(ctx, list(one_flag_a_value(args, {"--eeg"})))


def predict(
    words: _ModelWords = None,
    eeg_dir: Annotated[
        Path | None,
        typer.Option("--eeg-dir", help="Without --datalist: folder of EEG scalograms (.npy)."),
    ] = None,
    raw_eeg_dir: Annotated[
        Path | None,
        typer.Option(
            "--raw-eeg-dir",
            help="Instead of --eeg-dir: folder of raw EEG recordings, which become scalograms as in the training.",
        ),
    ] = None,
    mri_dir: Annotated[
        Path | None,
        typer.Option("--mri-dir", help="Without --datalist: folder of their T1 MRIs (.nii, .nii.gz)."),
    ] = None,
    bids: Annotated[Path | None, typer.Option(help="A BIDS dataset instead of --mri-dir.")] = None,
    participants: Annotated[
        Path | None, typer.Option(help="A table, or list of ids: only these participants of the folders.")
    ] = None,
    eeg: Annotated[
        list[Path] | None, typer.Option(help="One participant: the EEG scalograms (.npy), or raw EEG.")
    ] = None,
    mri: Annotated[Path | None, typer.Option(help="One participant: the MRI.")] = None,
    participant_id: Annotated[
        str | None,
        typer.Option("--id", help="One participant: the id.", show_default="the start of the files' names"),
    ] = None,
    dry_run: _DryRun = False,
) -> None:
    """Predict new participants with a trained MODEL; labels are not needed.

    The participants are those of a datalist (--datalist), of folders (--eeg-dir, --mri-dir), or one person (--eeg,
    --mri). Of folders and files, the command first makes a datalist, and keeps it in the output folder. Raw EEG
    (--eeg sub-07.vhdr, or --raw-eeg-dir) becomes scalograms first, as those of the training were made.

    Each participant has a row in predictions.csv as soon as it is predicted (until all are: predictions.partial.csv).
    A command that was stopped goes on where it was, if you start it again. A participant whose recordings cannot be
    used has the reason in the column error; one predicted without EEG files that cannot be used has it in the column
    not_used. predictions.html shows the predictions; predictions.xlsx is the same for Excel and R.

    Every knob of inference.yaml is an option; the list below has the defaults. The command first prints the bundle run
    that it starts. Exit code 0 if done, 1 if some recordings could not be used, 2 for wrong input.

    \b
    monai-fusion predict runs/first --eeg new/sub-07_*.npy --mri new/sub-07_T1w.nii.gz
    monai-fusion predict runs/first --eeg new/sub-07.vhdr --mri new/sub-07_T1w.nii.gz --output_dir runs/sub-07
    monai-fusion predict runs/first --eeg-dir new/eeg --mri-dir new/mri --output_dir runs/new
    monai-fusion predict runs/first --datalist new_participants.json --output_dir runs/first/new
    """  # noqa: D301 - click wants the character \b, not the two letters of a raw string
    from monai_fusion.cli.new_participants import NewParticipants, files_of

    _refuse_old_order(words or ())
    new = NewParticipants(eeg_dir, raw_eeg_dir, mri_dir, bids, participants, files_of(eeg or ()), mri, participant_id)
    if new.given:
        _predict_new(new, words or (), dry_run)
    else:
        _run("predict", words, dry_run, require_labels=False)


def _refuse_old_order(words: Sequence[str]) -> None:
    """Refuse a datalist in the place of the model, and a second word: earlier versions took the datalist first.

    Raises:
        InputError: It reports the command that is meant.
    """
    leading = list(itertools.takewhile(lambda word: not word.startswith("-"), words[:2]))
    lists = [word for word in leading if word.lower().endswith(".json")]
    if not lists and len(leading) < 2:
        return
    named = next(
        (after for word, after in itertools.pairwise(words) if word in ("--model_dir", "--model-dir")), "MODEL"
    )
    model = next((word for word in leading if word not in lists), named)
    second = lists[0] if lists else leading[1]
    advice = f"give the model first: {pasteable(('monai-fusion', 'predict', model, '--datalist', second))}"
    seen = "a datalist in the place of the model" if leading[0] == second else "a second word"
    raise InputError(Problem(second, seen=seen, advice=advice))


def _predict_new(new: NewParticipants, words: Sequence[str], dry_run: bool) -> None:
    from monai_fusion.cli import raw_recordings
    from monai_fusion.cli.new_participants import (
        plan_new_participants,
        plan_raw_recordings,
        print_plan,
        write_list,
    )

    configs = configs_of("predict")
    failed = False
    lost: Collection[str] = ()
    if raw_recordings.has_raw(new):
        raw = plan_raw_recordings(new, configs, words)
        if dry_run:
            say("raw EEG becomes scalograms first (not written with --dry-run):")
            answer(raw.command)
            return
        made = raw_recordings.make_scalograms(raw)
        failed, lost = made.failed, made.lost
        new = raw_recordings.with_scalograms(new, raw, made.done)
    plan = plan_new_participants(new, configs, words, lost)
    refuse_results_of_others(Path(str(plan.run.knobs["output_dir"])).expanduser())
    if not dry_run:
        write_list(plan.planned)
    print_plan(plan, written=not dry_run)
    print_and_start(plan.run.words, dry_run, or_else=1 if failed else 0)


def register(app: typer.Typer) -> None:
    """Add the three commands."""
    for command in (train, evaluate):
        app.command(command.__name__, cls=BundleRunCommand, context_settings=ANYTHING)(command)
    app.command("predict", cls=PredictCommand, context_settings=ANYTHING)(predict)


def _run(name: str, words: Sequence[str] | None, dry_run: bool, *, require_labels: bool) -> None:
    from monai_fusion.cli.new_participants import FIRST, OPTIONS
    from monai_fusion.options.front import plan_run

    own, first = (OPTIONS, FIRST) if name == "predict" else ((), "datalist")
    run = plan_run(configs_of(name), words or (), own, first)
    found = check_files(name, run.knobs, require_labels=require_labels)
    for how, ids in (("cannot be predicted", found.lost), ("predicted without some of their EEG", found.in_part)):
        if dry_run and ids:  # the run itself reports them, too
            say(f"{counted(len(ids), 'participant')} {how}, recordings are not there: {a_few(ids)}")
    if name == "predict":
        refuse_results_of_others(Path(str(run.knobs["output_dir"])).expanduser())
    print_and_start(run.words, dry_run)
