"""Where in a recording which condition is: by its markers, by BIDS events, by its name, or as the user says."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from monai_fusion.errors import InputError, Problem
from monai_fusion.recordings.condition_words import (
    Codes,
    Meaning,
    checked_codes,
    checked_condition,
    condition_of_name,
    is_bare_end,
    meaning_of,
)
from monai_fusion.recordings.recording import Marker, Recording, Span
from monai_fusion.wording import a_few, counted, cut, quoted

_BLOCK_S = 1.0  # a marker that lasts this long states its block itself
_RUN_GAP = 1.5  # intervals between two markers of one run, at most
_TWO = "two conditions"  # the reason why a stretch is left out
_RESTART_BLOCKS = 4  # of each condition, behind a restart that makes what lies before it a trial run


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions of a recording.

    Attributes:
        spans: Stretches in time order, none overlapping; `why` is the condition. Joins may lie inside.
        source: ``markers``, ``events.tsv``, ``name`` or ``option``.
        notes: What was decided on the way.
        dropped: Stretches that have a condition's markers and are left out, with the reason.
    """

    spans: tuple[Span, ...]
    source: str
    notes: tuple[str, ...] = ()
    dropped: tuple[Span, ...] = ()


def find_conditions(recording: Recording, *, condition: str | None = None, codes: Codes | None = None) -> Conditions:
    """Find the stretches of each condition.

    The recording's markers are asked first, then an events.tsv beside it, then its name; ``condition`` is for what none
    of them says.

    Args:
        recording: The recording.
        condition: Of a whole recording that does not say.
        codes: Markers of each condition, ``{"EO": ["200", "eyes_open"], "EC": ["210"]}``; without, `DEFAULT_CODES`.

    Raises:
        InputError: Nothing says it, or the name and the markers contradict each other.
    """
    wanted = checked_codes(codes)
    given = None if condition is None else checked_condition(condition)
    named, note = condition_of_name(recording.path, wanted)
    notes = (note,) if note else ()
    for source, markers in (("markers", recording.markers), ("events.tsv", recording.events)):
        found = _by_markers(recording, markers, wanted)
        if found is None:
            continue
        found = replace(found, source=source, notes=(*notes, *found.notes))
        return _with_name(recording, found, named, given)
    whole = (Span(0, recording.samples, named or given or ""),)
    if named is not None:
        if given not in (None, named):
            notes = (*notes, f"the name says {named}: --condition {given} is not used")
        return Conditions(whole, "name", notes)
    if given is not None:
        return Conditions(whole, "option", notes)
    raise InputError(_unknown(recording, wanted))


def _with_name(recording: Recording, found: Conditions, named: str | None, given: str | None) -> Conditions:
    """What markers and name say together.

    Raises:
        InputError: The name says one condition, and the markers only others.
    """
    marked = {span.why for span in found.spans}
    notes = found.notes
    if given is not None and marked != {given}:
        notes = (*notes, f"the {found.source} say {' and '.join(sorted(marked))}: --condition {given} is not used")
    if named is not None and named not in marked:
        seen = f"the name says {named}, the {found.source} say {' and '.join(sorted(marked))}"
        raise InputError(Problem(str(recording.path), "condition", seen, "the same", "rename the file"))
    if named is not None and marked == {named} and recording.breaks and found.source == "markers":
        # Cleaned files are cut and joined: their markers stand no longer at even distances, and the name is of all.
        return Conditions((Span(0, recording.samples, named),), "name", notes)
    return replace(found, notes=notes)


def _by_markers(recording: Recording, markers: Sequence[Marker], codes: Codes) -> Conditions | None:
    """The stretches that markers state; None if none of them is of a condition."""
    meant = [(marker, meaning) for marker in markers if (meaning := meaning_of(marker.text, codes)) is not None]
    begins = [(marker, meaning) for marker, meaning in meant if not meaning.ends]
    if not begins:
        return None
    long = round(_BLOCK_S * recording.sampling_hz)
    ends = [marker.onset for marker in markers if is_bare_end(marker.text)]
    limits = sorted({recording.samples, *(marker.onset for marker, _ in meant), *ends})
    spans = [
        Span(marker.onset, marker.onset + marker.duration, meaning.condition)
        for marker, meaning in begins
        if marker.duration >= long
    ]
    points = [(marker.onset, meaning.condition) for marker, meaning in begins if marker.duration < long]
    notes = [_which(begins, codes)]
    intervals = _intervals(points)
    if points and intervals:
        spans += _runs(recording, points, intervals, limits)
    elif points and not spans:
        spans += [Span(at, limits[bisect_right(limits, at)], name) for at, name in points if at < recording.samples]
        notes.append("its markers neither last nor repeat: each is taken to hold up to the next one, or to the end")
    elif points:
        notes.append(f"{counted(len(points), 'marker')} of a condition left out: no duration")
    claimed, disputed = _undisputed(spans, long)
    if disputed:
        number = counted(len(disputed), "stretch", "es")
        notes.append(f"{number} left out: the markers say two conditions at once")
    kept, dropped = _without_trial_run(recording, _apart(claimed))
    if not kept:
        return None
    if dropped:
        notes.append(
            f"{counted(len(dropped), 'block')} before the recording was started again left out: {dropped[0].why} only"
        )
    why = "before the restart"
    return Conditions(tuple(kept), "", tuple(notes), (*(replace(span, why=why) for span in dropped), *disputed))


