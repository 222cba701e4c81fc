"""The tutorial for real: typed from its first command to its last, and it shows what the page says it shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documentation.pages import ROOT, blocks, commands
from tests.documentation.test_commands import TINY, reason_not_to_run, smaller

PAGE = "docs/tutorial.md"
FILES = (
    *("cohort/participants.csv", "cohort/eeg/summary.html", "cohort.json", "run/model.pt", "run/report.html"),
    *("run/explanation/explanation.json", "run/audit.html", "new/predictions.html"),
)


@pytest.mark.slow
def test_the_tutorial_works_and_shows_what_it_says(tmp_path: Path) -> None:
    said = ""
    for command in commands(PAGE):
        if reason_not_to_run(command) is not None or "--help" in command.words:
            continue
        words = ["24" if word == "60" else word for word in command.words[1:]]  # with fewer there is no warning
        added = [] if words[0] == "sample-cohort" else smaller(words)
        if words[0] == "train":
            words += [word for name, value in TINY.items() for word in (f"--{name}", value)]
        done = subprocess.run(
            [sys.executable, "-m", "monai_fusion", *words, *added],
            cwd=tmp_path, capture_output=True, encoding="utf-8", check=False, timeout=3000,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"},
        )  # fmt: skip
        assert done.returncode == 0, f"{PAGE}:{command.line}: {words}\n{done.stdout}\n{done.stderr}"
        said += done.stdout + done.stderr
    for name in FILES:
        assert (tmp_path / "runs/tutorial" / name).is_file(), name
    said += (tmp_path / "runs/tutorial/cohort/participants.csv").read_text(encoding="utf-8")
    for line, language, body in blocks(PAGE):
        for shown in body.splitlines() if language == "text" else ():
            assert any(alike(shown, each) for each in said.splitlines()), f"{PAGE}:{line}: {shown}"
    assert "plain numbers do as well" in said


def alike(shown: str, printed: str) -> bool:
    """Whether a line is as the page shows it; the numbers are those of a smaller cohort, and ``...`` is any text."""
    parts = [re.escape(part).replace(r"\.", ".") for part in shown.strip().split("...")]
    pattern = re.sub(r"\d+(\.\d+)?", r"[\\d.]+", ".*".join(parts))
    return re.fullmatch(pattern, printed.strip()) is not None
