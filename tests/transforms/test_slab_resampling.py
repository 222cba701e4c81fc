"""Resampling and slab against scipy.ndimage.zoom, on noise, where any error of position shows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from monai_fusion.errors import InputError
from monai_fusion.transforms import ResampleSlabd, resample_slab


def noise(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).random((1, *shape), dtype=np.float32)


def zoomed(volume: np.ndarray, size: tuple[int, int, int], mode: str = "constant") -> np.ndarray:
    """scipy's result in float64, ``[X, Y, Z]`` of ``size``."""
    factors = [new / old for new, old in zip(size, volume.shape[1:], strict=True)]
    result = ndimage.zoom(volume[0].astype(np.float64), factors, order=1, mode=mode)
    assert result.shape == size
    return result


@pytest.mark.parametrize(
    ("shape", "size", "depth"),
    [
        ((44, 60, 64), (32, 32, 32), 24),
        ((44, 60, 64), (32, 40, 36), 32),
        ((31, 45, 27), (23, 17, 29), 11),
        ((9, 30, 20), (32, 32, 32), 24),  # thinner than the slab: the planes are resampled first
        ((20, 11, 13), (16, 32, 33), 10),  # enlarged in the plane
        ((32, 32, 32), (32, 32, 32), 32),
        ((40, 31, 1), (20, 15, 1), 10),
    ],
)
def test_it_equals_scipy_zoom_and_a_centred_slab(
    shape: tuple[int, int, int], size: tuple[int, int, int], depth: int
) -> None:
    volume = noise(shape)
    slab = resample_slab(volume, size, depth)
    assert slab.shape == (1, depth, *size[1:])
    assert slab.dtype == torch.float32
    assert slab.is_contiguous()
    first = (size[0] - depth) // 2
    np.testing.assert_allclose(slab[0].numpy(), zoomed(volume, size)[first : first + depth], atol=5e-7)


def test_at_full_size_it_equals_scipy_zoom_within_a_millionth() -> None:
    volume = noise((176, 240, 256))
    expected = zoomed(volume, (128, 128, 128))[16:112]
    np.testing.assert_allclose(resample_slab(volume)[0].numpy(), expected, rtol=0, atol=1e-6)


def test_where_scipy_writes_a_slice_of_zeros_the_last_voxels_stand() -> None:
    volume = noise((55, 20, 112)) + 1.0
    default, nearest = (zoomed(volume, (48, 20, 48), mode) for mode in ("constant", "nearest"))
    assert default[-1].max() == 0.0  # the fault: no voxel of the volume is below 1
    slab = resample_slab(volume, (48, 20, 48), 48)[0].numpy()
    np.testing.assert_allclose(slab, nearest, atol=5e-7)
    np.testing.assert_allclose(slab[:-1, :, :-1], default[:-1, :, :-1], atol=5e-7)


def test_an_axis_of_one_voxel_is_repeated() -> None:
    volume = noise((1, 30, 1))
    slab = resample_slab(volume, (4, 16, 5), 4)[0].numpy()
    plane = ndimage.zoom(volume[0, 0, :, 0].astype(np.float64), 16 / 30, order=1)
    np.testing.assert_allclose(slab, np.broadcast_to(plane[None, :, None], (4, 16, 5)), atol=5e-7)


def test_an_output_axis_of_one_voxel_is_the_first_one_as_in_scipy() -> None:
    volume = noise((6, 8, 10))
    np.testing.assert_allclose(resample_slab(volume, (1, 8, 1), 1)[0], zoomed(volume, (1, 8, 1)), atol=5e-7)


@pytest.mark.parametrize(("size", "depth", "first"), [(7, 4, 1), (8, 4, 2), (8, 5, 1), (5, 5, 0)])
def test_an_odd_slice_is_cut_at_the_far_end(size: int, depth: int, first: int) -> None:
    volume = np.arange(size, dtype=np.float32)[None, :, None, None]
    slab = resample_slab(volume, (size, 1, 1), depth)
    assert slab.flatten().tolist() == list(range(first, first + depth))


@pytest.mark.parametrize(("size", "depth", "before", "after"), [(4, 7, 1, 2), (4, 8, 2, 2), (1, 4, 1, 2)])
def test_an_odd_slice_is_padded_at_the_far_end(size: int, depth: int, before: int, after: int) -> None:
    volume = noise((size, 3, 4))
    slab = resample_slab(volume, (size, 3, 4), depth)
    np.testing.assert_array_equal(slab[0].numpy(), np.pad(volume[0], [(before, after), (0, 0), (0, 0)], mode="edge"))


def test_the_layout_in_memory_does_not_matter() -> None:
    volume = noise((12, 13, 14))
    expected = resample_slab(volume, (8, 8, 8), 6)
    assert torch.equal(resample_slab(np.asfortranarray(volume), (8, 8, 8), 6), expected)
    assert torch.equal(resample_slab(torch.from_numpy(volume[:, ::-1].copy()).flip(1), (8, 8, 8), 6), expected)


def test_a_volume_without_channel_axis_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(12, 13, 14\), expected one channel and three axes"):
        resample_slab(noise((12, 13, 14))[0], (8, 8, 8), 6)


@pytest.mark.parametrize("knobs", [{"size": (8, 8)}, {"size": (8, 0, 8)}, {"depth": 0}])
def test_impossible_sizes_in_the_config_are_refused(knobs: dict) -> None:
    with pytest.raises(InputError, match=f"ResampleSlabd {next(iter(knobs))}"):
        ResampleSlabd(**knobs)


def test_the_dictionary_transform_takes_sizes_as_a_config_writes_them() -> None:
    volume = torch.from_numpy(noise((12, 13, 14)))
    before = volume.clone()
    transform = ResampleSlabd(size=[8, 9, 10], depth=6)
    assert (transform.size, transform.depth) == ((8, 9, 10), 6)
    result = transform({"mri": volume, "label": 1})
    assert torch.equal(result["mri"], resample_slab(volume, (8, 9, 10), 6))
    assert result["label"] == 1
    assert torch.equal(volume, before)
