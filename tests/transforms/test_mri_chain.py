"""The whole deterministic chain of the MRI against a plain one of nibabel, numpy and scipy."""

from __future__ import annotations

import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.transforms import Compose
from scipy import ndimage

from monai_fusion.errors import InputError
from monai_fusion.transforms import LoadVolumed, ResampleSlabd, ScaleIntensityPercentilesd, scale_percentiles

SIZE, DEPTH = (20, 20, 20), 14


def chain(orientation: str = "RAS") -> Compose:
    return Compose(
        [LoadVolumed(orientation=orientation), ScaleIntensityPercentilesd(), ResampleSlabd("mri", SIZE, DEPTH)]
    )


def plain_chain(path: Path) -> np.ndarray:
    """The same in five plain lines, all of it in float64."""
    values = nib.as_closest_canonical(nib.load(path)).get_fdata()
    low, high = np.percentile(values, 1), np.percentile(values, 99)
    scaled = np.clip((values - low) / (high - low), 0.0, 1.0)
    resampled = ndimage.zoom(scaled, np.divide(SIZE, scaled.shape), order=1)
    first = (SIZE[0] - DEPTH) // 2
    return resampled[first : first + DEPTH]


def brain(shape: tuple[int, ...]) -> np.ndarray:
    """Noise on smooth blobs, 0..200, with a third of zeros around, as in an MRI."""
    rng = np.random.default_rng(0)
    blobs = ndimage.gaussian_filter(rng.random(shape), 3.0)
    blobs = (blobs - blobs.min()) / np.ptp(blobs)
    return np.where(blobs > np.quantile(blobs, 1 / 3), 120 * blobs + rng.uniform(0, 80, shape), 0.0)


def affine_of(codes: str) -> np.ndarray:
    """An affine of 1 mm voxels whose stored axes point to ``codes``."""
    directions = {"R": (1, 0, 0), "L": (-1, 0, 0), "A": (0, 1, 0), "P": (0, -1, 0), "S": (0, 0, 1), "I": (0, 0, -1)}
    affine = np.eye(4)
    affine[:3, :3] = np.transpose([directions[code] for code in codes])
    return affine


def save(path: Path, data: np.ndarray, codes: str, slope: float | None = None, inter: float = 0.0) -> Path:
    image = nib.Nifti1Image(data, affine_of(codes))
    image.header.set_slope_inter(slope, inter if slope else None)
    nib.save(image, path)
    return path


