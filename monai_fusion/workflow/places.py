"""The places of a run's files, for the configs' default values."""

from __future__ import annotations

import os
from pathlib import Path


def beside(folder: str | os.PathLike[str], name: str) -> str:
    """Return the path of a file or folder beside a run folder, which the neighbouring runs share.

    Args:
        folder: The run folder; ``~`` is the home folder.
        name: Its name.
    """
    absolute = Path(os.path.abspath(Path(folder).expanduser()))  # noqa: PTH100 # resolve() would follow links
    return os.fspath(absolute.with_name(name))
