"""The notebook, the script and the page about Python do what they promise; the slow tests run all of their code."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "examples" / "first_steps.ipynb"
SCRIPT = ROOT / "examples" / "use_from_python.py"
PAGE = ROOT / "docs" / "from_python.md"
# The smallest sizes at which both encoders still work as in earnest.
TINY = {"num_epochs": [1, 1], "mri_size": [24, 24, 24], "slab_depth": 16, "pretrained": False, "num_workers": 0}
TINY_WORDS = [word for name, value in TINY.items() for word in (f"--{name}", json.dumps(value))]


def cells() -> list[dict]:
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]


def code_of(cell: dict) -> str:
    return "".join(cell["source"])


def python(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder that is no checkout, as a user does."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *map(str, words)]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, encoding="utf-8", check=False, timeout=1500
    )


def monai_fusion(*words: str | Path, cwd: Path) -> None:
    done = python("-m", "monai_fusion", *words, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``my_cohort.json`` in it, as the page has it."""
    folder = tmp_path_factory.mktemp("examples")
    monai_fusion("sample-cohort", "cohort", "--participants", "16", "--segments-per-condition", "1", cwd=folder)
    sources = ["--eeg-dir", "cohort/eeg", "--mri-dir", "cohort/mri", "--participants", "cohort/participants.csv"]
    labels = ["--label-column", "gender", "--classes", "M", "F"]
    monai_fusion("datalist", "build", *sources, *labels, "--out", "my_cohort.json", cwd=folder)
    return folder


@pytest.fixture(scope="module")
def printed_by_the_script(cohort: Path) -> str:
    """The script has trained in ``runs/script``."""
    done = python(SCRIPT, "my_cohort.json", "runs/script", *TINY_WORDS, cwd=cohort)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_notebook_is_kept_without_outputs() -> None:
    for cell in cells():
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None
    names = [cell["id"] for cell in cells()]
    assert len(names) == len(set(names))


def test_the_notebook_names_no_path_that_windows_does_not_know() -> None:
    """Paths are joined by pathlib: no text in the code holds a slash, and no command is given to a shell."""
    for cell in cells():
        if cell["cell_type"] == "code":
            code = code_of(cell)
            assert not re.search(r"^\s*[!%]", code, re.MULTILINE), code
            texts = [node.value for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant)]
            assert not [text for text in texts if isinstance(text, str) and ("/" in text or "\\" in text)], code


def test_what_the_examples_name_is_there() -> None:
    text = "".join(code_of(cell) for cell in cells() if cell["cell_type"] == "markdown")
    named = re.findall(r"`(docs/\w+\.md)`", text)
    assert len(named) > 3 and "use_from_python.py" in text
    assert all((ROOT / name).is_file() for name in named)
    for name in ("docs/from_python.md", "examples/first_steps.ipynb", "examples/use_from_python.py"):
        assert f"]({name})" in (ROOT / "README.md").read_text(encoding="utf-8"), name


def test_the_script_ends_with_the_exit_code_of_a_command_that_fails(tmp_path: Path) -> None:
    done = python(SCRIPT, "missing.json", "run", "--batch_size", "8", cwd=tmp_path)
    assert done.returncode == 2 and "missing.json: there is no such file" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr and not (tmp_path / "run").exists()


@pytest.mark.slow
def test_every_cell_of_the_notebook_runs_and_runs_again(tmp_path: Path) -> None:
    code = [cell for cell in cells() if cell["cell_type"] == "code"]
    (parameters,) = [cell for cell in code if "parameters" in cell["metadata"].get("tags", [])]
    sizes = f"\nPARTICIPANTS = 16\nKNOBS |= {TINY!r}\n"
    program = "\n\n".join(code_of(cell) + (sizes if cell is parameters else "") for cell in code)
    (tmp_path / "notebook.py").write_text(program, encoding="utf-8")
    for _ in range(2):
        done = python("notebook.py", cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    run = tmp_path / "runs" / "first_steps" / "run"
    assert done.stdout.rstrip().endswith((run / "report.html").resolve().as_uri())
    assert json.loads((run / "metrics.json").read_text(encoding="utf-8"))["participants"] > 0


@pytest.mark.slow
def test_the_script_trains_and_reads_the_results(cohort: Path, printed_by_the_script: str) -> None:
    metrics = json.loads((cohort / "runs/script/metrics.json").read_text(encoding="utf-8"))
    assert all(warning in printed_by_the_script for warning in metrics["warnings"]) and metrics["warnings"]
    rows = (cohort / "runs/script/predictions.csv").read_text(encoding="utf-8").splitlines()[1:]
    wrong = [row.split(",")[0] for row in rows if row.split(",")[3] == "false"]
    assert f"predicted wrongly: {', '.join(wrong) or 'none of them'}\n" in printed_by_the_script
    again = python(SCRIPT, "my_cohort.json", "runs/script", *TINY_WORDS, cwd=cohort)
    assert again.returncode == 2 and "holds a trained model" in again.stdout + again.stderr


@pytest.mark.slow
def test_the_code_of_the_page_runs_as_it_is_with_the_numbers_of_the_commands(
    cohort: Path, printed_by_the_script: str
) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    program = "\n".join(blocks)
    assert program.count("batch_size=8,") == 1
    small = program.replace("batch_size=8,", f"batch_size=4, **{TINY!r},")
    (cohort / "page.py").write_text(f"{small}\nprint(type(network).__name__)\n", encoding="utf-8")
    done = python("page.py", cwd=cohort)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("FusionNet")
    first, script = ((cohort / "runs" / name / "predictions.csv").read_bytes() for name in ("first", "script"))
    assert first == script
    again = python("page.py", cwd=cohort)
    assert again.returncode == 1 and again.stderr.rstrip().splitlines()[-1].startswith(
        "runs/first: already holds a trained model"
    )
