"""`check --deep` refuses a file if and only if its preparation does: over damaged, hostile and odd files."""

from __future__ import annotations

import gzip
import io
import struct
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from monai_fusion.datalist.contents.checking import OpenedRecording, RecordingOpener
from monai_fusion.datalist.contents.recording_files import Recording
from monai_fusion.datalist.schema import Entry
from monai_fusion.datalist.validation import Row
from monai_fusion.errors import InputError, Problem, input_error_behind
from monai_fusion.workflow.preparation import configured_preprocessing

SHAPE = (6, 5, 3)
SECRET = b"Doe^John 1980"
ROW = Row("training", 0, Entry(participant_id="sub-01", eeg="a.npy", mri="a.nii"))
FIXTURES = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)


@cache
def scan(kind: str) -> bytes:
    """A NIfTI file of each sort, uncompressed; its header holds a name."""
    rng = np.random.default_rng(0)
    dtype = {"int16": "<i2", "big": ">i2", "float32": "<f4", "float64": "<f8", "uint8": "u1", "version 2": "<i2"}[kind]
    volume = rng.integers(0, 250, (7, 6, 5)).astype(dtype.strip("<>"))
    image_class = nib.Nifti2Image if kind == "version 2" else nib.Nifti1Image
    header = image_class.header_class(endianness=">" if kind == "big" else "<")
    header["descrip"] = SECRET
    image = image_class(volume, np.diag([-20.0, 20, 20, 1]), header, dtype=np.dtype(dtype))
    image.set_qform(image.affine, 1)
    if kind == "uint8":
        image.header.set_slope_inter(0.5, -3)
    return bytes(image.to_bytes())


@cache
def scalogram(dtype: str) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.random.default_rng(0).random(SHAPE).astype(dtype))
    return stream.getvalue()


def checked(path: Path, over: str = "all") -> OpenedRecording:
    field = "eeg" if path.suffix == ".npy" else "mri"
    return RecordingOpener(SHAPE, percentiles_over=over)(Recording(ROW, field, path.name, path))


@cache
def chains(over: str) -> Any:
    """The preparation of EEG and MRI as the shipped config has it; reading the config takes longer than a file."""
    knobs = {"eeg_shape": SHAPE, "mri_size": [6, 6, 6], "slab_depth": 4, "percentiles_over": over}
    return configured_preprocessing(knobs, None).chains


def prepared(path: Path, over: str = "all") -> tuple[Problem, ...]:
    """What the preparation of a run reports about a file; empty if it accepts the file."""
    field = "eeg" if path.suffix == ".npy" else "mri"
    try:
        chains(over)[field].read_and_compute({field: str(path)})
    except (InputError, RuntimeError) as error:
        cause = input_error_behind(error)
        if cause is None:
            raise
        return cause.problems
    return ()


