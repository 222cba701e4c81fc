"""What scripts around PyWavelets and OpenCV write is reproduced: the same files, so that old and new may be mixed."""

import cv2
import numpy as np
import pytest
import pywt

from monai_fusion.errors import InputError
from monai_fusion.recordings.compat import compat_scalogram
from tests.recordings.raw import brain_like


def original(segment):
    """The script that wrote the files in use, line by line."""
    planes = [np.abs(pywt.cwt(each, np.arange(1, 128), "morl")[0]) for each in segment]
    return np.stack([cv2.resize(each, (224, 224), interpolation=cv2.INTER_CUBIC) for each in planes], axis=-1)


@pytest.mark.parametrize("samples", [2500, 2000, 1001])
def test_in_float64_it_equals_pywavelets_and_opencv_to_ten_digits(samples):
    segment = brain_like(3, samples) + 40  # an offset, whose edges the original has too
    expected = original(segment)
    computed = compat_scalogram(segment)
    assert (computed.shape, computed.dtype) == ((224, 224, 3), np.float64)
    np.testing.assert_allclose(computed, expected, rtol=0, atol=1e-10 * np.abs(expected).max())


def test_in_float32_it_is_right_to_a_hundred_thousandth_of_a_channels_deviation():
    segment = brain_like(17, 2500)
    expected = original(segment)
    computed = compat_scalogram(segment.astype(np.float32))
    assert computed.dtype == np.float32
    assert (np.abs(computed - expected).max(axis=(0, 1)) < 1e-5 * expected.std(axis=(0, 1))).all()


def test_a_signal_that_is_no_array_of_numbers_is_refused():
    with pytest.raises(InputError, match="electrode 1, sample 7"):
        compat_scalogram(np.where(np.arange(20) + 20 * np.arange(2)[:, None] == 27, np.nan, 1.0))
    with pytest.raises(InputError, match="shape"):
        compat_scalogram(np.zeros((0, 2500)))
