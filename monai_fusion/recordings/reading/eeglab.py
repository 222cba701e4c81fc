"""EEGLAB recordings: a .set of MATLAB's, with its samples inside or in an .fdt beside it; continuous or in epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_fusion.errors import InputError, Problem
from monai_fusion.recordings.reading.beside import companion, require_here
from monai_fusion.recordings.reading.events import Event, sorted_out
from monai_fusion.recordings.reading.flat import FlatSamples
from monai_fusion.recordings.reading.kinds import kinds_of
from monai_fusion.recordings.reading.matlab import mat_variables
from monai_fusion.recordings.reading.matlab5 import StoredArray
from monai_fusion.recordings.reading.spooled import SpooledSamples
from monai_fusion.recordings.recording import Recording, SampleReader
from monai_fusion.wording import a_few, counted

_FARTHEST_M = 0.25
_NO_POSITION = (0.0, 0.0, 0.0)
# What is read of a file: the variables, the fields of a recording, of a channel's place and of an event.
_WANTED = frozenset((
    "EEG", "ALLEEG", "nbchan", "pnts", "trials", "srate", "data", "datfile", "ref", "chanlocs", "event",
    "labels", "X", "Y", "Z", "type", "latency", "duration",
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class _ArraySamples:
    """Samples that stand in the .set itself: ``[channel, time]``."""

    array: NDArray[np.floating]

    def __call__(self, channels: Sequence[int], start: int, stop: int) -> NDArray[np.float64]:
        return np.asarray(self.array[list(channels), start:stop], np.float64)


def read_eeglab(path: Path) -> Recording:
    """Open an EEGLAB recording by its ``.set``.

    Epochs become pieces that nothing joins: there is a break at each one's edge.

    Raises:
        InputError: It holds several recordings or none, or its samples are not whole.
    """
    variables = mat_variables(path, _WANTED)
    eeg = _the_recording(path, variables)
    channels, points, trials = (_whole(path, eeg, key) for key in ("nbchan", "pnts", "trials"))
    rate = _float(eeg.get("srate"))
    if not rate > 0:
        raise InputError(Problem(str(path), "srate", "no positive number", "samples a second"))
    samples = points * trials
    reader, files, notes = _samples(path, eeg, channels, samples)
    locations = _records(eeg.get("chanlocs"))
    names, types = _names(path, locations, channels)
    edges = [points * trial for trial in range(1, trials)] if trials > 1 else []
    events, unreadable = _events(eeg)
    found = sorted_out(events, samples, edges, unreadable=unreadable)
    if trials > 1:
        notes.append(f"{counted(trials, 'epoch')} of {points / rate:g} s: no segment spans two of them")
    if not locations:
        notes.append("the file does not name its channels")
    kinds = kinds_of(names, types)
    reference = eeg.get("ref")
    is_name = isinstance(reference, str) and reference.strip().casefold() not in ("", "common", "unknown")
    return Recording(
        path=path,
        files=files,
        format="EEGLAB",
        channels=names,
        kinds=kinds,
        sampling_hz=rate,
        samples=samples,
        scale=(1.0,) * channels,
        positions=_positions(locations),
        markers=found.markers,
        breaks=found.breaks,
        bad=found.bad,
        bad_channels=(),
        reference=reference.strip()[:40] if is_name and isinstance(reference, str) else "",
        notes=(*notes, *found.notes),
        read_samples=reader,
    )


def _the_recording(path: Path, variables: Mapping[str, Any]) -> Mapping[str, Any]:
    several = variables.get("ALLEEG")
    eeg = variables.get("EEG", variables)
    if several is None and isinstance(eeg, list | np.ndarray):
        several = eeg
    if several is not None and "nbchan" not in variables and not isinstance(variables.get("EEG"), Mapping):
        entries = _records(several)
        if len(entries) != 1:
            rows = (
                f"{n}: {_float(e.get('nbchan')):g} channels, {_float(e.get('pnts')):g} samples"
                for n, e in enumerate(entries, 1)
            )
            advice = f"save each in a file of its own ({a_few(rows, 4)})"
            raise InputError(Problem(str(path), seen=counted(len(entries), "recording"), wanted="one", advice=advice))
        eeg = entries[0]
    if not isinstance(eeg, Mapping) or "nbchan" not in eeg:
        raise InputError(Problem(str(path), seen="no EEG in this MATLAB file", wanted="what EEGLAB saves as .set"))
    return eeg


def _whole(path: Path, eeg: Mapping[str, Any], key: str) -> int:
    value = _float(eeg.get(key, 1 if key == "trials" else None))
    if not value >= 1 or value != int(value):
        raise InputError(Problem(str(path), key, "no positive whole number"))
    return int(value)


def _float(value: Any) -> float:
    try:
        array = np.asarray(value, float).reshape(-1)
    except (TypeError, ValueError):
        return math.nan
    return float(array[0]) if array.size else math.nan


def _records(value: Any) -> list[Mapping[str, Any]]:
    """MATLAB's array of structures, of which a single one comes as itself and a list may come as lists by field."""
    if isinstance(value, Mapping):
        is_column = {key: isinstance(each, list) or np.ndim(each) == 1 for key, each in value.items()}
        columns = {key: list(each) for key, each in value.items() if is_column[key]}
        lengths = {len(each) for each in columns.values()}
        if columns and len(columns) == len(value) and len(lengths) == 1:
            return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        return [value]
    if isinstance(value, list | tuple | np.ndarray):
        return [each for each in np.asarray(value, dtype=object).reshape(-1).tolist() if isinstance(each, Mapping)]
    return []


