"""What the recordings of each participant are like: numbers and settings, by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from monai_fusion.baseline.participant_numbers import NumberSettings
from monai_fusion.baseline.scalogram_form import ScalogramForm, ScalogramFormNumbers
from monai_fusion.baseline.stored_numbers import numbers_of
from monai_fusion.baseline.volume_form import FORM, QUANTILES, axis_codes
from monai_fusion.baseline.volume_numbers import NUMBERS, VolumeNumbers
from monai_fusion.cohort_profile.measures import ELECTRODE, SIDES, VIEW, VOXEL
from monai_fusion.cohort_profile.sidecar_facts import SidecarFacts, sidecar_facts
from monai_fusion.datalist.records import ParticipantRecord

ORIENTATION = "axes of the MRI file"

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
_LOG_MM3_PER_LITRE = 6.0
_SLOPE_HZ = (2.0, 40.0)
_FEWEST_ROWS = 5  # that a slope is fitted to
_NEIGHBOURS = 1.3  # the line's neighbours: its frequency divided by this, and times this


@dataclass(frozen=True)
class ParticipantFacts:
    """What the recordings of a participant are like.

    Attributes:
        has_mri: Whether there is an MRI.
        segments: EEG segments; 0 without an EEG.
        numbers: By name, see `measures`; only those that are known.
        texts: Settings that are no numbers, by what they are called.
        flat: In how many segments an electrode is constant; only those that are.
    """

    has_mri: bool = False
    segments: int = 0
    numbers: Mapping[str, float] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    flat: Mapping[str, int] = field(default_factory=dict)


def participant_facts(
    records: Sequence[ParticipantRecord],
    settings: NumberSettings,
    done: Callable[[], object] = str,
    threads: int | None = None,
) -> list[ParticipantFacts]:
    """Measure the recordings of participants, or find their numbers in the store.

    Args:
        records: The participants, with the recordings that a network uses of them.
        settings: How the recordings are read.
        done: Called after each file.
        threads: How many threads read files; None: one for each core.

    Raises:
        InputError: Recordings that cannot be read.
    """
    volumes = iter(
        numbers_of(
            [record.mri for record in records if record.mri is not None],
            VolumeNumbers(settings.assume_orientation),
            settings.store,
            done,
            threads,
        )
    )
    reader = ScalogramFormNumbers(settings.eeg_shape)
    files = [file for record in records for file in record.eeg]
    scalograms = iter(numbers_of(files, reader, settings.store, done, threads))
    found = []
    for record in records:
        numbers: dict[str, float] = {}
        texts: dict[str, str] = {}
        flat: dict[str, int] = {}
        if record.mri is not None:
            volume = next(volumes)
            numbers |= _of_volume(volume)
            texts[ORIENTATION] = axis_codes(volume[NUMBERS : NUMBERS + 3])
        if record.eeg:
            forms = [reader.form(each) for each in islice(scalograms, len(record.eeg))]
            beside = sidecar_facts(record.eeg, settings.eeg_shape)
            numbers |= _of_scalograms(forms, beside)
            texts |= beside.texts
            counts = np.sum([form.flat for form in forms], axis=0)
            flat = {name: int(count) for name, count in zip(beside.electrodes, counts, strict=True) if count}
        known = {name: value for name, value in numbers.items() if math.isfinite(value)}
        found.append(ParticipantFacts(record.mri is not None, len(record.eeg), known, texts, flat))
    return found


def _of_volume(numbers: Floats) -> dict[str, float]:
    form = dict(zip(FORM, numbers[NUMBERS:].tolist(), strict=True))
    return {
        **{f"{VOXEL} {side}": form[f"voxel {side}"] for side in SIDES},
        **{f"{VIEW} {side}": form[f"field of view {side}"] for side in SIDES},
        "tilt": form["tilt"],
        "log10 of the head volume in litres": float(numbers[0]) / math.log(10) - _LOG_MM3_PER_LITRE,
        **{f"extent {side}": float(value) for side, value in zip(SIDES, numbers[1:4], strict=True)},
        "share of the lowest intensity": form["share of the lowest value"],
        **{name: form[name] for name in (f"intensity quantile {quantile:g}" for quantile in QUANTILES)},
        "mean intensity of the head": float(numbers[4]),
        "SD of the intensities of the head": float(numbers[5]),
    }


def _of_scalograms(forms: Sequence[ScalogramForm], beside: SidecarFacts) -> dict[str, float]:
    """Medians over the segments; each electrode against the median one, so that a unit counts once."""
    amplitudes = np.array([np.where(form.flat, np.nan, _log10(form.amplitude)) for form in forms])
    electrodes = _median(amplitudes)
    middle = float(_median(electrodes[:, np.newaxis])[0])
    power = _median(np.array([_log10(form.power) for form in forms]))
    single = {f"{ELECTRODE}{name}": value - middle for name, value in zip(beside.electrodes, electrodes, strict=True)}
    return {
        "log10 of the amplitude": middle,
        **{name: float(value) for name, value in single.items()},
        **_spectrum(power, beside.hertz),
        "log10 of the segments": math.log10(len(forms)),
    }


def _spectrum(power: Floats, hertz: Floats | None) -> dict[str, float]:
    """Slope, and how far the power at a line's frequency lies above its neighbours, all of log10 [row]."""
    if hertz is None:
        return {"row slope": _slope(np.linspace(0.0, 1.0, len(power)), power)}
    inside = (hertz >= _SLOPE_HZ[0]) & (hertz <= _SLOPE_HZ[1])
    found = {"spectrum slope": _slope(np.log10(hertz[inside]), power[inside])}
    for line in (50, 60):
        if hertz.min() <= line / _NEIGHBOURS and line * _NEIGHBOURS <= hertz.max():
            at, below, above = (power[np.abs(hertz - each).argmin()] for each in _around(line))
            found[f"log10 of the power at {line} Hz over its neighbours"] = float(at - (below + above) / 2)
    return found


def _around(line: float) -> tuple[float, float, float]:
    return line, line / _NEIGHBOURS, line * _NEIGHBOURS


def _slope(place: Floats, values: Floats) -> float:
    known = np.isfinite(values)
    if known.sum() < _FEWEST_ROWS or np.ptp(place[known]) == 0:
        return math.nan
    return float(np.polynomial.polynomial.polyfit(place[known], values[known], 1)[1])


def _log10(values: Floats) -> Floats:
    usable = np.isfinite(values) & (values > 0)
    return np.log10(values, out=np.full(values.shape, np.nan), where=usable)


def _median(values: Floats) -> Floats:
    """The median along the first axis of the values that are known; NaN where none is."""
    known = np.isfinite(values)
    found = np.full(values.shape[1:], np.nan)
    for place in np.flatnonzero(known.any(axis=0)):
        found[place] = np.median(values[known[:, place], place])
    return found
