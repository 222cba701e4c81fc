"""The numbers that a profile describes: what each is called, which belong together, and how small a step counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from monai_fusion.baseline.volume_form import QUANTILES

SIDES: Final = ("left-right", "back-front", "down-up")
"""The axes of a head, as RAS has them."""

ELECTRODE: Final = "amplitude of "
"""What the name of an electrode's number begins with."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One number of a participant.

    Attributes:
        name: Its name in ``cohort_profile.json``.
        group: What a difference of it is called; differences of one group are reported once, the largest first.
        least_unit: The robust unit is never smaller: differences below it do not matter, however alike a cohort is.
        number_format: How messages write it.
        unit: The unit behind the number.
    """

    name: str
    group: str
    least_unit: float
    number_format: str = ".3g"
    unit: str = ""


VOXEL, VIEW, TILT = "voxel size", "field of view", "tilt of the MRI"
HEAD, EXTENT, BACKGROUND, HISTOGRAM = "head volume", "extent of the head", "background of the MRI", "MRI intensities"
AMPLITUDE, ELECTRODES, SLOPE = "EEG amplitude", "EEG amplitude of electrodes", "EEG spectrum"
LINE_POWER, SEGMENTS, FLAT = "EEG power at the line frequency", "EEG segments", "flat electrodes"

_FIXED: Final = (
    *(Measure(f"{VOXEL} {side}", VOXEL, 0.01, unit=" mm") for side in SIDES),
    *(Measure(f"{VIEW} {side}", VIEW, 2.0, ".0f", " mm") for side in SIDES),
    Measure("tilt", TILT, 3.0, ".0f", " degrees"),
    Measure("log10 of the head volume in litres", HEAD, 0.02),
    *(Measure(f"extent {side}", EXTENT, 5.0, ".0f", " mm") for side in SIDES),
    Measure("share of the lowest intensity", BACKGROUND, 0.03),
    *(Measure(f"intensity quantile {quantile:g}", HISTOGRAM, 0.02, ".2f") for quantile in QUANTILES),
    Measure("mean intensity of the head", HISTOGRAM, 0.02, ".2f"),
    Measure("SD of the intensities of the head", HISTOGRAM, 0.02, ".2f"),
    Measure("log10 of the amplitude", AMPLITUDE, 0.1),
    Measure("spectrum slope", SLOPE, 0.1, ".2f"),
    Measure("row slope", SLOPE, 0.1, ".2f"),
    *(Measure(f"log10 of the power at {hertz} Hz over its neighbours", LINE_POWER, 0.1) for hertz in (50, 60)),
    Measure("log10 of the segments", SEGMENTS, 0.1),
)
MEASURES: Final[Mapping[str, Measure]] = {each.name: each for each in _FIXED}
"""All but those of single electrodes, by name."""


def measure_of(name: str) -> Measure | None:
    """Return the measure of this name; None for one that this version does not know."""
    if name.startswith(ELECTRODE):
        return Measure(name, ELECTRODES, 0.1)
    return MEASURES.get(name)
