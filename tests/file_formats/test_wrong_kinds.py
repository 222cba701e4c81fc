"""The message about a file that is not what its name promises, by its first bytes."""

from __future__ import annotations

import gzip
import io
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from monai_fusion.errors import InputError, Problem
from monai_fusion.file_formats.nifti import load_volume, open_volume
from monai_fusion.file_formats.npy import load_scalogram, open_scalogram
from monai_fusion.file_formats.wrong_kinds import wrong_kind

SHAPE = (6, 5, 3)
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"

KINDS = {
    "empty": (b"", "an empty file", "copy or download it again"),
    "zeros": (bytes(2000), "nothing but zero bytes", "interrupted transfer"),
    "annex, unlocked": (b"/annex/objects/MD5E-s1--2.nii.gz\n", "a pointer of git-annex", "datalad get"),
    "annex, a link as text": (b"../.git/annex/objects/a/b/SHA256E-s1--2/x", "a pointer of git-annex", "git annex get"),
    "annex, on Windows": (b"..\\.git\\annex\\objects\\a\\b\\SHA256E-s1--2", "a pointer of git-annex", "datalad get"),
    "lfs": (LFS, "a pointer of Git LFS", "git lfs pull"),
    "lfs, with a mark": (b"\xef\xbb\xbf" + LFS, "a pointer of Git LFS", "git lfs pull"),
    "page": (b"\n <!DOCTYPE html>\n<html>", "a web page", "download it again"),
    "page of a proxy": (b"<HTML><HEAD><TITLE>403 Forbidden", "a web page", "download it again"),
    "answer of a cloud": (b"<?xml version='1.0'?><Error><Code>AccessDenied", "a web page", "download it again"),
    "answer of a server": (b'{"message": "Not Found"}', "a text (JSON)", "is it the right path?"),
    "table": ("participant_id,gender\nsub-Jörg,M\n".encode(), "a text", "is it the right path?"),
    "zip": (b"PK\x03\x04 sub-01_T1w.nii", "a ZIP archive", "unpack it"),
    "bzip2": (b"BZh91AY&SY", "a file compressed with bzip2", "unpack it"),
    "freesurfer": (b"\0\0\0\1\0\0\1\0\0\0\1\0\0\0\1\0", "a FreeSurfer volume", "mri_convert"),
    "dicom": (bytes(128) + b"DICM\x02\0", "a DICOM file", "dcm2niix"),
    "mac": (b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X", "macOS's side file", "leave it out"),
    "tar": (b"sub-01.nii".ljust(257, b"\0") + b"ustar\0", "a tar archive", "unpack it"),
    "matlab": (b"MATLAB 5.0 MAT-file, Platform: GLNXA64", "a MATLAB file", "export"),
    "pickle": (b"\x80\x04\x95\x10", "a pickle", "could run code"),
}


def refusal(path: Path) -> Problem:
    with pytest.raises(InputError) as caught:
        load_scalogram(path, SHAPE) if path.suffix == ".npy" else load_volume(path)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.npy"])
@pytest.mark.parametrize(("content", "seen", "advice"), KINDS.values(), ids=list(KINDS))
def test_each_kind_has_its_own_advice_in_both_formats(
    tmp_path: Path, name: str, content: bytes, seen: str, advice: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    problem = refusal(path)
    assert problem.seen.startswith(seen) and advice in problem.advice
    if name == "a.nii.gz":
        path.write_bytes(gzip.compress(content))
        inside = refusal(path)
        assert inside.seen.startswith(f"gzip of {seen}") and advice in inside.advice


def scan() -> bytes:
    return bytes(nib.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), np.eye(4)).to_bytes())


def scalogram(version: tuple[int, int] = (1, 0)) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.random.default_rng(0).random(SHAPE, dtype=np.float32), version=version)
    return stream.getvalue()


def test_recordings_themselves_are_no_wrong_kind() -> None:
    for content in (scan(), scalogram(), gzip.compress(scan()), b"\x93NUMPY"):
        assert wrong_kind(content, len(content)) is None


