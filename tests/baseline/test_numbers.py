"""The numbers of one recording, against what its file was made of, NumPy, torch and the network's own transforms."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from torch.nn.functional import adaptive_avg_pool3d

from monai_fusion.baseline.scalogram_form import ScalogramFormNumbers
from monai_fusion.baseline.scalogram_numbers import (
    REGIONS,
    ScalogramNumbers,
    by_region,
    log_power,
    numbers_of_scalogram,
    raw_bands,
)
from monai_fusion.baseline.volume_form import FORM, axis_codes
from monai_fusion.baseline.volume_numbers import (
    NUMBERS,
    SUMMARY,
    VolumeNumbers,
    block_means,
    numbers_of_volume,
    otsu_threshold,
)
from monai_fusion.recordings.montage import ELECTRODES_1020_17
from monai_fusion.transforms.electrode_zscore import zscore_electrodes
from tests.baseline.cohorts import write_head


def test_the_head_volume_is_that_of_the_ball_in_cubic_millimetres(tmp_path: Path) -> None:
    for radius in (6.0, 9.0):
        found = VolumeNumbers()(write_head(tmp_path / "a.nii", radius))
        assert np.exp(found[0]) == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.03)


def test_the_extents_are_those_of_the_ball_along_each_axis(tmp_path: Path) -> None:
    found = VolumeNumbers()(write_head(tmp_path / "a.nii", 9.0))
    assert found[1:4] == pytest.approx([18.0, 18.0, 18.0], abs=2.0)  # one voxel is up to 2 mm


def test_another_orientation_of_the_same_head_gives_the_same_numbers_and_its_axis_codes(tmp_path: Path) -> None:
    first = VolumeNumbers()(write_head(tmp_path / "a.nii", 8.0))
    axes = slice(NUMBERS, NUMBERS + 3)
    for codes in ("LAS", "SPL", "AIR"):
        found = VolumeNumbers()(write_head(tmp_path / "b.nii", 8.0, codes=codes))
        assert np.delete(found, axes) == pytest.approx(np.delete(first, axes))
        assert axis_codes(found[axes]) == codes


def test_the_grid_and_the_histogram_of_a_file_follow_its_numbers(tmp_path: Path) -> None:
    found = dict(zip(FORM, VolumeNumbers()(write_head(tmp_path / "a.nii", 8.0))[NUMBERS:], strict=True))
    assert [found[f"voxel {name}"] for name in ("left-right", "back-front", "down-up")] == [2.0, 1.5, 1.0]
    assert [found[f"field of view {name}"] for name in ("left-right", "back-front", "down-up")] == [40, 33, 24]
    assert found["tilt"] == pytest.approx(0, abs=1e-3)
    stored = nib.load(tmp_path / "a.nii").get_fdata()
    low, high = np.percentile(stored, [1, 99])
    scaled = np.clip((stored - low) / (high - low), 0, 1)
    for quantile in (0.1, 0.25, 0.5, 0.75, 0.9):
        assert found[f"intensity quantile {quantile:g}"] == pytest.approx(np.quantile(scaled, quantile), abs=1e-6)
    assert found["share of the lowest value"] == (stored == stored.min()).mean()


def test_a_turned_grid_has_its_angle(tmp_path: Path) -> None:
    image = nib.load(write_head(tmp_path / "a.nii", 8.0))
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]]
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), turn @ image.affine), tmp_path / "b.nii")
    found = VolumeNumbers()(tmp_path / "b.nii")[NUMBERS:]
    assert found[FORM.index("tilt")] == pytest.approx(np.degrees(0.3), abs=1e-3)
    assert found[3:6] == pytest.approx([2.0, 1.5, 1.0], abs=1e-4)


def test_the_form_of_a_scalogram_is_that_of_the_file_before_its_z_score(tmp_path: Path) -> None:
    stored = np.random.default_rng(2).uniform(1, 9, size=(56, 30, 17)).astype(np.float32)
    stored[..., 4] = 3.0
    np.save(tmp_path / "a.npy", stored)
    numbers = ScalogramFormNumbers((56, 30, 17))
    found = numbers.form(numbers(tmp_path / "a.npy"))
    squares = stored.astype(np.float64) ** 2
    assert found.amplitude == pytest.approx(np.sqrt(squares.mean(axis=(0, 1))))
    assert np.flatnonzero(found.flat).tolist() == [4]
    assert found.power == pytest.approx(np.delete(squares, 4, axis=2).mean(axis=(1, 2)))


def test_the_numbers_of_a_volume_are_scaled_between_its_percentiles() -> None:
    values = np.random.default_rng(0).normal(size=(16, 16, 16))
    low, high = np.percentile(values, [1, 99])
    found = numbers_of_volume(values, np.ones(3), low, high)
    scaled = np.clip((values - low) / (high - low), 0, 1)
    inside = scaled[values > otsu_threshold(values)]
    assert len(found) == NUMBERS == len(SUMMARY) + 512
    assert found[4:6] == pytest.approx([inside.mean(), inside.std()], abs=1e-5)
    blocks = scaled.reshape(8, 2, 8, 2, 8, 2).mean(axis=(1, 3, 5))
    assert found[6:] == pytest.approx(blocks.ravel(), abs=1e-5)


def test_a_few_bright_voxels_in_the_air_do_not_widen_the_extents() -> None:
    values = np.zeros((40, 40, 40))
    values[10:30, 10:30, 10:30] = 1.0
    extents = numbers_of_volume(values, np.ones(3), 0.0, 1.0)[1:4]
    values[0, 0, 0] = values[39, 39, 39] = 1.0
    assert numbers_of_volume(values, np.ones(3), 0.0, 1.0)[1:4] == pytest.approx(extents)
    assert extents == pytest.approx([20, 20, 20], abs=1)


def test_block_means_are_those_of_adaptive_pooling_where_the_blocks_are_equal() -> None:
    values = np.random.default_rng(1).normal(size=(16, 24, 8))
    pooled = adaptive_avg_pool3d(torch.from_numpy(values)[None], 8)[0].numpy()
    assert block_means(values, 8) == pytest.approx(pooled)


def test_a_volume_of_fewer_voxels_than_blocks_repeats_them() -> None:
    assert block_means(np.arange(4.0).reshape(4, 1, 1), 8)[:, 0, 0] == pytest.approx([0, 0, 1, 1, 2, 2, 3, 3])


def test_the_threshold_separates_two_groups_of_voxels() -> None:
    random = np.random.default_rng(0)
    values = np.concatenate([random.normal(10, 2, 3000), random.normal(100, 10, 1096)]).reshape(16, 16, 16)
    assert 20 < otsu_threshold(values) < 75
    assert otsu_threshold(np.full((4, 4, 4), 3.0)) == 3.0


def test_a_constant_volume_has_numbers_too() -> None:
    assert np.isfinite(numbers_of_volume(np.full((8, 8, 8), 5.0), np.ones(3), 5.0, 5.0)).all()


def test_bands_are_the_means_of_the_network_s_input() -> None:
    scalogram = np.abs(np.random.default_rng(2).normal(size=(17, 56, 30)))
    expected = zscore_electrodes(scalogram).numpy().reshape(17, 28, 2, 30).mean(axis=(2, 3))
    assert numbers_of_scalogram(scalogram) == pytest.approx(expected, abs=1e-5)


def test_a_constant_electrode_is_zero() -> None:
    scalogram = np.random.default_rng(3).normal(size=(3, 28, 5))
    scalogram[1] = 7.0
    assert (numbers_of_scalogram(scalogram)[1] == 0).all()


def test_the_raw_power_of_a_band_is_the_log_of_the_file_s_own_mean(tmp_path: Path) -> None:
    stored = np.random.default_rng(2).uniform(1, 9, size=(56, 30, 17)).astype(np.float32)  # frequency, time, electrode
    np.save(tmp_path / "a.npy", stored)
    np.save(tmp_path / "b.npy", 10 * stored)  # the same person in another unit
    (seen, raw), (seen_again, raw_again) = (
        ScalogramNumbers((56, 30, 17))(tmp_path / f"{name}.npy") for name in ("a", "b")
    )
    expected = np.log10(stored.astype(np.float64).reshape(28, 2, 30, 17).mean(axis=(1, 2)).T)
    assert log_power(raw) == pytest.approx(expected, abs=1e-6)
    assert log_power(raw_again) == pytest.approx(expected + 1, abs=1e-6)
    assert seen_again == pytest.approx(seen, abs=1e-5)  # the z-score has lost it


def test_an_electrode_without_power_is_left_out_of_its_regions() -> None:
    scalogram = np.random.default_rng(6).uniform(1, 9, size=(17, 28, 5))
    scalogram[0], scalogram[16] = 0.0, -1.0  # a frontal and an occipital one
    found = by_region(log_power(raw_bands(scalogram))).reshape(len(REGIONS), 28)
    logs = np.log10(scalogram[1:16].mean(axis=2))
    assert found[0] == pytest.approx(logs.mean(axis=0))
    assert found[1] == pytest.approx(logs[:4].mean(axis=0)) and found[4] == pytest.approx(logs[14:].mean(axis=0))


def test_regions_are_means_over_the_electrodes_of_the_standard_montage() -> None:
    numbers = np.random.default_rng(4).normal(size=(17, 28))
    found = by_region(numbers).reshape(len(REGIONS), 28)
    occipital = [place for place, name in enumerate(ELECTRODES_1020_17) if name.startswith("O")]
    frontal = [place for place, name in enumerate(ELECTRODES_1020_17) if name.startswith("F")]
    assert found[0] == pytest.approx(numbers.mean(axis=0))
    assert found[1] == pytest.approx(numbers[frontal].mean(axis=0))
    assert found[4] == pytest.approx(numbers[occipital].mean(axis=0))


def test_other_montages_have_the_mean_of_all_electrodes_alone() -> None:
    numbers = np.random.default_rng(5).normal(size=(61, 28))
    assert by_region(numbers) == pytest.approx(numbers.mean(axis=0))
