"""The z-score per electrode against a float64 reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_fusion.transforms import ZScoreElectrodesd, zscore_electrodes


def reference(scalogram: np.ndarray) -> np.ndarray:
    exact = scalogram.astype(np.longdouble)
    mean = exact.mean(axis=(1, 2), keepdims=True)
    deviation = np.sqrt(((exact - mean) ** 2).mean(axis=(1, 2), keepdims=True))
    return np.asarray((exact - mean) / deviation, dtype=np.float64)


def scalogram(dtype: type = np.float32) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.gamma(2.0, size=(5, 30, 40)) * rng.uniform(0.01, 100.0, (5, 1, 1))).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_equals_the_float64_reference(dtype: type) -> None:
    x = scalogram(dtype)
    scores = zscore_electrodes(x)
    assert scores.dtype == torch.float32
    assert scores.is_contiguous()
    np.testing.assert_allclose(scores.numpy(), reference(x), atol=2e-6)


@pytest.mark.parametrize("ratio", [1e3, 1e5])
def test_a_mean_far_beyond_the_standard_deviation_costs_no_precision(ratio: float) -> None:
    x = (scalogram(np.float64) / 100.0 + ratio).astype(np.float32)
    np.testing.assert_allclose(zscore_electrodes(x).numpy(), reference(x), atol=1e-5)
    x64 = scalogram(np.float64) / 100.0 + ratio * 100
    np.testing.assert_allclose(zscore_electrodes(x64).numpy(), reference(x64), atol=1e-5)


def test_an_outlier_as_first_value_costs_no_precision() -> None:
    x = scalogram()
    x[:, 0, 0] = 1e6  # the moments are taken of the differences from it
    np.testing.assert_allclose(zscore_electrodes(x).numpy(), reference(x), atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.1, -3.7e8])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_electrode_becomes_zeros_and_does_not_change_the_others(value: float, dtype: type) -> None:
    x = scalogram(dtype)
    x[2] = value
    scores = zscore_electrodes(x)
    assert torch.count_nonzero(scores[2]) == 0
    others = [0, 1, 3, 4]
    np.testing.assert_allclose(scores[others].numpy(), reference(x[others]), atol=2e-6)


def test_the_layout_in_memory_and_the_container_do_not_matter() -> None:
    x = scalogram()
    as_loaded = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 0, -1)), -1, 0)
    assert not as_loaded.flags.c_contiguous
    scores = zscore_electrodes(x)
    assert torch.equal(zscore_electrodes(as_loaded), scores)
    assert torch.equal(zscore_electrodes(torch.from_numpy(as_loaded)), scores)


def test_a_missing_axis_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(30, 40\), expected \[electrode, frequency, time\]"):
        zscore_electrodes(np.zeros((30, 40)))


def test_the_dictionary_transform_changes_its_key_only() -> None:
    x = scalogram(np.float64)
    before = x.copy()
    sample = {"eeg": x, "label": 1}
    result = ZScoreElectrodesd()(sample)
    assert torch.equal(result["eeg"], zscore_electrodes(x))
    assert result["label"] == 1
    assert sample["eeg"] is x
    np.testing.assert_array_equal(x, before)
