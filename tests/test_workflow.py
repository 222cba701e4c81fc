"""The workflow of GitHub Actions runs what is in the repository, on the systems and versions that setup.cfg names."""

from __future__ import annotations

import configparser
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
CONFIG = configparser.ConfigParser(inline_comment_prefixes=("#",))
CONFIG.read(ROOT / "setup.cfg", encoding="utf-8")
WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def cells(job: dict[str, Any]) -> list[dict[str, str]]:
    """What a job runs on: each its system, and its Python."""
    matrix = job["strategy"]["matrix"]
    (fixed,) = [step["with"]["python-version"] for step in job["steps"] if "setup-python" in step.get("uses", "")]
    return matrix.get("include") or [{"os": system, "python": fixed} for system in matrix["os"]]


def commands(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def test_all_that_must_pass_runs_on_every_system_and_python() -> None:
    runs = [cell for job in WORKFLOW["jobs"].values() for cell in cells(job)]
    assert {cell["os"] for cell in runs} == {"ubuntu-latest", "windows-latest", "macos-latest"}
    named = re.findall(r"Programming Language :: Python :: (3\.\d+)", CONFIG["metadata"]["classifiers"])
    assert {cell["python"] for cell in runs} == set(named)
    whole = {cell["os"] for job in WORKFLOW["jobs"].values() if ".ci/run" in commands(job) for cell in cells(job)}
    assert whole == {"ubuntu-latest", "macos-latest"}


def test_its_commands_name_what_is_there() -> None:
    assert os.access(ROOT / ".ci/run", os.X_OK) or sys.platform == "win32"
    every = [command for job in WORKFLOW["jobs"].values() for command in commands(job)]
    extras = {name for command in every for name in re.findall(r"\.\[([\w,]+)\]", command)}
    assert extras == {"dev"} <= set(CONFIG["options.extras_require"])
    made = re.findall(r"^make (.*)$", (ROOT / ".ci/run").read_text(encoding="utf-8"), re.MULTILINE)
    targets = {target for line in made for target in line.split()}
    assert {"lint", "docs", "dist", "test", "test-slow"} == targets <= TARGETS


@pytest.mark.parametrize("name", sorted(CONFIG["options.extras_require"]))
def test_the_tests_have_every_extra(name: str) -> None:
    """What a user can install is also installed for the tests."""

    def packages(extra: str) -> set[str]:
        lines = CONFIG["options.extras_require"][extra].split("\n")
        return {re.split(r"[><=~! ]", line.strip())[0].lower() for line in lines if line.strip()}

    missing = packages(name) - packages("dev") - {"pymatreader"}  # its test is skipped without it
    assert missing == set()
