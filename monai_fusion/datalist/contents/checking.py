"""Opens every file of a datalist: what `examination` cannot see (shape, NaN, a file cut short, one file twice).

The files are opened by several threads: unpacking, reading and hashing happen in compiled code that lets other threads
run. Two threads open MRIs twice as fast as one, as two processes do; but each process first imports the libraries
itself, for 6 to 12 seconds (measured by tests/benchmarks/bench_datalist_check.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from monai_fusion.contrast import all_constant, flat_electrodes
from monai_fusion.datalist.contents.equal_recordings import Digests, equal_recordings, values_digest
from monai_fusion.datalist.contents.field_of_view import varying_fields_of_view
from monai_fusion.datalist.contents.geometry import Geometry, geometry_of
from monai_fusion.datalist.contents.recording_files import Recording, with_lines
from monai_fusion.datalist.contents.volume_doubts import doubts_about, error_in
from monai_fusion.datalist.examination import Examination
from monai_fusion.datalist.reporting import Finding
from monai_fusion.errors import InputError
from monai_fusion.file_formats.content import UnusableFileError
from monai_fusion.file_formats.nifti import open_volume
from monai_fusion.file_formats.npy import open_scalogram
from monai_fusion.fingerprint import content_hash


@dataclass(frozen=True, slots=True)
class OpenedRecording:
    """What was seen in a file: what it is compared by (None if it cannot be used), and of an MRI its geometry."""

    recording: Recording
    findings: tuple[Finding, ...]
    digests: Digests | None = None
    geometry: Geometry | None = None


class Look(Protocol):
    """Looks at recordings that can be used while they are open; called by several threads."""

    def eeg(self, path: Path, values: np.ndarray) -> None:
        """Look at a scalogram [electrode, frequency, time]."""

    def mri(self, path: Path, values: np.ndarray, spacing: Sequence[float]) -> None:
        """Look at a volume [X, Y, Z] in RAS; the edges of its voxels along these axes, as the header has them."""


@dataclass(frozen=True)
class RecordingOpener:
    """Opens one recording after the other, with the readers that prepare them for a training.

    Attributes:
        eeg_shape: Frequency x time x electrode of a scalogram file.
        assume_orientation: Axes of MRIs whose header states none.
        percentiles_over: The voxels over which an MRI's percentiles are taken: ``all`` or ``nonzero``.
        look: Sees every recording that can be used, so that no file is opened once more for it.
    """

    eeg_shape: tuple[int, int, int] = (224, 224, 17)
    assume_orientation: str | None = None
    percentiles_over: str = "all"
    look: Look | None = None

    def __call__(self, recording: Recording) -> OpenedRecording:
        """Open a file once for its bytes and once for its numbers (the second time it is in the system's cache).

        Whatever happens is a finding about this file: no file keeps the others from being looked at.
        """
        try:
            return (self._open_eeg if recording.field == "eeg" else self._open_mri)(recording)
        except InputError as error:
            return OpenedRecording(recording, tuple(_refusals(recording, error)))
        except OSError as error:
            seen = f"cannot be read ({error.strerror or 'damaged'})"
            return OpenedRecording(recording, (recording.finding(seen),))
        except Exception as error:  # no text of it: it may quote the header
            seen = f"cannot be examined ({type(error).__name__})"
            return OpenedRecording(recording, (recording.finding(seen, advice="write or convert the file again"),))

    def _open_eeg(self, recording: Recording) -> OpenedRecording:
        scalogram = open_scalogram(recording.path, self.eeg_shape)
        flat = flat_electrodes(scalogram.values)
        if flat.all():
            problem = all_constant("", len(flat))
            return OpenedRecording(recording, (recording.finding(problem.seen, problem.wanted),))
        if self.look is not None:
            self.look.eeg(recording.path, scalogram.values)
        findings = list(_flat_electrodes(recording, flat))
        if scalogram.behind:
            seen = f"{scalogram.behind:,} bytes behind the array" + (", another one" if scalogram.second_array else "")
            advice = "only the first is used: save each array in a file of its own"
            findings.append(recording.finding(seen, advice=advice, warning=True))
        digests = Digests(content_hash(recording.path), values_digest(scalogram.values.transpose(0, 2, 1)))
        return OpenedRecording(recording, tuple(findings), digests)

    def _open_mri(self, recording: Recording) -> OpenedRecording:
        volume = open_volume(recording.path, "RAS", self.assume_orientation)
        try:
            values = volume.values()
        except UnusableFileError as error:
            raise error.of(recording.path, "mri") from error
        if problem := error_in(values, self.percentiles_over):
            return OpenedRecording(recording, (recording.finding(problem.seen, problem.wanted, problem.advice),))
        if self.look is not None:
            spacing = np.empty(3)
            # A column of the affine is the step along a stored axis, which follows one axis of the head.
            spacing[volume.reorient[:, 0].astype(int)] = np.linalg.norm(volume.header.affine[:3, :3], axis=0)
            self.look.mri(recording.path, values, [float(each) for each in spacing])
        geometry = geometry_of(volume.header)
        doubts = [*geometry.doubts(), *doubts_about(volume, values, self.percentiles_over)]
        findings = tuple(recording.finding(*doubt, warning=True) for doubt in doubts)
        return OpenedRecording(
            recording, findings, Digests(content_hash(recording.path), values_digest(values)), geometry
        )


def check_contents(
    examination: Examination,
    recordings: Sequence[Recording],
    opener: RecordingOpener,
    workers: int,
    opened_one: Callable[[], Any],
) -> list[Finding]:
    """Open the files and report what is wrong with each, and with all of them together.

    Args:
        examination: Of the datalist, for the lines.
        recordings: From `recordings_to_open`.
        opener: Opens one.
        workers: How many are opened at a time.
        opened_one: Called after each, for a progress bar.

    Returns:
        Errors and warnings, each with its line.
    """
    opened: list[OpenedRecording] = []
    executor = ThreadPoolExecutor(workers)
    try:
        for one in executor.map(opener, recordings):
            opened.append(one)
            opened_one()
    finally:
        executor.shutdown(cancel_futures=True)  # after Ctrl+C, no waiting for the rest
    findings = [finding for one in opened for finding in one.findings]
    findings += equal_recordings((one.recording, one.digests) for one in opened)
    geometries = [(one.recording.row, one.geometry) for one in opened if one.geometry is not None]
    findings += varying_fields_of_view([(row, geometry.field_of_view) for row, geometry in geometries])
    return with_lines(findings, examination)


def _refusals(recording: Recording, error: InputError) -> Iterator[Finding]:
    for problem in error.problems:
        detail = f"{problem.field}: " if problem.field not in ("", recording.field) else ""
        yield recording.finding(detail + problem.seen, problem.wanted, problem.advice)


def _flat_electrodes(recording: Recording, flat: np.ndarray) -> Iterator[Finding]:
    constant = np.flatnonzero(flat)
    if len(constant):
        numbers = ", ".join(str(number + 1) for number in constant)
        noun = "electrode" if len(constant) == 1 else "electrodes"
        seen = f"{noun} {numbers} of {len(flat)} constant over all frequencies and times"
        advice = (
            "flat electrode, set to zeros: check the connection"
            if len(constant) == 1
            else "flat electrodes, set to zeros: check the connections"
        )
        yield recording.finding(seen, advice=advice, warning=True)
