"""Writes the sidecar of a recording's scalograms: how they were made, what was kept, and what was dropped and why.

Of the recording it holds its file's name and content hash, its electrodes and rates; nothing else of a header.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_fusion.files import write_atomically
from monai_fusion.fingerprint import content_hash
from monai_fusion.recordings.recording import Recording, Span
from monai_fusion.sidecar import KIND, LAYOUT

_WORDS = re.compile(r"[\w-]{1,40}")


@dataclass(frozen=True, slots=True)
class Origin:
    """The recording that files were made from.

    Attributes:
        files: Its files' names, without folders.
        hashes: The content hash of each.
        place: A hash of the path, which tells two recordings of the same name apart without naming folders.
    """

    files: tuple[str, ...]
    hashes: tuple[str, ...]
    place: str

    @classmethod
    def of(cls, recording: Recording) -> Origin:
        """The origin of what is made from a recording; reads all its files once."""
        place = hashlib.sha256(os.path.abspath(recording.path).encode("utf-8", "surrogateescape"))  # noqa: PTH100 # links stay
        hashes = tuple(content_hash(each) for each in recording.files)
        return cls(tuple(each.name for each in recording.files), hashes, place.hexdigest()[:16])

    @property
    def as_json(self) -> dict[str, Any]:
        """As a sidecar holds it."""
        files = [
            {"File": name, "Hash": f"xxh3-128:{digest}"} for name, digest in zip(self.files, self.hashes, strict=True)
        ]
        return {"Sources": files, "Place": self.place}

    def is_of(self, content: dict[str, Any]) -> bool:
        """Whether a sidecar is of this recording: of the same content, or of an earlier content of the same file."""
        return content.get("Sources") == self.as_json["Sources"] or self.is_at(content)

    def is_at(self, content: dict[str, Any]) -> bool:
        """Whether a sidecar is of the file in this place, whatever its content was."""
        theirs = content.get("Sources")
        names = [each.get("File") for each in theirs if isinstance(each, dict)] if isinstance(theirs, list) else []
        return names[:1] == [self.files[0]] and content.get("Place") == self.place


@dataclass(frozen=True, slots=True)
class Piece:
    """A segment that was written.

    Attributes:
        file: Its name.
        condition: Its condition.
        start_s: Where it begins in the recording, in seconds.
        stop_s: Where it ends.
        margin_s: Seconds of real signal before and behind it that the transform could use.
    """

    file: str
    condition: str
    start_s: float
    stop_s: float
    margin_s: tuple[float, float]


def begin(path: Path, origin: Origin, files: Sequence[str]) -> None:
    """Write down which files will be written, so that those of an interrupted run are known as ours."""
    _write(path, {"Kind": KIND, "Layout": LAYOUT, "Finished": False, **origin.as_json, "Files": list(files)})


def finish(
    path: Path,
    origin: Origin,
    about: dict[str, Any],
    pieces: Sequence[Piece],
    dropped: Sequence[Span],
    stretches: Sequence[Span],
    sampling_hz: float,
) -> None:
    """Write the sidecar of finished scalograms.

    Args:
        path: Where.
        origin: The recording.
        about: How they were made.
        pieces: What was written.
        dropped: What of the condition became no segment.
        stretches: Where the condition is.
        sampling_hz: Of the recording, whose samples the spans count.
    """
    content = {
        "Kind": KIND,
        "Layout": LAYOUT,
        "Finished": True,
        **origin.as_json,
        "Files": [each.file for each in pieces],
        **about,
        "Kept": len(pieces),
        "Dropped": dict(Counter(reason_of(each) for each in dropped)),
        "Segments": [
            {"File": each.file, "StartS": each.start_s, "StopS": each.stop_s, "MarginS": list(each.margin_s)}
            for each in pieces
        ],
        "DroppedStretches": [{**_seconds(each, sampling_hz), "Reason": reason_of(each)} for each in dropped],
        "ConditionStretches": [_seconds(each, sampling_hz) for each in stretches],
    }
    _write(path, content)


def reason_of(dropped: Span) -> str:
    """Why, without the free text behind the first word of an annotation."""
    why = dropped.why.strip()
    if why.lower().startswith(("bad", "edge")):
        return found[0] if (found := _WORDS.match(why)) else "bad"
    return why


def _seconds(span: Span, sampling_hz: float) -> dict[str, float]:
    return {"StartS": round(span.start / sampling_hz, 6), "StopS": round(span.stop / sampling_hz, 6)}


def _write(path: Path, content: dict[str, Any]) -> None:
    write_atomically(path, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())
