"""What a BIDS dataset says of a recording in files beside it: bad channels, types, positions, the reference, events."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from monai_fusion.datalist.building.table_text import text_rows
from monai_fusion.errors import InputError
from monai_fusion.reading import read_bytes, read_json_object
from monai_fusion.recordings.reading.events import Event, sorted_out
from monai_fusion.recordings.reading.kinds import kind_of
from monai_fusion.recordings.recording import Recording
from monai_fusion.spelling import nfc
from monai_fusion.wording import a_few, counted, cut

_NOTHING = frozenset(("", "n/a", "na", "nan", "none", "null"))
_RUN_ENTITIES = re.compile(r"_(?:task|acq|run|recording|desc|proc|split)-[^_]+")
_FARTHEST_M = 0.25


@dataclass(frozen=True, slots=True)
class _Table:
    path: Path
    columns: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...]


def with_neighbours(recording: Recording) -> Recording:
    """The recording with what the BIDS files beside it add; one that cannot be read becomes a note.

    ``*_channels.tsv`` gives bad channels and types, ``*_electrodes.tsv`` positions, ``*_eeg.json`` the reference, and
    ``*_events.tsv`` events, from which bad stretches are taken at once.
    """
    stem = _bids_stem(recording.path)
    if stem is None:
        return recording
    for kind, taken in (("channels", _with_channels), ("electrodes", _with_electrodes), ("events", _with_events)):
        file = _neighbour(recording.path, stem, kind)
        if file is None:
            continue
        table, note = _read(file)
        if table is not None:
            recording = replace(taken(recording, table), files=(*recording.files, file))
        if note:
            recording = replace(recording, notes=(*recording.notes, note))
    if not recording.reference:
        stated = (read_json_object(recording.path.with_name(f"{stem}_eeg.json")) or {}).get("EEGReference", "")
        if isinstance(stated, str) and stated.strip().casefold() not in _NOTHING and len(stated) <= 40:
            recording = replace(recording, reference=stated.strip())
    return recording


def _bids_stem(path: Path) -> str | None:
    """The name up to its suffix: ``sub-01_task-rest`` of ``sub-01_task-rest_eeg.edf``."""
    name = path.name[: path.name.lower().rindex(".fif")] if ".fif" in path.name.lower() else path.stem
    if name.lower().endswith(("_eeg", "_ieeg", "_meg")):
        return name.rpartition("_")[0]
    return name if name.startswith("sub-") else None


def _neighbour(path: Path, stem: str, kind: str) -> Path | None:
    exact = path.with_name(f"{stem}_{kind}.tsv")
    if exact.is_file():
        return exact
    if kind != "electrodes":
        return None
    # Positions are those of a session: without the task, and with the space that they are in.
    start = f"{_RUN_ENTITIES.sub('', stem)}_"
    names = [each.name for each in path.parent.iterdir() if each.name.startswith(start)]
    found = [name for name in names if name.endswith("_electrodes.tsv")]
    return path.with_name(found[0]) if len(found) == 1 else None


def _read(file: Path) -> tuple[_Table | None, str]:
    """The table, or why it is not used."""
    try:
        rows, _, _ = text_rows(file, read_bytes(file))
    except (InputError, OSError):
        return None, f"{file.name} cannot be read and is not used"
    if not rows:
        return None, f"{file.name} is empty and is not used"
    columns = tuple(cell.strip().casefold() for cell in rows[0][1])
    entries = tuple(
        {column: cell.strip() for column, cell in zip(columns, cells, strict=False)}
        for _, cells in rows[1:]
        if any(cell.strip() for cell in cells)
    )
    return _Table(file, columns, entries), ""


def _noted(recording: Recording, *notes: str) -> Recording:
    return replace(recording, notes=(*recording.notes, *notes))


def _with_channels(recording: Recording, table: _Table) -> Recording:
    if "name" not in table.columns:
        return _noted(recording, f"{table.path.name} has no column name and is not used")
    rows = {nfc(row.get("name", "")): row for row in table.rows}
    here = {nfc(name) for name in recording.channels}
    kinds = list(recording.kinds)
    bad = list(recording.bad_channels)
    for number, name in enumerate(recording.channels):
        row = rows.get(nfc(name), {})
        stated = row.get("type", "")
        if stated.casefold() not in _NOTHING:
            # A type that is not EEG is believed; EEG is not, of a channel whose name says that it is none.
            kinds[number] = kind_of(name, stated) if kinds[number] == "eeg" else kinds[number]
        if row.get("status", "").casefold() == "bad" and name not in bad:
            bad.append(name)
    notes = []
    if others := [row["name"] for key, row in rows.items() if key not in here]:
        notes.append(
            f"{table.path.name}: {counted(len(others), 'channel')} not in the recording: {a_few(map(cut, others))}"
        )
    return replace(recording, kinds=tuple(kinds), bad_channels=tuple(bad), notes=(*recording.notes, *notes))


def _with_electrodes(recording: Recording, table: _Table) -> Recording:
    if recording.positions or not {"name", "x", "y", "z"} <= set(table.columns):
        return recording
    places: dict[str, tuple[float, float, float]] = {}
    here = {nfc(name): name for name in recording.channels}
    for row in table.rows:
        name = here.get(nfc(row.get("name", "")))
        values = [_number(row.get(axis, "")) for axis in "xyz"]
        if name is not None and None not in values:
            places[name] = (values[0] or 0.0, values[1] or 0.0, values[2] or 0.0)
    farthest = max((math.hypot(*place) for place in places.values()), default=0.0)
    if not farthest:
        return recording
    # Metres, centimetres or millimetres: a head has a radius of about 0.1 m.
    factor = next(each for each in (1.0, 0.01, 0.001, 0.1 / farthest) if farthest * each < _FARTHEST_M)
    scaled = {name: (x * factor, y * factor, z * factor) for name, (x, y, z) in places.items()}
    return replace(recording, positions=scaled)


def _with_events(recording: Recording, table: _Table) -> Recording:
    events, unreadable = _events_of(table.rows, recording.sampling_hz)
    if "onset" not in table.columns:
        return _noted(recording, f"{table.path.name} has no column onset and is not used")
    found = sorted_out(events, recording.samples, unreadable=unreadable)
    bad = sorted({*recording.bad, *found.bad}, key=lambda span: (span.start, span.stop))
    return replace(
        recording,
        events=found.markers,
        bad=tuple(bad),
        breaks=tuple(sorted({*recording.breaks, *found.breaks})),
        notes=(*recording.notes, *(f"{table.path.name}: {note}" for note in found.notes)),
    )


def _events_of(rows: Sequence[Mapping[str, str]], sampling_hz: float) -> tuple[list[Event], int]:
    """The events of a BIDS table, and how many rows have no time that can be read."""
    events = []
    unreadable = 0
    for row in rows:
        onset = _number(row.get("onset", ""))
        if onset is None:
            unreadable += 1
            continue
        duration = max(_number(row.get("duration", "")) or 0.0, 0.0)
        text = next((row[key] for key in ("trial_type", "value") if row.get(key, "").casefold() not in _NOTHING), "")
        if not text:
            unreadable += 1
            continue
        start = round(onset * sampling_hz)
        events.append(Event(start, start + round(duration * sampling_hz), text))
    return events, unreadable


def _number(text: str) -> float | None:
    """A number with a point or a comma; None for ``n/a`` and anything else."""
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None
