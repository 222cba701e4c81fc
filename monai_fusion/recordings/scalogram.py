"""A raw EEG segment becomes a scalogram: the magnitude of a Morlet wavelet transform, resized to 224 x 224.

The transform is the one that ``pywt.cwt(segment, np.arange(1, 128), "morl")`` computes (`morlet`). The sample cohorts'
scalograms are made here; `compat` resizes as OpenCV does to the last digit.

Three properties of that transform are worth knowing, because files in use have them:

* PyWavelets' ``morl`` is real, so its magnitude is a rectified oscillation and not an envelope.
* At 250 Hz the scales 1..127 are 203 Hz (above Nyquist) to 1.6 Hz: half of the rows lie below 3.2 Hz.
* Bicubic interpolation overshoots, so a few "magnitudes" are slightly negative.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from monai_fusion.recordings.morlet import SCALES, checked_segment, morlet_cwt
from monai_fusion.recordings.options import SIZE


def scalogram(segment: NDArray[np.number], scales: Sequence[float] = SCALES, size: int = SIZE) -> NDArray[np.float32]:
    """The scalogram of one EEG segment, as the project's ``.npy`` files hold it.

    It is resized by torch's bicubic interpolation (``align_corners=False``, no antialiasing). "Bicubic" is ambiguous,
    and this is the one that agrees with OpenCV's ``INTER_CUBIC``, the usual way to write such files (to 3e-4 of their
    standard deviation, where ``scipy.ndimage.zoom(order=3)`` correlates at 0.91 and torch with antialiasing at 0.96).

    Args:
        segment: ``[electrode, time]``, real, in microvolts; 10 s at 250 Hz is ``[17, 2500]``. Computed in float32.
        scales: Scales in samples, the first of which becomes the first row.
        size: Rows and columns of the scalogram.

    Returns:
        ``[size, size, electrode]`` float32, (frequency, time, electrode), in microvolts: row 0 is the highest
        frequency (see :func:`row_frequencies`). Contiguous; the same on every call, whatever the number of threads.

    Raises:
        InputError: The segment is not a real, finite array of two axes.
    """
    signal = checked_segment(segment).astype(np.float32, copy=False)
    image = np.empty((size, size, len(signal)), np.float32)
    for electrode in range(len(signal)):
        magnitude = np.abs(morlet_cwt(signal[electrode : electrode + 1], scales))
        resized = interpolate(torch.from_numpy(magnitude)[None], (size, size), mode="bicubic", align_corners=False)
        image[..., electrode] = resized[0, 0].numpy()
    return image
