"""``monai-fusion train``, ``evaluate`` and ``predict``: short fronts of `python -m monai.bundle run`."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from monai_fusion.messages import answer, pasteable, say

if TYPE_CHECKING:
    from monai_fusion.options.knobs import Knob

_ANYTHING = {"allow_extra_args": True, "ignore_unknown_options": True}
_CONFIGS = {"train": "train.yaml", "evaluate": "evaluate.yaml", "predict": "inference.yaml"}
_WIDTH = 26

_Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="DATALIST [--KNOB VALUE]...", help="The cohort's JSON file, then options.", show_default=False
    ),
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything that can be, and print the bundle run.")]


class BundleRunCommand(TyperCommand):
    """A command whose ``--help`` lists the knobs of its config, as the config says them; shells complete them."""

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
        from monai_fusion.options.knobs import read_knobs
        from monai_fusion.shipped_bundle import shipped_bundle

        return read_knobs(shipped_bundle() / "configs" / _CONFIGS[str(self.name)])

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

    Every knob of train.yaml is an option, with its default below. `--config_file FILE` lays a config of yours over
    train.yaml (repeatable). The bundle run that is started is printed first. Exit code 0 if done, 2 for wrong input.

    \b
    monai-fusion train gender.json --output_dir runs/first
    monai-fusion train gender.json --output_dir runs/quick --num_epochs "[5, 3]" --batch_size 8 --device cpu
    """  # noqa: D301 - click wants the character \b, not the two letters of a raw string
    _run("train", words, dry_run, require_labels=True)


def evaluate(words: _Words = None, dry_run: _DryRun = False) -> None:
    """Score a trained model on the test part of a datalist, and write report.html.

    Every knob of evaluate.yaml is an option, with its default below. The bundle run that is started is printed first.
    Exit code 0 if done, 2 for wrong input.

    \b
    monai-fusion evaluate gender.json --output_dir runs/first
    monai-fusion evaluate site_b.json --model_dir runs/first --output_dir runs/site_b
    """  # noqa: D301 - click wants the character \b, not the two letters of a raw string
    _run("evaluate", words, dry_run, require_labels=True)


def predict(words: _Words = None, dry_run: _DryRun = False) -> None:
    """Predict the participants of a datalist with a trained model; labels are not needed.

    Every knob of inference.yaml is an option, with its default below. The bundle run that is started is printed first.
    Exit code 0 if done, 2 for wrong input.

    \b
    monai-fusion predict new_people.json --model_dir runs/first --output_dir runs/first/new
    """  # noqa: D301 - click wants the character \b, not the two letters of a raw string
    _run("predict", words, dry_run, require_labels=False)


def register(app: typer.Typer) -> None:
    """Add the three commands."""
    for command in (train, evaluate, predict):
        app.command(command.__name__, cls=BundleRunCommand, context_settings=_ANYTHING)(command)


def _run(name: str, words: Sequence[str] | None, dry_run: bool, *, require_labels: bool) -> None:
    from monai_fusion.options.front import plan_run
    from monai_fusion.shipped_bundle import shipped_bundle

    config = shipped_bundle() / "configs" / _CONFIGS[name]
    run = plan_run(_relative(config), words or ())
    _check_files(name, run.knobs, require_labels=require_labels)
    command = ("python", "-m", "monai.bundle", *run.words)
    if dry_run:
        answer(pasteable(command))
        return
    say(pasteable(command))
    sys.exit(_start(run.words))


def _relative(path: Path) -> Path:
    """A path below the working folder as people write it; any other as it is."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _check_files(name: str, knobs: dict[str, Any], *, require_labels: bool) -> None:
    """Check the files that a run reads as far as that goes without importing torch: the run itself checks all.

    Raises:
        InputError: There is no datalist, it is wrong, or a model or file of weights is not there.
    """
    from monai_fusion.datalist import DatalistError, check_datalist
    from monai_fusion.errors import InputError, Problem

    if not knobs["datalist"]:
        raise InputError(Problem("DATALIST", seen="not given", wanted="the path of a datalist (monai-fusion datalist)"))
    if name == "train":
        _check_weights(knobs)
        sections, modalities = ["training", "validation", "test"], str(knobs["modalities"])
    else:
        sections, modalities = [str(knobs["section"])], _modalities_of_model(knobs)
    path = Path(str(knobs["datalist"])).expanduser()
    if problems := check_datalist(path, sections, require_labels=require_labels, modalities=modalities):
        raise DatalistError(problems, heading=str(path))


def _check_weights(knobs: dict[str, Any]) -> None:
    from monai_fusion.errors import InputError, Problem

    given = {name: str(knobs[name]) for name in ("eeg_weights", "mri_weights") if knobs[name] not in (None, "$None")}
    advice = "give the path of a .pth or .safetensors file"
    if missing := {name: file for name, file in given.items() if not Path(file).expanduser().is_file()}:
        raise InputError(Problem(name, f"'{file}'", "file not found", advice=advice) for name, file in missing.items())


def _modalities_of_model(knobs: dict[str, Any]) -> str:
    """Which recordings a trained model uses, as its recipe says; the run itself reads the rest of it.

    Raises:
        InputError: There is no trained model.
    """
    from monai_fusion.errors import InputError, Problem
    from monai_fusion.reading import read_json_object
    from monai_fusion.run_folder import MODEL_FILE, RECIPE_FILE

    model = str(knobs["model_dir"])
    folder = Path(str(knobs["output_dir"]) if model == "@output_dir" else model).expanduser()
    if model.startswith("$") and not folder.exists():  # an expression of somebody's overlay
        return "both"
    if absent := [each for each in (RECIPE_FILE, MODEL_FILE) if not (folder / each).is_file()]:
        advice = "give the --output_dir of a training as --model_dir"
        raise InputError(Problem(str(folder), seen=f"no {absent[0]}", wanted="a trained model", advice=advice))
    recipe = read_json_object(folder / RECIPE_FILE) or {}
    return recipe["modalities"] if recipe.get("modalities") in ("both", "eeg", "mri") else "both"


def _quiet(words: Sequence[str]) -> tuple[str, ...]:
    """MONAI warns that a config may run code; the shipped ones are this program's own, of others it warns."""
    from monai_fusion.shipped_bundle import shipped_bundle

    alone = Path(words[words.index("--config_file") + 1])
    return (
        ("-W", "ignore:parsing config_file:UserWarning")
        if alone.resolve().parent == shipped_bundle() / "configs"
        else ()
    )


def _start(words: Sequence[str]) -> int:
    """Run `python -m monai.bundle` in this process's place, or, where there is no such thing, below it."""
    command = [sys.executable, *_quiet(words), "-m", "monai.bundle", *words]
    if os.name == "posix":
        os.execv(sys.executable, command)  # noqa: S606 # signals and the exit code are the run's own
    while True:
        try:
            return subprocess.run(command, check=False).returncode  # noqa: S603 # checked words, no shell
        except KeyboardInterrupt:
            continue  # the console told the run as well: it ends in its own way
