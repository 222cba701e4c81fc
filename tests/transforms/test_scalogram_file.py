"""Reading a scalogram's .npy file, and the messages about files that cannot be used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monai_fusion.errors import InputError
from monai_fusion.transforms import LoadScalogramd, load_scalogram
from monai_fusion.transforms.files import FileContent

SHAPE = (6, 8, 5)
OTHER_GRID = "for another montage or grid give --eeg_shape (in Python: the transform's `shape`)"


@pytest.fixture
def scalogram() -> np.ndarray:
    return np.random.default_rng(0).gamma(2.0, size=SHAPE).astype(np.float32)


def write(folder: Path, array: np.ndarray) -> Path:
    path = folder / "sub-07_EO_seg0.npy"
    np.save(path, array)
    return path


def refusal(path: Path, shape: tuple[int, ...] = SHAPE) -> str:
    with pytest.raises(InputError) as caught:
        load_scalogram(path, shape)
    (problem,) = caught.value.problems
    assert (problem.where, problem.field) == (str(path), "eeg")
    return str(problem).removeprefix(f"{path} eeg: ")


@pytest.mark.parametrize("dtype", ["<f4", "<f8", ">f4", ">f8"])
def test_electrode_becomes_the_first_axis_and_the_precision_is_kept(
    tmp_path: Path, scalogram: np.ndarray, dtype: str
) -> None:
    loaded = load_scalogram(write(tmp_path, scalogram.astype(dtype)), SHAPE)
    assert loaded.dtype == np.dtype(dtype).newbyteorder("=")
    assert loaded.dtype.isnative
    np.testing.assert_array_equal(loaded, scalogram.transpose(2, 0, 1))


def test_the_transposition_copies_nothing(tmp_path: Path, scalogram: np.ndarray) -> None:
    loaded = load_scalogram(write(tmp_path, scalogram), SHAPE)
    assert np.moveaxis(loaded, 0, -1).flags.c_contiguous


def test_a_column_major_file_gives_the_same_values(tmp_path: Path, scalogram: np.ndarray) -> None:
    loaded = load_scalogram(write(tmp_path, np.asfortranarray(scalogram)), SHAPE)
    np.testing.assert_array_equal(loaded, scalogram.transpose(2, 0, 1))


def test_the_default_shape_is_that_of_the_cohort(tmp_path: Path) -> None:
    path = write(tmp_path, np.zeros((224, 224, 17), np.float32))
    assert load_scalogram(path).shape == (17, 224, 224)
    assert LoadScalogramd()({"eeg": str(path), "label": 1})["eeg"].shape == (17, 224, 224)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((6, 8, 4), "shape (6, 8, 4), expected (6, 8, 5): one electrode is missing; " + OTHER_GRID),
        ((6, 8, 2), "shape (6, 8, 2), expected (6, 8, 5): 3 electrodes are missing; " + OTHER_GRID),
        ((6, 8, 6), "shape (6, 8, 6), expected (6, 8, 5): one electrode is too many; " + OTHER_GRID),
        (
            (5, 6, 8),
            "shape (5, 6, 8), expected (6, 8, 5): the electrodes come first: save numpy.transpose(x, (1, 2, 0))",
        ),
        (
            (8, 6, 5),
            "shape (8, 6, 5), expected (6, 8, 5): the axes are in another order: "
            "save them as (frequency, time, electrode)",
        ),
        (
            (6, 9, 5),
            "shape (6, 9, 5), expected (6, 8, 5): the axes are (frequency, time, electrode); " + OTHER_GRID,
        ),
        (
            (6, 8),
            "shape (6, 8), expected (6, 8, 5): the axes are (frequency, time, electrode); " + OTHER_GRID,
        ),
    ],
)
def test_a_wrong_shape_is_named_with_its_likely_cause(tmp_path: Path, shape: tuple[int, ...], message: str) -> None:
    assert refusal(write(tmp_path, np.zeros(shape, np.float32))) == message


def test_the_transposition_that_is_advised_makes_the_file_readable(tmp_path: Path, scalogram: np.ndarray) -> None:
    electrodes_first = scalogram.transpose(2, 0, 1)
    assert "numpy.transpose(x, (1, 2, 0))" in refusal(write(tmp_path, electrodes_first))
    loaded = load_scalogram(write(tmp_path, np.transpose(electrodes_first, (1, 2, 0))), SHAPE)
    np.testing.assert_array_equal(loaded, electrodes_first)


@pytest.mark.parametrize(
    ("dtype", "advice"),
    [
        (np.complex64, "save its magnitude: numpy.abs(x).astype(numpy.float32)"),
        (np.int16, "save it with x.astype(numpy.float32)"),
        (np.float16, "save it with x.astype(numpy.float32)"),
    ],
)
def test_another_dtype_is_refused_with_the_way_out(tmp_path: Path, dtype: type, advice: str) -> None:
    expected = f"dtype {np.dtype(dtype).name}, expected float32 or float64: {advice}"
    assert refusal(write(tmp_path, np.zeros(SHAPE, dtype))) == expected


def test_nonfinite_values_are_counted_and_the_first_is_located(tmp_path: Path, scalogram: np.ndarray) -> None:
    scalogram[5, 2, 0] = np.nan
    scalogram[5, 3, 4] = np.nan
    scalogram[5, 7, 1] = -np.inf
    assert refusal(write(tmp_path, scalogram)) == (
        "2 NaN and 1 infinite values, the first at (frequency 5, time 2, electrode 0), expected finite numbers: "
        "write the scalogram again"
    )


def test_a_missing_file_and_a_folder_are_distinguished(tmp_path: Path) -> None:
    assert refusal(tmp_path / "sub-08.npy").startswith("no such file, expected a file: check the path")
    assert refusal(tmp_path).startswith("a folder, expected a file")


def test_pickled_objects_are_refused_and_never_run(tmp_path: Path) -> None:
    path = tmp_path / "objects.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert refusal(path).startswith("pickled Python objects, expected float32 or float64 of shape (6, 8, 5)")


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (b"\x80\x04N.", "a pickle"),
        (b"participant_id,gender\n", "a text"),
        (b"PK\x03\x04 an archive", "a ZIP archive"),
        (b"\x01\x02\x03\xff", "not a NumPy .npy file"),
    ],
)
def test_a_file_that_is_not_npy_is_named_as_its_own_kind(tmp_path: Path, content: bytes, seen: str) -> None:
    path = tmp_path / "other.npy"
    path.write_bytes(content)
    assert refusal(path).startswith(f"{seen}, expected a .npy array, float32 or float64 of shape (6, 8, 5)")


def test_truncation_is_named_with_the_bytes_present(tmp_path: Path, scalogram: np.ndarray) -> None:
    path = write(tmp_path, scalogram)
    path.write_bytes(path.read_bytes()[:-100])
    needed = 6 * 8 * 5 * 4
    assert refusal(path) == (
        f"truncated, {needed - 100} bytes of data, expected {needed}: copy or write the file again"
    )
    path.write_bytes(b"")
    assert refusal(path).startswith("an empty file")


def test_damaged_headers_never_raise_anything_else(tmp_path: Path, scalogram: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    path = write(tmp_path, scalogram)
    intact = path.read_bytes()
    for _ in range(150):
        damaged = bytearray(intact)
        damaged[rng.integers(0, 128)] = rng.integers(0, 256)
        path.write_bytes(bytes(damaged))
        try:
            assert load_scalogram(path, SHAPE).shape == (5, 6, 8)
        except InputError as error:
            assert error.problems[0].where == str(path)


@pytest.mark.parametrize("shape", [(224, 224), (224, 0, 17), (1, 2, 3, 4)])
def test_an_impossible_shape_in_the_config_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="LoadScalogramd shape"):
        LoadScalogramd(shape=shape)


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_content_of_a_file_gives_what_the_file_gives(tmp_path: Path, order: str) -> None:
    array = np.asarray(np.random.default_rng(0).random((5, 6, 3)), order=order)  # type: ignore[call-overload] # a str
    np.save(tmp_path / "a.npy", array)
    content = FileContent.read(tmp_path / "a.npy")
    (tmp_path / "a.npy").unlink()
    np.testing.assert_array_equal(load_scalogram(content, (5, 6, 3)), np.moveaxis(array, -1, 0))
    damaged = FileContent(content.path, content.content[:-8])
    with pytest.raises(InputError, match="truncated"):
        load_scalogram(damaged, (5, 6, 3))
