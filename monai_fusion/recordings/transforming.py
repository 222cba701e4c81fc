"""The transform of each mode: what it needs around a segment, what it makes of it, and what its rows are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_fusion.recordings import compat, power
from monai_fusion.recordings.morlet import row_frequencies
from monai_fusion.recordings.options import SAMPLING_HZ, SIZE, SegmentOptions, TransformOptions
from monai_fusion.recordings.signals import Prepared


@dataclass(frozen=True, slots=True)
class Transform:
    """A mode's transform.

    Attributes:
        margin: Samples at 250 Hz that it needs on each side of a segment.
        apply: Makes ``[224, 224, electrode]`` float32 of a prepared segment.
        row_hz: The frequency of every row.
        unit: Of the values: ``uV`` or ``z-score``.
        described: What it is, in JSON's types, its version included.
    """

    margin: int
    apply: Callable[[Prepared], NDArray[np.float32]]
    row_hz: NDArray[np.float64]
    unit: str
    described: dict[str, Any]


def transform_of(options: TransformOptions, segments: SegmentOptions) -> Transform:
    """The transform that the options ask for."""
    if options.mode == "power":
        return _power(options, round(segments.seconds * SAMPLING_HZ))
    return Transform(
        margin=0,
        apply=lambda prepared: compat.compat_scalogram(prepared.segment.astype(np.float32)),
        row_hz=row_frequencies(),
        unit="uV",
        described={
            "Wavelet": "morl of PyWavelets (real), scales 1 to 127",
            "Value": "magnitude of the coefficients (L2-normalised in samples)",
            "Resize": "cubic (OpenCV's INTER_CUBIC, a = -0.75), not anti-aliased",
            "Edges": "zeros, as in PyWavelets",
            "Version": compat.VERSION,
        },
    )


def _power(options: TransformOptions, samples: int) -> Transform:
    z_score = options.rows == "z-score"
    return Transform(
        margin=power.power_margin(samples),
        apply=lambda prepared: power.power_scalogram(prepared.signal, prepared.margin, z_score),
        row_hz=power.power_frequencies(),
        unit="z-score" if z_score else "uV",
        described={
            "Wavelet": f"analytic Morlet, {power.CYCLES:g} cycles, "
            f"{SIZE} frequencies from {power.HIGHEST_HZ:g} to {power.LOWEST_HZ:g} Hz in equal ratios",
            "Value": "amplitude (L1-normalised)" + (", each row z-scored" if z_score else ""),
            "Resize": "mean over time under a raised cosine of two columns' width",
            "Edges": "the signal around the segment; where there is none, its mirror image",
            "Version": power.VERSION,
        },
    )
