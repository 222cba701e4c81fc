"""The program as a whole: what it lists, suggests, keeps to itself, completes, and reports about a machine."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from monai_fusion import cli
from monai_fusion.cli import checkup
from tests.commands import call
from tests.test_cli import all_commands, build_command, cohort

__all__ = ["cohort"]  # a fixture


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """The program as a user starts it."""
    command = [sys.executable, "-m", "monai_fusion", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", check=False, env={**os.environ, **environment}
    )


@pytest.fixture(autouse=True)
def _spoken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins without --quiet, and leaves nothing of it."""
    monkeypatch.setenv("MONAI_FUSION_QUIET", "0")


# --- help ---------------------------------------------------------------------


@pytest.mark.parametrize("group", [(), ("datalist",), ("cache",)], ids=["all", "datalist", "cache"])
def test_a_list_of_commands_gives_their_first_sentences_whole(group: tuple[str, ...]) -> None:
    shown = " ".join(CliRunner().invoke(cli.app, [*group, "--help"], terminal_width=80).output.split())
    command = typer.main.get_command(cli.app)
    for name in group:
        command = command.commands[name]
    assert command.commands and "..." not in shown.partition("Commands:")[2]
    for name, below in command.commands.items():
        assert f"{name} {' '.join(below.help.split(chr(10) * 2)[0].split())}" in shown


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["check", "list.json"], "`monai-fusion datalist check`"),
        (["build"], "`monai-fusion datalist build`"),
        (["verify"], "`monai-fusion cache verify`"),
        (["evalute"], "`monai-fusion evaluate`"),
        (["sample_cohort"], "`monai-fusion sample-cohort`"),
        (["datalist", "chekc"], "`monai-fusion datalist check`"),
    ],
)
def test_an_unknown_command_is_answered_with_what_was_meant(
    words: Sequence[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = call(capsys, *words)
    assert code == 2 and f"Did you mean {meant}?" in err


def test_nothing_is_suggested_for_what_resembles_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "zzz")
    assert code == 2 and err.endswith("Error: there is no command `monai-fusion zzz`.\n")


# --- quiet --------------------------------------------------------------------


def test_quiet_prints_no_results_and_does_the_same(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "12 participants" in call(capsys, *build_command(cohort))[1]
    first = (cohort / "list.json").read_bytes()
    (cohort / "list.json").unlink()
    assert call(capsys, *build_command(cohort, "--quiet")) == (0, "", "")
    assert (cohort / "list.json").read_bytes() == first
    assert call(capsys, "datalist", "check", cohort / "list.json", "-q") == (0, "", "")
    assert call(capsys, "--quiet", "datalist", "check", cohort / "list.json") == (0, "", "")


def test_quiet_keeps_errors_and_answers(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(capsys, *build_command(cohort, "--quiet"))
    (cohort / "mri/sub-03_T1w.nii.gz").unlink()
    code, out, err = call(capsys, "datalist", "check", cohort / "list.json", "--quiet")
    assert code == 2 and not out and "sub-03" in err
    code, out, _ = call(capsys, "datalist", "check", cohort / "list.json", "--quiet", "--json")
    assert code == 2 and json.loads(out)["errors"] == 1


def test_quiet_can_be_set_for_all_commands(cohort: Path, tmp_path: Path) -> None:
    done = run(*build_command(cohort), MONAI_FUSION_QUIET="1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = run("--version", MONAI_FUSION_QUIET="1")
    assert done.stdout.startswith("monai-fusion ")


def test_every_command_that_reports_can_be_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    program = typer.main.get_command(cli.app)
    for path in all_commands(program):
        shown, command = call(capsys, *path, "--help")[1], program
        for name in path:
            command = command.commands[name]
        answers = (
            hasattr(command, "commands") or path[-1] in ("schema", "status", "bundle", "doctor", "completion")
        ) and path != ()
        assert ("--quiet" in shown) != answers, path


# --- completion ---------------------------------------------------------------


COMPLETED = {
    "monai-fusion ev": "evaluate",
    "monai-fusion datalist sp": "split",
    "monai-fusion train list.json --batch": "--batch_size",
    "monai-fusion evaluate --operating": "--operating_point",
    "monai-fusion compare --keep-t": "--keep-test",
    "monai-fusion completion fi": "fish",
}


def completed(lines: Iterable[str], folder: Path) -> list[str]:
    """What a bash in which the script was sourced proposes at the end of each line."""
    program = folder / "monai-fusion"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m monai_fusion "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    script = "source <(monai-fusion completion bash)\n"
    for line in lines:
        words = line.split(" ")
        quoted = " ".join(f"'{word}'" for word in words)
        script += f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}\n"
        script += '_monai_fusion_completion monai-fusion; echo "${COMPREPLY[*]}"\n'
    environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    command = ["bash", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.splitlines()


@pytest.mark.skipif(os.name != "posix" or shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_commands_options_and_knobs(tmp_path: Path) -> None:
    assert completed(COMPLETED, tmp_path) == list(COMPLETED.values())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_a_completion_script_says_how_to_keep_it_and_changes_nothing(
    shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    code, out, err = call(capsys, "completion", shell)
    assert code == 0 and not err and not list(tmp_path.iterdir())
    assert out.startswith("# ") and f"monai-fusion completion {shell}" in out.splitlines()[0]
    assert f"_MONAI_FUSION_COMPLETE=complete_{shell}" in out.replace(' = "', "=")


def test_an_unknown_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "completion", "tcsh")
    assert code == 2 and "tcsh" in err and "powershell" in err


# --- doctor -------------------------------------------------------------------


def test_the_doctor_fits_on_a_screen_and_names_no_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "jane.doe"
    home.mkdir()
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.setenv("COLUMNS", "100")
    code, out, err = call(capsys, "doctor", "--output-dir", home / "runs", "--cache-dir", home / "s")
    assert code in (0, 1) and not err
    lines = out.splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 100
    for what in ("monai-fusion: ", "torch 2.", "processor: ", "GPU: ", "EEG encoder: ", "memory: ", "results: ~/runs"):
        assert what in out, what
    assert "jane.doe" not in out and not any(home.glob("[!.]*"))


def test_the_doctor_answers_programs_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "doctor", "--output-dir", tmp_path, "--cache-dir", tmp_path, "--json")
    found = json.loads(out)
    assert found["ok"] == (code == 0) and {"memory", "GPU", "store"} <= {each["name"] for each in found["findings"]}


def test_a_library_that_cannot_be_imported_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')\n")
    paths = os.pathsep.join([str(tmp_path), str(Path(cli.__file__).parents[2])])
    done = run("doctor", "--output-dir", tmp_path, PYTHONPATH=paths)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "to fix: torchvision: RuntimeError: operator torchvision::nms does not exist; install it again" in " ".join(
        done.stdout.split()
    )
    assert "memory: " in done.stdout  # what needs no library is still looked at


def test_a_file_in_the_place_of_the_results_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("mine", encoding="utf-8")
    found = {each.name: each for each in checkup.examine_machine(tmp_path / "runs" / "first", tmp_path / "store")}
    assert found["results"].trouble == f"{tmp_path / 'runs'} is a file: choose another --output_dir"
    assert not found["store"].trouble and list(tmp_path.iterdir()) == [tmp_path / "runs"]


def test_what_cannot_be_written_to_or_is_nearly_full_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(checkup.shutil, "disk_usage", lambda place: usage._replace(free=10**9))
    found = {each.name: each for each in checkup.examine_machine(tmp_path, tmp_path)}
    assert found["results"].trouble.startswith("free some disk") and "1 GB free" in found["results"].text

    def refuse(**options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(checkup.tempfile, "TemporaryDirectory", refuse)
    found = {each.name: each for each in checkup.examine_machine(tmp_path, tmp_path)}
    assert found["results"].trouble == "cannot be written to (Permission denied): choose another --output_dir"


def test_weights_that_were_downloaded_before_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    name = "weights of the MRI encoder"
    found = {each.name: each for each in checkup.examine_machine(tmp_path, tmp_path)}
    assert found[name].text.startswith("not on this machine") and "--mri_weights" in found[name].text
    place = tmp_path / "hub" / "checkpoints"
    place.mkdir(parents=True)
    (place / "r3d_18-b3b3357e.pth").write_bytes(b"")
    found = {each.name: each for each in checkup.examine_machine(tmp_path, tmp_path)}
    assert found[name].text == f"found: {place / 'r3d_18-b3b3357e.pth'}"
