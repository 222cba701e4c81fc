"""Every command of the documentation works, in the order of its page, on a small cohort in a scratch folder."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from monai_fusion import cli
from monai_fusion.options.front import plan_run
from tests.documentation.pages import PROGRAMS, ROOT, Command, blocks, commands, is_command, is_script, pages
from tests.documentation.scratch import write_cohorts, write_what_pages_have

# What no test runs, and why. A command that is neither here nor run by a test fails.
NOT_RUN: dict[str, str] = {
    r"make ": "makes the checkout's own virtual environment; .ci/run does it in a fresh clone",
    r"py(thon)? -m venv": "the same on Windows",
    r"pre-commit install": "changes what git does in the checkout",
    r"(python -m )?pip install": "needs a network",
    r"torchrun ": "starts several processes: tests/bundle/test_many_devices.py",
    r"tensorboard ": "serves pages until it is stopped",
    r"mlflow ui": "serves pages until it is stopped",
    r".*--scheduler tcp://": "needs a Dask cluster: tests/store/test_store_commands.py starts one",
    r"(docker|apptainer) ": "needs a container runtime and base images; tests/test_containers.py reads them",
    r"python examples/": "trains: tests/test_examples.py, tests/bundle/test_federated.py",
    r"monai-fusion export ": "needs a trained network: tests/export/",
    r"python tests/benchmarks/": "measures for minutes to hours",
    r"python -m monai.bundle (verify|ckpt_export|onnx_export)": "takes a model: tests/bundle/test_monai_commands.py",
}
# Blocks of code that are no commands, by the language that their fence names, and what holds them true instead.
NO_COMMANDS = {
    "text": "what the program prints or a file holds; data_manifests/README.md is compared word by word",
    "json": "rows of a datalist: tests/datalist/test_clinicians_page.py",
    "python": "tests/test_examples.py runs it",
    "yaml": "a part of a config of one's own",
    "bash": "a script for a cluster, which is saved and not typed",
}
# What trains, scores or starts trainings: here everything about it is checked but the run itself.
DRY = ("train", "evaluate", "predict", "explain", "compare", "rerun")
# Fewer participants than this, so that the suite stays fast.
PARTICIPANTS = 12
SMALLER = {
    "preprocess": ["--workers", "1"],
    "scalogram": ["--workers", "1"],
    "explain": ["--methods", "modality", "mri_gradcam", "--check_participants", "0"],
}


def reason_not_to_run(command: Command) -> str | None:
    text = " ".join(command.words)
    return next((reason for pattern, reason in NOT_RUN.items() if re.match(pattern, text)), None)


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohorts")
    write_cohorts(folder)
    return folder


@pytest.fixture
def scratch(cohorts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder in which a reader types the commands of a page."""
    shutil.copytree(cohorts, tmp_path / "here", copy_function=os.link)
    monkeypatch.chdir(tmp_path / "here")
    yield tmp_path / "here"
    monkeypatch.undo()


