"""The markers of a BrainVision recording (.vmrk): events, joins and bad stretches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from monai_fusion.recordings.reading.beside import codepage_of, text_of
from monai_fusion.recordings.reading.events import Event, Events, is_bad, sorted_out

# Mk3=Stimulus,S210,5001,1,0[,date]: the text may hold unescaped commas, so the numbers are found first.
_MARKER = re.compile(
    r"^\s*Mk\d+\s*=(?P<type>[^,]*),(?P<text>.*?),\s*(?P<at>[-+]?\d+)\s*(?:,\s*(?P<length>[-+]?\d*)\s*)?"
    r"(?:,\s*[-+]?\d*\s*)?(?:,\s*\d*\s*)?,*\s*$",
    re.IGNORECASE,
)
_LINE = re.compile(r"^\s*Mk\d+\s*=", re.IGNORECASE)


def read_markers(path: Path, samples: int) -> Events:
    """Read a marker file; a missing first line or section head does not matter, every line ``Mk...`` is one.

    Args:
        path: The ``.vmrk``.
        samples: Of the recording.
    """
    lines = text_of(path, codepage_of(path)).splitlines()
    events = list(_events(lines))
    unreadable = sum(_LINE.match(line) is not None for line in lines) - len(events)
    found = sorted_out(events, samples, unreadable=unreadable)
    first = next((line for line in lines if line.strip()), "")
    if not re.search(r"brain\s?vision", first, re.IGNORECASE):
        note = f"{path.name}: the first line does not say that these are BrainVision's markers: read all the same"
        return replace(found, notes=(note, *found.notes))
    return found


def _events(lines: list[str]) -> Iterator[Event]:
    for line in lines:
        found = _MARKER.match(line)
        if found is None:
            continue
        kind, text = (found[name].replace("\\1", ",").strip("\r\n") for name in ("type", "text"))
        start = int(found["at"]) - 1  # the first sample is 1
        length = int(found["length"] or 0) if (found["length"] or "0").lstrip("+-").isdigit() else 0
        if kind.strip().casefold() == "new segment":
            yield Event(start, start, "boundary")  # the date behind it is private
        elif is_bad(kind):
            yield Event(start, start + max(length, 1), f"BAD_{text.strip()}" if text.strip() else "BAD")
        else:
            yield Event(start, start + (length if length > 1 else 0), f"{kind}/{text}" if kind else text)
