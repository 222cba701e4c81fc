"""Where a run keeps what belongs to it, as the configs' default values say it."""

from __future__ import annotations

import os
from pathlib import Path

from monai.utils import path_to_sqlite_uri


def beside(folder: str | os.PathLike[str], name: str) -> str:
    """Return the path of a neighbour of a run folder, which the runs beside it share.

    Args:
        folder: The run folder; ``~`` is the home folder.
        name: The neighbour's name.
    """
    return os.fspath(_absolute(folder).with_name(name))


def tracking_database(folder: str | os.PathLike[str]) -> str:
    """Return the address of MLflow's database in a run folder."""
    return str(path_to_sqlite_uri(os.fspath(_absolute(folder) / "mlruns.db")))


def run_name(folder: str | os.PathLike[str], part: str = "") -> str:
    """Return what MLflow calls a run: the name of its folder and, of an evaluation, the part of the datalist."""
    return f"{_absolute(folder).name} {part}".strip()


def _absolute(folder: str | os.PathLike[str]) -> Path:
    return Path(os.path.abspath(Path(folder).expanduser()))  # noqa: PTH100 # resolve() would follow links
