"""What both readers say about a file that is not there."""

from __future__ import annotations

import os
from pathlib import Path

from monai_fusion.errors import InputError, Problem


def require_file(path: str | os.PathLike[str], field: str) -> Path:
    """Return ``path`` as a ``Path``.

    Raises:
        InputError: If it does not exist or is no file.
    """
    file = Path(path)
    if file.is_file():
        return file
    seen = "a folder" if file.is_dir() else "no such file"
    raise InputError(Problem(str(file), field, seen, "a file", "check the path in the datalist and its data_root"))
