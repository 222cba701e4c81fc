"""The scalogram against PyWavelets and against bicubic interpolation written out as a matrix."""

import numpy as np
import pytest
import pywt
import torch

from monai_fusion.errors import InputError
from monai_fusion.recordings.morlet import SCALES, morlet_cwt, row_frequencies
from monai_fusion.recordings.scalogram import scalogram


def pink_noise(electrodes, samples, seed=0):
    white = np.random.default_rng(seed).standard_normal((electrodes, samples))
    return 10 * np.fft.irfft(np.fft.rfft(white) / np.sqrt(np.arange(samples // 2 + 1) + 1), samples)


def bicubic_matrix(n_out, n_in, a=-0.75):
    """[n_out, n_in]: Keys' kernel at pixel centres, edges repeated; what OpenCV's INTER_CUBIC computes."""
    matrix = np.zeros((n_out, n_in))
    for row in range(n_out):
        centre = (row + 0.5) * n_in / n_out - 0.5
        for tap in range(int(np.floor(centre)) - 1, int(np.floor(centre)) + 3):
            x = abs(centre - tap)
            near, far = (a + 2) * x**3 - (a + 3) * x**2 + 1, a * (x**3 - 5 * x**2 + 8 * x - 4)
            matrix[row, min(max(tap, 0), n_in - 1)] += near if x <= 1 else far if x < 2 else 0.0
    return matrix


@pytest.mark.parametrize("samples", [2500, 2048, 501, 60])
def test_the_transform_is_that_of_pywavelets_for_any_length(samples):
    segment = pink_noise(2, samples - samples % 2)[:, : samples - samples % 2]
    expected = pywt.cwt(segment, np.array(SCALES), "morl")[0].transpose(1, 0, 2)
    np.testing.assert_allclose(morlet_cwt(segment), expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def test_the_transform_takes_any_scales():
    segment = pink_noise(1, 400)
    expected = pywt.cwt(segment, np.array([2.5, 40.0, 7.0]), "morl")[0].transpose(1, 0, 2)
    np.testing.assert_allclose(morlet_cwt(segment, (2.5, 40.0, 7.0)), expected, rtol=0, atol=1e-10)


def test_float32_segments_are_transformed_in_float32_to_a_millionth():
    segment = pink_noise(2, 2500)
    expected = morlet_cwt(segment)
    computed = morlet_cwt(segment.astype(np.float32))
    assert computed.dtype == np.float32
    assert np.abs(computed - expected).max() < 1e-5 * expected.std()


def test_the_scalogram_is_pywavelets_magnitude_resized_by_bicubic_interpolation():
    segment = pink_noise(3, 2500)
    magnitude = np.abs(pywt.cwt(segment, np.array(SCALES), "morl")[0]).transpose(1, 0, 2)
    rows, columns = bicubic_matrix(224, len(SCALES)), bicubic_matrix(224, 2500)
    expected = np.stack([rows @ plane @ columns.T for plane in magnitude], axis=-1)
    computed = scalogram(segment)
    assert computed.shape == (224, 224, 3)
    assert computed.dtype == np.float32
    assert computed.flags.c_contiguous
    # torch computes the columns' positions (up to 2500) in float32, so they are off by up to 2e-4 of a sample.
    assert np.abs(computed - expected).max() < 4e-4 * expected.std()
    assert np.abs(computed - expected).mean() < 1e-5 * expected.std()


def test_a_sine_is_brightest_in_the_row_of_its_frequency_and_only_on_its_electrode():
    t = np.arange(2500) / 250
    segment = np.zeros((17, 2500), np.float32)
    segment[4], segment[9] = np.sin(2 * np.pi * 10 * t), np.sin(2 * np.pi * 3 * t)
    image = scalogram(segment)
    for electrode, hertz in ((4, 10), (9, 3)):
        # Of equal amplitudes the L2-normalised transform favours lower frequencies a little.
        brightest = row_frequencies()[image[..., electrode].mean(axis=1).argmax()]
        assert 0.85 * hertz < brightest < 1.02 * hertz
    assert not image[..., [0, 3, 5, 16]].any()


def test_a_burst_lights_the_columns_of_its_time():
    segment = np.zeros((1, 2500))
    segment[0, 1875:2000] = np.sin(2 * np.pi * 20 * np.arange(125) / 250)  # from 7.5 s to 8.0 s
    columns = scalogram(segment)[:30, :, 0].mean(axis=0)
    assert 7.5 < (columns.argmax() + 0.5) * 10 / 224 < 8.0


def test_a_row_for_each_scale_has_the_frequencies_that_pywavelets_gives_them():
    expected = pywt.scale2frequency("morl", np.array(SCALES), precision=12) * 250
    np.testing.assert_allclose(row_frequencies(len(SCALES)), expected, rtol=1e-12)


def test_a_scalogram_does_not_depend_on_threads_or_on_other_electrodes():
    segment = pink_noise(4, 2500).astype(np.float32)
    expected = scalogram(segment)
    before = torch.get_num_threads()
    torch.set_num_threads(2 if before == 1 else 1)
    try:
        np.testing.assert_array_equal(scalogram(segment), expected)
        np.testing.assert_array_equal(scalogram(segment[2:3])[..., 0], expected[..., 2])
    finally:
        torch.set_num_threads(before)


def test_the_segment_is_left_as_it_was():
    segment = pink_noise(2, 500)
    before = segment.copy()
    scalogram(segment)
    morlet_cwt(segment)
    np.testing.assert_array_equal(segment, before)


def test_integer_microvolts_are_accepted():
    segment = np.rint(pink_noise(1, 500) * 10).astype(np.int16)
    np.testing.assert_array_equal(scalogram(segment), scalogram(segment.astype(np.float64)))


@pytest.mark.parametrize(
    ("segment", "message"),
    [
        (np.zeros(2500), r"shape \(2500,\) float64"),
        (np.zeros((0, 2500)), r"shape \(0, 2500\)"),
        (np.zeros((1, 100), complex), "complex128"),
        (np.where(np.arange(200).reshape(2, 100) == 103, np.nan, 0.0), "nan at electrode 1, sample 3"),
        (np.where(np.arange(200).reshape(2, 100) == 7, np.inf, 0.0), "inf at electrode 0, sample 7"),
    ],
)
def test_what_is_no_segment_is_refused_with_what_was_seen(segment, message):
    with pytest.raises(InputError, match=message):
        scalogram(segment)


@pytest.mark.parametrize("scales", [(), (1, 0), (-3,)])
def test_scales_must_be_positive(scales):
    with pytest.raises(ValueError, match="scales must be positive"):
        morlet_cwt(np.zeros((1, 100)), scales)
