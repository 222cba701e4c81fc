"""The arrays of each method and participant in the explanation folder; a run that was stopped goes on with them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_fusion.datalist.other_systems import why_not_on_windows
from monai_fusion.files import write_atomically
from monai_fusion.stored_arrays import read_arrays

KEPT_FOLDER = "arrays"
_KEY = "made_from"
_MOST_BYTES = 1 << 30  # of one participant's arrays; a map as large as the MRI's slab is 6 MB
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


def file_stems(participants: Iterable[str]) -> dict[str, str]:
    """Name the files of participants.

    Args:
        participants: Their ids, each once.

    Returns:
        By id: the id where it is safe as a file name on every system and differs from the others without regard to
        case; otherwise its safe letters and a digest, so that an id never leads out of a folder.
    """
    stems: dict[str, str] = {}
    taken: set[str] = set()
    for participant in participants:
        stem = participant
        plain = _PLAIN.fullmatch(participant) and not why_not_on_windows(participant)
        if not plain or participant.casefold() in taken:
            digest = hashlib.sha256(participant.encode("utf-8", "surrogatepass")).hexdigest()[:10]
            stem = f"{re.sub('[^A-Za-z0-9]+', '-', participant)[:40].strip('-') or 'participant'}-{digest}"
        taken.add(stem.casefold())
        stems[participant] = stem
    return stems


def settings_digest(content: Mapping[str, Any]) -> str:
    """A digest of all that the arrays depend on; JSON values."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


class KeptArrays:
    """The arrays of one method.

    Args:
        folder: The explanation folder.
        method: The method's name.
    """

    def __init__(self, folder: Path, method: str) -> None:
        self.folder = folder / KEPT_FOLDER / method

    def path(self, stem: str) -> Path:
        """Where the arrays of a participant are."""
        return self.folder / f"{stem}.npz"

    def read(self, stem: str, digest: str) -> dict[str, NDArray[Any]] | None:
        """Read the arrays of a participant; None if there are none, or they were made from something else."""
        arrays = read_arrays(self.path(stem), most=_MOST_BYTES)
        return arrays if str(arrays.pop(_KEY, "")) == digest else None

    def write(self, stem: str, digest: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep the arrays of a participant.

        Raises:
            OSError: The disk is full or read-only; nothing is left behind.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        content: dict[str, Any] = {**arrays, _KEY: np.array(digest)}
        write_atomically(self.path(stem), lambda stream: np.savez_compressed(stream, **content), sync=False)
