"""Opens every file of a datalist: what `reading` cannot see without it (shape, NaN, a file cut short, one file twice).

The files are opened by several threads: unpacking, reading and hashing happen in compiled code that lets other threads
run. Two threads open MRIs twice as fast as one, as two processes do; but each process first imports the libraries anew,
for 6 to 12 seconds (measured by tests/benchmarks/bench_datalist_check.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from monai_fusion.datalist.field_of_view import varying_fields_of_view
from monai_fusion.datalist.files import natural_key
from monai_fusion.datalist.geometry import Geometry, read_geometry
from monai_fusion.datalist.reading import Examination
from monai_fusion.datalist.reporting import Finding, in_order
from monai_fusion.datalist.validation import Row
from monai_fusion.errors import InputError
from monai_fusion.fingerprint import content_hash

Loader = Callable[[Path], np.ndarray]


@dataclass(frozen=True, slots=True)
class Recording:
    """A file of a participant: ``field`` is ``eeg`` or ``mri``, ``name`` the path as the datalist has it."""

    row: Row
    field: str
    name: str
    path: Path

    def finding(self, seen: str, wanted: str = "", advice: str = "", *, warning: bool = False) -> Finding:
        """Something about this file."""
        found = self.row.finding(f"{self.field} {self.name}", seen, wanted, advice, group="contents")
        return replace(found, warning=warning)


@dataclass(frozen=True, slots=True)
class Opened:
    """What was seen in a file: the hash of its bytes (empty if unreadable), and of an MRI its geometry."""

    recording: Recording
    content: str
    findings: tuple[Finding, ...]
    geometry: Geometry | None = None


@dataclass(frozen=True)
class Opener:
    """Opens one recording after the other; the loaders are handed in, because they need torch and MONAI.

    Attributes:
        load_eeg: Returns ``[electrode, frequency, time]``, or raises InputError if the file is wrong.
        load_mri: Returns ``[1, X, Y, Z]``, or raises InputError.
        assume_orientation: Axes of MRIs whose header states none.
    """

    load_eeg: Loader
    load_mri: Loader
    assume_orientation: str | None = None

    def __call__(self, recording: Recording) -> Opened:
        """Open a file once for its bytes and once for its numbers (the second time it is in the system's cache)."""
        try:
            content = content_hash(recording.path)
        except OSError as error:
            return Opened(recording, "", (recording.finding(f"cannot be read ({error.strerror or 'damaged'})"),))
        try:
            values = (self.load_eeg if recording.field == "eeg" else self.load_mri)(recording.path)
        except InputError as error:
            return Opened(recording, content, tuple(_refusals(recording, error)))
        if recording.field == "eeg":
            return Opened(recording, content, tuple(_constant_electrodes(recording, values)))
        geometry = read_geometry(recording.path, self.assume_orientation)
        findings = [recording.finding(seen, wanted, advice, warning=True) for seen, wanted, advice in geometry.doubts()]
        if values.min() == values.max():
            findings.append(recording.finding("every voxel has the same value", "an image of a head"))
        return Opened(recording, content, tuple(findings), geometry)


def recordings_of(examination: Examination) -> list[Recording]:
    """Every file of the participants that the examination found, in the datalist's order."""
    recordings = [
        Recording(found.row, field, name, examination.data_root / name)
        for found in examination.participants
        for field, names in (("eeg", sorted(found.eeg, key=natural_key)), ("mri", [found.mri] if found.mri else []))
        for name in names
    ]
    # Path.is_file raises for a path that is too long.
    return [recording for recording in recordings if os.path.isfile(recording.path)]  # noqa: PTH113


def check_contents(
    examination: Examination,
    recordings: Sequence[Recording],
    opener: Opener,
    workers: int,
    opened_one: Callable[[], Any],
) -> list[Finding]:
    """Open the files and say what is wrong with each, and with all of them together.

    Args:
        examination: Of the datalist, for the lines.
        recordings: From `recordings_of`.
        opener: Opens one.
        workers: How many are opened at a time.
        opened_one: Called after each, for a progress bar.

    Returns:
        Errors and warnings, each with its line.
    """
    opened: list[Opened] = []
    executor = ThreadPoolExecutor(workers)
    try:
        for one in executor.map(opener, recordings):
            opened.append(one)
            opened_one()
    finally:
        executor.shutdown(cancel_futures=True)  # whoever presses Ctrl+C does not wait for the rest
    findings = [finding for one in opened for finding in one.findings]
    findings += _equal_files(opened)
    geometries = [(one.recording.row, one.geometry) for one in opened if one.geometry is not None]
    findings += varying_fields_of_view([(row, geometry.field_of_view) for row, geometry in geometries])
    places = examination.json.places
    lines = [places.line(finding.place) if finding.place else None for finding in findings]
    return in_order(
        finding if line is None else finding.at_line(line) for finding, line in zip(findings, lines, strict=True)
    )


def _refusals(recording: Recording, error: InputError) -> Iterator[Finding]:
    for problem in error.problems:
        detail = f"{problem.field}: " if problem.field not in ("", recording.field) else ""
        yield recording.finding(detail + problem.seen, problem.wanted, problem.advice)


def _constant_electrodes(recording: Recording, values: np.ndarray) -> Iterator[Finding]:
    constant = np.flatnonzero(values.min(axis=(1, 2)) == values.max(axis=(1, 2)))
    if len(constant) == len(values):
        yield recording.finding(f"all {len(values)} electrodes are constant", "a scalogram")
    elif len(constant):
        numbers = ", ".join(str(number + 1) for number in constant)
        noun = "electrode" if len(constant) == 1 else "electrodes"
        seen = f"{noun} {numbers} of {len(values)} constant over all frequencies and times"
        advice = (
            "it becomes zeros: was it connected?" if len(constant) == 1 else "they become zeros: were they connected?"
        )
        yield recording.finding(seen, advice=advice, warning=True)


def _equal_files(opened: Iterable[Opened]) -> Iterator[Finding]:
    """One recording under two participants is learned from and judged by, whatever its file is called."""
    first_with: dict[str, Recording] = {}
    pairs: dict[tuple[str, str, str], list[tuple[Recording, Recording]]] = {}
    for one in opened:
        recording = one.recording
        other = first_with.setdefault(one.content, recording) if one.content else recording
        if other.path != recording.path:
            pair = (other.row.participant_id, recording.row.participant_id, recording.field)
            pairs.setdefault(pair, []).append((recording, other))
    for equal in pairs.values():  # one message a pair, however many files the two have in common
        yield _equal(*equal[0], more=len(equal) - 1)


def _equal(recording: Recording, other: Recording, more: int) -> Finding:
    further = f" (and {more} more)" if more else ""
    if other.row.participant_id == recording.row.participant_id:
        seen = f"byte for byte the same file as {other.name}{further}"
        return recording.finding(seen, advice="it counts twice: leave one of them out", warning=True)
    seen = f"byte for byte the same file as {other.name} of {other.row.participant_id}{further}"
    return recording.finding(seen, advice="find out whose it is: one of the two has the other's recording")