@pytest.mark.parametrize("page", pages())
def test_every_command_of_a_page_works_in_its_order(
    page: str, scratch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = commands(page)
    made = {word for command in listed for before, word in pairwise(command.words) if before == "--out"}
    write_what_pages_have(scratch, made)
    for command in listed:
        if reason_not_to_run(command) is None:
            code = run(command)
            said = capsys.readouterr()
            assert code == 0, f"{page}:{command.line}: {command.text}\n{said.out}{said.err}"


def run(command: Command) -> int:
    """The exit code of a command, in this process."""
    program, *words = command.words
    if program == "monai-fusion":
        added = ["--dry-run"] if words[0] in DRY and "--help" not in words else smaller(words)
        at = words.index("--") if "--" in words else len(words)
        with without_model(words), pytest.raises(SystemExit) as ended:
            cli.main([*words[:at], *added, *words[at:]])
        return int(ended.value.code or 0)
    if words[:3] == ["-m", "monai.bundle", "run"]:
        at = words.index("--config_file")
        given = words[at + 1]
        files = ast.literal_eval(given) if given.startswith("[") else [given]
        plan_run([ROOT / file for file in files], [*words[3:at], *words[at + 2 :]])
        return 0
    raise AssertionError(f"{command.page}:{command.line}: nothing runs this: run it here, or give a reason in NOT_RUN")


@contextmanager
def without_model(words: list[str]) -> Iterator[None]:
    """A training's folder as before the training, whose model the other commands of a page need."""
    model = Path(dict(pairwise(words)).get("--output_dir", "runs/latest"), "model.pt")
    away = model.with_suffix(".away")
    if hidden := words[0] == "train" and model.exists():
        model.rename(away)
    yield
    if hidden:
        away.rename(model)


def smaller(words: list[str]) -> list[str]:
    """What is added to a command so that it takes less time; a sample cohort that is small anyway stays as it is."""
    if words[0] != "sample-cohort":
        return SMALLER.get(words[0], [])
    said = dict(pairwise(words)).get("--participants")
    return [] if said is not None and int(said) <= PARTICIPANTS else ["--participants", str(PARTICIPANTS)]


def test_each_reason_is_needed_and_every_program_is_known() -> None:
    every = [command for page in pages() for command in commands(page)]
    assert len(every) > 40
    for pattern in NOT_RUN:
        assert any(re.match(pattern, " ".join(command.words)) for command in every), pattern
    for page in pages():
        for line, language, body in blocks(page):
            if language in ("bash", "console", "powershell", "sh") and not is_script(body):
                lines = [each for each in body.splitlines() if each.strip() and not each.startswith("#")]
                assert all(map(is_command, lines)), f"{page}:{line}: begins with none of {', '.join(PROGRAMS)}"


def test_every_block_of_code_holds_commands_or_says_what_it_holds() -> None:
    """A block without a language is typed: each line is a command that a test runs, or that has its reason above."""
    for page in pages():
        for line, language, body in blocks(page):
            if language not in NO_COMMANDS:
                lines = [each for each in body.splitlines() if each.strip()]
                assert all(map(is_command, lines)), f"{page}:{line}: name its language: {', '.join(NO_COMMANDS)}"
            assert language != "bash" or is_script(body), f"{page}:{line}: a script begins with #!"
    assert {language for page in pages() for _, language, _ in blocks(page)} == {"", *NO_COMMANDS}


def test_every_command_stands_on_one_line() -> None:
    r"""cmd and PowerShell do not understand a ``\`` at the end of a line, and bash no caret or backtick."""
    for page in pages():
        for line, _, body in blocks(page):
            if any(map(is_command, body.splitlines())) and not is_script(body):
                for number, each in enumerate(body.splitlines()):
                    assert not each.rstrip().endswith(("\\", "^", "`")), f"{page}:{line + number}: {each}"


def test_examples_in_the_help_stand_on_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["datalist", "build"], ["datalist", "split"], ["train"], ["compare"], ["sample-cohort"]):
        with pytest.raises(SystemExit):
            cli.main([*words, "--help"])
        assert not any(line.rstrip().endswith("\\") for line in capsys.readouterr().out.splitlines())


TINY = {
    "mri_size": "[24, 24, 24]",
    "slab_depth": "16",
    "num_epochs": "[1, 1]",
    "pretrained": "false",
    "num_workers": "0",
}


@pytest.mark.slow
@pytest.mark.parametrize("page", ["README.md"])
def test_the_commands_that_train_do_so_too_at_the_smallest_sizes(page: str, scratch: Path) -> None:
    """The real thing, from build to rerun; only knobs of size are added to what the page says."""
    folders = ("LEMON", "data_manifests", "new_participants")
    for entry in scratch.iterdir():
        if entry.name not in folders:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    for command in commands(page):
        program, *words = command.words
        if reason_not_to_run(command) is not None or program != "monai-fusion" or "--help" in words:
            continue
        if words[0] == "predict":
            new_participants(scratch / "gender.json", scratch / "new_participants.json")
        if words[:3] == ["datalist", "check", "my.json"]:
            shutil.copy(scratch / "gender.json", scratch / "my.json")
        knobs = [word for name, value in TINY.items() for word in (f"--{name}", value)]
        if words[0] == "compare":
            words = [*words, "--variants", "gated", "eeg", "--folds", "2", "--", *knobs]
        elif words[0] == "train":
            words = [*words, *knobs]
        words = [*words, *smaller(words)]
        done = subprocess.run(
            [sys.executable, "-m", "monai_fusion", *words],
            cwd=scratch, capture_output=True, text=True, check=False, timeout=3000,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert done.returncode == 0, f"{page}:{command.line}: {words}\n{done.stdout}\n{done.stderr}"
    assert (scratch / "runs/new/predictions.csv").is_file() and (scratch / "runs/new/predictions.html").is_file()
    assert (scratch / "runs/compare/comparison.html").is_file()


def new_participants(datalist: Path, out: Path) -> None:
    document = json.loads(datalist.read_text(encoding="utf-8"))
    head = {name: document[name] for name in ("classes", "data_root")}
    rows = [{**row, "label": None} for row in document["test"]]
    out.write_text(json.dumps({**head, "test": rows}), encoding="utf-8")
