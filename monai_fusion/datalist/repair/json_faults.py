"""Reads text that is almost JSON, and reports for every fault where it is, what it probably is, and what repairs it.

Python's reader stops at the first fault with a message for programmers. This one (`json_structure`, `json_words`) knows
the mistakes of editing by hand, goes on behind each as if it were not there, and stops only where it
cannot know what was meant. It is used only on files that ``json.loads`` refuses.
"""

from __future__ import annotations

from collections.abc import Sequence

from monai_fusion.datalist.repair.json_cursor import Fault
from monai_fusion.datalist.repair.json_structure import JsonReader
from monai_fusion.datalist.repair.text_edits import with_edits


def find_faults(text: str) -> list[Fault]:
    """Every fault of a text, up to the first at which it is unclear what was meant; empty if it is JSON."""
    return JsonReader(text).read()


def mended(text: str, faults: Sequence[Fault], *, only_safe: bool = False) -> str:
    """The text with the faults' edits made; lines keep their numbers."""
    edits = [edit for fault in faults if fault.safe or not only_safe for edit in fault.edits]
    return with_edits(text, edits)
