"""``monai-fusion train``, ``evaluate`` and ``predict``: short commands for `python -m monai.bundle run`."""

from __future__ import annotations

import ast
import copy
import itertools
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from monai_fusion.cli.several_values import one_flag_a_value
from monai_fusion.messages import answer, pasteable, say

if TYPE_CHECKING:
    from monai_fusion.cli.new_participants import NewParticipants
    from monai_fusion.datalist.examination import Examination
    from monai_fusion.datalist.trained_model import TrainedModel
    from monai_fusion.options.knob_list import Knob

ANYTHING = {"allow_extra_args": True, "ignore_unknown_options": True}
_WIDTH = 26

_Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="DATALIST [--KNOB VALUE]...", help="The cohort's JSON file, then options.", show_default=False
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


class BundleRunCommand(TyperCommand):
    """A command whose ``--help`` lists the knobs of its config with their comments; shells complete them."""

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Complete knobs as options of the command."""
        if incomplete.startswith("-"):
            like = next(each for each in self.params if each.name == "dry_run")
            for knob in self._knobs():
                option: Any = copy.copy(like)
                option.name, option.opts, option.help = knob.name, [f"--{knob.name}"], knob.comment
                self.params.append(option)
        return super().shell_complete(ctx, incomplete)

    def _knobs(self) -> Iterator[Knob]:
        from monai_fusion.options.knob_list import knobs_of_all
        from monai_fusion.shipped_bundle import config_files

        return iter(knobs_of_all(config_files(str(self.name))))

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the knobs below the options."""
        section = ""
        for knob in self._knobs():
            if knob.section != section:
                section = knob.section
                formatter.write(f"\nKnobs: {section}\n")
            computed = not knob.default or knob.default.lstrip("'\"")[:1] in ("$", "@")
            name = f"  --{knob.name} {'' if computed else knob.default}".rstrip()
            gap = " " * max(2, _WIDTH - len(name))
            lines = textwrap.wrap(knob.comment, max(20, formatter.width - _WIDTH)) or [""]
            formatter.write(f"{name}{gap}{lines[0]}\n")
            for line in lines[1:]:
                formatter.write(f"{' ' * _WIDTH}{line}\n")


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


def evaluate(words: _Words = None, dry_run: _DryRun = False) -> None:
    """Score a trained model on the test part of a datalist, and write report.html.

    Every knob of evaluate.yaml is an option; the list below has the defaults. The command first prints the bundle run
    that it starts. Exit code 0 if done, 2 for wrong input.

    \b
    monai-fusion evaluate gender.json --output_dir runs/first
    monai-fusion evaluate site_b.json --model_dir runs/first --output_dir runs/site_b
    """  # noqa: D301 - click wants the character \b, not the two letters of a raw string
    _run("evaluate", words, dry_run, require_labels=True)


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
    used has the reason in the column error. predictions.html shows the predictions; predictions.xlsx is the same for
    Excel and R.

    Every knob of inference.yaml is an option; the list below has the defaults. The command first prints the bundle run
    that it starts. Exit code 0 if done, 1 if some participants could not be predicted, 2 for wrong input.

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
    from monai_fusion.errors import InputError, Problem

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
    from monai_fusion.shipped_bundle import config_files

    configs = [relative(path) for path in config_files("predict")]
    failed, lost = False, {}
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
    from monai_fusion.shipped_bundle import config_files
    from monai_fusion.wording import a_few, counted

    configs = [relative(path) for path in config_files(name)]
    own, first = (OPTIONS, FIRST) if name == "predict" else ((), "datalist")
    run = plan_run(configs, words or (), own, first)
    lost = check_files(name, run.knobs, require_labels=require_labels).lost
    if dry_run and lost:  # the run itself reports them, too
        say(f"{counted(len(lost), 'participant')} cannot be predicted, recordings are not there: {a_few(lost)}")
    if name == "predict":
        refuse_results_of_others(Path(str(run.knobs["output_dir"])).expanduser())
    print_and_start(run.words, dry_run)


def print_and_start(words: Sequence[str], dry_run: bool, or_else: int = 0) -> None:
    """Print a bundle run, and start it in place of this process.

    Args:
        words: The words after ``python -m monai.bundle``.
        dry_run: Only print it.
        or_else: The exit code in place of 0, if something failed before.
    """
    command = pasteable(("python", "-m", "monai.bundle", *words))
    if dry_run:
        answer(command)
        return
    say(command)
    if or_else:
        sys.exit(_start_beside(words) or or_else)
    sys.exit(_start(words))


def refuse_results_of_others(folder: Path) -> None:
    """Refuse to overwrite the predictions of a training's evaluation with those of new participants.

    Raises:
        InputError: The output folder contains a training or an evaluation.
    """
    from monai_fusion.errors import InputError, Problem
    from monai_fusion.run_folder import MODEL_FILE, PREDICTIONS_FILE

    if found := [name for name in (MODEL_FILE, "evaluate.log") if (folder / name).is_file()]:
        seen = f"{folder} holds {'a trained model' if found[0] == MODEL_FILE else 'an evaluation'} ({found[0]})"
        advice = f"choose another folder: its {PREDICTIONS_FILE} would be replaced"
        raise InputError(Problem("--output_dir", seen=seen, wanted="a folder for new predictions", advice=advice))


