"""Opens a recording as the options say: its channels, electrodes, conditions and segments."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from monai_fusion.errors import InputError, Problem
from monai_fusion.reading import read_bytes, reason_of
from monai_fusion.recordings.condition_words import Codes, checked_codes
from monai_fusion.recordings.conditions import find_conditions
from monai_fusion.recordings.electrodes import choose_electrodes, wanted_electrodes
from monai_fusion.recordings.finding import Found, FoundAll, find_recordings
from monai_fusion.recordings.making import Opened
from monai_fusion.recordings.naming import stem_of
from monai_fusion.recordings.options import ScalogramOptions
from monai_fusion.recordings.reading.opened import open_recording
from monai_fusion.recordings.reading.units import named_unit
from monai_fusion.recordings.segments import cut
from monai_fusion.wording import quoted

ALL = "all"
"""In place of a preset: every EEG channel, in the file's order."""
_MAP_BYTES = 2**20
_MAP_HEADERS = ("channel", "name", "label", "file", "from", "old")


def find(inputs: Sequence[Path], options: ScalogramOptions) -> FoundAll:
    """The recordings among files and folders; wrong options are reported before any of them is opened.

    Raises:
        InputError: An option means nothing, a path is not there, none is a recording, or two have one name.
    """
    if options.electrodes.electrodes != ALL:
        wanted_electrodes(options.electrodes.electrodes)
    if options.recording.unit is not None:
        named_unit(options.recording.unit)
    if options.recording.channel_map is not None:
        _read_channel_map(options.recording.channel_map)
    return find_recordings(inputs, options.recording.task, codes_of(options))


def opened(found: Found, options: ScalogramOptions) -> Opened:
    """A recording, ready to be transformed.

    Raises:
        InputError: It cannot be opened, lacks an electrode, or does not say what is EO and what EC.
    """
    given = options.recording
    channel_map = _read_channel_map(given.channel_map) if given.channel_map is not None else None
    recording = open_recording(found.path, sampling_hz=given.sampling_rate, unit=given.unit, channel_map=channel_map)
    wanted: str | tuple[str, ...] = options.electrodes.electrodes
    if wanted == ALL:
        named = zip(recording.channels, recording.kinds, strict=True)
        wanted = tuple(name for name, kind in named if kind == "eeg")
    electrodes = choose_electrodes(recording, wanted, options.electrodes.interpolate)
    conditions = find_conditions(recording, condition=options.segments.condition, codes=codes_of(options))
    pieces = cut(recording, conditions.spans, options.segments.seconds)
    pieces = replace(pieces, dropped=(*conditions.dropped, *pieces.dropped))
    recording = replace(recording, notes=(*recording.notes, *conditions.notes))
    return Opened(recording, electrodes, pieces, stem_of(found))


def codes_of(options: ScalogramOptions) -> Codes | None:
    """The markers of each condition as the user gives them: ``EO=200,eyes_open``.

    Raises:
        InputError: One is not written so.
    """
    if not options.segments.markers:
        return None
    codes: dict[str, list[str]] = {}
    for each in options.segments.markers:
        condition, equals, texts = each.partition("=")
        if not equals or not condition.strip():
            raise InputError(
                Problem("--markers", seen=quoted(each), wanted="CONDITION=MARKER, such as EO=200,eyes_open")
            )
        codes.setdefault(condition.strip(), []).extend(text.strip() for text in texts.split(",") if text.strip())
    return checked_codes(codes)


def _read_channel_map(path: Path) -> dict[str, str]:
    """A table of two columns: a channel as the file names it, and the electrode that it is.

    Raises:
        InputError: It cannot be read, or is no such table.
    """
    try:
        text = read_bytes(path, _MAP_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(Problem("--channel-map", seen=f"{path}: {reason_of(error)}")) from error
    sign = next((each for each in "\t;" if each in text.partition("\n")[0]), ",")
    rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines(), delimiter=sign) if any(row)]
    if rows and rows[0][0].casefold().startswith(_MAP_HEADERS):
        rows = rows[1:]
    if not rows or any(len(row) < 2 or not row[0] or not row[1] for row in rows):
        wanted = "two columns: a channel's name in the file, and the electrode that it is"
        raise InputError(Problem("--channel-map", seen=str(path), wanted=wanted))
    names = [row[0] for row in rows]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(Problem("--channel-map", seen=f"{path}: {quoted(twice[0])} twice", wanted="each channel once"))
    return {row[0]: row[1] for row in rows}
