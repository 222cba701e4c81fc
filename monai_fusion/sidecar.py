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

_STRETCHES = ("Segments", "DroppedStretches", "ConditionStretches")
_TYPES: Final[dict[str, type]] = {
    "Condition": str, "Kept": int, "Dropped": dict, "Mode": str, "Units": str, "Electrodes": list, "Notes": list,
    "InterpolatedElectrodes": list, "BadChannels": list, "Shape": list, "RowFrequenciesHz": list, "Recording": dict,
    "Signal": dict, "Sources": list, **dict.fromkeys(_STRETCHES, list),
}  # fmt: skip
_SEGMENT = re.compile(r"(?P<stem>.+)_seg[0-9]+\.npy")


def sidecar_name(scalogram: str) -> str | None:
    """The name of the sidecar of a scalogram, by its own name; None for files that are not named as ours are."""
    match = _SEGMENT.fullmatch(scalogram)
    return f"{match['stem']}{ENDING}" if match else None


def is_sidecar(content: dict[str, Any] | None) -> bool:
    """Whether a JSON object is a sidecar of this layout."""
    return content is not None and content.get("Kind") == KIND and content.get("Layout") == LAYOUT


def is_whole(content: dict[str, Any]) -> bool:
    """Whether the sidecar of a finished recording has the fields that pictures and pages are made of."""
    if content.get("Finished") is not True:
        return False
    if not all(isinstance(content.get(field), kind) for field, kind in _TYPES.items()):
        return False
    recording, sources = content["Recording"], content["Sources"]
    deviations = recording.get("RobustSdMicrovolts")
    return (
        all(isinstance(number, int) for number in content["Dropped"].values())
        and all(_is_stretch(each) for field in _STRETCHES for each in content[field])
        and all(isinstance(each.get("File"), str) for each in content["Segments"])
        and all(isinstance(each.get("Reason"), str) for each in content["DroppedStretches"])
        and all(
            map(_is_number, (content.get("SegmentSeconds"), recording.get("SamplingHz"), recording.get("DurationS")))
        )
        and isinstance(deviations, dict)
        and all(map(_is_number, deviations.values()))
        and (recording.get("LineFoundHz") is None or _is_number(recording["LineFoundHz"]))
        and all(isinstance(note, str) for note in content["Notes"])
        and bool(sources)
        and all(isinstance(each, dict) and isinstance(each.get("File"), str) for each in sources)
    )


def _is_stretch(value: Any) -> bool:
    return isinstance(value, dict) and _is_number(value.get("StartS")) and _is_number(value.get("StopS"))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
