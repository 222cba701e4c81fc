"""The continuous wavelet transform of an EEG segment, as PyWavelets computes it, and what its scales are in hertz.

The transform is the one that ``pywt.cwt(segment, np.arange(1, 128), "morl")`` computes, as a bank of filters in the
frequency domain: the same numbers (to 1e-12 in float64) in a twentieth of the time, without PyWavelets.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from monai_fusion.errors import InputError, Problem
from monai_fusion.recordings.options import SAMPLING_HZ, SIZE

SCALES = tuple(range(1, 128))

# PyWavelets samples psi(t) = exp(-t^2 / 2) cos(5 t) at 2^12 points of [-8, 8] (`cwt`'s default precision=12) ...
_SUPPORT = 8.0
_POINTS = 4096
# ... and takes its centre frequency (cycles per sample at scale 1) from its discrete spectrum's peak, not 5 / (2 pi).
_CENTRE_FREQUENCY = 0.8125


def _integrated_morlet() -> tuple[NDArray[np.float64], float]:
    """The running integral of the Morlet wavelet and the step it is sampled with (``pywt.integrate_wavelet``)."""
    t = np.linspace(-_SUPPORT, _SUPPORT, _POINTS)
    step = float(t[1] - t[0])
    return np.cumsum(np.exp(-(t**2) / 2) * np.cos(5 * t)) * step, step


def _kernel(scale: float, integral: NDArray[np.float64], step: float) -> tuple[NDArray[np.float64], int]:
    """One scale's impulse response, and the index of it that meets the sample it is the coefficient of.

    PyWavelets convolves with the stretched integral of the wavelet, differentiates the result, multiplies it by
    -sqrt(scale) and cuts the middle out. Convolution is linear: all of it is one convolution with this kernel.
    """
    index = (np.arange(scale * 2 * _SUPPORT + 1) / (scale * step)).astype(int)
    stretched = integral[index[index < _POINTS]][::-1]
    kernel = -np.sqrt(scale) * np.diff(stretched, prepend=0, append=0)
    return kernel, (len(stretched) - 2) // 2 + 1


@lru_cache(maxsize=8)
def _filter_bank(samples: int, scales: tuple[float, ...], single: bool) -> tuple[int, NDArray[np.complexfloating]]:
    """The length of the transform and ``[scale, frequency]``: every scale's centred kernel in the frequency domain."""
    integral, step = _integrated_morlet()
    kernels = [_kernel(scale, integral, step) for scale in scales]
    # Lags of the whole segment or more never meet it; with the others the circle must be longer than segment and lag.
    reach = min(samples - 1, max(max(centre, len(kernel) - centre) for kernel, centre in kernels))
    length = scipy.fft.next_fast_len(samples + reach, real=True)
    bank = np.zeros((len(scales), length))
    for row, (kernel, centre) in zip(bank, kernels, strict=True):
        lags = np.arange(len(kernel)) - centre
        met = np.abs(lags) <= reach
        row[lags[met] % length] = kernel[met]
    spectra = scipy.fft.rfft(bank)
    spectra = spectra.astype(np.complex64 if single else np.complex128, copy=False)
    spectra.flags.writeable = False  # it is shared by every later call
    return length, spectra


def checked_segment(segment: NDArray[np.number]) -> NDArray[np.floating]:
    """The segment ``[electrode, time]`` as float32 or float64.

    Raises:
        InputError: It is not a real array of two axes, or not finite.
    """
    seen = f"shape {tuple(segment.shape)} {segment.dtype}"
    if segment.ndim != 2 or segment.shape[0] < 1 or segment.shape[1] < 2 or segment.dtype.kind not in "fiu":
        raise InputError(Problem("EEG segment", seen=seen, wanted="a real array [electrode, time] in microvolts"))
    is_single = segment.dtype in (np.float16, np.float32)
    signal: NDArray[np.floating] = segment.astype(np.float32 if is_single else np.float64, copy=False)
    if not np.isfinite(signal).all():
        electrode, time = np.argwhere(~np.isfinite(signal))[0]
        raise InputError(
            Problem(
                "EEG segment",
                seen=f"{signal[electrode, time]} at electrode {electrode}, sample {time}",
                wanted="finite values",
                advice="interpolate the bad stretch or leave this segment out",
            )
        )
    return signal


def morlet_cwt(segment: NDArray[np.number], scales: Sequence[float] = SCALES) -> NDArray[np.floating]:
    """The continuous wavelet transform of ``pywt.cwt(segment, scales, "morl")``, for all electrodes.

    Args:
        segment: ``[electrode, time]``, real, any unit.
        scales: Positive scales in samples; see :func:`row_frequencies` for what they are in hertz.

    Returns:
        ``[electrode, scale, time]`` in the segment's unit, signed; float32 for a float16 or float32 segment, else
        float64. (PyWavelets also rounds the wavelet's sampling points to float32 for a float32 segment, which picks
        other points; here a float32 segment gets the kernels that a float64 one gets.)

    Raises:
        InputError: The segment is not a real, finite array of two axes.
        ValueError: A scale is not positive.
    """
    signal = checked_segment(segment)
    if not len(scales) or not all(scale > 0 for scale in scales):
        raise ValueError(f"scales must be positive: {scales!r}")
    samples = signal.shape[1]
    length, bank = _filter_bank(samples, tuple(scales), signal.dtype == np.float32)
    spectra = scipy.fft.rfft(signal, length)
    coefficients = np.empty((len(signal), len(scales), samples), signal.dtype)
    # One electrode at a time: its 127 x 1801 products fit the cache, all 17 together do not and take twice as long.
    for out, spectrum in zip(coefficients, spectra, strict=True):
        out[:] = scipy.fft.irfft(spectrum * bank, length, overwrite_x=True)[:, :samples]
    return coefficients


def row_frequencies(
    size: int = SIZE, scales: Sequence[float] = SCALES, sampling_hz: float = SAMPLING_HZ
) -> NDArray[np.float64]:
    """The centre frequency in hertz of every row of a scalogram, descending for ascending scales.

    Rows and scales are the same interval cut into ``size`` and ``len(scales)`` equal cells (``align_corners=False``).
    """
    position = (np.arange(size) + 0.5) * len(scales) / size - 0.5
    scale = np.interp(position, np.arange(len(scales)), np.asarray(scales, np.float64))
    return _CENTRE_FREQUENCY * sampling_hz / scale
