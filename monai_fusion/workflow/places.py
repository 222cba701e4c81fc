"""Where a run keeps what belongs to it, as the configs' default values say it."""

from __future__ import annotations

import os
from pathlib import Path


def beside(folder: str | os.PathLike[str], name: str) -> str:
    """Return the path of a neighbour of a run folder, which the runs beside it share.

    Args:
        folder: The run folder; ``~`` is the home folder.
        name: The neighbour's name.
    """
    absolute = Path(os.path.abspath(Path(folder).expanduser()))  # noqa: PTH100 # resolve() would follow links
    return os.fspath(absolute.with_name(name))
