"""The rotation within the slices against scipy.ndimage.rotate."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.transforms import RandFlipd
from scipy import ndimage, stats

from monai_fusion.errors import InputError
from monai_fusion.transforms import RandInPlaneRotated, rotate_in_plane


def noise(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).random((1, *shape), dtype=np.float32))


@pytest.mark.parametrize("degrees", [7.3, -10.0, 0.0, 45.0, 180.0])
@pytest.mark.parametrize("shape", [(6, 64, 64), (5, 48, 80), (3, 81, 33), (1, 7, 128)])
def test_it_equals_scipy_rotate_also_where_the_slices_are_not_square(shape: tuple[int, ...], degrees: float) -> None:
    volume = noise(*shape)
    rotated = rotate_in_plane(volume, degrees)
    assert (rotated.shape, rotated.dtype) == (volume.shape, torch.float32)
    assert rotated.is_contiguous()
    expected = ndimage.rotate(volume[0].double().numpy(), degrees, axes=(1, 2), order=1, mode="nearest", reshape=False)
    np.testing.assert_allclose(rotated[0].numpy(), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("shape", [(4, 1, 30), (4, 30, 1), (4, 1, 1)])
def test_an_axis_of_one_voxel_is_rotated_as_scipy_does(shape: tuple[int, ...]) -> None:
    volume = noise(*shape)
    expected = ndimage.rotate(volume[0].double().numpy(), 8.0, axes=(1, 2), order=1, mode="nearest", reshape=False)
    np.testing.assert_allclose(rotate_in_plane(volume, 8.0)[0].numpy(), expected, rtol=0, atol=1e-4)


def test_at_full_size_it_equals_scipy_rotate() -> None:
    volume = noise(8, 128, 128)
    expected = ndimage.rotate(volume[0].double().numpy(), 9.9, axes=(1, 2), order=1, mode="nearest", reshape=False)
    np.testing.assert_allclose(rotate_in_plane(volume, 9.9)[0].numpy(), expected, rtol=0, atol=1e-4)


def test_the_angle_is_uniform_between_its_bounds_and_drawn_with_probability_prob() -> None:
    transform = RandInPlaneRotated(prob=0.3, max_degrees=10.0).set_random_state(seed=0)
    angles = []
    for _ in range(4000):
        transform.randomize()
        if transform._do_transform:
            angles.append(transform._degrees)
    assert stats.binomtest(len(angles), 4000, 0.3).pvalue > 1e-3
    assert stats.kstest(angles, stats.uniform(-10, 20).cdf).pvalue > 1e-3


def test_the_defaults_are_the_specified_ones() -> None:
    assert (RandInPlaneRotated().prob, RandInPlaneRotated().max_degrees) == (0.3, 10.0)


def test_draws_are_reproducible_and_come_from_the_transforms_own_state() -> None:
    sample = {"mri": noise(3, 20, 24)}
    runs: list[list[torch.Tensor]] = []
    for global_seed in (0, 1):
        np.random.seed(global_seed)  # the global state must not matter
        torch.manual_seed(global_seed)
        transform = RandInPlaneRotated(prob=0.5).set_random_state(seed=7)
        runs.append([transform(sample)["mri"] for _ in range(10)])
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))
    assert any(not torch.equal(result, sample["mri"]) for result in runs[0])
    assert any(torch.equal(result, sample["mri"]) for result in runs[0])


def test_after_monais_flip_a_plain_tensor_comes_out_again() -> None:
    sample = {"mri": noise(4, 10, 12)}
    before = sample["mri"].clone()
    flipped = RandFlipd("mri", prob=1.0, spatial_axis=0)(sample)["mri"]
    assert type(flipped) is not torch.Tensor  # a MetaTensor: what the conversion is for
    assert torch.equal(flipped.as_tensor(), before.flip(1))
    for prob in (0.0, 1.0):
        result = RandInPlaneRotated(prob=prob, max_degrees=0.0)({"mri": flipped})["mri"]
        assert type(result) is torch.Tensor
        assert result.is_contiguous()
        torch.testing.assert_close(result, before.flip(1), rtol=0, atol=1e-5)
    assert torch.equal(sample["mri"], before)


@pytest.mark.parametrize("knobs", [{"prob": 1.5}, {"max_degrees": -1.0}, {"max_degrees": 360}])
def test_impossible_knobs_are_refused(knobs: dict) -> None:
    with pytest.raises(InputError, match=f"RandInPlaneRotated {next(iter(knobs))}"):
        RandInPlaneRotated(**knobs)


@pytest.mark.parametrize("slices", [1, 7, 8, 12, 16, 24, 33, 97])
def test_slices_are_rotated_alike_however_many_there_are(slices: int) -> None:
    volume = np.random.default_rng(0).random((1, slices, 11, 13), dtype=np.float32)
    together = rotate_in_plane(volume, -6.5)
    alone = torch.cat([rotate_in_plane(volume[:, index : index + 1], -6.5) for index in range(slices)], dim=1)
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-6)
