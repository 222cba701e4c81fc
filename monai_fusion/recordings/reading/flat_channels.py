"""EEG channels that hold one value throughout: not connected, whatever the header says."""

from __future__ import annotations

import numpy as np

from monai_fusion.recordings.recording import Recording

_PROBES = 12
_PROBE_S = 0.25
_PIECE_S = 20.0
_LEAST_PIECE = 8192  # samples, of a slow recording of weeks


def constant_channels(recording: Recording) -> list[str]:
    """The EEG channels of one value; a few moments are looked at, and the whole of a channel that is constant there."""
    eeg = [number for number, kind in enumerate(recording.kinds) if kind == "eeg"]
    width = max(2, round(_PROBE_S * recording.sampling_hz))
    last = max(0, recording.samples - width)
    suspects = eeg
    first: dict[int, float] = {}
    for start in sorted({round(last * part / (_PROBES - 1)) for part in range(_PROBES)}):
        if not suspects:
            return []
        suspects = _still_constant(recording, suspects, first, start, min(start + width, recording.samples))
    step = max(width, round(_PIECE_S * recording.sampling_hz), _LEAST_PIECE)
    for start in range(0, recording.samples, step):
        if not suspects:
            return []
        suspects = _still_constant(recording, suspects, first, start, min(start + step, recording.samples))
    return [recording.channels[number] for number in suspects]


def _still_constant(
    recording: Recording, channels: list[int], first: dict[int, float], start: int, stop: int
) -> list[int]:
    values = recording.read_samples(channels, start, stop)
    kept = []
    for channel, row in zip(channels, values, strict=True):
        value = first.setdefault(channel, float(row[0]))
        if bool(np.all(row == value)) or (np.isnan(value) and bool(np.all(np.isnan(row)))):
            kept.append(channel)
    return kept
