"""What the column of times in a table tells: the sampling rate, and where time is missing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monai_fusion.errors import InputError, Problem
from monai_fusion.wording import counted

_AGREES = 0.01  # of the rate that the user names
_UNEVEN = 0.01  # of all steps may be gaps; more is no clock
_SECONDS_BELOW = 0.5  # a step of half a second would be no EEG: such numbers are milliseconds


@dataclass(frozen=True, slots=True)
class Times:
    """What the times say.

    Attributes:
        sampling_hz: Samples a second; None without times.
        breaks: First samples behind gaps.
        notes: Sentences about it.
    """

    sampling_hz: float | None = None
    breaks: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


def times_of(path: Path, name: str, unit: str, clock: NDArray[np.float64], sampling_hz: float | None) -> Times:
    """Find the sampling rate in a column of times.

    Args:
        path: The table.
        name: The column.
        unit: What its header states: ``s``, ``ms`` or nothing.
        clock: ``[time]`` the column.
        sampling_hz: What the user says.

    Raises:
        InputError: The times do not rise evenly, or do not agree with the user's rate.
    """
    field = f"column {name}"
    advice = "delete the column, and give --sampling-rate"
    steps = np.diff(clock)
    if not np.isfinite(clock).all() or len(steps) < 1 or not (step := float(np.median(steps))) > 0:
        raise InputError(Problem(str(path), field, "not a time in every row, later in each", advice=advice))
    even = (steps > 0) & (steps < 1.5 * step)
    gaps = np.flatnonzero(~even) + 1
    if len(gaps) > _UNEVEN * len(steps) and len(gaps) > 1:
        raise InputError(Problem(str(path), field, f"{counted(len(gaps), 'uneven step')}", "even steps", advice))
    mean = float(steps[even].mean())
    is_ms = _is_milliseconds(name, unit, mean, sampling_hz)
    rate = (1000.0 if is_ms else 1.0) / mean
    # Times are written with few decimals, so that 256 Hz may come out as 256.01.
    if abs(rate - round(rate)) <= rate * max(1e-4, 0.5 / len(steps)):
        rate = float(round(rate))
    if sampling_hz is not None:
        if abs(rate - sampling_hz) > _AGREES * sampling_hz:
            wanted = f"{sampling_hz:g} Hz, as --sampling-rate says"
            raise InputError(Problem(str(path), field, f"steps of {rate:g} Hz", wanted, "leave the option out"))
        rate = sampling_hz
    notes = [f"the column {name} is the time in {'ms' if is_ms else 's'}: {rate:g} Hz"]
    if len(gaps):
        notes.append(f"{counted(len(gaps), 'gap')} in the column {name}: no segment spans one")
    return Times(rate, tuple(int(gap) for gap in gaps), tuple(notes))


def _is_milliseconds(name: str, unit: str, step: float, sampling_hz: float | None) -> bool:
    if unit.casefold() in ("ms", "msec", "milliseconds") or name.casefold() in ("ms", "milliseconds", "millisecond"):
        return True
    if unit.casefold() in ("s", "sec", "seconds") or name.casefold() in ("seconds", "second", "sec", "secs"):
        return False
    if sampling_hz is not None:
        return abs(1000 / step - sampling_hz) < abs(1 / step - sampling_hz)
    return step >= _SECONDS_BELOW
