"""From one raw recording to its scalograms and sidecars on disk."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_fusion import __version__
from monai_fusion.errors import InputError, Problem
from monai_fusion.files import sync_all, write_atomically
from monai_fusion.fingerprint import digest_of
from monai_fusion.recordings import signals
from monai_fusion.recordings.earlier import Earlier
from monai_fusion.recordings.naming import segment_name, sidecar_path
from monai_fusion.recordings.options import SAMPLING_HZ, SIZE, Filters, ScalogramOptions
from monai_fusion.recordings.recording import Cut, Electrodes, Recording, Segment, Span
from monai_fusion.recordings.sidecars import Origin, Piece, begin, finish, reason_of
from monai_fusion.recordings.survey import Survey, survey
from monai_fusion.recordings.transforming import Transform, transform_of
from monai_fusion.wording import a_few, counted

_LIBRARIES = ("numpy", "scipy")
_NO_NUMBER = "not a number"


@dataclass(frozen=True, slots=True)
class Opened:
    """A recording, ready to be transformed: opened, its electrodes chosen, and cut.

    Attributes:
        stem: What the names of its files begin with.
    """

    recording: Recording
    electrodes: Electrodes
    cut: Cut
    stem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What became of a recording.

    Attributes:
        path: The recording.
        state: ``made``, ``finished`` (nothing had to be done) or ``failed``.
        sidecars: The sidecars of its conditions.
        kept: Segments by condition.
        dropped: Stretches that became no segment, by reason.
        notes: Sentences for the user.
        problems: Why it failed.
    """

    path: Path
    state: str
    sidecars: tuple[Path, ...] = ()
    kept: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def make_scalograms(opened: Opened, options: ScalogramOptions, taken: dict[Path, Path] | None = None) -> Made:
    """Write the scalograms of a recording and their sidecars; nothing if that was done before.

    Args:
        opened: The recording.
        options: How.
        taken: The sidecars that other recordings of this job have, ``{sidecar: recording}``; a recording that would
            write one of them is refused, and what this one has is added.

    Raises:
        InputError: It has no segment, its signal cannot be in microvolts, or its files belong to another recording.
    """
    work = _Work.of(opened, options)
    work.refuse_taken({} if taken is None else taken)
    earlier = Earlier.read(options.job.out, opened.stem, work.origin)
    if (contents := earlier.finished(work.sidecars, work.digest)) is not None:
        return _finished_before(opened.recording.path, work.sidecars, contents)
    if not opened.cut.segments:
        raise InputError(_no_segment(opened.recording, opened.cut))
    planned = [name for names in work.planned.values() for name in names]
    earlier.refuse_foreign(work.sidecars, planned, options.job.overwrite)
    seen = survey(opened.recording, opened.electrodes, opened.cut.segments, options.filters, options.recording.unit)
    filters = replace(options.filters, line_hz=seen.line_hz if options.filters.find_line else options.filters.line_hz)
    removed = earlier.make_room(planned, work.sidecars)
    notes = [f"{counted(removed, 'file')} of an earlier run of this recording removed"] if removed else []
    for sidecar, names in zip(work.sidecars, work.planned.values(), strict=True):
        begin(sidecar, work.origin, names)
    try:
        return _finish(work, filters, seen, _write_segments(work, filters), notes)
    except Exception:  # half a recording would be taken for a whole one
        for path in (*(options.job.out / name for name in planned), *work.sidecars):
            path.unlink(missing_ok=True)
        raise


@dataclass(frozen=True, slots=True)
class _Work:
    opened: Opened
    options: ScalogramOptions
    transform: Transform
    origin: Origin
    planned: dict[str, list[str]]  # for each condition the files that there are if no segment is rejected
    digest: str

    @classmethod
    def of(cls, opened: Opened, options: ScalogramOptions) -> _Work:
        cut = opened.cut
        transform = transform_of(options.transform, options.segments)
        origin = Origin.of(opened.recording)
        conditions = sorted({each.why for each in cut.conditions} | {each.condition for each in cut.segments})
        number = Counter(each.condition for each in cut.segments)
        planned = {
            each: [segment_name(opened.stem, each, place) for place in range(number[each])] for each in conditions
        }
        return cls(opened, options, transform, origin, planned, _digest(opened, options, transform, origin))

    @property
    def out(self) -> Path:
        return self.options.job.out

    @property
    def sidecars(self) -> tuple[Path, ...]:
        return tuple(sidecar_path(self.out, self.opened.stem, condition) for condition in self.planned)

    def refuse_taken(self, taken: dict[Path, Path]) -> None:
        """Refuse the names of files that another recording writes.

        Args:
            taken: The recording of each sidecar; this one's are added.

        Raises:
            InputError: Another recording writes the same files.
        """
        path = self.opened.recording.path
        for sidecar in self.sidecars:
            if taken.setdefault(sidecar, path) != path:
                seen = f"would write the same files as {taken[sidecar]}"
                advice = "rename one of them, or write them into folders of their own"
                raise InputError(Problem(str(path), seen=seen, advice=advice))


