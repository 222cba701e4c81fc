"""Starts ``python -m monai.bundle run`` for the commands that are short forms of it."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from monai_fusion.messages import answer, pasteable, say
from monai_fusion.shipped_bundle import config_files, shipped_bundle


def configs_of(name: str) -> list[Path]:
    """The shipped config files of a run, overlays last; a path below the working folder is relative to it."""
    here = Path.cwd()
    return [path.relative_to(here) if path.is_relative_to(here) else path for path in config_files(name)]


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


def _quiet(words: Sequence[str]) -> tuple[str, ...]:
    """Silence MONAI's warning that a config may run code for the shipped configs; for other configs it stays."""
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
