"""Cuts the stretches of a condition into segments of equal length, none across a join or a bad stretch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from monai_fusion.errors import InputError, Problem
from monai_fusion.recordings.recording import Cut, Recording, Segment, Span

INCOMPLETE = "incomplete"
BOUNDARY = "boundary"

SECONDS = 10.0
"""The length of a segment."""


def cut(recording: Recording, spans: Sequence[Span], seconds: float = SECONDS) -> Cut:
    """Cut each span, from its start, into segments that follow one another.

    All of it is integer arithmetic on the file's own samples. Behind a join or a bad stretch it begins again.

    Args:
        recording: The recording.
        spans: Stretches of a condition, from `find_conditions`.
        seconds: The length of a segment; it is rounded to whole samples.

    Returns:
        The segments; where none is kept, `dropped` says why.

    Raises:
        InputError: ``seconds`` is not even two samples.
    """
    length = round(seconds * recording.sampling_hz) if math.isfinite(seconds) else 0
    if length < 2:
        raise InputError(Problem("--seconds", seen=f"{seconds:g}", wanted="a length of at least two samples"))
    clean = _clean_stretches(recording)
    segments: list[Segment] = []
    dropped: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, span.stop)):
        begin, end = max(span.start, 0), min(span.stop, recording.samples)
        for start, stop, reason in clean:
            first, last = max(start, begin), min(stop, end)
            if first >= last:
                continue
            count = (last - first) // length
            segments += [
                Segment(span.why, at, at + length, start, stop) for at in range(first, first + count * length, length)
            ]
            rest = first + count * length
            if rest < last:
                dropped.append(Span(rest, last, reason if last == stop and last < end else INCOMPLETE))
        dropped += _bad_within(recording, begin, end)
    return Cut(
        tuple(sorted(segments, key=lambda segment: segment.start)),
        tuple(sorted(dropped, key=lambda span: (span.start, span.stop))),
        tuple(spans),
    )


def _clean_stretches(recording: Recording) -> list[tuple[int, int, str]]:
    """Stretches of real signal without a join or a bad sample, each with what ends it."""
    stretches = []
    start = 0
    for bad_start, bad_stop, why in [*_merged(recording.bad), (recording.samples, recording.samples, INCOMPLETE)]:
        edges = [at for at in recording.breaks if start < at < bad_start]
        for edge in edges:
            stretches.append((start, edge, BOUNDARY))
            start = edge
        if bad_start > start:
            # A join at the very edge of a bad stretch: the stretch ends by either.
            stretches.append((start, bad_start, why))
        start = bad_stop
    return stretches


def _merged(spans: Iterable[Span]) -> list[tuple[int, int, str]]:
    """Bad stretches in order, overlapping ones as one that has the first one's reason."""
    merged: list[tuple[int, int, str]] = []
    for span in sorted(spans, key=lambda span: (span.start, span.stop)):
        if merged and span.start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], span.stop), merged[-1][2])
        else:
            merged.append((span.start, span.stop, span.why))
    return merged


def _bad_within(recording: Recording, begin: int, end: int) -> list[Span]:
    return [
        Span(max(start, begin), min(stop, end), why)
        for start, stop, why in _merged(recording.bad)
        if max(start, begin) < min(stop, end)
    ]
