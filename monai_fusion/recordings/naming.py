"""What the files of a recording's scalograms are called."""

from __future__ import annotations

import re
from pathlib import Path

from monai_fusion.errors import InputError, Problem
from monai_fusion.sidecar import ENDING

# Of a BIDS name, what keeps two recordings of one participant apart; the task and the suffix do not.
_ENTITIES = re.compile(r"_((?:ses|acq|run|split)-[^\W_]+)")
_ID = re.compile(r"\w[\w-]*")


def stem_of(path: Path) -> str:
    """What the names of a recording's scalograms begin with: ``sub-07``, ``sub-07_ses-1_run-2``.

    The participant's id is the name up to its first ``_`` or ``.``, as everywhere else.

    Raises:
        InputError: The name does not begin with an id.
    """
    name = path.name
    identity = re.split(r"[_.]", name, maxsplit=1)[0]
    if not _ID.fullmatch(identity):
        wanted = "a name that begins with the participant's id: sub-07_EO.csv"
        raise InputError(Problem(path.name, seen="no participant's id", wanted=wanted, advice="rename the file"))
    return "_".join([identity, *_ENTITIES.findall(name)])


def sidecar_path(out: Path, stem: str, condition: str) -> Path:
    """Where the sidecar of a recording's condition stands."""
    return out / f"{stem}_{condition}{ENDING}"


def segment_name(stem: str, condition: str, number: int) -> str:
    """``sub-07_EO_seg0.npy``."""
    return f"{stem}_{condition}_seg{number}.npy"


def preview_path(out: Path, stem: str) -> Path:
    """Where the picture of a recording stands."""
    return out / f"{stem}_preview.png"
