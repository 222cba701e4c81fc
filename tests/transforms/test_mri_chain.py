"""The whole deterministic chain of the MRI, by its transforms and fused, against a plain one of nibabel and scipy."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.transforms import Compose
from scipy import ndimage

from monai_fusion.errors import InputError, input_error_behind
from monai_fusion.fingerprint import describe_chain
from monai_fusion.transforms import LoadVolumed, ResampleSlabd, ScaleIntensityPercentilesd, scale_percentiles
from monai_fusion.transforms.files import FileContent
from monai_fusion.transforms.standard_chain import prepare_standard_volume, shortcut_for
from tests.support import AddOne

SIZE, DEPTH = (20, 20, 20), 14


def by_transforms(path: Path, *transforms: Any) -> torch.Tensor:
    return Compose(transforms)({"mri": str(path)})["mri"]


def fused(path: Path, *transforms: Any) -> torch.Tensor:
    assert shortcut_for(transforms, "mri")
    prepared = prepare_standard_volume(FileContent.read(path), *transforms)
    assert prepared is not None, "the fused implementation left this file to the transforms"
    return prepared


@pytest.fixture(params=[by_transforms, fused])
def chain(request: pytest.FixtureRequest) -> Callable[..., torch.Tensor]:
    def run(path: Path, orientation: str = "RAS", size: Sequence[int] = SIZE, depth: int = DEPTH) -> torch.Tensor:
        transforms = (
            LoadVolumed(orientation=orientation),
            ScaleIntensityPercentilesd(),
            ResampleSlabd("mri", size, depth),
        )
        result: torch.Tensor = request.param(path, *transforms)
        return result

    return run


Chain = Callable[..., torch.Tensor]


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
@pytest.mark.parametrize("dtype", [np.int16, ">i2", np.uint8, np.uint16, np.int32, np.float32, ">f4", np.float64])
def test_it_equals_the_plain_chain_for_every_type_and_orientation(
    chain: Chain, tmp_path: Path, dtype: Any, codes: str
) -> None:
    path = save(tmp_path / "a.nii.gz", brain((24, 31, 27)).astype(dtype), codes)
    result = chain(path)
    assert type(result) is torch.Tensor
    assert (result.shape, result.dtype) == ((1, DEPTH, 20, 20), torch.float32)
    assert result.is_contiguous()
    np.testing.assert_allclose(result[0].numpy(), plain_chain(path), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("slope", "inter"),
    [(0.37, 0.0), (0.01, 30000.0), (2.0, -1024.0), (-0.5, 100.0)],
)
@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float32])
def test_it_equals_the_plain_chain_for_scaled_values(
    chain: Chain, tmp_path: Path, dtype: type, slope: float, inter: float
) -> None:
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
    result = chain(path)
    np.testing.assert_allclose(result[0].numpy(), plain_chain(path), rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", [(23, 21, 29), (5, 40, 33), (41, 3, 20)])
def test_it_equals_the_plain_chain_for_odd_and_thin_volumes(
    chain: Chain, tmp_path: Path, shape: tuple[int, int, int]
) -> None:
    path = save(tmp_path / "a.nii", brain(shape).astype(np.int16), "LAS")
    result = chain(path)
    np.testing.assert_allclose(result[0].numpy(), plain_chain(path), rtol=0, atol=1e-6)


@pytest.mark.parametrize("offset", [-500.0, 1e5])
def test_it_equals_the_plain_chain_for_negative_and_for_large_values(
    chain: Chain, tmp_path: Path, offset: float
) -> None:
    path = save(tmp_path / "a.nii", (brain((24, 31, 27)) + offset).astype(np.float32), "RAS")
    result = chain(path)
    np.testing.assert_allclose(result[0].numpy(), plain_chain(path), rtol=0, atol=1e-6)


def test_it_equals_the_plain_chain_on_a_volume_of_clinical_size(chain: Chain, tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", np.tile(brain((22, 30, 32)), (5, 4, 4)).astype(np.int16), "LPI")
    result = chain(path)
    np.testing.assert_allclose(result[0].numpy(), plain_chain(path), rtol=0, atol=1e-6)


ALL_ORIENTATIONS = [
    "".join(codes) for axes in itertools.permutations(["RL", "AP", "SI"]) for codes in itertools.product(*axes)
]


def test_it_equals_the_plain_chain_in_all_48_orientations(chain: Chain, tmp_path: Path) -> None:
    assert len(set(ALL_ORIENTATIONS)) == 48
    data = brain((13, 17, 15)).astype(np.int16)
    for codes in ALL_ORIENTATIONS:
        path = save(tmp_path / f"{codes}.nii", data, codes)
        np.testing.assert_allclose(chain(path)[0].numpy(), plain_chain(path), rtol=0, atol=1e-6, err_msg=codes)


@pytest.mark.parametrize(("size", "depth"), [((20, 20, 20), 20), ((20, 18, 22), 7), ((6, 30, 30), 9), ((1, 1, 1), 3)])
def test_both_implementations_agree_on_every_slab(tmp_path: Path, size: tuple[int, int, int], depth: int) -> None:
    transforms = LoadVolumed(), ScaleIntensityPercentilesd(), ResampleSlabd("mri", size, depth)
    for number, shape in enumerate([(24, 31, 27), (3, 4, 5), (1, 9, 40)]):
        path = save(tmp_path / f"{number}.nii.gz", brain(shape).astype(np.int16) + np.int16(number), "LSP")
        one, other = by_transforms(path, *transforms), fused(path, *transforms)
        assert one.shape == other.shape and other.is_contiguous() and other.dtype == torch.float32
        np.testing.assert_allclose(other.numpy(), one.numpy(), rtol=0, atol=1e-6)


def test_both_implementations_agree_on_values_beyond_the_clipped_range(tmp_path: Path) -> None:
    data = brain((24, 31, 27)).astype(np.float32)
    data[0, 0, :2] = 3e38, -3e38
    transforms = LoadVolumed(), ScaleIntensityPercentilesd(), ResampleSlabd("mri", SIZE, DEPTH)
    path = save(tmp_path / "a.nii", data, "RAS")
    np.testing.assert_allclose(fused(path, *transforms).numpy(), by_transforms(path, *transforms).numpy(), atol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_voxels_that_are_not_numbers_are_left_to_the_transforms_which_refuse_them(tmp_path: Path, value: float) -> None:
    data = brain((12, 13, 14)).astype(np.float32)
    data[3, 4, 5] = value
    path = save(tmp_path / "a.nii.gz", data, "RAS")
    transforms = LoadVolumed(), ScaleIntensityPercentilesd(), ResampleSlabd("mri", SIZE, DEPTH)
    assert prepare_standard_volume(str(path), *transforms) is None
    with pytest.raises(RuntimeError) as raised:
        by_transforms(path, *transforms)
    assert isinstance(input_error_behind(raised.value), InputError)


def test_digits_that_the_intercept_swallows_are_left_to_the_transforms(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", brain((12, 13, 14)) * 1e-12 + 3e4, "RAS")
    transforms = LoadVolumed(), ScaleIntensityPercentilesd(), ResampleSlabd("mri", SIZE, DEPTH)
    assert prepare_standard_volume(str(path), *transforms) is None


def test_a_volume_that_would_become_zeros_is_refused_by_both_ways(chain: Chain, tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii.gz", np.full((9, 10, 11), 7, np.int16), "LPI")
    with pytest.raises((InputError, RuntimeError)) as caught:
        chain(path)
    (problem,) = input_error_behind(caught.value).problems
    assert problem.seen == "percentiles 1 and 99 of the voxels are both 7: scaled by them, all voxels become 0"
    assert problem.advice == "is it the right file?"
    stripped = np.zeros((20, 20, 20), np.int16)
    stripped[8:12, 8:12, 8:12] = np.random.default_rng(0).integers(500, 900, (4, 4, 4))  # 0.8 % of the voxels
    path = save(tmp_path / "b.nii.gz", stripped, "LPI")
    with pytest.raises((InputError, RuntimeError)) as caught:
        chain(path)
    (problem,) = input_error_behind(caught.value).problems
    assert problem.seen == "percentiles 1 and 99 of the voxels are both 0: scaled by them, all voxels become 0"
    assert "set percentiles_over to nonzero" in problem.advice


def test_only_exactly_the_standard_chain_is_fused() -> None:
    load, scale, resample = LoadVolumed(), ScaleIntensityPercentilesd(), ResampleSlabd()
    assert shortcut_for([load, scale, resample], "mri")
    assert not shortcut_for([load, scale, resample], "t1")
    assert not shortcut_for([load, scale], "mri")
    assert not shortcut_for([load, resample, scale], "mri")
    assert not shortcut_for([load, scale, AddOne(), resample], "mri")
    subclass = type("Custom", (ScaleIntensityPercentilesd,), {})
    assert not shortcut_for([load, subclass(), resample], "mri")


def test_the_orientation_decides_what_the_slab_is_cut_from(chain: Chain, tmp_path: Path) -> None:
    data = brain((24, 31, 27)).astype(np.int16)
    path = save(tmp_path / "a.nii", data, "RAS")
    upright = save(tmp_path / "b.nii", np.ascontiguousarray(data.transpose(2, 1, 0)), "RAS")
    result = chain(path, "SAR")
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


@pytest.mark.parametrize("scaling", [(1.0, 0.0), (-0.5, 0.0), (2.0, 10.0)])
def test_percentiles_over_the_voxels_that_are_not_0_are_those_of_the_tissue(
    tmp_path: Path, scaling: tuple[float, float]
) -> None:
    stored = np.zeros((20, 24, 22), np.int16)
    stored[4:16, 4:16, 4:16] = np.random.default_rng(0).integers(300, 900, (12, 12, 12))
    path = tmp_path / "a.nii"
    image = nib.Nifti1Image(stored, np.eye(4))
    image.header.set_slope_inter(*scaling)
    path.write_bytes(image.to_bytes())
    scale = ScaleIntensityPercentilesd(over="nonzero")
    transforms = LoadVolumed(), scale, ResampleSlabd("mri", SIZE, DEPTH)
    values = np.asarray(nib.load(path).dataobj, dtype=np.float64)
    low, high = np.percentile(values[values != 0], [1, 99])
    expected = np.clip((values - low) / (high - low), 0, 1)
    scaled = scale(LoadVolumed()({"mri": str(path)}))["mri"]
    np.testing.assert_allclose(scaled[0].numpy(), expected, rtol=0, atol=1e-6)
    prepared = prepare_standard_volume(str(path), *transforms)
    if scaling[1]:
        assert prepared is None  # what is 0 after the intercept is for the transforms to say
    else:
        assert prepared is not None
        np.testing.assert_allclose(prepared.numpy(), by_transforms(path, *transforms).numpy(), rtol=0, atol=1e-6)


def test_the_choice_of_voxels_is_a_parameter_of_the_chain_only_where_it_is_made() -> None:
    plain, chosen = (describe_chain([ScaleIntensityPercentilesd(over=over)]) for over in ("all", "nonzero"))
    assert "over" not in plain["transforms"][0]["parameters"]  # what was prepared before there was a choice stays
    assert chosen["transforms"][0]["parameters"]["over"] == "nonzero"
    with pytest.raises(InputError, match="percentiles_over: 'tissue', expected all or nonzero"):
        ScaleIntensityPercentilesd(over="tissue")
