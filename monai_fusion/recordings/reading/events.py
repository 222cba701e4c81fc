"""Events as files write them become a recording's markers, joins and bad stretches, all inside the recording."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from monai_fusion.recordings.recording import Marker, Span
from monai_fusion.wording import counted, cut

_BAD = re.compile(r"(?:^|/)\s*bad(?:(?![a-z])|interval|segment|epoch|data)", re.IGNORECASE)
_LONGEST = 40  # signs of the reason that is kept of a bad stretch
_JOIN = re.compile(
    r"^\s*(?:(?:edge[ _])?boundary|edge|new segment\b.*|-99(?:\.0)?|(?:data )?discontinuity|bad boundary)\s*/?\s*$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a file states about a stretch of it.

    Attributes:
        start: Sample at which it begins; may lie outside the recording.
        stop: Behind its last sample; `start` for a point in time.
        text: As the file writes it.
    """

    start: int
    stop: int
    text: str


@dataclass(frozen=True, slots=True)
class Events:
    """What the events of a file mean.

    Attributes:
        markers: All that are neither joins nor bad stretches, by onset.
        breaks: First samples after joins, ascending.
        bad: Stretches marked as bad.
        notes: What was changed or left out.
    """

    markers: tuple[Marker, ...] = ()
    breaks: tuple[int, ...] = ()
    bad: tuple[Span, ...] = ()
    notes: tuple[str, ...] = ()


def is_bad(text: str) -> bool:
    """Whether an event's text says that the signal is bad (``BAD_blink``, ``bad interval``)."""
    return _BAD.search(text) is not None


def _is_join(text: str) -> bool:
    """Whether an event's text says that pieces were joined there (``boundary``, ``New Segment/``, EEGLAB's -99)."""
    return _JOIN.match(text) is not None


def sorted_out(events: Iterable[Event], samples: int, breaks: Sequence[int] = (), unreadable: int = 0) -> Events:
    """Sort a file's events into markers, joins and bad stretches; what reaches outside the recording is clamped.

    Args:
        events: In any order.
        samples: Of the recording.
        breaks: Joins that are known already.
        unreadable: Events that the file has and whose time cannot be read.
    """
    markers: list[Marker] = []
    joins = set(breaks)
    bad: list[Span] = []
    clamped = outside = 0
    for event in events:
        start, stop = min(max(event.start, 0), samples), min(max(event.stop, event.start, 0), samples)
        is_point = event.stop <= event.start
        if _is_join(event.text):
            joins.add(start)
        if (event.start >= samples or (event.stop if not is_point else event.start) < 0) and not _is_join(event.text):
            outside += 1
            continue
        clamped += (start, stop) != (event.start, max(event.stop, event.start))
        if is_bad(event.text):
            bad.append(Span(start, max(stop, min(start + 1, samples)), cut(event.text.strip(), _LONGEST)))
        elif not _is_join(event.text):
            markers.append(Marker(start, stop - start, event.text))
    notes = [
        note
        for number, note in (
            (unreadable, f"{counted(unreadable, 'event')} left out: no time that can be read"),
            (outside, f"{counted(outside, 'event')} left out: outside the recording"),
            (clamped, f"{counted(clamped, 'event')} cut to the recording's first or last sample"),
        )
        if number
    ]
    return Events(
        tuple(sorted(markers, key=lambda marker: marker.onset)),
        tuple(sorted(at for at in joins if 0 < at < samples)),
        tuple(sorted(bad, key=lambda span: (span.start, span.stop))),
        tuple(notes),
    )
