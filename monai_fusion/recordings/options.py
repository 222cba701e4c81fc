"""How raw recordings become scalograms: the options of ``monai-fusion scalogram``. Light to import."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from monai_fusion.errors import InputError, Problem
from monai_fusion.options.declared import Group, Option
from monai_fusion.wording import did_you_mean

SAMPLING_HZ = 250.0  # of every scalogram, whatever the recording's rate
SIZE = 224  # rows and columns of a scalogram
LEAST_SECONDS = 1.0  # of a segment: less holds no cycle of the lowest row
MOST_SECONDS = 120.0
LINE_FREQUENCIES = (50.0, 60.0)

Mode = Literal["compat", "power"]


@dataclass(frozen=True, slots=True)
class RecordingOptions:
    """What the files do not say about themselves."""

    task: Annotated[str | None, Option("Only this task's recordings of a BIDS dataset.", metavar="rest")] = None
    sampling_rate: Annotated[
        float | None, Option("Sampling rate of tables (CSV, TSV) without a column of times.", metavar="HZ")
    ] = None
    unit: Annotated[
        str | None, Option("Unit of the samples, if the file states none or a wrong one.", metavar="V|mV|uV|nV")
    ] = None
    channel_map: Annotated[
        Path | None, Option("Table with two columns: channel names in the files, and their electrodes.")
    ] = None


@dataclass(frozen=True, slots=True)
class ElectrodeOptions:
    """Which electrodes become the planes of a scalogram."""

    electrodes: Annotated[
        str,
        Option(
            "A preset (lemon17, 10-20, biosemi128-1020, lemon61) or a list (Fz,Cz,Pz), in the order of the scalogram's "
            "planes; nearest:PRESET takes the channels nearest to its places; all takes every EEG channel in the file's"
            " order.",
            metavar="PRESET|LIST",
        ),
    ] = "lemon17"
    interpolate: Annotated[
        int, Option("Interpolate up to N missing or bad electrodes by spherical splines.", metavar="N")
    ] = 0


@dataclass(frozen=True, slots=True)
class SegmentOptions:
    """Which pieces of a recording become scalograms."""

    condition: Annotated[
        str | None,
        Option("EO, EC or another word, for recordings that state no condition.", metavar="WORD"),
    ] = None
    markers: Annotated[
        tuple[str, ...],
        Option(
            "Numbers or texts of a condition's markers; repeat for each condition.",
            metavar="EO=200,eyes_open",
            shown_default="EO=200 and EC=210,208 and plain words",
        ),
    ] = ()
    seconds: Annotated[float, Option("Length of a segment in seconds.")] = 10.0
    reject: Annotated[
        float | None,
        Option("Drop segments in which an electrode's peak-to-peak amplitude is larger.", metavar="MICROVOLTS"),
    ] = None


@dataclass(frozen=True, slots=True)
class SignalOptions:
    """What is done to the signal before the transform; what is None follows the transform's mode."""

    reference: Annotated[
        str | None,
        Option(
            "average of all EEG channels that are not bad, or as-recorded.",
            metavar="average|as-recorded",
            shown_default="average with --mode power",
        ),
    ] = None
    demean: Annotated[
        str | None,
        Option("Subtract each segment's mean.", metavar="yes|no", shown_default="yes with --mode power"),
    ] = None
    high_pass: Annotated[
        str | None,
        Option("Cut-off of a zero-phase high-pass filter in Hz, or off.", metavar="HZ|off", shown_default="as --mode"),
    ] = None
    line: Annotated[
        str | None,
        Option(
            "Line frequency to filter out: 50, 60, auto (found in the spectrum) or off.",
            metavar="HZ|auto|off",
            shown_default="as --mode",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class TransformOptions:
    """How a segment becomes an image."""

    mode: Annotated[
        str,
        Option(
            "compat: rows as pywt.cwt and OpenCV make them, of the signal as it is; power: amplitudes from 1 to 45 Hz "
            "of the average-referenced signal, high-passed at 0.5 Hz, line noise removed.",
            metavar="compat|power",
        ),
    ] = "compat"
    rows: Annotated[
        str,
        Option("With --mode power: values in microvolts, or each row z-scored.", metavar="microvolts|z-score"),
    ] = "microvolts"


@dataclass(frozen=True, slots=True)
class JobOptions:
    """What is written where, and how the work is done."""

    out: Annotated[Path, Option("Folder of the scalograms; the command makes it if it does not exist.")]
    preview: Annotated[bool, Option("Also write a picture of each recording (PNG).")] = False
    summary: Annotated[bool, Option("Also write a page about all recordings, OUT/summary.html.")] = False
    overwrite: Annotated[bool, Option("Replace files that were made from another recording, or by hand.")] = False
    workers: Annotated[int | None, Option("Number of recordings processed at once.", shown_default="one a core")] = None
    on_error: Annotated[
        str, Option("After a failed recording: continue with the others, or stop.", metavar="continue|stop")
    ] = "continue"


@dataclass(frozen=True, slots=True)
class Filters:
    """What is done to the signal, decided.

    Attributes:
        average: Whether the average of the EEG channels is subtracted.
        demean: Whether each segment's mean is subtracted.
        high_pass_hz: Cut-off; None for no filter.
        line_hz: Frequency to filter out; None for none, unless `find_line`.
        find_line: Whether `line_hz` is to be found in the spectrum.
    """

    average: bool
    demean: bool
    high_pass_hz: float | None
    line_hz: float | None
    find_line: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalogramOptions:
    """How raw recordings become scalograms, in groups: a function takes the ones that it reads."""

    recording: Annotated[RecordingOptions, Group("Recordings")] = field(default_factory=RecordingOptions)
    electrodes: Annotated[ElectrodeOptions, Group("Electrodes")] = field(default_factory=ElectrodeOptions)
    segments: Annotated[SegmentOptions, Group("Segments")] = field(default_factory=SegmentOptions)
    signal: Annotated[SignalOptions, Group("Signal")] = field(default_factory=SignalOptions)
    transform: Annotated[TransformOptions, Group("Transform")] = field(default_factory=TransformOptions)
    job: Annotated[JobOptions, Group("Output")]

    def __post_init__(self) -> None:
        """Refuses what cannot be, all of it at once (InputError)."""
        problems = [*self._of_words(), *self._of_numbers()]
        try:
            _ = self.filters
        except InputError as error:
            problems += error.problems
        if problems:
            raise InputError(problems)

    @property
    def filters(self) -> Filters:
        """What is done to the signal: as typed, else as the mode has it.

        Raises:
            InputError: A word is none of those possible.
        """
        given, power = self.signal, self.transform.mode == "power"
        average = _word(
            "--reference", given.reference, ("average", "as-recorded"), "average" if power else "as-recorded"
        )
        demean = _word("--demean", given.demean, ("yes", "no"), "yes" if power else "no")
        high_pass = _hertz("--high-pass", given.high_pass, "0.5" if power else "off", ())
        line = _hertz("--line", given.line, "auto" if power else "off", ("auto",))
        return Filters(
            average=average == "average",
            demean=demean == "yes",
            high_pass_hz=high_pass,
            line_hz=line if line != math.inf else None,
            find_line=line == math.inf,
        )

    def _of_words(self) -> Iterator[Problem]:
        yield from _none_of("--mode", self.transform.mode, ("compat", "power"))
        yield from _none_of("--rows", self.transform.rows, ("microvolts", "z-score"))
        yield from _none_of("--on-error", self.job.on_error, ("continue", "stop"))
        if self.transform.rows == "z-score" and self.transform.mode == "compat":
            yield Problem("--rows", seen="z-score with --mode compat", advice="give --mode power, or leave --rows out")
        condition = self.segments.condition
        if condition is not None and not (condition.isascii() and condition.isalnum() and len(condition) <= 16):
            yield Problem("--condition", seen=repr(condition), wanted="up to 16 letters and digits, such as EO or EC")

    def _of_numbers(self) -> Iterator[Problem]:
        rate, segments, job = self.recording.sampling_rate, self.segments, self.job
        if rate is not None and not 0 < rate < math.inf:
            yield Problem("--sampling-rate", seen=f"{rate:g}", wanted="samples a second, such as 250")
        samples = segments.seconds * SAMPLING_HZ
        if not LEAST_SECONDS <= segments.seconds <= MOST_SECONDS or abs(samples - round(samples)) > 1e-6:
            wanted = f"{LEAST_SECONDS:g} to {MOST_SECONDS:g} seconds, in steps of {1 / SAMPLING_HZ:g}"
            yield Problem("--seconds", seen=f"{segments.seconds:g}", wanted=wanted)
        if segments.reject is not None and not 0 < segments.reject < math.inf:
            yield Problem("--reject", seen=f"{segments.reject:g}", wanted="microvolts, such as 150")
        if self.electrodes.interpolate < 0:
            yield Problem("--interpolate", seen=str(self.electrodes.interpolate), wanted="0 or more")
        if job.workers is not None and job.workers < 1:
            yield Problem("--workers", seen=str(job.workers), wanted="1 or more")

    def what_counts(self) -> dict[str, Any]:
        """What of the options determines the files' content, in JSON's types."""
        filters = self.filters
        return {
            "seconds": self.segments.seconds,
            "reject_uv": self.segments.reject,
            "reference": "average" if filters.average else "as-recorded",
            "demean": filters.demean,
            "high_pass_hz": filters.high_pass_hz,
            "line_hz": "auto" if filters.find_line else filters.line_hz,
            "mode": self.transform.mode,
            "rows": self.transform.rows,
        }


def _none_of(option: str, value: str, words: tuple[str, ...]) -> Iterator[Problem]:
    if value not in words:
        yield Problem(option, seen=repr(value), wanted=" or ".join(words), advice=did_you_mean(value, words, str))


def _word(option: str, value: str | None, words: tuple[str, ...], default: str) -> str:
    word = default if value is None else value
    for problem in _none_of(option, word, words):
        raise InputError(problem)
    return word


def _hertz(option: str, value: str | None, default: str, words: tuple[str, ...]) -> float | None:
    """A frequency; None for ``off``, infinity for another word."""
    text = default if value is None else value
    if text == "off":
        return None
    if text in words:
        return math.inf
    try:
        hertz = float(text)
    except ValueError:
        hertz = math.nan
    if not 0 < hertz < SAMPLING_HZ / 2:
        wanted = f"a frequency between 0 and {SAMPLING_HZ / 2:g} Hz, {''.join(f'{each} ' for each in words)}or off"
        raise InputError(Problem(option, seen=repr(text), wanted=wanted))
    return hertz
