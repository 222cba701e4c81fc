"""Raw recordings made in memory, and the scalograms that the original's script makes of them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from monai_fusion.recordings.making import Opened
from monai_fusion.recordings.montage import ELECTRODES_1020_17
from monai_fusion.recordings.recording import Cut, Electrodes, Recording, Segment, Span

NAMES = ELECTRODES_1020_17


def brain_like(channels: int, samples: int, hz: float = 250.0, seed: int = 0) -> np.ndarray:
    """``[channel, time]`` pink noise of 10 microvolts below 60 Hz, the same function of time at every rate."""
    rng = np.random.default_rng(seed)
    seconds = samples / hz
    hertz = np.arange(1, int(60 * seconds)) / seconds
    phases = rng.uniform(0, 2 * np.pi, (channels, len(hertz)))
    spectrum = np.zeros((channels, samples // 2 + 1), complex)
    spectrum[:, 1 : len(hertz) + 1] = np.exp(1j * phases) / np.sqrt(hertz + 1) * samples
    signal = np.fft.irfft(spectrum, samples)
    return 10 * signal / signal.std(axis=1, keepdims=True)


def in_memory(
    values: np.ndarray,
    path: Path,
    hz: float = 250.0,
    names=NAMES,
    kinds=None,
    bad=(),
    notes=(),
    content: bytes | None = None,
) -> Recording:
    """A recording of these microvolts, whose file is there; its bytes are the samples' unless others are given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(values.tobytes() if content is None else content)

    def read(channels, start, stop):
        assert 0 <= start <= stop <= values.shape[1]
        return values[list(channels), start:stop].astype(np.float64)

    return Recording(
        path=path, files=(path,), format="table", channels=tuple(names), kinds=tuple(kinds or ["eeg"] * len(names)),
        sampling_hz=hz, samples=values.shape[1], scale=(1.0,) * len(names), positions={}, markers=(), breaks=(),
        bad=(), bad_channels=tuple(bad), reference="", notes=tuple(notes), read_samples=read,
    )  # fmt: skip


def picking(recording: Recording, names=NAMES) -> Electrodes:
    channels = tuple(recording.channels.index(name) for name in names)
    return Electrodes(tuple(names), channels, np.eye(len(names)))


def in_pieces(recording: Recording, condition: str = "EO", seconds: float = 10.0) -> Cut:
    """Consecutive pieces from the first sample on; the last, incomplete one is dropped."""
    each = round(seconds * recording.sampling_hz)
    starts = range(0, recording.samples - each + 1, each)
    segments = tuple(Segment(condition, start, start + each, 0, recording.samples) for start in starts)
    rest = len(starts) * each
    dropped = (Span(rest, recording.samples, "incomplete"),) if rest < recording.samples else ()
    return Cut(segments, dropped, (Span(0, recording.samples, condition),))


def ready(recording: Recording, names=NAMES, **how) -> Opened:
    stem = re.split(r"[_.]", recording.path.name, maxsplit=1)[0]
    return Opened(recording, picking(recording, names), in_pieces(recording, **how), stem)
