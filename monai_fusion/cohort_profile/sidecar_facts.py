"""What the JSON files beside a participant's scalograms say of the recording and of how they were made.

Only settings and numbers are taken: no name of a file, no hash, no note.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from monai_fusion.datalist.choosing import condition_words
from monai_fusion.messages import visible
from monai_fusion.reading import read_json_object
from monai_fusion.recordings.montage import ELECTRODES_1020_17
from monai_fusion.sidecar import MOST_BYTES, is_sidecar, sidecar_name
from monai_fusion.wording import cut

ELECTRODE_LIST, CONDITIONS, LINE_NOISE = "electrodes", "EEG conditions", "line noise"
NO_LINE: Final = "none found"

_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "EEG mode": ("Mode",),
    "EEG unit": ("Units",),
    "length of a segment in seconds": ("SegmentSeconds",),
    "EEG sampling rate in Hz": ("Recording", "SamplingHz"),
    "EEG reference": ("Signal", "Reference"),
    "EEG high-pass in Hz": ("Signal", "HighPassHz"),
    "line noise filter": ("Signal", "LineOption"),
    "wavelet": ("Transform", "Wavelet"),
}
_CONDITION = re.compile(r"[A-Za-z0-9]{1,16}")
_ELECTRODE = re.compile(r"[A-Za-z0-9'+-]{1,12}")
_IN_NAMES = ("EO", "EC")  # other words of a file's name may be anything


@dataclass(frozen=True, eq=False)
class SidecarFacts:
    """What is known of a participant's scalograms.

    Attributes:
        electrodes: Their names, or numbers if nothing names them.
        hertz: [row] the centre frequency of each; None where it is not known.
        texts: Settings, by what they are called; only those that are known.
    """

    electrodes: tuple[str, ...]
    hertz: npt.NDArray[np.float64] | None = None
    texts: Mapping[str, str] = field(default_factory=dict)


def sidecar_facts(files: Sequence[Path], shape: Sequence[int]) -> SidecarFacts:
    """Read the JSON files beside scalograms; without any, 17 electrodes have the names of the standard preset.

    Args:
        files: The scalograms of a participant.
        shape: As stored: (frequency, time, electrode).
    """
    contents = list(_contents(files))
    named = contents[0].get("Electrodes") if contents else None
    texts = dict(_texts(contents))
    if isinstance(named, list) and len(named) == shape[2] and all(_is_electrode(each) for each in named):
        electrodes = tuple(named)
        texts[ELECTRODE_LIST] = " ".join(electrodes)
    elif shape[2] == len(ELECTRODES_1020_17):
        electrodes = ELECTRODES_1020_17
    else:
        electrodes = tuple(f"E{number:02d}" for number in range(1, shape[2] + 1))
    if conditions := _conditions(contents, files):
        texts[CONDITIONS] = " ".join(sorted(conditions))
    return SidecarFacts(electrodes, _hertz(contents[0].get("RowFrequenciesHz"), shape[0]) if contents else None, texts)


def _contents(files: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """The finished sidecars, each once."""
    paths = (file.with_name(name) for file in files if (name := sidecar_name(file.name)) is not None)
    for path in dict.fromkeys(paths):
        content = read_json_object(path, MOST_BYTES)
        if content is not None and is_sidecar(content) and content.get("Finished") is True:
            yield content


def _texts(contents: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for called, path in _FIELDS.items():
        if found := sorted({text for content in contents if (text := _text(_inside(content, path)))}):
            yield called, " and ".join(found)
    frequencies = [hertz for content in contents if (hertz := content.get("RowFrequenciesHz"))]
    if frequencies and isinstance(frequencies[0], list):
        ends = frequencies[0][0], frequencies[0][-1]
        if all(_is_positive(each) for each in ends):
            yield "rows of a scalogram", f"{ends[0]:g} to {ends[1]:g} Hz"
    recordings = [content["Recording"] for content in contents if isinstance(content.get("Recording"), dict)]
    lines = {each["LineFoundHz"] for each in recordings if _is_positive(each.get("LineFoundHz"))}
    if lines:
        yield LINE_NOISE, " and ".join(f"{hertz:g} Hz" for hertz in sorted(lines))
    elif any("LineFoundHz" in each for each in recordings):
        yield LINE_NOISE, NO_LINE


def _conditions(contents: Sequence[Mapping[str, Any]], files: Sequence[Path]) -> set[str]:
    found = {content.get("Condition") for content in contents}
    if known := {each for each in found if isinstance(each, str) and _CONDITION.fullmatch(each)}:
        return known
    return {word.upper() for file in files for word in condition_words(file) if word.upper() in _IN_NAMES}


def _inside(content: Any, path: Sequence[str]) -> Any:
    for key in path:
        content = content.get(key) if isinstance(content, dict) else None
    return content


def _text(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, int | float):
        return f"{value:g}"
    return visible(cut(value)).replace(";", ",") if isinstance(value, str) else ""


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0


def _is_electrode(value: Any) -> bool:
    return isinstance(value, str) and _ELECTRODE.fullmatch(value) is not None


def _hertz(values: Any, rows: int) -> npt.NDArray[np.float64] | None:
    if not isinstance(values, list) or len(values) != rows or not all(map(_is_positive, values)):
        return None
    return np.array(values, dtype=np.float64)