def _which(begins: Iterable[tuple[Marker, Meaning]], codes: Codes) -> str:
    """``EO by 240 x "200", EC by 240 x "210"``: what they match, because their own text may be anything."""
    matched: dict[str, Counter[str]] = defaultdict(Counter)
    for _, meaning in begins:
        matched[meaning.condition][meaning.by] += 1
    named = [
        f"{name} by {a_few((f'{count} x {quoted(by)}' for by, count in matched[name].most_common()), 3)}"
        for name in codes
        if name in matched
    ]
    return ", ".join(named)


def _intervals(points: Sequence[tuple[int, str]]) -> dict[str, int]:
    """Samples between the markers of each condition's runs; empty if no condition's marker follows one of its own.

    A condition none of whose markers repeats has the interval of all.
    """
    steps: dict[str, list[int]] = defaultdict(list)
    for before, after in pairwise(points):
        if after[1] == before[1] and after[0] > before[0]:
            steps[after[1]].append(after[0] - before[0])
    if not steps:
        return {}
    usual = [step for each in steps.values() for step in each]
    return {name: round(float(np.median(steps.get(name, usual)))) for _, name in points}


def _runs(
    recording: Recording, points: Sequence[tuple[int, str]], intervals: Mapping[str, int], limits: Sequence[int]
) -> list[Span]:
    """A run of equal markers is a block; it ends one interval after its last marker, or where something else begins."""
    runs: list[tuple[int, int, str]] = []
    for at, name in points:
        if runs and runs[-1][2] == name and at - runs[-1][1] <= _RUN_GAP * intervals[name]:
            runs[-1] = (runs[-1][0], at, name)
        else:
            runs.append((at, at, name))
    ends = sorted({*limits, *recording.breaks, recording.samples})
    spans = []
    for first, last, name in runs:
        after = bisect_right(ends, last)
        stop = min(last + intervals[name], ends[after] if after < len(ends) else recording.samples)
        if stop > first:
            spans.append(Span(first, stop, name))
    return spans


def _undisputed(spans: Sequence[Span], most_shared: int) -> tuple[list[Span], list[Span]]:
    """The stretches without those of two conditions, and these; of a short one the condition that begins there has it.

    Args:
        spans: In any order.
        most_shared: Samples that two conditions may share: durations are rounded.
    """
    changes: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for span in spans:
        changes[span.start].append((span.why, 1))
        changes[span.stop].append((span.why, -1))
    claimed: list[Span] = []
    disputed: list[Span] = []
    active: Counter[str] = Counter()
    for start, stop in pairwise(sorted(changes)):
        for condition, step in changes[start]:
            active[condition] += step
        here = [condition for condition, number in active.items() if number > 0]
        if len(here) == 2 and stop - start <= most_shared and claimed and claimed[-1].stop == start:
            here = [condition for condition in here if condition != claimed[-1].why]
        if len(here) == 1:
            claimed.append(Span(start, stop, here[0]))
        elif here:
            disputed.append(Span(start, stop, _TWO))
    return claimed, disputed


def _apart(spans: Iterable[Span]) -> list[Span]:
    """The stretches in time order; touching ones of a condition are one, and none reaches into the next."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, span.stop)):
        if found and found[-1].why == span.why and span.start <= found[-1].stop + 1:
            found[-1] = replace(found[-1], stop=max(found[-1].stop, span.stop))
            continue
        if found and found[-1].stop > span.start:
            found[-1] = replace(found[-1], stop=span.start)
        found.append(span)
    return [span for span in found if span.stop > span.start]


def _without_trial_run(recording: Recording, spans: list[Span]) -> tuple[list[Span], list[Span]]:
    """Leave out blocks before a restart: those of one condition only, where a whole session of several follows.

    A New Segment in the middle of a session is no restart: what follows it is not as much of both conditions then.
    """
    if recording.format != "BrainVision":
        return spans, []
    for at in reversed(recording.breaks):
        before = [span for span in spans if span.stop <= at]
        after = [span for span in spans if span.start >= at]
        counts = Counter(span.why for span in after)
        if (
            before
            and len({span.why for span in before}) == 1
            and len(before) + len(after) == len(spans)
            and len(counts) > 1
            and min(counts.values()) >= _RESTART_BLOCKS
            and counts[before[0].why] >= max(counts.values())
        ):
            return after, before
    return spans, []


def _unknown(recording: Recording, codes: Codes) -> Problem:
    texts = Counter(marker.text for marker in (*recording.markers, *recording.events))
    shown = [(text, count) for text, count in texts.most_common() if _is_marker(text, count)]
    there = a_few((f"{quoted(cut(text, 30))} ({count} x)" for text, count in shown), 5)
    comments = counted(len(texts) - len(shown), "comment") if len(shown) < len(texts) else ""
    told = " and ".join(each for each in (there, comments) if each) or "none"
    seen = f"not known: no marker says it, and the name does not (markers: {told})"
    advice = f"give --condition {next(iter(codes))} for files that do not say, or name the markers of each condition"
    return Problem(str(recording.path), "condition", seen, advice=advice)


def _is_marker(text: str, count: int) -> bool:
    """Whether a text is a marker, and no sentence that somebody typed during the recording: it may name a person."""
    last = text.rpartition("/")[2]
    return len(last.split()) < 2 or (count > 1 and len(last.split()) < 4) or any(sign.isdigit() for sign in last)
