"""Obstacles in the place of a file of the store: none of them can be read as one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def make_folder(path: Path) -> None:
    path.mkdir()


def make_pipe(path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    os.mkfifo(path)


def make_huge(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(3 << 30)
