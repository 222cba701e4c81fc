"""The places of a run's files, for the configs' default values."""

from __future__ import annotations

import os
from pathlib import Path

from monai.utils import path_to_sqlite_uri


def beside(folder: str | os.PathLike[str], name: str) -> str:
    """Return the path of a file or folder beside a run folder, which the neighbouring runs share.

    Args:
        folder: The run folder; ``~`` is the home folder.
        name: Its name.
    """
    return os.fspath(_absolute(folder).with_name(name))


def tracking_database(folder: str | os.PathLike[str]) -> str:
    """Return the address of MLflow's database in a run folder."""
    return str(path_to_sqlite_uri(os.fspath(_absolute(folder) / "mlruns.db")))


def run_name(folder: str | os.PathLike[str], part: str = "") -> str:
    """Return a run's name in MLflow: the name of its folder and, for an evaluation, the part of the datalist."""
    return f"{_absolute(folder).name} {part}".strip()


def _absolute(folder: str | os.PathLike[str]) -> Path:
    return Path(os.path.abspath(Path(folder).expanduser()))  # noqa: PTH100 # resolve() would follow links
