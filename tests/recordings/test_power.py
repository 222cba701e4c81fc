"""The amplitudes of the power mode against tones, bursts and MNE's Morlet transform."""

import mne
import numpy as np
import pytest

from monai_fusion.recordings.power import power_frequencies, power_margin, power_scalogram
from tests.recordings.raw import brain_like

MARGIN = power_margin(2500)
TIME = np.arange(-MARGIN, 2500 + MARGIN) / 250


def test_rows_go_from_45_to_1_hz_in_equal_ratios():
    hertz = power_frequencies()
    assert len(hertz) == 224
    assert (hertz[0], hertz[-1]) == pytest.approx((45, 1))
    np.testing.assert_allclose(hertz[1:] / hertz[:-1], (1 / 45) ** (1 / 223))


@pytest.mark.parametrize("hertz", [2.0, 10.0, 40.0])
def test_a_tone_has_its_own_amplitude_at_its_own_row_whatever_its_frequency_and_phase(hertz):
    image = power_scalogram(3 * np.cos(2 * np.pi * hertz * TIME + 0.7)[None], MARGIN)[..., 0]
    row = image.mean(axis=1).argmax()
    assert row == np.abs(np.log(power_frequencies() / hertz)).argmin()
    np.testing.assert_allclose(image[row], 3, rtol=0.004)  # the nearest row is up to 0.9 % away


def test_a_constant_offset_is_no_amplitude():
    assert np.abs(power_scalogram(np.full((1, 2500 + 2 * MARGIN), 1000.0), MARGIN)).max() < 1e-3


def test_it_is_the_magnitude_of_mnes_morlet_transform_averaged_over_columns():
    signal = brain_like(2, 2500 + 2 * MARGIN)
    hertz = power_frequencies()
    complex_ = mne.time_frequency.tfr_array_morlet(
        signal[None], 250.0, hertz, n_cycles=5.0, zero_mean=False, output="complex", verbose="error"
    )[0]
    wavelets = mne.time_frequency.morlet(250.0, hertz, n_cycles=5.0, zero_mean=False)
    gains = [
        np.abs(np.sum(each * np.exp(-2j * np.pi * f * np.arange(len(each)) / 250))) / 2
        for each, f in zip(wavelets, hertz, strict=True)
    ]
    width = 2500 / 224
    centres = MARGIN + (np.arange(224) + 0.5) * width - 0.5
    away = (np.arange(signal.shape[1]) - centres[:, None]) / width
    columns = np.where(np.abs(away) < 1, np.cos(np.pi * away / 2) ** 2, 0)
    columns /= columns.sum(axis=1, keepdims=True)
    expected = (np.abs(complex_) / np.array(gains)[None, :, None]) @ columns.T
    computed = power_scalogram(signal, MARGIN).transpose(2, 0, 1)
    away = np.abs(computed - expected) / expected.std()
    # Where an envelope touches zero it has a corner, which the few points of a column may miss.
    assert away.mean() < 2e-4
    assert away.max() < 0.05


def test_what_lies_outside_the_segment_is_used_and_not_shown():
    """Edges come from real signal: a piece of a longer one is what the longer one has at that place."""
    long = brain_like(1, 5000 + 2 * MARGIN)
    first, second = (power_scalogram(long[:, at : at + 2500 + 2 * MARGIN], MARGIN) for at in (0, 2500))
    half = power_scalogram(long[:, 1250 : 1250 + 2500 + 2 * MARGIN], MARGIN)
    joined = np.concatenate([first[:, 112:], second[:, :112]], axis=1)
    np.testing.assert_allclose(half, joined, atol=2e-3 * joined.std())


def test_rows_can_be_z_scored():
    image = power_scalogram(brain_like(2, 2500 + 2 * MARGIN), MARGIN, z_score=True)
    np.testing.assert_allclose(image.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(image.std(axis=1), 1, atol=1e-4)
    assert (power_scalogram(np.zeros((1, 2500 + 2 * MARGIN)), MARGIN, z_score=True) == 0).all()


@pytest.mark.parametrize("samples", [2500, 1000, 500, 2501, 7500])
def test_any_length_of_a_segment_has_a_margin_of_whole_columns(samples):
    margin = power_margin(samples)
    assert margin >= 1000
    assert margin * 224 % samples == 0
    time = np.arange(-margin, samples + margin) / 250
    image = power_scalogram(np.sin(2 * np.pi * 10 * time)[None], margin)[..., 0]
    assert image.shape == (224, 224)
    assert image[np.abs(power_frequencies() - 10).argmin()].mean() == pytest.approx(1, rel=0.004)


def test_a_margin_of_half_a_column_is_refused():
    with pytest.raises(ValueError, match="power_margin"):
        power_scalogram(np.zeros((1, 2500 + 2 * 1000)), 1000)
