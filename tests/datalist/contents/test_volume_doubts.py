"""What the values of an MRI give away, and recordings that are the same in another guise."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from monai_fusion import cli
from monai_fusion.contrast import flat_electrodes, in_memory_order, percentiles_of
from monai_fusion.datalist.contents.equal_recordings import values_digest
from monai_fusion.datalist.contents.volume_doubts import clipped_tissue, error_in, few_whole_values
from monai_fusion.transforms import load_volume

RNG = np.random.default_rng(0)


def stripped(tissue: int, side: int = 60) -> np.ndarray:
    """A cube of tissue of this number of voxels along each edge in a cube of zeros."""
    volume = np.zeros((side,) * 3, np.float32)
    volume[5 : 5 + tissue, 6 : 6 + tissue, 7 : 7 + tissue] = RNG.normal(900, 100, (tissue,) * 3)
    return volume


def test_background_that_takes_both_percentiles_is_an_error_unless_they_are_of_the_rest() -> None:
    volume = stripped(12)  # 0.8 %
    problem = error_in(volume, "all")
    assert problem is not None and "both 0" in problem.seen and "percentiles_over to nonzero" in problem.advice
    assert error_in(volume, "nonzero") is None
    assert error_in(stripped(20), "all") is None  # 3.7 %
    mask = (volume > 0).astype(np.float32)
    assert "percentiles_over" not in error_in(mask, "all").advice  # type: ignore[union-attr] # is one
    assert error_in(mask, "nonzero") is not None


def test_the_share_of_tissue_that_is_clipped_is_counted() -> None:
    volume = stripped(15)  # 1.56 % of all voxels, of which the percentile leaves 1 % above it
    high = np.percentile(volume.astype(np.float64), 99)
    expected = (volume >= high).sum() / (volume != 0).sum()
    assert clipped_tissue(volume, "all") == pytest.approx(expected) and expected == pytest.approx(0.64, abs=0.01)
    assert clipped_tissue(volume, "nonzero") == pytest.approx(0.01, abs=0.001)
    assert clipped_tissue(stripped(40), "all") < 0.05
    assert clipped_tissue(volume - 1024, "all") == pytest.approx(expected)  # background need not be 0


def grey(levels: int, shape: tuple[int, int, int] = (40, 42, 44)) -> np.ndarray:
    smooth = ndimage.gaussian_filter(RNG.random(shape), 2)
    smooth = (smooth - smooth.min()) / np.ptp(smooth)
    return np.rint(np.clip(smooth + RNG.normal(0, 0.1, shape), 0, 1) * (levels - 1))


def labels(number: int) -> np.ndarray:
    return np.kron(RNG.integers(0, number, (10, 11, 12)), np.ones((4, 4, 4)))


@pytest.mark.parametrize(
    ("volume", "width", "expected"),
    [
        (labels(2), 1, 2),
        (labels(36), 2, 36),
        (labels(110) * 18, 2, 110),
        (labels(200), 1, 200),
        (grey(2000), 2, 0),
        (grey(256), 1, 0),
        (grey(256), 2, 256),
        (grey(40), 1, 40),
        (grey(256) + 0.5, 1, 0),
        (RNG.normal(0, 3, (40, 42, 44)), 4, 0),
    ],
    ids=["mask", "labels", "codes", "many labels", "16 bits", "8 bits", "8 in 16 bits", "few greys", "halves", "z"],
)
def test_label_images_are_distinguished_from_grey_values(volume: np.ndarray, width: int, expected: int) -> None:
    found = few_whole_values(volume, width)
    assert found == (len(np.unique(volume)) if expected else 0)
    assert abs(found - expected) <= 3  # chance decides whether each value occurs


@pytest.mark.parametrize("order", ["C", "F"])
def test_values_are_taken_in_the_order_of_the_memory_without_a_copy(order: str) -> None:
    volume = np.asarray(RNG.random((3, 4, 5)), order=order)  # type: ignore[call-overload] # a str
    for view in (volume, volume[::-1, :, ::-1], volume.transpose(2, 0, 1)[:, ::-1]):
        flat = in_memory_order(view)
        assert np.shares_memory(flat, volume)
        np.testing.assert_array_equal(flat, volume.ravel(order="K"))


def test_percentiles_over_the_voxels_that_are_not_0_are_numpys() -> None:
    volume = stripped(12)
    expected = np.percentile(volume[volume != 0].astype(np.float64), [1, 99])
    np.testing.assert_allclose(percentiles_of(volume, 1, 99, "nonzero"), expected, rtol=1e-12)
    assert percentiles_of(np.zeros((2, 2, 2)), 1, 99, "nonzero") == (0, 0)


def test_electrodes_that_cannot_be_scaled_are_flat() -> None:
    scalogram = RNG.random((4, 3, 5))
    scalogram[1] = 7
    scalogram[2, 0, 0] = 1e300
    assert flat_electrodes(scalogram).tolist() == [False, True, True, False]


def test_a_scan_has_one_digest_however_it_is_stored(tmp_path: Path) -> None:
    volume = RNG.integers(0, 1000, (7, 8, 9)).astype(np.int16)
    image = nib.Nifti1Image(volume, np.diag([-2.0, 2, 2, 1]))
    scaled = nib.Nifti1Image(volume.astype(np.float64) * 0.5, image.affine)
    scaled.header.set_data_dtype(np.int16)
    scaled.header.set_slope_inter(0.5, 0)
    stored = {
        "a.nii": image,
        "b.nii.gz": nib.as_closest_canonical(image),
        "c.nii": nib.Nifti1Image(volume.astype(np.float64), image.affine),
        "d.nii": image.as_reoriented(np.array([[2, -1], [0, 1], [1, -1]])),
    }
    digests = set()
    for name, one in stored.items():
        nib.save(one, tmp_path / name)
        digests.add(values_digest(load_volume(tmp_path / name)[0]))
    assert len(digests) == 1
    nib.save(nib.Nifti1Image(volume[::-1], image.affine), tmp_path / "mirrored.nii")
    assert values_digest(load_volume(tmp_path / "mirrored.nii")[0]) not in digests


def cohort(folder: Path) -> list[dict[str, Any]]:
    rows = []
    for number, name in enumerate(("sub-01", "sub-02", "sub-03", "sub-04")):
        np.save(folder / f"{name}.npy", RNG.random((6, 5, 3), dtype=np.float32))
        nib.save(
            nib.Nifti1Image(RNG.integers(0, 3000, (20, 22, 21)).astype(np.int16), np.diag([9.0, 9, 9, 1])),
            folder / f"{name}.nii.gz",
        )
        rows.append({"participant_id": name, "label": "MF"[number % 2], "eeg": f"{name}.npy", "mri": f"{name}.nii.gz"})
    (folder / "list.json").write_text(json.dumps({"classes": ["M", "F"], "training": rows}), encoding="utf-8")
    return rows


def check(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main(["datalist", "check", str(folder / "list.json"), *options])
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out + captured.err


DEEP = ("--deep", "--eeg-shape", "6,5,3")


def test_good_files_give_no_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cohort(tmp_path)
    assert "warning" not in check(tmp_path, capsys, *DEEP)[1]


def test_one_scan_under_two_ids_is_found_though_it_was_compressed_or_stored_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cohort(tmp_path)
    scan = gzip.decompress((tmp_path / "sub-01.nii.gz").read_bytes())
    (tmp_path / "sub-02.nii.gz").write_bytes(gzip.compress(scan, 1, mtime=1))
    np.save(tmp_path / "sub-03.npy", np.asfortranarray(np.load(tmp_path / "sub-04.npy").astype(np.float64)))
    code, printed = check(tmp_path, capsys, *DEEP)
    assert code == 2
    assert (
        "sub-02 mri sub-02.nii.gz: the same values, stored in another way, as sub-01.nii.gz of sub-01: find" in printed
    )
    assert "sub-04 eeg sub-04.npy: the same values, stored in another way, as sub-03.npy of sub-03: find" in printed


def test_files_that_cannot_be_used_are_not_compared_and_each_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort(tmp_path)
    for name in ("sub-01", "sub-02"):
        (tmp_path / f"{name}.nii.gz").write_bytes(b"/annex/objects/MD5E-s1--2.nii.gz\n")
        np.save(tmp_path / f"{name}.npy", np.zeros((6, 5, 3), np.float32))

    def stumble(*_: object) -> None:
        raise AssertionError("Doe^John")

    monkeypatch.setattr("monai_fusion.datalist.contents.checking.geometry_of", stumble)
    code, printed = check(tmp_path, capsys, *DEEP)
    assert code == 2 and "6 problems" in printed and "same file" not in printed and "Doe" not in printed
    assert printed.count("a pointer of git-annex") == 2 and printed.count("all 3 electrodes are constant") == 2
    assert printed.count("cannot be examined (AssertionError)") == 2


def test_the_check_takes_the_percentiles_as_the_run_will(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cohort(tmp_path)
    nib.save(nib.Nifti1Image(stripped(12), np.diag([4.0, 4, 4, 1])), tmp_path / "sub-02.nii.gz")
    code, printed = check(tmp_path, capsys, *DEEP)
    assert code == 2 and "sub-02 mri sub-02.nii.gz: percentiles 1 and 99 of the voxels are both 0" in printed
    assert check(tmp_path, capsys, *DEEP, "--percentiles-over", "nonzero")[0] == 0
    code, printed = check(tmp_path, capsys, *DEEP, "--percentiles-over", "some")
    assert (code, printed.strip()) == (2, "error: --percentiles-over: 'some', expected all or nonzero")


def test_warnings_for_what_is_no_structural_mri(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cohort(tmp_path)
    image = nib.load(tmp_path / "sub-01.nii.gz")
    image.header.set_intent("z score")
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), image.affine, image.header), tmp_path / "sub-01.nii.gz")
    nib.save(nib.Nifti1Image(labels(30).astype(np.int16), np.diag([4.0, 4, 4, 1])), tmp_path / "sub-02.nii.gz")
    nib.save(nib.Nifti1Image(stripped(15), np.diag([4.0, 4, 4, 1])), tmp_path / "sub-03.nii.gz")
    (tmp_path / "sub-04.npy").write_bytes((tmp_path / "sub-04.npy").read_bytes() * 2)
    code, printed = check(tmp_path, capsys, *DEEP)
    assert code == 0 and "4 warnings" in printed
    assert "sub-01 mri sub-01.nii.gz: intent code 5 in its header (z score), expected none" in printed
    assert "sub-02 mri sub-02.nii.gz: only 30 different values, all of them whole numbers" in printed
    assert "sub-03 mri sub-03.nii.gz: 64% of the voxels that are not 0 lie at or above percentile 99" in printed
    assert "sub-04 eeg sub-04.npy: 488 bytes behind the array, another one" in printed


def test_a_code_of_orientation_that_nifti_does_not_know_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cohort(tmp_path)
    path = tmp_path / "sub-02.nii.gz"
    image = nib.load(path)
    image.set_qform(image.affine, 1)
    content = bytearray(nib.Nifti1Image(np.asarray(image.dataobj), image.affine, image.header).to_bytes())
    content[252:254] = (99).to_bytes(2, "little")
    path.write_bytes(gzip.compress(bytes(content)))
    code, printed = check(tmp_path, capsys, *DEEP)
    assert code == 0 and "1 warning" in printed
    assert "sub-02 mri sub-02.nii.gz: qform_code is 99, which NIfTI does not know, sform_code is 2 in its" in printed
    assert "the code counts as 0, as in nibabel, so the other orientation is used" in printed


def test_a_check_that_opens_no_file_names_those_that_hold_no_recording(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cohort(tmp_path)
    for name in ("sub-02", "sub-03"):
        (tmp_path / f"{name}.nii.gz").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    (tmp_path / "sub-04.npy").write_bytes(b"")
    code, printed = check(tmp_path, capsys)
    assert code == 0
    assert "sub-02 mri sub-02.nii.gz: a pointer of Git LFS, not the file (and 1 more)" in printed
    assert "sub-04 eeg sub-04.npy: an empty file, expected a recording: copy or download it again" in printed
    report = json.loads(check(tmp_path, capsys, "--json")[1])
    assert (report["ok"], report["warnings"], report["findings"][0]["group"]) == (True, 2, "files")
