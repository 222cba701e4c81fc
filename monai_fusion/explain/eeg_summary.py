"""What an EEG explanation shows at a glance: electrode x band, frequency x time and one value for each electrode.

Derived from the arrays that a method kept. All values are in logit and signed: positive speaks for the class that is
explained.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_fusion.explain.eeg_axes import EegAxes
from monai_fusion.explain.method import Arrays
from monai_fusion.files import delimited, write_atomically
from monai_fusion.recordings.positions import position_of

Floats = NDArray[np.float64]
Row = Sequence[str | float | None]

NOT_AVAILABLE = "n/a"
"""In a ``.tsv``, as BIDS writes it."""


@dataclass(frozen=True)
class EegSummary:
    """A participant's EEG explanation in small arrays.

    The values of integrated gradients add up to the score less the score of a blank scalogram. Those of an occlusion
    are what each part alone changes; where parts stand in for each other, their sum is less than what all of them
    change together.

    Attributes:
        axes: Of the scalograms.
        blocks: [electrode, band, time block].
        errors: [electrode, band, time block] standard error, because a mask was tried on some of the segments only: 0
            where on all, NaN where it cannot be estimated; None for a method that uses all segments.
        planes: [electrode, row, column] where the method has them (integrated gradients); None otherwise.
        score: The mean score of the segments.
    """

    axes: EegAxes
    blocks: Floats
    errors: Floats | None
    planes: NDArray[np.float32] | None
    score: float

    @property
    def electrode_band(self) -> Floats:
        """[electrode, band]: sums over time."""
        return self.blocks.sum(axis=2)

    @property
    def electrode_band_errors(self) -> Floats | None:
        """[electrode, band]: standard errors of these sums."""
        return None if self.errors is None else np.sqrt((self.errors**2).sum(axis=2))

    @property
    def electrodes(self) -> Floats:
        """[electrode]: sums over bands and time, the topography."""
        return self.blocks.sum(axis=(1, 2))

    @property
    def band_time(self) -> Floats:
        """[band, time block]: sums over the electrodes."""
        return self.blocks.sum(axis=0)

    @property
    def frequency_time(self) -> Floats:
        """Sums over the electrodes: [row, column] where the method has them, otherwise as `band_time`."""
        return self.band_time if self.planes is None else self.planes.sum(axis=0, dtype=np.float64)


def summary_of(arrays: Arrays) -> EegSummary:
    """Summarise what `EegOcclusion` or `EegIntegratedGradients` returned.

    Raises:
        KeyError: The arrays are of another method.
    """
    axes = EegAxes.of_arrays(arrays)
    score = float(np.asarray(arrays["scores"], np.float64).mean())
    if "attributions" in arrays:
        planes = np.asarray(arrays["attributions"], np.float32)
        return EegSummary(axes, axes.block_sums(planes), None, planes, score)
    blocks, errors = occlusion_of(arrays["effects"], arrays.get("first_order"))
    return EegSummary(axes, blocks, errors, None, score)


def occlusion_of(effects: NDArray[np.generic], first_order: NDArray[np.generic] | None = None) -> tuple[Floats, Floats]:
    """Estimate the mean effect over all segments from the segments on which each mask was tried.

    With the first order f, effects e are taken as b f + error: the mean of b f over all segments, plus the mean error
    over those that were tried. b is fitted for each band by least squares, so that a first order which says nothing
    does no harm; where all segments are tried, the estimate is the mean of e whatever b is.

    Args:
        effects: [electrode, band, time block, segment], NaN where a mask was not tried; each was tried once or more.
        first_order: The same shape, without NaN; None for the plain mean of the tried ones.

    Returns:
        Estimates and `standard_errors`, [electrode, band, time block] float64.
    """
    found = np.asarray(effects, np.float64)
    if first_order is None:
        return np.nanmean(found, axis=3), standard_errors(found)
    first = np.asarray(first_order, np.float64)
    tried = np.where(np.isfinite(found), first, math.nan)
    dependent, explaining = (each - np.nanmean(each, axis=(2, 3), keepdims=True) for each in (found, tried))
    across = (0, 2, 3)
    spread = np.nansum(explaining**2, axis=across, keepdims=True)
    together = np.nansum(explaining * dependent, axis=across, keepdims=True)
    known = first * np.divide(together, spread, out=np.zeros_like(spread), where=spread > 0)
    errors = found - known
    return known.mean(axis=3) + np.nanmean(errors, axis=3), standard_errors(errors)


def standard_errors(effects: Floats) -> Floats:
    """How far the means over the tried segments may be from the means over all segments.

    The variance between segments is pooled over the blocks of time of an electrode and band, because a mask alone is
    tried on very few. Where each is tried once, it is the variance between blocks of time, which differ for other
    reasons, too: the error is then rather too large than too small. Drawn without replacement, so that it is 0 where
    all are tried.

    Args:
        effects: [electrode, band, time block, segment], NaN where a mask was not tried.

    Returns:
        [electrode, band, time block] float64; NaN with one block of time that was tried once.
    """
    tried = np.isfinite(effects)
    counts = tried.sum(axis=3)
    pooled = (3,) if counts.max() > 1 else (2, 3)
    squares = np.where(tried, effects - np.nanmean(effects, axis=pooled, keepdims=True), 0.0) ** 2
    freedom = (counts - 1).sum(axis=2) if counts.max() > 1 else counts.sum(axis=2) - 1
    variance = np.divide(
        squares.sum(axis=(2, 3)), freedom, out=np.full(freedom.shape, math.nan), where=freedom > 0
    )[..., None]  # fmt: skip
    left_out = 1 - counts / effects.shape[3]
    errors: Floats = np.sqrt(np.where(left_out > 0, variance / counts * left_out, 0.0))
    return errors


def _summary_arrays(summary: EegSummary) -> dict[str, NDArray[Any]]:
    """The arrays of a summary with its axes, for ``numpy.savez_compressed``; ``allow_pickle=False`` reads them."""
    arrays: dict[str, NDArray[Any]] = {
        "electrode_band": summary.electrode_band,
        "frequency_time": summary.frequency_time,
        "electrodes": summary.electrodes,
        "blocks": summary.blocks,
        "score": np.array(summary.score),
        **summary.axes.arrays(),
    }
    if summary.errors is not None:
        arrays["blocks_standard_error"] = summary.errors
    return arrays


def write_summary(folder: Path, stem: str, summary: EegSummary) -> tuple[Path, ...]:
    """Write a participant's ``STEM_electrodes-bands.tsv``, ``_bands-times.tsv``, ``_electrodes.tsv`` and ``.npz``.

    Args:
        folder: It must exist.
        stem: What the files' names begin with, such as ``sub-07_desc-eegocclusion``.
        summary: What to write.

    Returns:
        The files.

    Raises:
        OSError: A file cannot be written; those already written stay, each of them whole.
    """
    tables = {
        "electrodes-bands": _electrodes_bands(summary),
        "bands-times": _bands_times(summary),
        "electrodes": _electrodes(summary),
    }
    written = []
    for name, (columns, rows) in tables.items():
        written.append(folder / f"{stem}_{name}.tsv")
        write_atomically(written[-1], tsv(columns, rows))
    stream = io.BytesIO()
    # numpy stores arrays by name as keyword arguments, whose stub also has `allow_pickle`.
    arrays: Mapping[str, Any] = _summary_arrays(summary)
    np.savez_compressed(stream, **arrays)
    written.append(folder / f"{stem}.npz")
    write_atomically(written[-1], stream.getvalue())
    return tuple(written)


def tsv(columns: Sequence[str], rows: Iterable[Row]) -> bytes:
    """A table as UTF-8 with tabs; what is not known is ``n/a``, numbers have 6 digits."""
    return delimited([columns, *([_cell(value) for value in row] for row in rows)], "\t").encode("utf-8")


def _cell(value: str | float | None) -> str:
    if isinstance(value, str):
        return value
    return NOT_AVAILABLE if value is None or math.isnan(value) else f"{value:.6g}"


def _electrodes_bands(summary: EegSummary) -> tuple[Sequence[str], list[Row]]:
    axes, values, errors = summary.axes, summary.electrode_band, summary.electrode_band_errors
    rows: list[Row] = []
    for electrode, name in enumerate(axes.electrodes):
        for place, band in enumerate(axes.bands):
            low, high = axes.band_hertz(band) or (None, None)
            error = None if errors is None else errors[electrode, place]
            rows.append((name, band.name, low, high, values[electrode, place], error))
    return ("electrode", "band", "lowest_hz", "highest_hz", "value_logit", "standard_error_logit"), rows


def _bands_times(summary: EegSummary) -> tuple[Sequence[str], list[Row]]:
    axes, values = summary.axes, summary.band_time
    rows: list[Row] = []
    for place, band in enumerate(axes.bands):
        low, high = axes.band_hertz(band) or (None, None)
        for column, block in enumerate(axes.times):
            rows.append((band.name, low, high, *axes.time_span(block), values[place, column]))
    unit = "share" if axes.seconds is None else "s"
    return ("band", "lowest_hz", "highest_hz", f"from_{unit}", f"to_{unit}", "value_logit"), rows


def _electrodes(summary: EegSummary) -> tuple[Sequence[str], list[Row]]:
    unknown = (None, None, None)
    rows: list[Row] = [
        (name, *(position_of(name) or unknown), value)
        for name, value in zip(summary.axes.electrodes, summary.electrodes.tolist(), strict=True)
    ]
    return ("electrode", "right", "front", "up", "value_logit"), rows
