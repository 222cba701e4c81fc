"""Scalograms of one datalist that were made in different ways, by what the JSON files beside them say.

A network cannot tell that the seventh plane is Cz in one file and Pz in another, or that one file holds rectified
oscillations and another amplitudes. Files without such a JSON, made by another program, are taken as they are.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from monai_fusion.datalist.contents.recording_files import Recording
from monai_fusion.datalist.reporting import Finding
from monai_fusion.reading import read_json_object
from monai_fusion.sidecar import COMPARED_FIELDS, MOST_BYTES, is_sidecar, sidecar_name, value_at
from monai_fusion.wording import a_few, counted, cut, quoted

_ADVICE = "make all scalograms of a datalist in one way: monai-fusion scalogram with the same options"


@dataclass(frozen=True, slots=True)
class _Described:
    recording: Recording
    values: dict[tuple[str, ...], str]


def unlike(recordings: Iterable[Recording]) -> Iterator[Finding]:
    """Findings about scalograms that were not made as most others of the datalist; each sidecar is read once.

    Args:
        recordings: From `recordings_of`.

    Yields:
        An error for each field and value that differs, at the first scalogram that has it; a warning where some
        scalograms say how they were made and others do not, and for those of an interrupted run.
    """
    sidecars: dict[Path, dict[str, Any] | None] = {}
    described: dict[Path, _Described] = {}
    without: list[Recording] = []
    unfinished: dict[Path, Recording] = {}
    for recording in recordings:
        if recording.field != "eeg":
            continue
        name = sidecar_name(recording.path.name)
        path = recording.path.with_name(name) if name is not None else None
        if path is not None and path not in sidecars:
            sidecars[path] = _read(path)
        content = sidecars[path] if path is not None else None
        if path is None or content is None or recording.path.name not in content["Files"]:
            without.append(recording)
        elif content.get("Finished") is not True:
            unfinished.setdefault(path, recording)
        elif path not in described:
            described[path] = _Described(recording, {field: value_at(content, field) for field in COMPARED_FIELDS})
    yield from _differences(list(described.values()))
    if unfinished:
        first, more = next(iter(unfinished.values())), len(unfinished) - 1
        seen = "scalograms of an interrupted run" + (
            f" (and those of {counted(more, 'recording')} more)" if more else ""
        )
        yield _warning(first, seen, "run monai-fusion scalogram again: it goes on where it was")
    if described and without:
        seen = f"no JSON beside it says how it was made, as of {counted(len(without), 'scalogram')} in all"
        has = next(iter(described.values())).recording
        advice = f"are they made as that of {has.row.participant_id}? Nothing here can tell"
        yield _warning(without[0], seen, advice)


def _read(path: Path) -> dict[str, Any] | None:
    content = read_json_object(path, MOST_BYTES)
    if not is_sidecar(content) or content is None or not isinstance(content.get("Files"), list):
        return None
    content["Files"] = {name for name in content["Files"] if isinstance(name, str)}
    return content


def _differences(described: list[_Described]) -> Iterator[Finding]:
    reported: set[Path] = set()
    for field, called in COMPARED_FIELDS.items():
        numbers = Counter(each.values[field] for each in described)
        if len(numbers) < 2:
            continue
        (usual, _), *others = numbers.most_common()
        first = next(each for each in described if each.values[field] == usual)
        for value, number in others:
            odd = next(each for each in described if each.values[field] == value)
            if odd.recording.path in reported and field not in (("Mode",), ("Electrodes",), ("Units",)):
                continue  # another mode has other rows, another reference and so on
            reported.add(odd.recording.path)
            theirs, ours = _shown(called, value, usual)
            more = f" (and {counted(number - 1, 'recording')} more)" if number > 1 else ""
            wanted = f"{ours} as of {first.recording.row.participant_id}"
            yield odd.recording.finding(f"{called} {theirs}{more}", wanted, _ADVICE)


def _shown(called: str, value: str, usual: str) -> tuple[str, str]:
    """Two values as a message has them; of two lists what is different."""
    theirs, ours = json.loads(value), json.loads(usual)
    if isinstance(theirs, list) and isinstance(ours, list):
        if called != "electrodes":
            return f"{_ends(theirs)}", f"{_ends(ours)}"
        if sorted(map(str, theirs)) == sorted(map(str, ours)):
            place = next(place for place, (one, other) in enumerate(zip(theirs, ours, strict=True)) if one != other)
            return f"in another order ({theirs[place]} at {place + 1})", f"{ours[place]} at {place + 1}"
        lacks = a_few([str(each) for each in ours if each not in theirs])
        has = a_few([str(each) for each in theirs if each not in ours])
        return f"with {has or 'none more'}", f"{lacks or 'none more'} instead,"
    return quoted(theirs), quoted(ours)


def _ends(values: list[Any]) -> str:
    return cut(f"{values[0]} to {values[-1]}") if values else "none"


def _warning(recording: Recording, seen: str, advice: str) -> Finding:
    return replace(recording.finding(seen, advice=advice), warning=True)
