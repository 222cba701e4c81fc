"""The JSON file beside scalograms that says how they were made: its name, and the fields that others read.

``sub-07_EO_seg0.npy`` and all further segments of that recording and condition have ``sub-07_EO_scalogram.json``. Names
of fields are written as in BIDS.
"""

from __future__ import annotations

import re
from typing import Any, Final

KIND: Final = "monai-fusion scalograms"
LAYOUT: Final = 1
ENDING: Final = "_scalogram.json"
MOST_BYTES: Final = 16 * 2**20

_SEGMENT = re.compile(r"(?P<stem>.+)_seg[0-9]+\.npy")


def sidecar_name(scalogram: str) -> str | None:
    """The name of the sidecar of a scalogram, by its own name; None for files that are not named as ours are."""
    match = _SEGMENT.fullmatch(scalogram)
    return f"{match['stem']}{ENDING}" if match else None


def is_sidecar(content: dict[str, Any] | None) -> bool:
    """Whether a JSON object is a sidecar of this layout."""
    return content is not None and content.get("Kind") == KIND and content.get("Layout") == LAYOUT
