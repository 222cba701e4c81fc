"""Amplitudes of an EEG segment by frequency and time: an analytic Morlet transform on a logarithmic frequency axis.

Where the original's scalogram (`scalogram`) rectifies an oscillation, this takes its envelope: a tone of 1 microvolt
is a row of 1 microvolt, whatever its frequency (the wavelets are L1-normalised) and at whatever phase. Columns are
means over time, so that nothing faster than they are appears as something slow.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd
from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from monai_fusion.recordings.options import SAMPLING_HZ, SIZE

VERSION = 1  # of what this module computes: raise it when the same segment gives other numbers

LOWEST_HZ, HIGHEST_HZ = 1.0, 45.0
CYCLES = 5.0  # of a wavelet: its standard deviation in time is CYCLES / (2 pi f), in frequency f / CYCLES
MARGIN_S = 4.0  # 5 standard deviations of the longest wavelet

_REACH = 4.5  # standard deviations of a wavelet's spectrum that are kept
_A_COLUMN = 6  # points of the envelope that are computed for each column
# A column is the mean of the envelope under a raised cosine of two columns' width.
_WEIGHTS = np.cos(np.pi * (np.arange(2 * _A_COLUMN) - _A_COLUMN + 0.5) / (2 * _A_COLUMN)) ** 2 / _A_COLUMN


def power_frequencies(size: int = SIZE) -> NDArray[np.float64]:
    """The frequency in hertz of every row: 45 Hz first, 1 Hz last, in equal ratios."""
    return np.geomspace(HIGHEST_HZ, LOWEST_HZ, size)


def power_margin(samples: int, size: int = SIZE) -> int:
    """Samples of margin that a segment of so many samples needs: at least `MARGIN_S`, and a whole number of columns."""
    step = samples // gcd(samples, size)  # the fewest samples that are whole columns
    return -(-round(MARGIN_S * SAMPLING_HZ) // step) * step


class _Bank(NamedTuple):
    """Wavelets of a window's length, as what is picked from its spectrum and multiplied with it."""

    bins: NDArray[np.intp]  # [row, point]
    gains: NDArray[np.complex64]  # [row, point]


@lru_cache(maxsize=4)
def _bank(samples: int, margin: int, size: int) -> _Bank:
    window = samples + 2 * margin
    columns = size + 2 * margin * size // samples
    points = _A_COLUMN * columns
    hertz = np.arange(window // 2 + 1) * SAMPLING_HZ / window
    # Points stand in the middle of a column's quarters; a sample's own place is the middle of its cell.
    shift = samples / size / _A_COLUMN / 2 - 0.5
    bins = np.zeros((size, points), np.intp)
    gains = np.zeros((size, points), np.complex64)
    for row, frequency in enumerate(power_frequencies(size)):
        wide = frequency / CYCLES
        near = np.flatnonzero((np.abs(hertz - frequency) <= _REACH * wide) & (hertz > 0))[:points]
        gain = 2 * np.exp(-(((hertz[near] - frequency) / wide) ** 2) / 2)  # 2: negative frequencies are left out
        place = near % points  # the envelope of what is sampled at a slower rate is the same
        bins[row, place] = near
        gains[row, place] = gain * np.exp(2j * np.pi * near / window * shift) * points / window
    gains.flags.writeable = bins.flags.writeable = False  # shared by every later call
    return _Bank(bins, gains)


def power_scalogram(
    signal: NDArray[np.floating], margin: int, z_score: bool = False, size: int = SIZE
) -> NDArray[np.float32]:
    """The amplitudes of one segment.

    Args:
        signal: ``[electrode, time]`` in microvolts at 250 Hz, with `margin` samples before and behind the segment.
        margin: As `power_margin` says.
        z_score: Whether each row of each electrode gets the mean 0 and the standard deviation 1 over the segment; a
            row without any change is 0.
        size: Rows and columns.

    Returns:
        ``[size, size, electrode]`` float32, (frequency, time, electrode), in microvolts; row 0 is 45 Hz.

    Raises:
        ValueError: The margin is no whole number of columns.
    """
    samples = signal.shape[1] - 2 * margin
    if samples < 1 or margin * size % samples:
        raise ValueError(f"a margin of {margin} for {samples} samples: see power_margin")
    bank = _bank(samples, margin, size)
    first = _A_COLUMN * (margin * size // samples)
    spectra = scipy.fft.rfft(signal.astype(np.float64, copy=False), axis=1).astype(np.complex64)
    image = np.empty((size, size, len(signal)), np.float32)
    for electrode, spectrum in enumerate(spectra):
        envelope = np.abs(scipy.fft.ifft(spectrum[bank.bins] * bank.gains, axis=1, overwrite_x=True))
        image[..., electrode] = _columns(envelope, first, size)
    if z_score:
        image -= image.mean(axis=1, keepdims=True)
        deviation = image.std(axis=1, keepdims=True)
        np.divide(image, deviation, out=image, where=deviation > 0)
    return image


def _columns(envelope: NDArray[np.float32], first: int, size: int) -> NDArray[np.float32]:
    """Means over columns, from the point where the segment begins."""
    columns = np.zeros((len(envelope), size), np.float32)
    start = first - _A_COLUMN // 2
    for offset, weight in enumerate(_WEIGHTS.astype(np.float32)):
        at = start + offset
        columns += weight * envelope[:, at : at + _A_COLUMN * size : _A_COLUMN]
    return columns