def _digest(opened: Opened, options: ScalogramOptions, transform: Transform, origin: Origin) -> str:
    """Stands for all that determines the files' content."""
    recording, electrodes, cut = opened.recording, opened.electrodes, opened.cut
    return digest_of({
        "hashes": origin.hashes,
        "options": options.what_counts(),
        "channels": [recording.channels[each] for each in electrodes.channels],
        "averaged": [recording.channels[each] for each in signals.average_channels(recording)],
        "scale": recording.scale,
        "sampling_hz": recording.sampling_hz,
        "electrodes": [electrodes.names, electrodes.weights.tolist()],
        "segments": [astuple(each) for each in cut.segments],
        "dropped": [astuple(each) for each in cut.dropped],
        "transform": transform.described,
        "signals": signals.VERSION,
    })  # fmt: skip


def _finished_before(path: Path, sidecars: tuple[Path, ...], contents: Sequence[Mapping[str, Any]]) -> Made:
    dropped: Counter[str] = Counter()
    for content in contents:
        dropped.update(content["Dropped"])
    kept = {str(content["Condition"]): int(content["Kept"]) for content in contents}
    return Made(path=path, state="finished", sidecars=sidecars, kept=kept, dropped=dict(dropped))


def _no_segment(recording: Recording, cut: Cut) -> Problem:
    reasons = Counter(reason_of(each) for each in cut.dropped)
    counts = ", ".join(f"{number} x {why}" for why, number in reasons.most_common(5))
    return Problem(
        recording.path.name,
        seen=f"no segment is left ({counts})" if counts else "no segment",
        wanted="at least one",
        advice="a shorter --seconds, or a larger --reject, keeps more"
        if counts
        else "what is EO, what EC? Give --condition",
    )


@dataclass(slots=True)
class _Written:
    pieces: list[Piece] = field(default_factory=list)
    rejected: list[Span] = field(default_factory=list)
    file_bytes: int = 0


def _write_segments(work: _Work, filters: Filters) -> _Written:
    recording, electrodes, segments = work.opened.recording, work.opened.electrodes, work.opened.cut.segments
    preparation = signals.Preparation(filters, work.options.segments.seconds, work.transform.margin)
    written = _Written()
    numbers: Counter[str] = Counter()
    prepared = signals.prepared_segments(recording, electrodes, segments, preparation)
    for segment, each in zip(segments, prepared, strict=True):
        if (why := _rejected(each.segment, work.options.segments.reject)) is not None:
            written.rejected.append(Span(segment.start, segment.stop, why))
            continue
        with np.errstate(over="ignore", invalid="ignore"):  # a sample may be too large for float32
            image = work.transform.apply(each)
        if not np.isfinite(image).all():
            written.rejected.append(Span(segment.start, segment.stop, _NO_NUMBER))
            continue
        name = work.planned[segment.condition][numbers[segment.condition]]
        numbers[segment.condition] += 1
        written.file_bytes = _write_array(work.out / name, image)
        written.pieces.append(_piece(name, segment, recording.sampling_hz, each))
    if not written.pieces:
        every = (*work.opened.cut.dropped, *written.rejected)
        raise InputError(_no_segment(recording, replace(work.opened.cut, dropped=every)))
    return written


def _piece(name: str, segment: Segment, sampling_hz: float, prepared: signals.Prepared) -> Piece:
    start, stop = (round(each / sampling_hz, 6) for each in (segment.start, segment.stop))
    before, behind = (round(each / SAMPLING_HZ, 3) for each in prepared.real_margin)
    return Piece(name, segment.condition, start, stop, (before, behind))


