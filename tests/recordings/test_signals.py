"""A segment's signal: reading in pieces, reference, resampling, filters, margins."""

import dataclasses

import numpy as np
import pytest

from monai_fusion.recordings import signals
from monai_fusion.recordings.options import Filters
from monai_fusion.recordings.recording import Electrodes, Segment
from monai_fusion.recordings.signals import Preparation, prepared_segments
from tests.recordings.raw import NAMES, brain_like, in_memory, in_pieces, picking

BARE = Filters(average=False, demean=False, high_pass_hz=None, line_hz=None, find_line=False)


def prepared(recording, segments=None, filters=BARE, margin=0, electrodes=None, seconds=10.0):
    segments = in_pieces(recording, seconds=seconds).segments if segments is None else segments
    chosen = picking(recording) if electrodes is None else electrodes
    return list(prepared_segments(recording, chosen, segments, Preparation(filters, seconds, margin)))


def test_without_filters_a_segment_at_250_hz_is_the_recordings_samples_themselves(tmp_path):
    values = brain_like(17, 6000)
    first, second = prepared(in_memory(values, tmp_path / "sub-1.csv"))
    np.testing.assert_array_equal(first.segment, values[:, :2500])
    np.testing.assert_array_equal(second.segment, values[:, 2500:5000])


def tones(seconds):
    """``[17, time]`` sums of sines below 80 Hz, at any times."""
    rng = np.random.default_rng(0)
    hertz, phases = rng.uniform(0.5, 80, (17, 12)), rng.uniform(0, 2 * np.pi, (17, 12))
    return 4 * np.sin(2 * np.pi * hertz[..., None] * seconds + phases[..., None]).sum(axis=1)


@pytest.mark.parametrize("hz", [2500.0, 1000.0, 512.0, 256.0, 200.0, 499.9])
def test_another_rate_is_resampled_to_what_the_signal_is_at_250_hz(tmp_path, hz):
    recording = in_memory(tones(np.arange(round(hz * 40)) / hz), tmp_path / "sub-1.csv", hz)
    starts = [round(at * hz) for at in (4, 14, 24)]
    segments = [Segment("EO", start, start + round(10 * hz), 0, recording.samples) for start in starts]
    for start, found in zip(starts, prepared(recording, segments), strict=True):
        expected = tones(start / hz + np.arange(2500) / 250)
        np.testing.assert_allclose(found.segment, expected, atol=0.05)


def test_what_is_above_125_hz_does_not_come_back_as_something_slower(tmp_path):
    time = np.arange(50_000) / 2500
    values = np.tile(100 * np.sin(2 * np.pi * 240 * time), (17, 1))  # 250 - 240 = 10 Hz
    (first, second) = prepared(in_memory(values, tmp_path / "sub-1.csv", 2500.0))
    for each in (first, second):
        assert np.abs(each.segment[:, 50:-50]).max() < 0.02


def test_the_average_is_that_of_all_eeg_channels_that_are_not_bad(tmp_path):
    values = brain_like(20, 2500)
    values[17] += 500  # bad
    values[18] += 900  # an EOG
    names, kinds = (*NAMES, "Fp1", "VEOG", "Fp2"), ["eeg"] * 18 + ["eog", "eeg"]
    recording = in_memory(values, tmp_path / "sub-1.csv", names=names, kinds=kinds, bad=["Fp1"])
    (found,) = prepared(recording, filters=dataclasses.replace(BARE, average=True))
    mean = values[[*range(17), 19]].mean(axis=0)
    np.testing.assert_allclose(found.segment, values[:17] - mean, atol=1e-9)


def test_an_interpolated_electrode_is_the_sum_of_its_channels_with_the_same_reference(tmp_path):
    values = brain_like(17, 2500)
    recording = in_memory(values, tmp_path / "sub-1.csv")
    weights = np.zeros((2, 3))
    weights[0, 0], weights[1, 1:] = 1, (0.25, 0.75)
    electrodes = Electrodes(("F7", "X"), (0, 5, 3), weights, ("X",))
    (found,) = prepared(recording, electrodes=electrodes)
    np.testing.assert_allclose(found.segment, [values[0], 0.25 * values[5] + 0.75 * values[3]], atol=1e-9)
    (found,) = prepared(recording, electrodes=electrodes, filters=dataclasses.replace(BARE, average=True))
    expected = np.stack([values[0], 0.25 * values[5] + 0.75 * values[3]]) - values.mean(axis=0)
    np.testing.assert_allclose(found.segment, expected, atol=1e-9)


