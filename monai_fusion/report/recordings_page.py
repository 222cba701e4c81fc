"""``summary.html``: all recordings whose scalograms lie in a folder, on one page, by what their sidecars say."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_fusion import __version__
from monai_fusion.datalist.paths import natural_key
from monai_fusion.files import write_for_readers
from monai_fusion.reading import read_json_object
from monai_fusion.report.page import page_environment
from monai_fusion.sidecar import ENDING, MOST_BYTES, is_sidecar, is_whole
from monai_fusion.wording import a_few, counted, cut

PAGE_FILE = "summary.html"
_MOST_NOTES = 60
# What is reported once where it is the same for all recordings, and as a warning where it is not.
_SETTINGS: dict[tuple[str, ...], str] = {
    ("Mode",): "Mode",
    ("Units",): "Unit",
    ("Electrodes",): "Electrodes",
    ("SegmentSeconds",): "Seconds of a segment",
    ("Signal", "Reference"): "Reference",
    ("Signal", "Demean"): "Demeaned",
    ("Signal", "HighPassHz"): "High-pass, Hz",
    ("Signal", "LineOption"): "Line noise filter",
    ("Signal", "LineHz"): "Line noise filtered out, Hz",
    ("RejectAboveMicrovolts",): "Dropped above, microvolts",
    ("Recording", "SamplingHz"): "Rate of the recording, Hz",
    ("Recording", "Format"): "Format",
    ("GeneratedBy", "Version"): "Version",
}
_MUST_AGREE = (
    "Mode",
    "Unit",
    "Electrodes",
    "Seconds of a segment",
    "Reference",
    "Demeaned",
    "High-pass, Hz",
    "Line noise filter",
)


@dataclass(frozen=True, slots=True)
class Line:
    """A recording's condition, as a row of the table has it."""

    name: str
    source: str
    condition: str
    kept: int
    dropped: str
    share: float  # kept seconds of the condition's, from 0 to 1
    rate: str
    deviation: str
    electrodes: str


def write_recordings_page(folder: Path, failed: Mapping[str, Sequence[str]]) -> Path:
    """Write the page of a folder of scalograms.

    Args:
        folder: The folder; only its sidecars are read.
        failed: Recordings that failed now, and why.

    Returns:
        Where it stands.
    """
    contents = {
        path.name.removesuffix(ENDING): content
        for path in sorted(folder.glob(f"*{ENDING}"), key=lambda path: natural_key(path.name))
        if is_sidecar(content := read_json_object(path, MOST_BYTES)) and content is not None and content.get("Finished")
    }
    damaged = [stem for stem, content in contents.items() if not is_whole(content)]
    failed = {**failed, **{f"{stem}{ENDING}": ["damaged: make these scalograms again"] for stem in damaged}}
    contents = {stem: content for stem, content in contents.items() if stem not in damaged}
    return write_for_readers(folder / PAGE_FILE, _render_recordings(folder.resolve().name, contents, failed).encode())


def _render_recordings(name: str, contents: Mapping[str, dict[str, Any]], failed: Mapping[str, Sequence[str]]) -> str:
    """Return the page as HTML.

    Args:
        name: What the cohort is called.
        contents: The sidecars, by what the names of their scalograms begin with.
        failed: Recordings that failed, and why.
    """
    lines = [_line(stem, content) for stem, content in contents.items()]
    kept: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    for content in contents.values():
        kept[str(content["Condition"])] += content["Kept"]
        dropped.update(content["Dropped"])
    settings = {called: _values(contents, field) for field, called in _SETTINGS.items()}
    return (
        page_environment()
        .get_template("recordings.html")
        .render(
            name=name,
            lines=lines,
            participants=len({line.name.partition("_")[0] for line in lines}),
            kept=", ".join(f"{number} {condition}" for condition, number in kept.items()),
            segments=kept.total(),
            dropped=", ".join(f"{number} x {why}" for why, number in dropped.most_common()),
            settings={called: _told(values) for called, values in settings.items() if values},
            limits=list(_limits(settings)),
            failed=failed,
            notes=_notes(contents)[:_MOST_NOTES],
            version=__version__,
        )
    )


def _line(stem: str, content: dict[str, Any]) -> Line:
    seconds = sum(each["StopS"] - each["StartS"] for each in content["ConditionStretches"])
    recording = content["Recording"]
    deviations = sorted(recording["RobustSdMicrovolts"].values())
    interpolated, bad = content["InterpolatedElectrodes"], content["BadChannels"]
    told = [f"interpolated: {', '.join(interpolated)}"] if interpolated else []
    told += [f"bad: {a_few(bad, 6)}"] if bad else []
    line = recording["LineFoundHz"]
    return Line(
        name=stem,
        source=content["Sources"][0]["File"],
        condition=content["Condition"],
        kept=content["Kept"],
        dropped=", ".join(f"{number} x {why}" for why, number in content["Dropped"].items()),
        share=min(1.0, content["Kept"] * content["SegmentSeconds"] / seconds) if seconds else 0.0,
        rate=f"{recording['SamplingHz']:g} Hz" + (f", line {line:g} Hz" if line else ""),
        deviation=f"{deviations[0]:.3g} to {deviations[-1]:.3g}" if deviations else "",
        electrodes="; ".join(told),
    )


def _values(contents: Mapping[str, dict[str, Any]], field: tuple[str, ...]) -> Counter[str]:
    values: Counter[str] = Counter()
    for content in contents.values():
        value: Any = content
        for key in field:
            value = value.get(key) if isinstance(value, dict) else None
        values[", ".join(map(str, value)) if isinstance(value, list) else _text(value)] += 1
    return values


def _text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else json.dumps(value)


def _told(values: Counter[str]) -> str:
    if len(values) == 1:
        return next(iter(values))
    return "; ".join(f"{cut(value)} ({number})" for value, number in values.most_common(6))


def _limits(settings: Mapping[str, Counter[str]]) -> Iterator[str]:
    for called in _MUST_AGREE:
        if len(settings[called]) > 1:
            yield f"{called}: not the same for all. Do not put these scalograms into one datalist."
    for called in ("Rate of the recording, Hz", "Line noise filtered out, Hz", "Format", "Version"):
        if len(settings[called]) > 1:
            yield f"{called}: not the same for all. Look whether classes or sites go with it."


def _notes(contents: Mapping[str, dict[str, Any]]) -> list[str]:
    whose: dict[str, list[str]] = {}
    for content in contents.values():
        for note in content["Notes"]:
            names = whose.setdefault(note, [])
            if content["Sources"][0]["File"] not in names:
                names.append(content["Sources"][0]["File"])
    more = {note: f" and {counted(len(names) - 1, 'recording')} more" for note, names in whose.items()}
    return [f"{names[0]}{more[note] if len(names) > 1 else ''}: {note}" for note, names in whose.items()]