def _rejected(signal: NDArray[np.float64], most_uv: float | None) -> str | None:
    """Why a segment is dropped after all, if it is."""
    if not np.isfinite(signal).all():
        return _NO_NUMBER
    return "amplitude" if most_uv is not None and np.ptp(signal, axis=1).max() > most_uv else None


def _write_array(path: Path, image: NDArray[np.float32]) -> int:
    """Write a ``.npy`` file, and return its size."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, np.lib.format.header_data_from_array_1_0(image))

    def write(stream: Any) -> None:
        stream.write(head.getbuffer())
        stream.write(image.data)

    write_atomically(path, write, sync=False)  # the disk writes while the next one is computed
    return head.tell() + image.nbytes


def _finish(work: _Work, filters: Filters, seen: Survey, written: _Written, notes: Sequence[str]) -> Made:
    recording, cut = work.opened.recording, work.opened.cut
    lost = {name for names in work.planned.values() for name in names} - {each.file for each in written.pieces}
    for name in lost:  # of an earlier run that rejected fewer
        (work.out / name).unlink(missing_ok=True)
    sync_all(work.out / each.file for each in written.pieces)  # before the sidecar says that they are there
    interpolated = work.opened.electrodes.interpolated
    notes = [*recording.notes, *seen.notes, *notes]
    notes += [f"interpolated: {a_few(interpolated, 20)}"] if interpolated else []
    if (highest := recording.sampling_hz / 2) < work.transform.row_hz[0] and recording.sampling_hz < SAMPLING_HZ:
        notes.append(f"recorded at {recording.sampling_hz:g} Hz: rows above {highest:g} Hz hold nothing")
    about = {**_about(work, filters, seen), "FileBytes": written.file_bytes, "Notes": notes, "MadeWith": work.digest}
    every = [*cut.dropped, *written.rejected]
    for sidecar, condition in zip(work.sidecars, work.planned, strict=True):
        stretches = [each for each in cut.conditions if each.why == condition]
        pieces = [each for each in written.pieces if each.condition == condition]
        dropped = [each for each in every if _lies_in(each, stretches)]
        if sidecar == work.sidecars[0]:  # what is of no condition that is left
            dropped += [each for each in every if not _lies_in(each, cut.conditions)]
        dropped.sort(key=lambda each: each.start)
        finish(
            sidecar, work.origin, {"Condition": condition, **about}, pieces, dropped, stretches, recording.sampling_hz
        )
    kept = {condition: sum(each.condition == condition for each in written.pieces) for condition in work.planned}
    return Made(
        path=recording.path,
        state="made",
        sidecars=work.sidecars,
        kept=kept,
        dropped=dict(Counter(reason_of(each) for each in every)),
        notes=tuple(notes),
    )


def _lies_in(span: Span, stretches: Sequence[Span]) -> bool:
    return any(span.start < each.stop and span.stop > each.start for each in stretches)


def _about(work: _Work, filters: Filters, seen: Survey) -> dict[str, Any]:
    """What a sidecar says of how its scalograms were made."""
    recording, electrodes, transform = work.opened.recording, work.opened.electrodes, work.transform
    return {
        "Mode": work.options.transform.mode,
        "Electrodes": list(electrodes.names),
        "InterpolatedElectrodes": list(electrodes.interpolated),
        "BadChannels": list(recording.bad_channels),
        "Units": transform.unit,
        "Axes": ["frequency", "time", "electrode"],
        "Shape": [SIZE, SIZE, len(electrodes.names)],
        "RowFrequenciesHz": [round(float(hertz), 4) for hertz in transform.row_hz],
        "SegmentSeconds": work.options.segments.seconds,
        "SamplingHz": SAMPLING_HZ,
        "Signal": signals.described(filters),
        "RejectAboveMicrovolts": work.options.segments.reject,
        "Transform": transform.described,
        "Recording": {
            "Format": recording.format,
            "SamplingHz": recording.sampling_hz,
            "DurationS": round(recording.samples / recording.sampling_hz, 3),
            "Channels": len(recording.channels),
            "Reference": recording.reference,
            "Resampling": signals.described_resampling(recording.sampling_hz),
            "RobustSdMicrovolts": dict(zip(electrodes.names, seen.robust_sd_uv, strict=True)),
            "LineFoundHz": seen.line_hz,
        },
        "GeneratedBy": {"Name": "monai-fusion scalogram", "Version": __version__},
        "Libraries": {name: version(name) for name in _LIBRARIES},
    }