def verdict(path: Path, over: str = "all") -> str:
    """What both report about a file: empty if they accept it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what numpy warns of would be printed without the file's name
        errors = [finding for finding in checked(path, over).findings if not finding.warning]
        problems = prepared(path, over)
    assert bool(errors) == bool(problems), (errors, problems)
    for problem in (*errors, *problems):
        assert SECRET.decode()[:4] not in str(problem)
        assert "cannot be examined" not in problem.seen
    assert all(problem.where == str(path) for problem in problems)
    return problems[0].seen if problems else ""


def changed(content: bytes, changes: dict[int, int]) -> bytes:
    damaged = bytearray(content)
    for place, value in changes.items():
        damaged[place % len(damaged)] = value
    return bytes(damaged)


def stored(folder: Path, content: bytes, compressed: bool, name: str = "a.nii") -> Path:
    path = folder / (name + ".gz" if compressed else name)
    path.write_bytes(gzip.compress(content, 1, mtime=0) if compressed else content)
    return path


KINDS = st.sampled_from(["int16", "big", "float32", "float64", "uint8", "version 2"])
BYTE = st.integers(0, 255)


@FIXTURES
@given(KINDS, st.dictionaries(st.integers(0, 353), BYTE, min_size=1, max_size=6), st.booleans())
@example("int16", {}, True)
def test_headers_with_other_bytes(tmp_path: Path, kind: str, changes: dict[int, int], compressed: bool) -> None:
    verdict(stored(tmp_path, changed(scan(kind), changes), compressed))


# The fields of a version 1 header that numbers depend on: where they begin and how they are packed.
FIELDS = {
    **{f"dim{n}": (40 + 2 * n, "<h") for n in range(5)},
    "intent": (68, "<h"),
    "datatype": (70, "<h"),
    "bitpix": (72, "<h"),
    **{f"pixdim{n}": (76 + 4 * n, "<f") for n in range(5)},
    "vox_offset": (108, "<f"),
    "slope": (112, "<f"),
    "inter": (116, "<f"),
    "glmin": (144, "<i"),
    "qform_code": (252, "<h"),
    "sform_code": (254, "<h"),
    **{f"quatern{n}": (256 + 4 * n, "<f") for n in range(3)},
    **{f"srow{n}": (280 + 4 * n, "<f") for n in range(12)},
}
WHOLE = st.one_of(st.sampled_from([-1, 0, 1, 2, 3, 4, 8, 16, 64, 1001, 27307, 32767, -32768]), st.integers(-9, 2000))
REAL = st.one_of(
    st.sampled_from([0.0, 1.0, -1.0, 0.70710695, 348.0, 352.0, 352.5, 400.0, 3e38, 1e-40, float("nan"), float("inf")]),
    st.floats(width=32),
)


@FIXTURES
@given(
    st.sampled_from(["int16", "float32", "float64", "uint8"]),
    st.dictionaries(st.sampled_from(sorted(FIELDS)), st.tuples(WHOLE, REAL), min_size=1, max_size=4),
    st.booleans(),
)
@example("float64", {"slope": (0, 3e38)}, False)
@example("int16", {"dim1": (-1, 0), "dim2": (1, 0), "dim3": (1, 0), "glmin": (210, 0)}, False)
@example("int16", {"quatern0": (0, 0.70710695), "quatern1": (0, 0.70710695)}, True)
@example("int16", {"quatern0": (0, float("nan"))}, False)
@example("int16", {"dim1": (32767, 0), "dim2": (32767, 0)}, True)
def test_headers_with_other_values(
    tmp_path: Path, kind: str, fields: dict[str, tuple[int, float]], compressed: bool
) -> None:
    content = bytearray(scan(kind))
    for name, (whole, real) in fields.items():
        place, form = FIELDS[name]
        struct.pack_into(form, content, place, whole if form in ("<h", "<i") else real)
    verdict(stored(tmp_path, bytes(content), compressed))


@FIXTURES
@given(KINDS, st.integers(0, 1300), st.booleans(), st.booleans())
@example("int16", 347, False, False)
@example("int16", 347, True, False)
def test_files_that_are_cut_off(tmp_path: Path, kind: str, kept: int, compressed: bool, after: bool) -> None:
    content = scan(kind) if after else scan(kind)[:kept]
    path = stored(tmp_path, content, compressed)
    if after:
        path.write_bytes(path.read_bytes()[:kept])
    whole = kept >= len(gzip.compress(content, 1, mtime=0) if compressed and after else scan(kind))
    assert bool(verdict(path)) != whole


@FIXTURES
@given(KINDS, st.dictionaries(st.integers(0, 2000), BYTE, max_size=3), st.binary(max_size=40))
def test_compressed_bytes_that_are_damaged_or_followed_by_others(
    tmp_path: Path, kind: str, changes: dict[int, int], behind: bytes
) -> None:
    path = stored(tmp_path, scan(kind), compressed=True)
    path.write_bytes(changed(path.read_bytes(), changes) + behind)
    verdict(path)


@FIXTURES
@given(KINDS, st.lists(st.integers(0, 209), max_size=210), st.sampled_from(["all", "nonzero"]), st.floats(width=32))
@example("float32", list(range(209)), "all", 5.0)
@example("float32", list(range(209)), "nonzero", 5.0)
def test_volumes_that_are_mostly_background(
    tmp_path: Path, kind: str, empty: list[int], over: str, value: float
) -> None:
    volume = nib.Nifti1Image.from_bytes(scan("float32")) if kind == "float32" else None
    if volume is None:
        image = (nib.Nifti2Image if kind == "version 2" else nib.Nifti1Image).from_bytes(scan(kind))
        values = np.asanyarray(image.dataobj).copy()
    else:
        image, values = volume, np.asanyarray(volume.dataobj).copy()
        values.reshape(-1)[:1] = value
    values.reshape(-1)[empty] = 0
    path = tmp_path / "a.nii"
    path.write_bytes(type(image)(values.astype(image.get_data_dtype()), image.affine, image.header).to_bytes())
    verdict(path, over)


@FIXTURES
@given(
    st.sampled_from(["<f4", ">f8", "<f8", "<i2", "<c8"]),
    st.dictionaries(st.integers(0, 900), BYTE, max_size=5),
    st.integers(0, 900),
    st.binary(max_size=40),
)
@example(">f8", {128: 95}, 848, b"")  # 1e153: its square is beyond float64
@example("<f4", {6: 3}, 900, b"")
@example("<f4", {}, 900, b"\x93NUMPY")
def test_scalograms(tmp_path: Path, dtype: str, changes: dict[int, int], kept: int, behind: bytes) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(changed(scalogram(dtype), changes)[:kept] + behind)
    verdict(path)


@FIXTURES
@given(st.sampled_from(["<f4", "<f8"]), st.lists(st.floats(allow_nan=False, width=32), min_size=1, max_size=3))
@example("<f8", [1e300])
def test_scalograms_of_few_values(tmp_path: Path, dtype: str, values: list[float]) -> None:
    path = tmp_path / "a.npy"
    with np.errstate(over="ignore"):
        np.save(path, np.resize(np.array(values, dtype), SHAPE))
    verdict(path)


@FIXTURES
@given(st.binary(max_size=1500), st.sampled_from(["a.nii", "a.nii.gz", "a.npy"]), st.booleans())
def test_any_bytes(tmp_path: Path, content: bytes, name: str, compressed: bool) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if compressed else content)
    assert verdict(path)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kind", ["int16", "big", "float32", "float64", "uint8", "version 2"])
def test_good_files_are_taken_by_both(tmp_path: Path, kind: str, compressed: bool) -> None:
    assert verdict(stored(tmp_path, scan(kind), compressed)) == ""


def broken(change: Callable[[bytearray], Any]) -> bytes:
    content = bytearray(scan("int16"))
    change(content)
    return bytes(content)


ODD = {
    "a pair's magic": (lambda b: b.__setitem__(slice(344, 347), b"ni1"), "the header of a pair (magic ni1)"),
    "a dimension of -1": (lambda b: struct.pack_into("<h", b, 42, -1), "shape (-1, 6, 5) in its header"),
    "an offset of 0": (lambda b: struct.pack_into("<f", b, 108, 0), "vox_offset is 0 in its header"),
    "an offset of 348": (lambda b: struct.pack_into("<f", b, 108, 348), "vox_offset is 348 in its header"),
    "no intercept": (
        lambda b: struct.pack_into("<ff", b, 112, 1, float("nan")),
        "scl_inter is nan in its header, with scl_slope 1",
    ),
    "a type of no code": (lambda b: struct.pack_into("<h", b, 70, 3), "datatype 3 in its header"),
    "no axes": (lambda b: struct.pack_into("<h", b, 40, 0), "dim[0] is 0 in its header"),
    "many voxels": (
        lambda b: struct.pack_into("<hh", b, 42, 32767, 32767),
        "shape (32767, 32767, 5) in its header, which a file of",
    ),
    "a quaternion alone that is none": (
        lambda b: struct.pack_into("<hhff", b, 252, 1, 0, 0.70710695, 0.70710695),
        "its qform is not a rotation (quatern_b, c, d = 0.70710695, 0.70710695, 0: squares add up to more than 1)",
    ),
    "an Analyze header": (lambda b: b.__setitem__(slice(344, 348), bytes(4)), "a header of Analyze"),
}


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(("change", "seen"), ODD.values(), ids=list(ODD))
def test_an_odd_header_gets_its_true_reason_and_is_not_to_be_copied_again(
    tmp_path: Path, change: Callable[[bytearray], Any], seen: str, compressed: bool
) -> None:
    path = stored(tmp_path, broken(change), compressed)
    assert verdict(path).startswith(seen)
    (problem,) = prepared(path)
    assert "copy or convert it again" not in problem.advice and problem.advice


def test_a_quaternion_a_hair_above_one_beside_a_right_sform_is_taken(tmp_path: Path) -> None:
    content = broken(lambda b: struct.pack_into("<ff", b, 256, 0.70710695, 0.70710695))
    path = stored(tmp_path, content, compressed=True)
    assert verdict(path) == ""
    warned = [str(finding) for finding in checked(path).findings]
    assert not any("is no rotation" in line for line in warned)
    path = stored(tmp_path, broken(lambda b: struct.pack_into("<ff", b, 256, 0.9, 0.9)), compressed=True)
    assert verdict(path) == ""
    assert any("its qform is not a rotation: the sform is used" in str(finding) for finding in checked(path).findings)
