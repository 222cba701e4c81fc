"""What EDF+ and BDF files tell besides the signal: when each record began, annotations, and triggers."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from monai_fusion.recordings.reading.events import Event

if TYPE_CHECKING:
    from monai_fusion.recordings.reading.edf import Channel, EdfSamples

_ONSET = re.compile(rb"^([-+]?\d+(?:[.,]\d*)?)(?:\x15([-+]?\d*(?:[.,]\d*)?))?$")
_STATUS_BITS = 0xFFFF  # of BioSemi's Status channel: what a trigger cable may set
_RECORDS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Timeline:
    """Annotations on the axis of the file's samples.

    Attributes:
        events: The annotations.
        breaks: First samples behind gaps.
        unreadable: Annotations whose time cannot be read.
    """

    events: tuple[Event, ...] = ()
    breaks: tuple[int, ...] = ()
    unreadable: int = 0


def annotated(contents: Sequence[Sequence[bytes]], each: int, rate: float, record_s: float) -> Timeline:
    """Read the time-stamped annotation lists of a file.

    A record's first list says when the record began. Where it began later than the one before it ended, time is
    missing, whatever the header says about the file.

    Args:
        contents: The bytes of each annotation channel in each record.
        each: Samples of a record.
        rate: Samples a second.
        record_s: Seconds of a record.
    """
    if not contents:
        return Timeline()
    began: list[float | None] = []
    stated: list[tuple[float, float, str]] = []
    unreadable = 0
    for record in range(len(contents[0])):
        start: float | None = None
        for number, channel in enumerate(contents):
            for place, entry in enumerate(channel[record].split(b"\0")):
                if not entry.strip():
                    continue
                times, *texts = entry.split(b"\x14")
                found = _ONSET.match(times)
                if found is None:
                    unreadable += any(text for text in texts)
                    continue
                onset, duration = _seconds(found[1]), max(_seconds(found[2]), 0.0)
                if number == 0 and place == 0:
                    start = onset
                stated += [(onset, duration, _text(text)) for text in texts if text.strip()]
        began.append(start)
    starts = _filled(began, record_s)
    # Onsets are decimal numbers, so that a record may seem to begin a moment early or late.
    tolerance = max(1.5 / rate, 1e-4 * record_s)
    ends = (start + record_s for start in starts)
    breaks = [n * each for n, end in enumerate(ends, start=1) if n < len(starts) and abs(starts[n] - end) > tolerance]
    in_order = starts == sorted(starts)
    events = []
    for onset, duration, text in stated:
        first = _sample_at(onset, starts, each, rate, in_order)
        last = _sample_at(onset + duration, starts, each, rate, in_order) if duration else first
        events.append(Event(first, last, text))
    return Timeline(tuple(events), tuple(breaks), unreadable)


def _filled(began: Sequence[float | None], record_s: float) -> list[float]:
    """The records' beginnings; one that does not say follows the one before."""
    starts: list[float] = []
    for start in began:
        starts.append(start if start is not None else starts[-1] + record_s if starts else 0.0)
    return starts


def _sample_at(time: float, starts: Sequence[float], each: int, rate: float, in_order: bool) -> int:
    """The sample at a time of the clock; a time inside a gap is the first sample behind it."""
    if not in_order:
        return round((time - starts[0]) * rate)
    record = bisect_right(starts, time + 0.5 / rate) - 1
    if record < 0:
        return round((time - starts[0]) * rate)
    within = round((time - starts[record]) * rate)
    if record < len(starts) - 1:
        within = min(within, each)
    return record * each + within


def _seconds(text: bytes | None) -> float:
    try:
        return float((text or b"0").replace(b",", b"."))
    except ValueError:
        return 0.0


def _text(text: bytes) -> str:
    try:
        return text.decode("utf-8").strip()
    except UnicodeDecodeError:
        return text.decode("latin-1").strip()


def status_events(samples: EdfSamples, status: Channel, records: int, each: int) -> list[Event]:
    """The triggers of a BDF file: every change of its status channel to another number than the usual one.

    Args:
        samples: Reads the file.
        status: The channel.
        records: Of the file.
        each: Samples of a record, of the EEG.
    """
    pieces = [
        samples.digital(status, record, min(_RECORDS_AT_ONCE, records - record)).astype(np.int64) & _STATUS_BITS
        for record in range(0, records, _RECORDS_AT_ONCE)
    ]
    codes = np.concatenate(pieces).astype(np.uint16)
    changes = np.flatnonzero(np.diff(codes)) + 1
    edges = np.concatenate([[0], changes, [len(codes)]])
    lengths = np.diff(edges)
    values = codes[edges[:-1]]
    resting = max(set(values.tolist()), key=lambda code: int(lengths[values == code].sum()))
    return [
        Event(int(at) * each // status.samples, int(at) * each // status.samples, str(int(code)))
        for at, code in zip(edges[:-1], values, strict=True)
        if code not in (0, resting)
    ]
