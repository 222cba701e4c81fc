"""Commands with many options list them under headings, and dataclasses declare the options of `datalist build`."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from monai_fusion import cli
from monai_fusion.cli.declared_options import with_declared_options
from monai_fusion.cli.sections import SectionedCommand
from monai_fusion.options.declared import Group, Option

SECTIONS = {
    "datalist build": {
        "EEG": "eeg-dir eeg-condition",
        "MRI": "mri-dir t1w-pattern",
        "EEG and MRI": "bids session",
        "Participants table": "participants sheet preset columns from-table",
        "Classes": "label-column classes label-map bin drop-unlabelled model unlabelled",
        "Participant ids": "id-column id-map loose-ids",
        "Split": "method test-fraction validation-fraction seed stratify-by group-by folds test-fold validation-fold "
        "allow-missing extend",
        "Output": "out name data-root all-folds force yes",
        "Other options": "quiet help",
    },
    "datalist split": {
        "Split": "method test-fraction validation-fraction seed stratify-by group-by folds test-fold validation-fold "
        "keep-test keep-folds allow-missing match extend",
        "Output": "out all-folds force yes",
        "Other options": "quiet help",
    },
    "compare": {
        "Variants": "variants reference list covariates",
        "Folds and seeds": "folds keep-test group-by seed seeds repeats",
        "Trainings": "config-file bundle-root cache-dir dry-run",
        "Output": "output-dir overwrite ensemble ensemble-of keep-models",
        "Other options": "quiet help",
    },
    "preprocess": {
        "EEG (what you leave out is as in train.yaml)": "eeg-shape eeg-store-dtype",
        "MRI (what you leave out is as in train.yaml)": "orientation assume-orientation percentiles-over "
        "mri-size slab-depth mri-store-dtype",
        "Processes and machines": "backend workers scheduler",
        "Other options": "cache-dir config-file quiet help",
    },
    "scalogram": {
        "Recordings": "task sampling-rate unit channel-map",
        "Electrodes": "electrodes interpolate",
        "Segments": "condition markers seconds reject",
        "Signal": "reference demean high-pass line",
        "Transform": "mode rows",
        "Output": "out preview summary overwrite workers on-error json",
        "Other options": "quiet help",
    },
    "sample-cohort": {
        "Participants": "participants seed confound only-eeg only-mri fewer-females",
        "MRI": "size mri-effect mri-signal mixed-orientations dtype",
        "EEG": "eeg-effect eeg-signal segments-per-condition conditions raw-eeg",
        "Output": "overwrite",
        "Other options": "quiet help",
    },
}


def shown(command: str, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """The options of each section, as `--help` lists them."""
    with pytest.raises(SystemExit):
        cli.main([*command.split(), "--help"])
    sections: dict[str, list[str]] = {}
    for line in capsys.readouterr().out.splitlines():
        if heading := re.fullmatch(r"(\S.*):", line):
            sections[heading[1]] = []
        elif sections and (option := re.match(r"  (?:-\w, )?--([a-z0-9-]+)", line)):
            list(sections.values())[-1].append(option[1])
    return {heading: " ".join(options) for heading, options in sections.items() if options}


@pytest.mark.parametrize("command", SECTIONS)
def test_every_option_is_under_its_heading(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = shown(command, capsys)
    assert found == SECTIONS[command]
    assert list(found) == list(SECTIONS[command])


def test_a_command_with_few_options_has_one_list_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(shown("doctor", capsys)) == ["Options"]


def test_all_texts_begin_in_one_column_whatever_the_section(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["datalist", "build", "--help"])
    texts = re.findall(
        r"^(  -\S+ .*?\S {2,}|  -\S+ {2,})\S", capsys.readouterr().out.partition("EEG:")[2], re.MULTILINE
    )
    assert len(texts) > 25
    assert set(map(len, texts)) == {34}


@dataclass(frozen=True)
class _Inner:
    names: Annotated[tuple[str, ...], Option("Names.", flag="--name")] = ("a",)
    loose: Annotated[bool, Option("Whether so.")] = False
    left_out: Annotated[int, Option("Not asked for.")] = 3
    no_option: float = 0.5


@dataclass(frozen=True, kw_only=True)
class _Outer:
    inner: Annotated[_Inner, Group("Inside", leave_out=("left_out",))] = field(default_factory=_Inner)
    path: Annotated[Path, Option("Where.", section="Apart")]


def run(*words: str) -> tuple[int, str, list[object]]:
    """The exit code, what is printed, and what arrives in a command that takes `_Outer`."""
    app, arrived = typer.Typer(rich_markup_mode=None), list[object]()

    @app.command(cls=SectionedCommand)
    @with_declared_options
    def command(first: str, options: Annotated[_Outer, Group("Outside")], last: bool = False) -> None:
        """Text of the command."""
        arrived.extend((first, options, last))

    result = CliRunner().invoke(app, list(words))
    return result.exit_code, result.output, arrived


def test_a_dataclass_of_options_arrives_filled() -> None:
    assert run("x", "--path", "p")[2] == ["x", _Outer(path=Path("p")), False]
    code, _, arrived = run("x", "--path", "p", "--name", "b", "--name", "c", "--loose", "--last")
    assert (code, arrived) == (0, ["x", _Outer(inner=_Inner(("b", "c"), True), path=Path("p")), True])


def test_only_declared_fields_that_are_not_left_out_are_options() -> None:
    for option in ("--left-out", "--no-option", "--no-loose"):
        code, output, _ = run("x", "--path", "p", option)
        assert code == 2 and "No such option" in output
    code, output, _ = run("x")
    assert code == 2 and "--path" in output


def test_declared_options_are_reported_with_help_default_and_heading() -> None:
    output = run("--help")[1]
    assert "Text of the command." in output
    assert re.search(r"Inside:\n  --name .*Names\..*\n  --loose +Whether so\.", output)
    assert re.search(r"Apart:\n  --path <path> +Where\.  \[required\]", output)
