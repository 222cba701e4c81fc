"""What a raw EEG recording is, whatever file it came from: named channels, read piece by piece, in microvolts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# Reads ``(channels, start, stop)``: float64 ``[channel, time]`` of the file's own samples, in the file's unit.
SampleReader = Callable[[Sequence[int], int, int], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Marker:
    """An event in a recording.

    Attributes:
        onset: Sample at which it begins, counted from the file's first sample.
        duration: Samples it lasts; 0 for a point in time.
        text: What the file calls it, as it stands there: ``Stimulus/S200``, ``boundary``, ``eyes_open``.
    """

    onset: int
    duration: int
    text: str


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of samples ``[start, stop)`` and why it matters (``"BAD_blink"``, ``"EO"``)."""

    start: int
    stop: int
    why: str


@dataclass(frozen=True, slots=True)
class Recording:
    """One raw recording, opened: what its header states, and a way to read its samples.

    Attributes:
        path: The file that was named (the ``.vhdr`` of a BrainVision recording).
        files: All files it consists of, `path` first; their bytes are the recording's content.
        format: ``BrainVision``, ``EEGLAB``, ``EDF``, ``BDF``, ``FIF`` or ``table``.
        channels: Names as the file spells them, all channels in the file's order.
        kinds: One for each channel: ``eeg``, ``eog``, ``ecg``, ``emg``, ``stim``, ``misc``; ``eeg`` also where the file
            does not say.
        sampling_hz: Samples a second, of all channels.
        samples: Samples a channel.
        scale: Factor from the file's unit, one for each channel, to microvolts.
        positions: Electrode positions in metres where the file has them ``{name: (x, y, z)}``; may be empty.
        markers: Events in the order of their onsets; none lies outside the recording.
        breaks: First samples after a join, in ascending order: no segment spans one.
        bad: Stretches that the file marks as bad.
        bad_channels: Channels that the file (or a channels.tsv beside it) marks as bad, as `channels` spells them.
        reference: The name of the reference electrode, if the file or its neighbours state it.
        notes: Sentences for the user: what was repaired or ignored while reading, without any header text of a person.
        read_samples: Reads samples in the file's unit; use :meth:`microvolts`.
        events: What a BIDS events.tsv beside the file lists, as `markers`; they are not among those.
    """

    path: Path
    files: tuple[Path, ...]
    format: str
    channels: tuple[str, ...]
    kinds: tuple[str, ...]
    sampling_hz: float
    samples: int
    scale: tuple[float, ...]
    positions: dict[str, tuple[float, float, float]]
    markers: tuple[Marker, ...]
    breaks: tuple[int, ...]
    bad: tuple[Span, ...]
    bad_channels: tuple[str, ...]
    reference: str
    notes: tuple[str, ...]
    read_samples: SampleReader
    events: tuple[Marker, ...] = ()

    def microvolts(self, channels: Sequence[int], start: int, stop: int) -> NDArray[np.float64]:
        """Samples ``[start, stop)`` of some channels.

        Args:
            channels: Indices into `channels`, in the order wanted.
            start: First sample, at least 0.
            stop: Behind the last sample, at most `samples`.

        Returns:
            ``[channel, time]`` float64 in microvolts.
        """
        return self.read_samples(channels, start, stop) * np.array([self.scale[each] for each in channels])[:, None]


@dataclass(frozen=True, slots=True)
class Electrodes:
    """The electrodes of a scalogram, and how a recording's channels become them.

    Attributes:
        names: The electrodes in the scalogram's order, in the standard spelling (``Fz``, ``T7``).
        channels: Indices of the recording's channels that are read.
        weights: ``[electrode, channel]`` float64: a row picks one channel, or combines several for an electrode
            that is interpolated.
        interpolated: The electrodes that are interpolated.
    """

    names: tuple[str, ...]
    channels: tuple[int, ...]
    weights: NDArray[np.float64]
    interpolated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a recording that becomes one scalogram.

    Attributes:
        condition: ``EO``, ``EC`` or another short word of letters and digits.
        start: First sample of the recording.
        stop: Behind its last sample.
        margin_start: From here to `stop` and beyond to `margin_stop` no break and no bad stretch lies: real signal that
            filters and wavelets may use around the segment.
        margin_stop: See `margin_start`.
    """

    condition: str
    start: int
    stop: int
    margin_start: int
    margin_stop: int


@dataclass(frozen=True, slots=True)
class Cut:
    """How a recording was cut.

    Attributes:
        segments: What is kept, in time order; the numbers of a condition's files follow this order.
        dropped: Stretches of a condition that became no segment, each with the reason (``"incomplete"``,
            ``"boundary"``, ``"BAD_blink"``).
        conditions: The stretches of each condition; `why` is the condition.
    """

    segments: tuple[Segment, ...]
    dropped: tuple[Span, ...]
    conditions: tuple[Span, ...]