def _samples(
    path: Path, eeg: Mapping[str, Any], channels: int, samples: int
) -> tuple[SampleReader, tuple[Path, ...], list[str]]:
    data = eeg.get("data")
    if isinstance(data, StoredArray) and data.size == channels * samples:
        flat = FlatSamples(data.path, data.dtype, (1.0,) * channels, samples, offset=data.offset)
        return flat if data.folder is None else SpooledSamples(flat, data.folder), (path,), []
    if isinstance(data, str) or data is None or np.size(data) == 0:
        file, notes = _data_file(path, data if isinstance(data, str) else "", eeg.get("datfile"))
        needed, size = channels * samples * 4, file.stat().st_size
        if size != needed:
            whole = (
                f"its first {size // (4 * channels) / _float(eeg.get('srate')):.1f} s are here; "
                if size < needed
                else ""
            )
            wanted = f"{needed:,} bytes ({channels} channels, {samples:,} samples)"
            advice = f"{whole}copy it again, or cut the recording in EEGLAB and save it"
            raise InputError(Problem(str(path), file.name, f"{size:,} bytes", wanted, advice))
        return FlatSamples(file, "<f4", (1.0,) * channels, samples), (path, file), notes
    array = data if isinstance(data, StoredArray) else np.asarray(data)
    if isinstance(array, StoredArray) or array.size != channels * samples or array.dtype.kind not in "fiu":
        seen = f"an array of {array.size:,} values"
        raise InputError(Problem(str(path), "data", seen, f"{channels} channels of {samples:,} samples"))
    # [channel, time, epoch] in MATLAB's order: epoch after epoch on one axis of time.
    return _ArraySamples(array.reshape(channels, samples, order="F")), (path,), []


def _data_file(path: Path, stated: str, other: Any) -> tuple[Path, list[str]]:
    """The .fdt: of the name that the .set states, else of the .set's own name, else of EEG.datfile."""
    found, is_renamed = companion(path, stated, [".fdt"])
    if found is None and isinstance(other, str) and other:
        found, is_renamed = companion(path, other, [".fdt"])[0], True
    if found is None or found == path:
        seen = f"not here: tried the name in the .set and {path.stem}.fdt"
        raise InputError(Problem(str(path), "samples", seen, "the .fdt file beside the .set"))
    if found.suffix.lower() == ".dat":
        advice = "load it in EEGLAB and save it again"
        raise InputError(Problem(str(path), found.name, "samples in an old format of EEGLAB", ".fdt", advice))
    require_here(found, path)
    return found, [f"{found.name} is read: the .set names another file"] if is_renamed and stated else []


def _names(path: Path, locations: Sequence[Mapping[str, Any]], channels: int) -> tuple[tuple[str, ...], list[str]]:
    if not locations:
        return tuple(f"EEG {number + 1:03d}" for number in range(channels)), [""] * channels
    if len(locations) != channels:
        raise InputError(Problem(str(path), "chanlocs", f"{len(locations)} names", f"{channels}, one for each channel"))
    names = [str(each.get("labels", "")).strip() for each in locations]
    types = [each.get("type") if isinstance(each.get("type"), str) else "" for each in locations]
    return tuple(name or f"channel {n}" for n, name in enumerate(names, 1)), [str(each) for each in types]


def _positions(locations: Sequence[Mapping[str, Any]]) -> dict[str, tuple[float, float, float]]:
    """``{name: (right, front, up)}`` in metres: EEGLAB's X is the nose's direction, its Y the left ear's."""
    places = {}
    for each in locations:
        x, y, z = (_float(each.get(axis)) for axis in "XYZ")
        if all(map(math.isfinite, (x, y, z))) and (x, y, z) != _NO_POSITION:
            places[str(each.get("labels", "")).strip()] = (-y, x, z)
    farthest = max((math.hypot(*place) for place in places.values()), default=0.0)
    if not farthest:
        return {}
    factor = next(each for each in (1.0, 0.1, 0.01, 0.001, 0.1 / farthest) if farthest * each < _FARTHEST_M)
    return {name: (x * factor, y * factor, z * factor) for name, (x, y, z) in places.items()}


def _events(eeg: Mapping[str, Any]) -> tuple[list[Event], int]:
    """The events, and how many have no latency. Those of epochs count on the axis of all epochs, one after another."""
    events = []
    unreadable = 0
    for each in _records(eeg.get("event")):
        latency, duration = _float(each.get("latency")), _float(each.get("duration"))
        text = _event_text(each.get("type"))
        if not math.isfinite(latency):
            unreadable += 1
            continue
        # 1 is the first sample. A boundary lies half a sample before the first one that follows the join.
        start = math.ceil(latency - 1) if text.casefold() == "boundary" else round(latency - 1)
        length = round(duration) if math.isfinite(duration) and text.casefold() != "boundary" else 0
        events.append(Event(start, start + (length if length > 1 else 0), text))
    return events, unreadable


def _event_text(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    number = _float(value)
    return f"{number:g}" if math.isfinite(number) else ""
