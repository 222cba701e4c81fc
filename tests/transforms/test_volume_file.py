"""Reading an MRI's NIfTI file, and the messages about files that cannot be used."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from monai_fusion.errors import InputError
from monai_fusion.transforms import LoadVolumed, load_volume
from monai_fusion.transforms.files import FileContent

SHAPE = (4, 5, 6)
SECRET = b"Jane Doe 1970-01-01"


def volume(dtype: type = np.int16, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 250, shape).astype(dtype)


def affine_of(codes: str) -> np.ndarray:
    """An affine of 1 mm voxels whose stored axes point to ``codes``."""
    directions = {"R": (1, 0, 0), "L": (-1, 0, 0), "A": (0, 1, 0), "P": (0, -1, 0), "S": (0, 0, 1), "I": (0, 0, -1)}
    affine = np.eye(4)
    affine[:3, :3] = np.transpose([directions[code] for code in codes])
    return affine


def write(path: Path, data: np.ndarray, affine: np.ndarray | None, **scaling: float) -> Path:
    image = nib.Nifti1Image(data, affine)
    image.header["descrip"] = SECRET
    if scaling:
        image.header.set_slope_inter(scaling["slope"], scaling["inter"])
    nib.save(image, path)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_volume(path)
    (problem,) = caught.value.problems
    assert (problem.where, problem.field) == (str(path), "mri")
    assert SECRET.decode() not in str(problem)
    return str(problem).removeprefix(f"{path} mri: ")


@pytest.mark.parametrize("stored", ["RAS", "LAS", "LPI", "SAR", "PIR", "ILA"])
def test_the_default_is_nibabels_closest_canonical_orientation(tmp_path: Path, stored: str) -> None:
    path = write(tmp_path / "a.nii.gz", volume(), affine_of(stored))
    assert "".join(nib.aff2axcodes(nib.load(path).affine)) == stored
    loaded = load_volume(path)
    np.testing.assert_array_equal(loaded[0], nib.as_closest_canonical(nib.load(path)).get_fdata())


@pytest.mark.parametrize("wanted", ["LPS", "SAR", "PIR"])
def test_other_axis_codes_choose_order_and_direction(tmp_path: Path, wanted: str) -> None:
    # Every voxel's value encodes its place: right-left, back-front, bottom-top.
    data = np.add.outer(np.add.outer(np.arange(4) * 100, np.arange(5) * 10), np.arange(6)).astype(np.int16)
    path = write(tmp_path / "a.nii", data, affine_of("RAS"))
    loaded = load_volume(path, wanted)[0]
    step = {"R": 100, "L": -100, "A": 10, "P": -10, "S": 1, "I": -1}
    for axis, code in enumerate(wanted):
        assert np.unique(np.diff(loaded, axis=axis)).tolist() == [step[code]]


def test_an_oblique_affine_takes_the_closest_axes(tmp_path: Path) -> None:
    angle = np.radians(20)
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    affine[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    path = write(tmp_path / "a.nii", volume(), affine)
    np.testing.assert_array_equal(load_volume(path)[0], volume())


@pytest.mark.parametrize(
    ("stored", "loaded"),
    [
        (np.uint8, np.float32),
        (np.int16, np.float32),
        (np.uint16, np.float32),
        (np.float32, np.float32),
        (np.int32, np.float64),
        (np.float64, np.float64),
        (">i2", np.float32),
        (">f8", np.float64),
    ],
)
def test_float32_is_used_only_where_it_is_exact(tmp_path: Path, stored: type, loaded: type) -> None:
    data = volume().astype(stored)
    if data.dtype.itemsize > 2:
        data = (data * np.pi).astype(stored) if data.dtype.kind == "f" else data + 2**24 + 1
    header = nib.Nifti1Header(endianness=">" if str(stored).startswith(">") else "<")
    image = nib.Nifti1Image(data, np.eye(4), header, dtype=data.dtype)
    nib.save(image, tmp_path / "a.nii")
    result = load_volume(tmp_path / "a.nii")
    assert result.shape == (1, *SHAPE)
    assert result.dtype == loaded
    assert result.dtype.isnative
    np.testing.assert_array_equal(result[0].astype(np.float64), data.astype(np.float64))


def test_slope_and_intercept_are_applied_in_float64(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii.gz", volume(), affine_of("LPI"), slope=0.01, inter=30000.0)
    loaded = load_volume(path)
    assert loaded.dtype == np.float64
    reference = nib.as_closest_canonical(nib.load(path)).get_fdata()
    assert reference.min() >= 30000.0
    np.testing.assert_array_equal(loaded[0], reference)


def test_trailing_axes_of_length_one_are_dropped(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii.gz", volume()[..., np.newaxis], np.eye(4))
    assert nib.load(path).shape == (*SHAPE, 1)
    np.testing.assert_array_equal(load_volume(path)[0], volume())


def test_several_volumes_are_refused_before_they_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", volume(shape=(4, 5, 6, 3)), np.eye(4))
    path.write_bytes(path.read_bytes()[:400])  # reading them would now fail in another way
    assert refusal(path) == (
        "shape (4, 5, 6, 3), expected a single 3-D volume: "
        "it holds several volumes: pick one and save it as a file of its own"
    )


def test_a_slice_and_an_empty_volume_are_refused(tmp_path: Path) -> None:
    single = write(tmp_path / "slice.nii", volume(shape=(4, 5)), np.eye(4))
    assert refusal(single) == "shape (4, 5), expected a 3-D volume: this is a single slice"
    empty = write(tmp_path / "empty.nii", volume(), np.eye(4))
    content = bytearray(empty.read_bytes())
    content[42:44] = (0).to_bytes(2, "little")  # dim[1]
    empty.write_bytes(bytes(content))
    assert refusal(empty) == "shape (0, 5, 6), expected a 3-D volume: it has no voxels"


def test_nonfinite_voxels_are_counted(tmp_path: Path) -> None:
    data = volume(np.float32)
    data[0, 0, :3] = np.nan
    data[1, 0, 0] = np.inf
    assert refusal(write(tmp_path / "a.nii.gz", data, np.eye(4))).startswith(
        "3 NaN and 1 infinite voxels, expected finite numbers"
    )


def test_colours_and_complex_numbers_are_refused(tmp_path: Path) -> None:
    colours = np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    assert refusal(write(tmp_path / "rgb.nii", colours, np.eye(4))).startswith("RGB colours, expected one real number")
    numbers = np.zeros(SHAPE, dtype=np.complex64)
    assert refusal(write(tmp_path / "c.nii", numbers, np.eye(4))).startswith("complex64 values, expected one real")


def test_a_file_without_orientation_needs_it_stated(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii.gz", volume(), None)
    assert "no orientation (qform_code and sform_code are 0)" in refusal(path)
    loaded = load_volume(path, "RAS", assume_orientation="LPI")
    np.testing.assert_array_equal(loaded[0], volume()[::-1, ::-1, ::-1])
    stated = write(tmp_path / "stated.nii.gz", volume(), affine_of("RAS"))
    np.testing.assert_array_equal(load_volume(stated, "RAS", assume_orientation="LPI")[0], volume())


@pytest.mark.parametrize("damage", ["zero column", "not a number"])
def test_an_affine_without_directions_is_refused(tmp_path: Path, damage: str) -> None:
    affine = np.eye(4)
    affine[:3, 0] = 0.0 if damage == "zero column" else np.nan
    path = tmp_path / "a.nii"
    image = nib.Nifti1Image(volume(), np.eye(4))
    image.header["srow_x"], image.header["srow_y"], image.header["srow_z"] = affine[:3]
    image.to_filename(path)
    content = bytearray(path.read_bytes())
    content[280:328] = affine[:3].astype("<f4").tobytes()  # srow_x..srow_z, which nibabel writes from its own affine
    path.write_bytes(bytes(content))
    assert refusal(path).startswith("an affine matrix that leaves an axis without a direction")


def test_truncated_files_are_refused(tmp_path: Path) -> None:
    for name in ("a.nii", "a.nii.gz"):
        path = write(tmp_path / name, volume(shape=(20, 20, 20)), np.eye(4))
        content = path.read_bytes()
        for kept in (len(content) - 50, len(content) // 2):
            path.write_bytes(content[:kept])
            assert refusal(path).startswith("truncated or damaged, expected a whole .nii or .nii.gz file")


@pytest.mark.parametrize(
    "content",
    [b"", b"participant_id\tgender\nsub-01\tF\n" * 50, bytes(range(256)) * 8],
    ids=["empty", "table", "numbers"],
)
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_file_that_is_not_a_volume_is_named_as_its_own_kind(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    seen = {0: "an empty file", ord("p"): "a text", 1: "not a NIfTI file"}
    path.write_bytes(content)
    assert refusal(path).startswith(seen[content[1] if content[:1] == b"\0" else ord("p") if content else 0])
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(content))
        assert refusal(path).startswith(("gzip of an empty file", "gzip of a text", "not a NIfTI file"))


def test_a_missing_file_and_other_formats_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "a.nii.gz").startswith("no such file")
    other = tmp_path / "a.mgz"
    other.write_bytes(b"x")
    assert refusal(other) == "file name ending '.mgz', expected .nii or .nii.gz: convert it to NIfTI"


@pytest.mark.skipif(os.name == "nt" or getattr(os, "geteuid", lambda: 0)() == 0, reason="needs enforced permissions")
def test_a_file_without_read_permission_is_reported(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", volume(), np.eye(4))
    path.chmod(0)
    assert refusal(path).startswith("cannot be read (Permission denied)")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numpy, of damaged scale factors
def test_damaged_files_never_raise_anything_else_nor_show_the_header(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    intact = write(tmp_path / "a.nii", volume(), np.eye(4)).read_bytes()
    refused = 0
    for round_ in range(200):
        damaged = bytearray(intact)
        for _ in range(4):
            damaged[rng.integers(0, 148)] = rng.integers(0, 256)  # before the description
        path = tmp_path / ("b.nii.gz" if round_ % 2 else "b.nii")
        path.write_bytes(gzip.compress(bytes(damaged)) if round_ % 2 else bytes(damaged))
        try:
            assert load_volume(path).ndim == 4
        except InputError as error:
            refused += 1
            assert SECRET.decode() not in str(error)
    assert refused > 20


@pytest.mark.parametrize("codes", ["RA", "RAX", "RLS", "ras", "RASS", ""])
def test_impossible_axis_codes_are_refused(codes: str) -> None:
    with pytest.raises(InputError, match="one of L/R, one of P/A and one of I/S"):
        LoadVolumed(orientation=codes)
    with pytest.raises(InputError, match="assume_orientation"):
        LoadVolumed(assume_orientation=codes)


def test_the_dictionary_transform_reads_the_path_under_its_key(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii.gz", volume(), affine_of("LPI"))
    sample = {"mri": str(path), "label": 0}
    result = LoadVolumed(orientation="SAR")(sample)
    np.testing.assert_array_equal(result["mri"], load_volume(path, "SAR"))
    assert result["label"] == 0
    assert sample["mri"] == str(path)


def test_a_gzip_file_of_many_members_is_read_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", volume(shape=(20, 20, 20)), np.eye(4))
    content = path.read_bytes()
    for name, parts in {
        "bgzip": [*(content[i : i + 5000] for i in range(0, len(content), 5000)), b""],
        "two equal halves": [content[: len(content) // 2], content[len(content) // 2 :]],
    }.items():
        several = tmp_path / f"{name}.nii.gz"
        several.write_bytes(b"".join(gzip.compress(part) for part in parts))
        np.testing.assert_array_equal(load_volume(several), load_volume(path))


def test_bytes_after_the_compressed_volume_do_not_matter(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii.gz", volume(shape=(9, 9, 9)), np.eye(4))
    expected = load_volume(path)
    for tail in (bytes(512), b"something else"):
        longer = tmp_path / "longer.nii.gz"
        longer.write_bytes(path.read_bytes() + tail)
        np.testing.assert_array_equal(load_volume(longer), expected)


def test_a_wrong_checksum_of_the_compressed_file_is_found(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii.gz", volume(shape=(9, 9, 9)), np.eye(4))
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(bytes(content))
    assert refusal(path).startswith("truncated or damaged")


def test_a_length_that_a_damaged_trailer_claims_allocates_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii.gz", volume(shape=(9, 9, 9)), np.eye(4))
    path.write_bytes(path.read_bytes()[:-4] + b"\xff\xff\xff\xff")
    assert refusal(path).startswith("truncated or damaged")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_the_content_of_a_file_gives_what_the_file_gives(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, volume(shape=(9, 10, 11)), np.eye(4))
    expected = load_volume(path)
    content = FileContent.read(path)
    path.unlink()
    np.testing.assert_array_equal(load_volume(content), expected)
