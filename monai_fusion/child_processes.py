"""The environment in which a process of this program starts another Python."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def child_environment() -> dict[str, str]:
    """This process's environment, in which ``python -m`` imports nothing from the current folder.

    The current folder may be one of data, from another person, with a file ``torch.py`` in it: ``monai-fusion`` does
    not import it, but ``python -m`` puts the current folder first. What was started as ``python -m monai_fusion``
    imports from there itself, perhaps this program; then its children do, too.
    """
    here = Path.cwd()
    own = "" in sys.path or any(Path(folder) == here for folder in sys.path)  # "": a prompt of Python, a notebook
    return os.environ | ({} if own else {"PYTHONSAFEPATH": "1"})
