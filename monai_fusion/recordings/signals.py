"""A segment's signal as the transforms take it: electrodes chosen, referenced, resampled to 250 Hz and filtered.

A recording of any length is read in pieces of a bounded size. Each segment is prepared by itself, with real signal on
both sides of it wherever the recording has some: filters and wavelets then have settled when the segment begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, cast

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from monai_fusion.recordings.options import SAMPLING_HZ, Filters
from monai_fusion.recordings.recording import Electrodes, Recording, Segment

VERSION = 1  # of what this module computes: raise it when the same recording gives other numbers

_PIECE_BYTES = 48 * 2**20  # of one channel-by-time array in float64; several of them are there at a time
_TAPS_A_SIDE = 32  # of the anti-aliasing filter, in samples of the slower rate
_KAISER_BETA = 8.6  # 87 dB: what lies above the new Nyquist frequency is gone
_HIGH_PASS_ORDER = 4
_NOTCH_Q = 30.0
_HIGH_PASS_SETTLES = 2.0  # cycles of its cut-off frequency


@dataclass(frozen=True, slots=True)
class Prepared:
    """A segment as the transforms take it.

    Attributes:
        signal: ``[electrode, time]`` float64 in microvolts at 250 Hz, with `margin` samples before and behind.
        margin: Samples of margin at each end.
        real_margin: Of them, how many are the recording's own ``(before, behind)``; the rest is its mirror image.
    """

    signal: NDArray[np.float64]
    margin: int
    real_margin: tuple[int, int]

    @property
    def segment(self) -> NDArray[np.float64]:
        """``[electrode, time]``: the segment without its margins."""
        return self.signal[:, self.margin : self.signal.shape[1] - self.margin]


@dataclass(frozen=True, slots=True)
class Preparation:
    """What is done to every segment of a recording.

    Attributes:
        filters: Which filters; `Filters.line_hz` is decided.
        seconds: Length of a segment.
        margin: Samples at 250 Hz that the transform needs on each side.
    """

    filters: Filters
    seconds: float
    margin: int

    @property
    def read_margin(self) -> int:
        """Samples at 250 Hz that are read on each side: for the transform, and for the filters to settle."""
        high_pass, line = self.filters.high_pass_hz, self.filters.line_hz
        settle = max(_HIGH_PASS_SETTLES / high_pass if high_pass else 0.0, _NOTCH_Q / line if line else 0.0)
        return max(self.margin, round(settle * SAMPLING_HZ))


def prepared_segments(
    recording: Recording, electrodes: Electrodes, segments: Sequence[Segment], preparation: Preparation
) -> Iterator[Prepared]:
    """Each segment's signal, in order.

    Args:
        recording: Where it is read from.
        electrodes: Which electrodes, in their order.
        segments: In time order.
        preparation: What is done to it.
    """
    ratio = _resampling_ratio(recording.sampling_hz)
    source = _Source(recording, electrodes, preparation.filters.average)
    before, behind = _margins(preparation.read_margin, ratio)
    wanted = [(each, *_limits(each, before, behind)) for each in segments]
    for place, (segment, start, stop) in enumerate(wanted):
        source.hold(start, stop, [last for _, _, last in wanted[place + 1 :]])
        piece = source.piece(start, stop)
        yield _prepared(piece, segment, (start, stop), (before, behind), ratio, preparation)


def _resampling_ratio(sampling_hz: float) -> Fraction:
    """250 Hz to the recording's rate, as a ratio of whole numbers."""
    return Fraction(SAMPLING_HZ / sampling_hz).limit_denominator(10_000)


def average_channels(recording: Recording) -> list[int]:
    """The channels that the average reference is the mean of: every EEG channel that is not bad."""
    bad = set(recording.bad_channels)
    named = zip(recording.channels, recording.kinds, strict=True)
    return [index for index, (name, kind) in enumerate(named) if kind == "eeg" and name not in bad]


class _Source:
    """Reads the electrodes' signals, several segments' at once, so that margins are not read twice."""

    def __init__(self, recording: Recording, electrodes: Electrodes, average: bool) -> None:
        self._recording = recording
        averaged = average_channels(recording) if average else []
        self._channels = sorted({*electrodes.channels, *averaged})
        place = {channel: index for index, channel in enumerate(self._channels)}
        mixing = np.zeros((len(electrodes.names), len(self._channels)))
        mixing[:, [place[channel] for channel in electrodes.channels]] = electrodes.weights
        if averaged:
            mixing[:, [place[channel] for channel in averaged]] -= mixing.sum(axis=1, keepdims=True) / len(averaged)
        self._mixing = mixing
        # Picking is exact; a product with a matrix of zeros and ones would spread one channel's NaN over all.
        self._picked = None if averaged else _picked(mixing)
        self._start = self._stop = 0
        self._signal: NDArray[np.float64] = np.empty((len(electrodes.names), 0))

    def hold(self, start: int, stop: int, later: Sequence[int]) -> None:
        """Have the samples ``[start, stop)``; if they are read now, with those up to one of ``later`` that fits."""
        if self._start <= start and stop <= self._stop:
            return
        most = max(1, _PIECE_BYTES // (8 * len(self._channels)))
        self._start = start
        self._stop = max([stop, *(each for each in later if each <= start + most)])
        pieces = [self._read(at, min(at + most, self._stop)) for at in range(start, self._stop, most)]
        self._signal = pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=1)

    def _read(self, start: int, stop: int) -> NDArray[np.float64]:
        values = self._recording.microvolts(self._channels, start, stop)
        return values[self._picked] if self._picked is not None else self._mixing @ values

    def piece(self, start: int, stop: int) -> NDArray[np.float64]:
        return self._signal[:, start - self._start : stop - self._start]


