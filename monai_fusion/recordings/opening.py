"""Opens a recording as the options say: channels, electrodes, conditions, segments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from monai_fusion.recordings.making import Opened
from monai_fusion.recordings.options import ScalogramOptions


def found(inputs: Sequence[Path], options: ScalogramOptions) -> list[Path]:
    """The recordings among files and folders.

    Raises:
        InputError: One is not there, or none is a recording.
    """
    raise NotImplementedError


def opened(path: Path, options: ScalogramOptions) -> Opened:
    """A recording, ready to be transformed.

    Raises:
        InputError: It cannot be opened, lacks an electrode, or does not say what is EO and what EC.
    """
    raise NotImplementedError