def relative(path: Path) -> Path:
    """A path below the working folder as a relative path; any other unchanged."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def check_files(name: str, knobs: dict[str, Any], *, require_labels: bool) -> Examination:
    """Check the files that a run reads as far as possible without importing torch: the run itself checks everything.

    Returns:
        The datalist, which has no problem.

    Raises:
        InputError: There is no datalist, it is wrong, or a model or file of weights is missing.
    """
    from monai_fusion.datalist.examination import Requirements, examine
    from monai_fusion.datalist.json_text import read_json_file
    from monai_fusion.datalist.reporting import DatalistError
    from monai_fusion.datalist.trained_model import refuse_other_classes
    from monai_fusion.errors import InputError, Problem

    if not knobs["datalist"] and name == "predict":
        wanted = "whom to predict: --datalist FILE, --eeg-dir and --mri-dir, or --eeg and --mri"
        raise InputError(Problem("--datalist", seen="not given", wanted=wanted))
    if not knobs["datalist"]:
        raise InputError(Problem("DATALIST", seen="not given", wanted="the path of a datalist (monai-fusion datalist)"))
    if name == "train":
        _check_weights(knobs)
        model, sections, modalities = None, ["training", "validation", "test"], str(knobs["modalities"])
    else:
        model, sections = _model_of(knobs, "MODEL" if name == "predict" else "--model_dir"), [str(knobs["section"])]
        modalities = "both" if model is None else model.modalities
    path = Path(str(knobs["datalist"])).expanduser()
    last = name == "train" and knobs["keep_epoch"] == "last"
    may_be_empty = ("validation", "test") if last else ()
    asked = Requirements(
        sections,
        labels=require_labels,
        modalities=modalities,
        may_be_empty=may_be_empty,
        may_lose=name == "predict",
    )
    examination = examine(read_json_file(path), path, asked)
    if examination.problems:
        raise DatalistError(examination.problems, heading=str(path))
    if model is not None:
        refuse_other_classes(model, examination.head.classes, str(path), "classes")
    return examination


def _check_weights(knobs: dict[str, Any]) -> None:
    from monai_fusion.errors import InputError, Problem

    given = {name: str(knobs[name]) for name in ("eeg_weights", "mri_weights") if knobs[name] not in (None, "$None")}
    advice = "give the path of a .pth or .safetensors file"
    if missing := {name: file for name, file in given.items() if not Path(file).expanduser().is_file()}:
        raise InputError(Problem(name, f"'{file}'", "file not found", advice=advice) for name, file in missing.items())


def _model_of(knobs: dict[str, Any], option: str) -> TrainedModel | None:
    """The part of the trained model's recipe that is needed here. None if only the run knows the folder.

    Raises:
        InputError: There is no trained model, or its recipe is invalid.
    """
    from monai_fusion.datalist.trained_model import read_trained_model

    model = str(knobs["model_dir"])
    folder = Path(str(knobs["output_dir"]) if model == "@output_dir" else model).expanduser()
    if model.startswith("$") and not folder.exists():  # an expression from an overlay
        return None
    return read_trained_model(folder, option, need_classes=False)


def _quiet(words: Sequence[str]) -> tuple[str, ...]:
    """Silence MONAI's warning that a config may run code for the shipped configs; for other configs it stays."""
    from monai_fusion.shipped_bundle import shipped_bundle

    given = words[words.index("--config_file") + 1]
    files = ast.literal_eval(given) if given.startswith("[") else [given]
    shipped = shipped_bundle() / "configs"
    is_ours = all(Path(str(file)).resolve().parent == shipped.resolve() for file in files)
    return ("-W", "ignore:parsing config_file:UserWarning") if is_ours else ()


def _start(words: Sequence[str]) -> int:
    """Run `python -m monai.bundle` in place of this process or, on systems without exec, as a child process."""
    command = [sys.executable, *_quiet(words), "-m", "monai.bundle", *words]
    if os.name == "posix":
        os.execv(sys.executable, command)  # noqa: S606 # signals and the exit code are the run's own
    return _start_beside(words)


def _start_beside(words: Sequence[str]) -> int:
    """Run `python -m monai.bundle` as a child process, and return its exit code; SIGTERM is passed on."""
    command = [sys.executable, *_quiet(words), "-m", "monai.bundle", *words]
    child = subprocess.Popen(command)  # noqa: S603 # checked words, no shell
    before = signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    try:
        while True:
            try:
                code = child.wait()
            except KeyboardInterrupt:
                continue  # the console signals the run too: it ends in its own way
            return code if code >= 0 else 128 - code
    finally:
        signal.signal(signal.SIGTERM, before)
