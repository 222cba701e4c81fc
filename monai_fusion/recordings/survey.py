"""A first look at a recording's signal: whether the unit can be right, and the line frequency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from monai_fusion.errors import InputError, Problem
from monai_fusion.recordings.options import LINE_FREQUENCIES, Filters
from monai_fusion.recordings.recording import Electrodes, Recording, Segment
from monai_fusion.recordings.signals import Preparation, prepared_segments
from monai_fusion.wording import a_few

LEAST_UV, MOST_UV = 0.5, 500.0  # robust standard deviation of an electrode, referenced, in microvolts
_SURE_UV = 2.0  # below it every electrode looks as if it was standardised
_MICROVOLTS = {"V": 1e6, "mV": 1e3, "uV": 1.0, "nV": 1e-3}
_PIECES = 12  # segments looked at, spread over the recording
_TO_SIGMA = 1.4826  # of a median absolute deviation
_LINE_STANDS_OUT = 4.0  # times the power beside it


def _spread(segments: Sequence[Segment]) -> list[Segment]:
    places = np.linspace(0, len(segments) - 1, min(_PIECES, len(segments))).round().astype(int)
    return [segments[place] for place in places]


@dataclass(frozen=True, slots=True)
class Survey:
    """What a first look found.

    Attributes:
        robust_sd_uv: For each electrode, referenced; the median over the segments looked at.
        line_hz: 50 or 60 where its power stands out; None where neither does.
        notes: Sentences for the user.
    """

    robust_sd_uv: tuple[float, ...]
    line_hz: float | None
    notes: tuple[str, ...]


def survey(
    recording: Recording, electrodes: Electrodes, segments: Sequence[Segment], filters: Filters, unit: str | None
) -> Survey:
    """Look at some of the segments, before any filter.

    Args:
        recording: The recording.
        electrodes: The electrodes of the scalogram.
        segments: What will be transformed.
        filters: Whose reference counts here.
        unit: What the user says the unit is, if they do.

    Raises:
        InputError: The signal of an electrode cannot be in microvolts, or never changes.
    """
    looked = _spread(segments)
    bare = replace(filters, demean=False, high_pass_hz=None, line_hz=None)
    seconds = (looked[0].stop - looked[0].start) / recording.sampling_hz
    pieces = prepared_segments(recording, electrodes, looked, Preparation(bare, seconds, 0))
    deviations, powers = [], []
    for piece in pieces:
        signal = piece.segment
        if not np.isfinite(signal).all():
            continue
        deviations.append(_robust_sd(signal))
        frequencies, power = scipy.signal.welch(signal, 250.0, nperseg=min(500, signal.shape[1]), axis=1)
        powers.append(power)
    if not deviations:
        raise InputError(Problem(recording.path.name, seen="no segment of finite numbers", wanted="a signal"))
    found = np.median(deviations, axis=0)
    notes = _check_unit(recording, electrodes, found, unit)
    line = _line(frequencies, np.median(powers, axis=0))
    return Survey(tuple(np.round(found, 3).tolist()), line, notes)


def _robust_sd(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each electrode, over stretches of a second or so: a slow drift is no brain, and no reason to refuse."""
    stretches = max(1, signal.shape[1] // 250)
    whole = signal[:, : signal.shape[1] // stretches * stretches].reshape(len(signal), stretches, -1)
    away = np.abs(whole - np.median(whole, axis=2, keepdims=True))
    return np.asarray(_TO_SIGMA * np.median(away, axis=(1, 2)))


def _check_unit(
    recording: Recording, electrodes: Electrodes, deviations: NDArray[np.float64], unit: str | None
) -> tuple[str, ...]:
    name = recording.path.name
    if flat := [each for each, sd in zip(electrodes.names, deviations, strict=True) if sd == 0]:
        advice = "mark it as bad in the file or its channels.tsv, and give --interpolate"
        raise InputError(Problem(name, seen=f"{a_few(flat)}: no signal", wanted="a signal", advice=advice))
    outside = (deviations < LEAST_UV) | (deviations > MOST_UV)
    if outside.any():
        raise InputError(_implausible(recording, electrodes, deviations, outside))
    if unit is None and deviations.max() < _SURE_UV:
        typical = float(np.median(deviations))
        return (
            f"the signal's robust SD is {typical:.2g} microvolts: are these z-scores? Old and new files must be alike",
        )
    return ()


def _implausible(
    recording: Recording, electrodes: Electrodes, deviations: NDArray[np.float64], outside: NDArray[np.bool_]
) -> Problem:
    worst = [each for each, is_out in zip(electrodes.names, outside, strict=True) if is_out]
    typical = float(np.median(deviations[outside]))
    seen = f"{a_few(worst)}: a robust SD of {typical:.3g} microvolts"
    wanted = f"{LEAST_UV:g} to {MOST_UV:g}"
    proposed = _better_unit(recording, electrodes, float(np.median(deviations))) if outside.mean() > 0.5 else None
    if proposed:
        advice = f"give --unit {proposed} if the numbers in the file are {_SPELT[proposed]}"
    elif outside.mean() > 0.5:
        advice = "no unit makes this an EEG: is it one, and is it not standardised?"
    else:
        advice = "mark these electrodes as bad in the file or its channels.tsv, and give --interpolate"
    return Problem(recording.path.name, seen=seen, wanted=wanted, advice=advice)


_SPELT = {"V": "volts", "mV": "millivolts", "uV": "microvolts", "nV": "nanovolts"}


def _better_unit(recording: Recording, electrodes: Electrodes, deviation: float) -> str | None:
    """The unit under which the file's own numbers would be plausible; if several are, the one nearest to 15 uV."""
    as_stored = deviation / float(np.median([recording.scale[each] for each in electrodes.channels]))
    fits = [unit for unit, factor in _MICROVOLTS.items() if LEAST_UV <= as_stored * factor <= MOST_UV]
    return min(fits, key=lambda unit: abs(np.log(as_stored * _MICROVOLTS[unit] / 15)), default=None)


def _line(frequencies: NDArray[np.float64], power: NDArray[np.float64]) -> float | None:
    """The line frequency whose power stands out most from that around it, in a quarter of the electrodes or more.

    Args:
        frequencies: Of the spectrum.
        power: ``[electrode, frequency]``.
    """
    found: dict[float, float] = {}
    for hertz in LINE_FREQUENCIES:
        away = np.abs(frequencies - hertz)
        beside = np.median(power[:, (away > 2) & (away < 8)], axis=1)
        stands_out = power[:, away <= 1].max(axis=1) / np.where(beside > 0, beside, np.inf)
        found[hertz] = float(np.percentile(stands_out, 75))
    best = max(found, key=lambda hertz: found[hertz])
    return best if found[best] > _LINE_STANDS_OUT else None
