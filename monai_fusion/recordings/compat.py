"""The scalogram that scripts around PyWavelets and OpenCV write, to the last digits of float32.

The usual script is ``cv2.resize(abs(pywt.cwt(x, arange(1, 128), "morl")[0]), (224, 224),
interpolation=cv2.INTER_CUBIC)`` for each electrode. OpenCV computes where a pixel lies, and its weights, in float32,
also for float64 images; at column 2500 that is 1e-4 of a sample. With the same rounding the result is the same, where
torch's bicubic interpolation (in `scalogram`, which made the sample cohorts) is off by 4e-4 of a standard deviation.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monai_fusion.recordings.morlet import SCALES, checked_segment, morlet_cwt
from monai_fusion.recordings.options import SIZE

VERSION = 1  # of what this module computes: raise it when the same segment gives other numbers

_A = np.float32(-0.75)  # OpenCV's; PIL and MATLAB take -0.5


class _Taps(NamedTuple):
    """``[out, 4]``: the pixels that a new one is made of, and their weights."""

    pixels: NDArray[np.intp]
    weights: NDArray[np.float32]


@lru_cache(maxsize=16)
def _taps(size: int, pixels: int) -> _Taps:
    """OpenCV's cubic interpolation along one axis: pixel centres, edges repeated, no anti-aliasing."""
    place = ((np.arange(size) + 0.5) * (pixels / size) - 0.5).astype(np.float32)
    first = np.floor(place)
    x, one = place - first, np.float32(1)
    y = x + one
    before = ((_A * y - 5 * _A) * y + 8 * _A) * y - 4 * _A
    left = ((_A + 2) * x - (_A + 3)) * x * x + one
    right = ((_A + 2) * (one - x) - (_A + 3)) * (one - x) * (one - x) + one
    weights = np.stack([before, left, right, one - before - left - right], axis=1)
    near = np.clip(first.astype(np.intp)[:, None] + np.arange(-1, 3), 0, pixels - 1)
    near.flags.writeable = weights.flags.writeable = False  # shared by every later call
    return _Taps(near, weights)


def compat_scalogram(segment: NDArray[np.number], size: int = SIZE) -> NDArray[np.floating]:
    """The scalogram of one EEG segment, as the original's files hold it.

    Args:
        segment: ``[electrode, time]``, real; 10 s at 250 Hz is ``[17, 2500]``.
        size: Rows and columns.

    Returns:
        ``[size, size, electrode]``, (frequency, time, electrode), in the segment's unit; float32 for a float16 or
        float32 segment, else float64. Row 0 is the highest frequency (`morlet.row_frequencies`). A few
        "magnitudes" are slightly negative: cubic interpolation overshoots.

    Raises:
        InputError: The segment is not a real, finite array of two axes.
    """
    signal = checked_segment(segment)
    columns, rows = _taps(size, signal.shape[1]), _taps(size, len(SCALES))
    upright = np.zeros((size, len(SCALES)), signal.dtype)
    np.add.at(upright, (np.arange(size)[:, None], rows.pixels), rows.weights)
    image = np.empty((size, size, len(signal)), signal.dtype)
    for electrode in range(len(signal)):
        coefficients = morlet_cwt(signal[electrode : electrode + 1])[0]
        # Only the columns that cubic interpolation looks at are needed: 4 of 11.
        met = np.abs(coefficients[:, columns.pixels.ravel()]).reshape(len(SCALES), size, 4)
        image[..., electrode] = upright @ (met * columns.weights).sum(axis=-1)
    return image