@pytest.mark.parametrize(
    ("name", "content", "seen", "advice"),
    [
        ("a.nii.gz", scan(), "not compressed, although its name ends in .gz", 'rename it to "a.nii"'),
        ("a.nii", gzip.compress(scan()), "compressed with gzip, although its name does not", 'rename it to "a.nii.gz"'),
        ("a.nii.gz", gzip.compress(gzip.compress(scan())), "compressed twice (gzip in gzip)", "unpack it once"),
        ("a.nii.gz", gzip.compress(scan()[:347]), "cut off after 347 bytes", "copy or convert it again"),
        ("a.npy", gzip.compress(scalogram()), "compressed with gzip", "gunzip"),
        (
            "a.npy",
            np.random.default_rng(0).random(SHAPE, dtype=np.float32).tobytes(),
            "not a NumPy .npy file, but as many bytes as float32 values without a header",
            "numpy.fromfile(file, numpy.float32).reshape(6, 5, 3)",
        ),
        (
            "a.npy",
            np.random.default_rng(0).random(SHAPE).tobytes(),
            "not a NumPy .npy file, but as many bytes as float64 values without a header",
            "numpy.fromfile(file, numpy.float64).reshape(6, 5, 3)",
        ),
        ("a.npy", scalogram()[:6] + b"\x04\x00" + scalogram()[8:], ".npy format 4.0", "numpy.save"),
        ("a.npy", scalogram()[:10] + b"}" + scalogram()[11:], "a .npy file whose header is damaged", "copy or write"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # gzip's bytes hold the time
)
def test_a_wrong_name_or_a_wrong_way_of_saving_is_reported(
    tmp_path: Path, name: str, content: bytes, seen: str, advice: str
) -> None:
    (tmp_path / name).write_bytes(content)
    problem = refusal(tmp_path / name)
    assert problem.seen.startswith(seen) and advice in problem.advice


def with_field(name: str, value: float, order: str = "<") -> bytes:
    """A scan in whose header one field was changed, in either byte order."""
    image = nib.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), np.diag([2.0, 3, 4, 1]))
    image.set_qform(np.diag([-1.0, 1, 1, 1]), 1)
    header = image.header.as_byteswapped(order)
    content = bytearray(nib.Nifti1Image(image.dataobj, image.affine, header).to_bytes())
    dtype, place = header.structarr.dtype.fields[name][:2]
    kind = dtype.base.newbyteorder(order)
    content[place : place + kind.itemsize] = np.array(value, kind).tobytes()
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (with_field("dim", 8), "dim[0] is 8 in its header"),
        (with_field("dim", 8, ">"), "dim[0] is 8 in its header"),
        (with_field("dim", -1), "dim[0] is -1 in its header"),
        (with_field("vox_offset", 5000), "vox_offset is 5,000 in its header: the voxels would begin behind the end"),
        (with_field("vox_offset", 1e30), "vox_offset is 1e+30 in its header: the voxels would begin behind the end"),
        (with_field("vox_offset", 352)[:-7], "truncated or damaged"),
    ],
    ids=["dim", "dim, big-endian", "dim below 0", "offset", "offset out of all reason", "truncated"],
)
def test_a_wrong_header_gets_its_true_reason(tmp_path: Path, content: bytes, seen: str) -> None:
    for name, written in (("a.nii", content), ("a.nii.gz", gzip.compress(content))):
        (tmp_path / name).write_bytes(written)
        assert refusal(tmp_path / name).seen.startswith(seen)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("code", [99, -5])
def test_a_code_of_orientation_that_nifti_does_not_know_counts_as_0(tmp_path: Path, order: str, code: int) -> None:
    path = tmp_path / "a.nii"
    path.write_bytes(with_field("sform_code", code, order))
    volume = open_volume(path, "RAS", None)
    assert volume.header.codes == (1, code) and volume.header.codes.unknown
    np.testing.assert_array_equal(volume.header.affine, nib.load(path).affine)  # the qform's: left is right
    assert volume.header.affine[0, 0] == -1
    content = bytearray(with_field("sform_code", code, order))
    content[252:254] = bytes(2)
    path.write_bytes(content)
    seen = f"no orientation (qform_code is 0, sform_code is {code}, which NIfTI does not know)"
    assert refusal(path).seen == seen