@pytest.mark.parametrize("codes", ["RAS", "LAS", "LPI", "PIR"])
@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float32, np.float64])
def test_it_equals_the_plain_chain_for_every_type_and_orientation(tmp_path: Path, dtype: type, codes: str) -> None:
    path = save(tmp_path / "a.nii.gz", brain((24, 31, 27)).astype(dtype), codes)
    result = chain()({"mri": str(path)})["mri"]
    assert type(result) is torch.Tensor
    assert (result.shape, result.dtype) == ((1, DEPTH, 20, 20), torch.float32)
    assert result.is_contiguous()
    np.testing.assert_allclose(result[0].numpy(), plain_chain(path), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("slope", "inter"),
    [(0.37, 0.0), (0.01, 30000.0), (2.0, -1024.0)],
)
@pytest.mark.parametrize("dtype", [np.int16, np.uint8])
def test_it_equals_the_plain_chain_for_scaled_values(tmp_path: Path, dtype: type, slope: float, inter: float) -> None:
    stored = brain((24, 31, 27)).astype(dtype)
    path = save(tmp_path / "a.nii.gz", stored * slope + inter, "LPI")
    # nibabel would choose its own scale factors for floats: the wanted ones are written around the integers.
    image = nib.Nifti1Image(stored, nib.load(path).affine)
    image.header.set_data_dtype(dtype)
    path.unlink()
    image.to_filename(tmp_path / "raw.nii")
    content = bytearray((tmp_path / "raw.nii").read_bytes())
    content[112:120] = np.array([slope, inter], "<f4").tobytes()
    path = tmp_path / "scaled.nii"
    path.write_bytes(bytes(content))
    assert nib.load(path).dataobj.slope == pytest.approx(slope)
    result = chain()({"mri": str(path)})["mri"]
    np.testing.assert_allclose(result[0].numpy(), plain_chain(path), rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", [(23, 21, 29), (5, 40, 33), (41, 3, 20)])
def test_it_equals_the_plain_chain_for_odd_and_thin_volumes(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    path = save(tmp_path / "a.nii", brain(shape).astype(np.int16), "LAS")
    result = chain()({"mri": str(path)})["mri"]
    np.testing.assert_allclose(result[0].numpy(), plain_chain(path), rtol=0, atol=1e-6)


@pytest.mark.parametrize("offset", [-500.0, 1e5])
def test_it_equals_the_plain_chain_for_negative_and_for_large_values(tmp_path: Path, offset: float) -> None:
    path = save(tmp_path / "a.nii", (brain((24, 31, 27)) + offset).astype(np.float32), "RAS")
    result = chain()({"mri": str(path)})["mri"]
    np.testing.assert_allclose(result[0].numpy(), plain_chain(path), rtol=0, atol=1e-6)


def test_it_equals_the_plain_chain_on_a_volume_of_clinical_size(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", np.tile(brain((22, 30, 32)), (5, 4, 4)).astype(np.int16), "LPI")
    result = chain()({"mri": str(path)})["mri"]
    np.testing.assert_allclose(result[0].numpy(), plain_chain(path), rtol=0, atol=1e-6)


def test_the_orientation_decides_what_the_slab_is_cut_from(tmp_path: Path) -> None:
    data = brain((24, 31, 27)).astype(np.int16)
    path = save(tmp_path / "a.nii", data, "RAS")
    upright = save(tmp_path / "b.nii", np.ascontiguousarray(data.transpose(2, 1, 0)), "RAS")
    result = chain("SAR")({"mri": str(path)})["mri"]
    np.testing.assert_allclose(result[0].numpy(), plain_chain(upright), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "volume",
    [np.full((1, 6, 7, 8), 7, np.int16), np.pad(np.full((1, 1, 1, 1), 3e3), ((0, 0), (0, 9), (0, 9), (0, 9)))],
    ids=["constant", "99 percent background"],
)
def test_a_volume_without_contrast_becomes_zeros_with_a_warning(volume: np.ndarray) -> None:
    with pytest.warns(UserWarning, match="percentiles 1 and 99 of a volume are both"):
        scaled = scale_percentiles(volume)
    assert (scaled.shape, scaled.dtype) == (volume.shape, torch.float32)
    assert torch.count_nonzero(scaled) == 0


def test_scaling_an_ordinary_volume_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scaled = scale_percentiles(brain((9, 10, 11))[None])
    assert (float(scaled.min()), float(scaled.max())) == (0.0, 1.0)


@pytest.mark.parametrize("offset", [0.0, -3e4, 1e6])
@pytest.mark.parametrize("dtype", [np.int32, np.float32, np.float64])
def test_scaling_is_exact_however_large_the_values_are_beside_their_range(dtype: type, offset: float) -> None:
    volume = (brain((24, 31, 27)) + offset).astype(dtype)[None]
    exact = volume.astype(np.float64)
    low, high = np.percentile(exact, 1), np.percentile(exact, 99)
    expected = np.clip((exact - low) / (high - low), 0, 1)
    np.testing.assert_allclose(scale_percentiles(volume).numpy(), expected, rtol=0, atol=1e-7)
    np.testing.assert_allclose(scale_percentiles(torch.from_numpy(volume)).numpy(), expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize(("lower", "upper"), [(99, 1), (50, 50), (-1, 99), (1, 101)])
def test_impossible_percentiles_in_the_config_are_refused(lower: float, upper: float) -> None:
    with pytest.raises(InputError, match="0 <= lower < upper <= 100"):
        ScaleIntensityPercentilesd(lower=lower, upper=upper)


def test_other_percentiles_are_numpys() -> None:
    volume = brain((9, 10, 11))
    low, high = np.percentile(volume, 5), np.percentile(volume, 80)
    result = ScaleIntensityPercentilesd(lower=5, upper=80)({"mri": volume[None]})["mri"]
    np.testing.assert_allclose(result[0].numpy(), np.clip((volume - low) / (high - low), 0, 1), rtol=0, atol=1e-7)
