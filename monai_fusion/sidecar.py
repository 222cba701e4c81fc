"""The JSON file beside scalograms that says how they were made: its name, and the fields that others read.

``sub-07_EO_seg0.npy`` and all further segments of that recording and condition have ``sub-07_EO_scalogram.json``. Names
of fields are written as in BIDS.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

KIND: Final = "monai-fusion scalograms"
LAYOUT: Final = 1
ENDING: Final = "_scalogram.json"
MOST_BYTES: Final = 16 * 2**20

# What must be the same in all scalograms that one network sees: the path to it in a sidecar, and how it is called.
COMPARED_FIELDS: Final[dict[tuple[str, ...], str]] = {
    ("Mode",): "mode",
    ("Electrodes",): "electrodes",
    ("Units",): "units",
    ("SegmentSeconds",): "length of a segment in seconds",
    ("SamplingHz",): "sampling rate in Hz",
    ("RowFrequenciesHz",): "frequencies of the rows",
    ("Signal", "Reference"): "reference",
    ("Signal", "Demean"): "demeaning",
    ("Signal", "HighPassHz"): "high-pass in Hz",
    ("Signal", "LineOption"): "line noise filter",  # not LineHz: with "auto" it is what each recording has
    ("Signal", "Version"): "version of the filters",
    ("Transform", "Wavelet"): "wavelet",
    ("Transform", "Value"): "value",
    ("Transform", "Resize"): "resizing",
    ("Transform", "Version"): "version of the transform",
}

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


def value_at(content: Mapping[str, Any], field: tuple[str, ...]) -> str:
    """The value of one of `COMPARED_FIELDS` as text, so that any can be compared."""
    value: Any = content
    for key in field:
        value = value.get(key) if isinstance(value, Mapping) else None
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


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
