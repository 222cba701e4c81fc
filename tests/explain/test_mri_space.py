"""A map of the network's grid comes back to the voxels of the file that it was computed from."""

from __future__ import annotations

import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, ornt_transform
from nibabel.processing import resample_from_to
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from monai_fusion.errors import InputError
from monai_fusion.explain.mri_files import on_file_grid, on_grid, write_map, write_nifti, write_slab_mask
from monai_fusion.explain.mri_space import SlabGeometry, VolumeSpace, mean_affine, same_space
from monai_fusion.file_formats.nifti import load_volume
from monai_fusion.transforms import LoadVolumed, ResampleSlabd, ScaleIntensityPercentilesd, resample_slab
from tests.support import AddOne

SLABS = [
    SlabGeometry("RAS", None, (32, 40, 24), 20),
    SlabGeometry("SAR", None, (17, 21, 33), 17),
    SlabGeometry("LPI", None, (24, 24, 24), 9),
    SlabGeometry("RAS", None, (20, 32, 32), 27),
]
FILES = [
    ("LAS", (33, 41, 27), (0.9, 1.1, 1.7), 0),
    ("RAS", (30, 37, 31), (1, 1, 1), 0),
    ("PIR", (45, 29, 51), (1.0, 1.0, 1.2), 12),
    ("ASL", (21, 15, 9), (2.0, 2.2, 4.5), 25),
    ("IPR", (64, 50, 71), (0.5, 0.6, 0.5), 8),
]


def affine_of(codes: str, shape: tuple[int, ...], zooms: tuple[float, ...], degrees: float) -> np.ndarray:
    """A scanner's affine: axes along ``codes``, oblique by some degrees, with an origin somewhere."""
    order = axcodes2ornt(codes)
    sizes = [0.0, 0.0, 0.0]
    lengths = [0, 0, 0]
    for axis, (to, _) in enumerate(order):
        sizes[int(to)], lengths[int(to)] = zooms[axis], shape[axis]
    upright = np.diag([*sizes, 1.0])
    upright[:3, 3] = -30, 12, 7
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("xyz", [degrees, -degrees / 2, degrees / 3], degrees=True).as_matrix()
    return turn @ upright @ inv_ornt_aff(ornt_transform(order, axcodes2ornt("RAS")), shape)


def write(path: Path, values: np.ndarray, codes: str, zooms: tuple[float, ...], degrees: float) -> Path:
    image = nib.Nifti1Image(values.astype(np.float32), affine_of(codes, values.shape, zooms, degrees))
    image.header["descrip"], image.header["aux_file"], image.header["db_name"] = b"Erika M", b"1.2.3.nii", b"*1970"
    image.header["intent_name"] = b"Erika"
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)
    return path


def seen_by_the_network(path: Path, geometry: SlabGeometry) -> np.ndarray:
    """The slab of a file as preprocessing makes it, without changes of intensity."""
    turned = load_volume(path, geometry.orientation, geometry.assume_orientation)
    return resample_slab(turned, geometry.size, geometry.depth)[0].numpy()


@pytest.mark.parametrize("geometry", SLABS, ids=lambda each: f"{each.orientation}{each.size}{each.depth}")
@pytest.mark.parametrize("file", FILES, ids=lambda each: each[0])
def test_every_voxel_of_the_slab_comes_back_to_itself_within_one_voxel(
    tmp_path: Path, file: tuple[str, tuple[int, int, int], tuple[float, ...], float], geometry: SlabGeometry
) -> None:
    codes, shape, zooms, degrees = file
    for axis in range(3):
        index = np.broadcast_to(np.arange(shape[axis]).reshape([-1 if a == axis else 1 for a in range(3)]), shape)
        path = write(tmp_path / f"{axis}.nii", index, codes, zooms, degrees)
        space = VolumeSpace.of_file(path, geometry)
        inside = space.inside()
        back = space.to_file_grid(seen_by_the_network(path, geometry))
        assert back.shape == shape
        # A voxel of the coarser of the two grids; it is half of one beyond the centres of the outer slices of the slab.
        turned = space.oriented.index(shape[axis])
        assert np.abs(back - index)[inside].max() <= max(1, geometry.steps(space.oriented)[turned] / 2)
        assert not back[~inside].any()
        assert np.median(np.abs(back - index)[inside]) < 0.05
        share = min(geometry.depth, geometry.size[0]) / geometry.size[0]
        assert inside.mean() == pytest.approx(share, abs=1.5 / min(shape))