def test_a_volume_that_gzip_could_pack_and_no_scanner_wrote_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = nib.Nifti1Image(np.zeros((128, 128, 128), np.int16), np.eye(4)).to_bytes()
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(empty))
    assert load_volume(tmp_path / "a.nii.gz").shape == (1, 128, 128, 128)
    monkeypatch.setattr("monai_fusion.file_formats.nifti._LARGE", 2**20)
    assert "hardly a voxel differs" in refusal(tmp_path / "a.nii.gz").seen


def test_a_file_that_is_cut_off_early_is_reported(tmp_path: Path) -> None:
    whole = gzip.compress(scan())
    for length in (2, 10, 11, 15, 30):
        (tmp_path / "a.nii.gz").write_bytes(whole[:length])
        assert refusal(tmp_path / "a.nii.gz").seen == f"cut off after {length} bytes, within its header"
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(b""))
    assert refusal(tmp_path / "a.nii.gz").seen == "gzip of an empty file"
    (tmp_path / "a.npy").write_bytes(scalogram()[:4])
    assert refusal(tmp_path / "a.npy").seen == "cut off after 4 bytes"


def test_a_header_of_python_2_is_read_without_a_warning_in_any_thread(tmp_path: Path) -> None:
    content = scalogram()
    old = content.replace(b"(6, 5, 3), }  ", b"(6L, 5L,3L),} ")
    assert old != content and len(old) == len(content)
    (tmp_path / "a.npy").write_bytes(content)
    (tmp_path / "b.npy").write_bytes(old)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with ThreadPoolExecutor(4) as threads:
            read = list(threads.map(lambda _: load_scalogram(tmp_path / "b.npy", SHAPE), range(50)))
    expected = load_scalogram(tmp_path / "a.npy", SHAPE)
    assert all(np.array_equal(values, expected) for values in read)
    (tmp_path / "b.npy").write_bytes(old.replace(b"False", b"0L   "))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert refusal(tmp_path / "b.npy").seen == "a .npy file whose header is damaged"


def test_an_archive_of_arrays_is_distinguished_from_other_archives(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", np.zeros(SHAPE))
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    assert refusal(tmp_path / "a.npy").seen == "an .npz archive of arrays"


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_format_that_numpy_reads_is_read(tmp_path: Path, version: tuple[int, int]) -> None:
    (tmp_path / "a.npy").write_bytes(scalogram(version))
    np.testing.assert_array_equal(
        load_scalogram(tmp_path / "a.npy", SHAPE), np.load(tmp_path / "a.npy").transpose(2, 0, 1)
    )


def test_bytes_behind_the_data_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(scalogram() + scalogram())
    found = open_scalogram(tmp_path / "a.npy", SHAPE)
    assert (found.behind, found.second_array) == (len(scalogram()), True)
    (tmp_path / "a.nii").write_bytes(scan() + b"1234567")
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(scan() + b"1234567"))
    assert [open_volume(tmp_path / name, "RAS", None).behind for name in ("a.nii", "a.nii.gz")] == [7, 7]
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(scan()) + bytes(512))  # padding of a tape, which gzip allows
    assert open_volume(tmp_path / "a.nii.gz", "RAS", None).behind == 0


def test_a_small_file_that_unpacks_to_much_is_not_unpacked_into_memory(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(scan() + bytes(200_000_000), 9))
    assert path.stat().st_size < 250_000
    tracemalloc.start()
    found = open_volume(path, "RAS", None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.behind == 200_000_000 and len(found.content) < 10_000 and peak < 60_000_000


def test_a_pipe_is_no_recording(tmp_path: Path) -> None:
    import os

    if not hasattr(os, "mkfifo"):
        pytest.skip("has no pipes")
    os.mkfifo(tmp_path / "a.nii")
    assert refusal(tmp_path / "a.nii").seen == "a device or pipe"