def _picked(weights: NDArray[np.float64]) -> NDArray[np.intp] | None:
    """For each electrode the one channel that it is, if every electrode is one channel."""
    ones = weights == 1
    if not ((weights == 0) | ones).all() or not (ones.sum(axis=1) == 1).all():
        return None
    return ones.argmax(axis=1)


def _margins(wanted: int, ratio: Fraction) -> tuple[int, int]:
    """Samples of the recording before and behind a segment: whole samples at 250 Hz before it, and enough behind."""
    if ratio == 1:
        return wanted, wanted
    steps = -(-(wanted + _TAPS_A_SIDE + 1) // ratio.numerator)
    return steps * ratio.denominator, (steps + 1) * ratio.denominator


def _limits(segment: Segment, before: int, behind: int) -> tuple[int, int]:
    """What is read for a segment: its margins end at a break or a bad stretch."""
    return max(segment.margin_start, segment.start - before), min(segment.margin_stop, segment.stop + behind)


def _prepared(
    piece: NDArray[np.float64],
    segment: Segment,
    read: tuple[int, int],
    margins: tuple[int, int],
    ratio: Fraction,
    preparation: Preparation,
) -> Prepared:
    before, behind = segment.start - margins[0], segment.stop + margins[1]
    lacks = (read[0] - before, behind - read[1])
    if any(lacks):
        piece = np.pad(piece, ((0, 0), lacks), mode="reflect", reflect_type="odd")
    first = margins[0] * ratio.numerator // ratio.denominator - preparation.read_margin
    length = round(preparation.seconds * SAMPLING_HZ) + 2 * preparation.read_margin
    signal = _resampled(piece, ratio)[:, first : first + length]
    signal = _filtered(signal, preparation.filters)
    spare = preparation.read_margin - preparation.margin
    signal = signal[:, spare : length - spare]
    if preparation.filters.demean:
        inner = signal[:, preparation.margin : signal.shape[1] - preparation.margin]
        signal = signal - inner.mean(axis=1, keepdims=True)
    real = (segment.start - read[0], read[1] - segment.stop)
    at_250 = [min(preparation.margin, each * ratio.numerator // ratio.denominator) for each in real]
    return Prepared(signal, preparation.margin, (at_250[0], at_250[1]))


def _resampled(piece: NDArray[np.float64], ratio: Fraction) -> NDArray[np.float64]:
    if ratio == 1:
        return piece
    taps = _anti_aliasing(max(ratio.numerator, ratio.denominator))
    # The stubs know no window that is an array of taps.
    resampled: NDArray[np.float64] = scipy.signal.resample_poly(
        piece, ratio.numerator, ratio.denominator, axis=1, window=cast(Any, taps)
    )
    return resampled


@lru_cache(maxsize=8)
def _anti_aliasing(factor: int) -> NDArray[np.float64]:
    """A low-pass filter for the slower of two rates: flat to 82 % of its Nyquist frequency, nothing above it."""
    half = _TAPS_A_SIDE * factor
    transition = (20 * np.log10(1 / 5e-5) - 7.95) / (2.285 * 2 * half) / np.pi  # of Kaiser's window; 1 is Nyquist
    taps: NDArray[np.float64] = scipy.signal.firwin(
        2 * half + 1, 1 / factor - transition / 2, window=("kaiser", _KAISER_BETA)
    )
    return taps


def _filtered(signal: NDArray[np.float64], filters: Filters) -> NDArray[np.float64]:
    """High-passed and without line noise, both forwards and backwards: no phase is shifted."""
    for sections in _sections(filters.high_pass_hz, filters.line_hz):
        signal = scipy.signal.sosfiltfilt(sections, signal, axis=1)
    return signal


@lru_cache(maxsize=8)
def _sections(high_pass_hz: float | None, line_hz: float | None) -> tuple[NDArray[np.float64], ...]:
    found = []
    if high_pass_hz:
        found.append(scipy.signal.butter(_HIGH_PASS_ORDER, high_pass_hz, "highpass", fs=SAMPLING_HZ, output="sos"))
    if line_hz:
        harmonics = [line_hz * number for number in range(1, int(SAMPLING_HZ / 2 / line_hz) + 1)]
        notches = [each for each in harmonics if each < 0.95 * SAMPLING_HZ / 2]
        found += [scipy.signal.tf2sos(*scipy.signal.iirnotch(each, _NOTCH_Q, SAMPLING_HZ)) for each in notches]
    return tuple(found)


def described(filters: Filters) -> dict[str, object]:
    """What was done to the signal, for the sidecar."""
    kind = f"Butterworth of order {_HIGH_PASS_ORDER}, forwards and backwards"
    notches = f"notches (Q {_NOTCH_Q:g}) at it and its harmonics, forwards and backwards"
    return {
        "Reference": "average of the EEG channels that are not bad" if filters.average else "as recorded",
        "Demean": filters.demean,
        "HighPassHz": filters.high_pass_hz,
        "HighPass": kind if filters.high_pass_hz else None,
        "LineHz": filters.line_hz,
        "LineOption": "auto" if filters.find_line else filters.line_hz or "off",
        "Line": notches if filters.line_hz else None,
        "Version": VERSION,
    }


def described_resampling(recording_hz: float) -> str | None:
    """How a recording's rate became 250 Hz; None if it was that."""
    ratio = _resampling_ratio(recording_hz)
    return None if ratio == 1 else f"{ratio.numerator}/{ratio.denominator}, polyphase, Kaiser window"
