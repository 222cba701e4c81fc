"""What the files of a recording's scalograms are called."""

from __future__ import annotations

import re
from pathlib import Path

from monai_fusion.datalist.choosing import session_of
from monai_fusion.recordings.finding import Found
from monai_fusion.sidecar import ENDING

# Of a BIDS name, what keeps two recordings of one participant apart.
_ENTITIES = re.compile(r"_((?:acq|run)-[^\W_]+)")


def stem_of(found: Found) -> str:
    """What the names of a recording's scalograms begin with: ``sub-07``, ``sub-07_ses-1_run-2``.

    Session and run are always in it, so that it does not depend on which other recordings are there; the task only
    where recordings of several tasks are wanted.
    """
    session = session_of(found.path)
    task = [part for part in found.parts if part.startswith("task-")]
    rest = [re.sub(r"[^\w-]", "", each) for each in ([f"ses-{session}"] if session else []) + task]
    return "_".join([found.participant_id, *rest, *_ENTITIES.findall(found.path.name)])


def sidecar_path(out: Path, stem: str, condition: str) -> Path:
    """Where the sidecar of a recording's condition stands."""
    return out / f"{stem}_{condition}{ENDING}"


def segment_name(stem: str, condition: str, number: int) -> str:
    """``sub-07_EO_seg0.npy``."""
    return f"{stem}_{condition}_seg{number}.npy"


def preview_path(out: Path, stem: str) -> Path:
    """Where the picture of a recording stands."""
    return out / f"{stem}_preview.png"