@pytest.mark.parametrize("file", FILES, ids=lambda each: each[0])
def test_a_marked_spot_comes_back_to_its_voxel(
    tmp_path: Path, file: tuple[str, tuple[int, int, int], tuple[float, ...], float]
) -> None:
    codes, shape, zooms, degrees = file
    geometry = SLABS[0]
    for place in itertools.product(*([length // 3, length // 2] for length in shape)):
        marked = np.zeros(shape)
        marked[place] = 1
        path = write(tmp_path / "marked.nii.gz", gaussian_filter(marked, 0.8), codes, zooms, degrees)
        space = VolumeSpace.of_file(path, geometry)
        back = space.to_file_grid(seen_by_the_network(path, geometry))
        found = np.unravel_index(back.argmax(), shape)
        # A voxel of the coarser of the two grids.
        lengths = np.array(space.oriented) / geometry.size
        wanted = np.maximum(1, np.ceil(lengths)).max()
        assert np.abs(np.array(found) - place).max() <= wanted


@pytest.mark.parametrize("geometry", SLABS[:3], ids=lambda each: each.orientation)
def test_the_networks_grid_has_a_true_affine(tmp_path: Path, geometry: SlabGeometry) -> None:
    for codes, shape, zooms, degrees in FILES:
        smooth = gaussian_filter(np.random.default_rng(1).normal(size=shape), 3)
        path = write(tmp_path / f"{codes}.nii", smooth, codes, zooms, degrees)
        space = VolumeSpace.of_file(path, geometry)
        network = nib.Nifti1Image(seen_by_the_network(path, geometry), space.network_affine)
        assert "".join(nib.aff2axcodes(network.affine)) == geometry.orientation
        # nibabel reads the file at the places that the affine gives the network's voxels.
        read = resample_from_to(nib.load(path), network, order=1, mode="nearest").get_fdata()
        np.testing.assert_allclose(read, network.get_fdata(), atol=1e-3 * np.ptp(smooth))


def test_a_map_is_read_at_the_centres_of_the_files_voxels_as_nibabel_reads_it(tmp_path: Path) -> None:
    geometry = SLABS[0]
    values = np.random.default_rng(2).normal(size=geometry.shape).astype(np.float32)
    path = write(tmp_path / "a.nii", np.zeros((41, 55, 33)) + np.arange(33), "LAS", (0.9, 0.8, 1.1), 10)
    space = VolumeSpace.of_file(path, geometry)
    network = nib.Nifti1Image(values, space.network_affine)
    read = resample_from_to(network, nib.load(path), order=1, mode="nearest").get_fdata()
    inside = space.inside()
    np.testing.assert_allclose(space.to_file_grid(values)[inside], read[inside], atol=1e-4)


def test_a_value_means_the_same_on_both_grids(tmp_path: Path) -> None:
    geometry = SLABS[2]
    for codes, shape, zooms, degrees in FILES:
        path = write(tmp_path / f"{codes}.nii", np.zeros(shape), codes, zooms, degrees)
        space = VolumeSpace.of_file(path, geometry)
        back = space.to_file_grid(np.full(geometry.shape, -2.5, np.float32))
        np.testing.assert_allclose(back, np.where(space.inside(), -2.5, 0), rtol=1e-6)


def test_files_of_the_maps_hold_their_space_and_no_text(tmp_path: Path) -> None:
    geometry = SLABS[0]
    path = write(tmp_path / "t1.nii.gz", np.ones((31, 40, 25)), "LAS", (0.9, 1.0, 1.3), 15)
    space = VolumeSpace.of_file(path, geometry)
    values = np.random.default_rng(3).normal(size=geometry.shape)
    own, network = write_map(tmp_path, "sub-1", "gradcam", values, space)
    mask = write_slab_mask(tmp_path, "sub-1", space)
    assert own.name == "sub-1_desc-gradcam_T1w.nii.gz"
    assert network.name == "sub-1_space-network_desc-gradcam_T1w.nii.gz"
    assert mask.name == "sub-1_desc-slab_mask.nii.gz"
    source = nib.load(path)
    for file in (own, mask):
        image = nib.load(file)
        np.testing.assert_allclose(image.affine, source.affine, atol=1e-5)
        np.testing.assert_allclose(image.header.get_zooms(), source.header.get_zooms(), rtol=1e-6)
        assert image.shape == source.shape
        assert [int(image.header[code]) for code in ("qform_code", "sform_code")] == list(space.codes)
    np.testing.assert_allclose(nib.load(own).get_fdata(), space.to_file_grid(values), rtol=1e-6)
    assert nib.load(own).get_data_dtype() == np.float32
    assert (nib.load(mask).get_fdata() == space.inside()).all()
    np.testing.assert_allclose(nib.load(network).affine, space.network_affine, atol=1e-4)
    np.testing.assert_allclose(nib.load(network).get_fdata(), values, rtol=1e-6)
    for file in (own, network, mask):
        header = nib.load(file).header
        assert not any(header[name].item() for name in ("descrip", "aux_file", "db_name", "intent_name"))
        assert not header.extensions
        assert header.get_xyzt_units()[0] == "mm"
    before = own.read_bytes()
    write_map(tmp_path, "sub-1", "gradcam", values, space)
    assert own.read_bytes() == before


def test_both_affines_of_a_file_are_kept(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.ones((10, 11, 12), np.float32), None)
    image.header.set_qform(affine_of("LAS", (10, 11, 12), (1, 1, 2), 10), 1)
    image.header.set_sform(affine_of("LAS", (10, 11, 12), (1, 1, 2), 0), 4)
    nib.save(image, tmp_path / "two.nii")
    space = VolumeSpace.of_file(tmp_path / "two.nii", SLABS[0])
    write_nifti(tmp_path / "map.nii.gz", on_file_grid(np.zeros((10, 11, 12), np.float32), space))
    kept = nib.load(tmp_path / "map.nii.gz").header
    for name in ("qform", "sform"):
        old, new = (
            getattr(header, f"get_{name}")(coded=True) for header in (nib.load(tmp_path / "two.nii").header, kept)
        )
        np.testing.assert_allclose(new[0], old[0], atol=1e-5)
        assert new[1] == old[1]
    assert space.network_code == 4


def test_a_file_without_a_stated_orientation_keeps_its_grid_and_the_network_has_the_assumed_one(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.random.default_rng(0).normal(size=(12, 14, 16)).astype(np.float32), None)
    image.header.set_zooms((1.0, 1.5, 2.0))
    nib.save(image, tmp_path / "none.nii")
    geometry = SlabGeometry("RAS", "PIR", (10, 12, 14), 8)
    space = VolumeSpace.of_file(tmp_path / "none.nii", geometry)
    write_map(tmp_path, "s", "ig", np.ones(geometry.shape), space)
    own = nib.load(tmp_path / "s_desc-ig_T1w.nii.gz")
    assert [int(own.header[code]) for code in ("qform_code", "sform_code")] == [0, 0]
    np.testing.assert_array_equal(own.affine, nib.load(tmp_path / "none.nii").affine)
    network = nib.load(tmp_path / "s_space-network_desc-ig_T1w.nii.gz")
    assert nib.aff2axcodes(network.affine) == ("R", "A", "S")
    spacing = np.sqrt((network.affine[:3, :3] ** 2).sum(axis=0))
    np.testing.assert_allclose(spacing, [15 / 9 * 2, 11 / 11 * 1, 13 / 13 * 1.5])
    back = space.to_file_grid(seen_by_the_network(tmp_path / "none.nii", geometry))
    inside = space.inside()
    assert np.corrcoef(back[inside], nib.load(tmp_path / "none.nii").get_fdata()[inside])[0, 1] > 0.6


@pytest.mark.parametrize("shape", [(1, 20, 20), (20, 1, 9), (2, 2, 2)])
def test_a_file_of_few_slices_has_finite_maps(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    path = write(tmp_path / "thin.nii", np.ones(shape), "RAS", (1, 1, 5), 0)
    space = VolumeSpace.of_file(path, SLABS[0])
    assert np.isfinite(space.to_file_grid(np.ones(SLABS[0].shape))).all()
    assert abs(np.linalg.det(space.network_affine)) > 1e-6


def test_the_geometry_is_that_of_the_standard_chain() -> None:
    load, slab = LoadVolumed(orientation="SAR", assume_orientation="LAS"), ResampleSlabd(size=(30, 20, 10), depth=8)
    found = SlabGeometry.of_transforms([load, ScaleIntensityPercentilesd("mri"), slab])
    assert found == SlabGeometry("SAR", "LAS", (30, 20, 10), 8)
    assert found is not None
    assert found.shape == (8, 20, 10)


@pytest.mark.parametrize("change", ["own", "none", "two"])
def test_another_transform_may_move_voxels_and_has_no_known_geometry(change: str) -> None:
    load, slab = LoadVolumed(), ResampleSlabd()
    chain = {"own": [load, AddOne(), slab], "none": [load], "two": [load, slab, slab]}[change]
    assert SlabGeometry.of_transforms(chain) is None


def test_a_file_that_is_gone_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file") as caught:
        VolumeSpace.of_file(tmp_path / "moved.nii.gz", SLABS[0])
    assert len(str(caught.value).splitlines()) == 1


def test_a_folder_that_cannot_be_written_is_one_message_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written") as caught:
        write_nifti(tmp_path / "none" / "map.nii.gz", on_grid(np.zeros((2, 2, 2), np.float32), np.eye(4), 2))
    assert len(str(caught.value).splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_spaces_are_the_same_within_a_thousandth(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", np.ones((12, 13, 14)), "LAS", (1, 1, 1), 3)
    space = VolumeSpace.of_file(path, SLABS[0])
    for change, wanted in ((5e-4, True), (5e-3, False)):
        image = nib.load(path)
        moved = image.affine.copy()
        moved[1, 3] += change
        nib.save(nib.Nifti1Image(image.get_fdata(), moved), tmp_path / "b.nii")
        assert same_space([space, VolumeSpace.of_file(tmp_path / "b.nii", SLABS[0])]) == wanted
    other = VolumeSpace.of_file(write(tmp_path / "c.nii", np.ones((12, 13, 15)), "LAS", (1, 1, 1), 3), SLABS[0])
    assert not same_space([space, other])


def test_a_mean_grid_has_the_mean_spacing_and_is_centred(tmp_path: Path) -> None:
    geometry = SlabGeometry("SAR", None, (11, 21, 31), 11)
    spaces = [
        VolumeSpace.of_file(write(tmp_path / f"{length}.nii", np.ones((length,) * 3), "LAS", (1, 1, 1), 9), geometry)
        for length in (21, 41)
    ]
    affine = mean_affine(spaces)
    assert nib.aff2axcodes(affine) == ("S", "A", "R")
    np.testing.assert_allclose(np.sqrt((affine[:3, :3] ** 2).sum(axis=0)), [3, 1.5, 1])
    np.testing.assert_allclose(affine @ [5, 10, 15, 1], [0, 0, 0, 1], atol=1e-12)


def test_a_map_of_another_shape_is_refused(tmp_path: Path) -> None:
    space = VolumeSpace.of_file(write(tmp_path / "a.nii", np.ones((9, 9, 9)), "RAS", (1, 1, 1), 0), SLABS[0])
    with pytest.raises(ValueError, match="expected"):
        space.to_file_grid(torch.zeros(3, 4, 5).numpy())