def test_demeaning_takes_the_segments_own_mean(tmp_path):
    values = brain_like(17, 5000) + 80
    for each in prepared(
        in_memory(values, tmp_path / "sub-1.csv"), filters=dataclasses.replace(BARE, demean=True), margin=500
    ):
        np.testing.assert_allclose(each.segment.mean(axis=1), 0, atol=1e-9)


def test_high_pass_and_notch_take_away_what_they_should_and_shift_nothing(tmp_path):
    time = np.arange(12_500) / 250
    alpha = 10 * np.sin(2 * np.pi * 10 * time)
    values = np.tile(alpha + 300 + 50 * np.sin(2 * np.pi * 0.05 * time) + 20 * np.sin(2 * np.pi * 50 * time), (17, 1))
    values += 5 * np.sin(2 * np.pi * 100 * time)  # a harmonic
    filters = dataclasses.replace(BARE, high_pass_hz=0.5, line_hz=50.0)
    recording = in_memory(values, tmp_path / "sub-1.csv")
    found = prepared(recording, filters=filters)
    for place in (1, 2, 3):  # with real signal on both sides
        expected = alpha[place * 2500 : (place + 1) * 2500]
        np.testing.assert_allclose(found[place].segment, np.tile(expected, (17, 1)), atol=0.12)


def test_margins_end_at_a_break_and_go_on_as_a_mirror_image(tmp_path):
    values = brain_like(17, 7500)
    values[:, 5000:] = 1e6  # behind a break
    recording = in_memory(values, tmp_path / "sub-1.csv")
    (found,) = prepared(recording, [Segment("EO", 2500, 5000, 2000, 5000)], margin=1250)
    assert found.real_margin == (500, 0)
    np.testing.assert_array_equal(found.segment, values[:, 2500:5000])
    np.testing.assert_array_equal(found.signal[:, 750:1250], values[:, 2000:2500])
    behind = 2 * values[:, 4999:5000] - values[:, 4998 : 4998 - 1250 : -1]
    np.testing.assert_allclose(found.signal[:, -1250:], behind)


def test_a_long_recording_is_read_once_and_in_pieces_of_a_bounded_size(tmp_path):
    samples, channels = 2_000_000, 64
    asked = []

    def read(chosen, start, stop):
        asked.append((len(chosen), stop - start))
        return np.zeros((len(chosen), stop - start))

    names = (*NAMES, *(f"X{number}" for number in range(channels - 17)))
    small = in_memory(np.zeros((channels, 10)), tmp_path / "sub-1.csv", 2500.0, names=names)
    recording = dataclasses.replace(small, samples=samples, read_samples=read)
    filters = dataclasses.replace(BARE, average=True, high_pass_hz=0.5)
    count = len(prepared(recording, filters=filters, margin=1250))
    assert count == 80
    assert max(chosen * length * 8 for chosen, length in asked) <= 60e6
    assert sum(length for _, length in asked) < 2.3 * samples


def test_a_segment_that_is_too_large_for_one_piece_is_read_in_several(tmp_path, monkeypatch):
    recording = in_memory(brain_like(17, 6000), tmp_path / "sub-1.csv")
    filters = dataclasses.replace(BARE, average=True, high_pass_hz=0.5)
    (whole,) = prepared(recording, in_pieces(recording).segments[1:2], filters=filters, margin=1000)
    asked, read = [], recording.read_samples
    monkeypatch.setattr(signals, "_PIECE_BYTES", 8 * 17 * 700)
    recording = dataclasses.replace(recording, read_samples=lambda c, a, b: asked.append(b - a) or read(c, a, b))
    (found,) = prepared(recording, in_pieces(recording).segments[1:2], filters=filters, margin=1000)
    assert len(asked) > 5 and max(asked) == 700
    np.testing.assert_allclose(found.signal, whole.signal, atol=1e-9)


def test_the_same_segment_is_the_same_whatever_is_read_with_it(tmp_path):
    recording = in_memory(brain_like(17, 10_000), tmp_path / "sub-1.csv")
    filters = dataclasses.replace(BARE, average=True, high_pass_hz=0.5, line_hz=50.0, demean=True)
    every = prepared(recording, filters=filters, margin=1250)
    (alone,) = prepared(recording, in_pieces(recording).segments[2:3], filters=filters, margin=1250)
    np.testing.assert_allclose(alone.signal, every[2].signal, atol=1e-9)
