"""Group maps of the MRI: means, differences beyond chance, and the space in which they were compared."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.stats import ttest_ind

from monai_fusion.explain import mri_group as module
from monai_fusion.explain.mri_group import MriGroup, mri_group_of, peak, write_mri_group
from monai_fusion.explain.mri_space import SlabGeometry, VolumeSpace

GEOMETRY = SlabGeometry("RAS", None, (8, 7, 6), 5)
LABELS: dict[str, int | None] = {f"sub-{number:02d}": number % 2 for number in range(12)}
PLACE = (2, 3, 4)


@pytest.fixture
def maps() -> dict[str, np.ndarray]:
    """Random maps; one voxel of the second class is higher."""
    random = np.random.default_rng(0)
    found = {name: random.normal(size=GEOMETRY.shape).astype(np.float32) for name in LABELS}
    for name, label in LABELS.items():
        found[name][PLACE] += 9 * (label or 0)
    return found


def spaces_of(folder: Path, shifts: dict[str, float]) -> dict[str, VolumeSpace]:
    found = {}
    for name, shift in shifts.items():
        affine = np.array([[-1.0, 0, 0, 20 + shift], [0, 1.2, 0, -9], [0, 0, 2, 5], [0, 0, 0, 1]])
        image = nib.Nifti1Image(np.ones((15, 13, 11), np.float32), None)
        image.header.set_sform(affine, 4)
        nib.save(image, folder / f"{name}.nii")
        found[name] = VolumeSpace.of_file(folder / f"{name}.nii", GEOMETRY)
    return found


def reading(maps: dict[str, np.ndarray]) -> dict[str, Callable[[], np.ndarray]]:
    return {name: partial(maps.__getitem__, name) for name in maps}


def group(maps: dict[str, np.ndarray], spaces: dict[str, VolumeSpace], **options: int) -> MriGroup:
    found = mri_group_of(reading(maps), LABELS, ["M", "F"], spaces, **options)
    assert found is not None
    return found


def test_means_and_differences_are_those_of_the_classes(maps: dict[str, np.ndarray], tmp_path: Path) -> None:
    found = group(maps, spaces_of(tmp_path, dict.fromkeys(LABELS, 0.0)))
    stacked = {label: np.stack([maps[name] for name in LABELS if LABELS[name] == label]) for label in (0, 1)}
    np.testing.assert_allclose(found.means["F"], stacked[1].mean(axis=0), atol=1e-6)
    assert found.counts == {"M": 6, "F": 6}
    (contrast,) = found.contrasts
    assert (contrast.name, contrast.against, contrast.counts) == ("F", "M", (6, 6))
    np.testing.assert_allclose(contrast.difference, stacked[1].mean(axis=0) - stacked[0].mean(axis=0), atol=1e-6)
    assert contrast.test is not None
    expected = ttest_ind(stacked[1], stacked[0]).statistic
    np.testing.assert_allclose(contrast.test.statistic.reshape(GEOMETRY.shape), expected, rtol=1e-4)
    assert np.flatnonzero(contrast.test.crossed).tolist() == [np.ravel_multi_index(PLACE, GEOMETRY.shape)]
    assert peak(contrast) == PLACE


def test_in_one_space_files_have_the_true_affine(maps: dict[str, np.ndarray], tmp_path: Path) -> None:
    spaces = spaces_of(tmp_path, dict.fromkeys(LABELS, 0.0))
    found = group(maps, spaces)
    paths = write_mri_group(tmp_path, "gradcam", found, {"M": "M", "F": "F", "others": "others"})
    assert [path.name for path in paths] == [
        "group-M_desc-gradcam_mean.nii.gz",
        "group-F_desc-gradcam_mean.nii.gz",
        "group-F-M_desc-gradcam_difference.nii.gz",
        "group-F-M_desc-gradcam_t.nii.gz",
        "group-F-M_desc-gradcam_pcorrected.nii.gz",
        "group_desc-gradcam.tsv",
    ]
    assert found.in_one_space
    assert not found.notes
    for path in paths[:-1]:
        image = nib.load(path)
        np.testing.assert_allclose(image.affine, spaces["sub-00"].network_affine, atol=1e-5)
        assert int(image.header["sform_code"]) == 4
        assert image.get_data_dtype() == np.float32
    assert nib.load(paths[4]).get_fdata()[PLACE] <= 0.05
    head, row = (line.split("\t") for line in paths[-1].read_text(encoding="utf-8").splitlines())
    cells = dict(zip(head, row, strict=True))
    assert (cells["class"], cells["against"], cells["space"], cells["voxels_beyond"]) == ("F", "M", "common", "1")
    millimetres = [float(cells[f"{axis}_mm"]) for axis in "xyz"]
    np.testing.assert_allclose(millimetres, (found.affine @ [*PLACE, 1])[:3], rtol=1e-4)


def test_otherwise_it_says_that_it_compares_in_the_networks_grid(maps: dict[str, np.ndarray], tmp_path: Path) -> None:
    found = group(maps, spaces_of(tmp_path, {name: float(place) for place, name in enumerate(LABELS)}))
    assert not found.in_one_space
    assert "not in one space" in found.notes[0]
    paths = write_mri_group(tmp_path, "ig", found, {"M": "M", "F": "F", "others": "o"})
    assert paths[0].name == "group-M_space-network_desc-ig_mean.nii.gz"
    image = nib.load(paths[0])
    assert nib.aff2axcodes(image.affine) == ("R", "A", "S")
    np.testing.assert_allclose(image.affine @ [2, 3, 2.5, 1], [0, 0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(image.header.get_zooms(), [14 / 7, 1.2 * 12 / 6, 2 * 10 / 5], rtol=1e-6)
    assert int(image.header["sform_code"]) == 2


def test_one_file_that_is_gone_leaves_no_common_space(maps: dict[str, np.ndarray], tmp_path: Path) -> None:
    spaces = spaces_of(tmp_path, dict.fromkeys(LABELS, 0.0))
    del spaces["sub-03"]
    assert not group(maps, spaces).in_one_space
    found = group(maps, {})
    assert found.affine is None
    assert "not known" in found.notes[0]
    paths = write_mri_group(tmp_path, "ig", found, {"M": "M", "F": "F", "others": "o"})
    assert [path.name for path in paths] == ["group_desc-ig.tsv"]
    assert "n/a" in paths[0].read_text(encoding="utf-8")


def test_few_participants_are_not_tested_and_unknown_classes_are_left_out(maps: dict[str, np.ndarray]) -> None:
    few = {name: maps[name] for name in ("sub-00", "sub-01", "sub-02", "sub-04")}
    labels = {**LABELS, "sub-02": None}
    found = mri_group_of(reading(few), labels, ["M", "F"], {})
    assert found is not None
    assert found.participants == ("sub-00", "sub-01", "sub-04")
    assert any("no known class: sub-02" in note for note in found.notes)
    assert any("needs 2 participants of each" in note for note in found.notes)
    assert found.contrasts[0].test is None
    np.testing.assert_allclose(
        found.contrasts[0].difference, maps["sub-01"] - (maps["sub-00"] + maps["sub-04"]) / 2, rtol=1e-5, atol=1e-6
    )
    alone = mri_group_of(reading({"sub-00": maps["sub-00"]}), LABELS, ["M", "F"], {})
    assert alone is not None
    assert not alone.contrasts
    assert mri_group_of(reading(few), dict.fromkeys(few), ["M", "F"], {}) is None


def test_each_of_three_classes_is_compared_with_the_others(maps: dict[str, np.ndarray]) -> None:
    labels = {name: place % 3 for place, name in enumerate(maps)}
    found = mri_group_of(reading(maps), labels, ["a", "b", "c"], {})
    assert found is not None
    assert [(each.name, each.against, each.counts) for each in found.contrasts] == [
        (name, "others", (4, 8)) for name in "abc"
    ]


def test_maps_that_fill_the_memory_are_stacked_on_disk(
    maps: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_memory = group(maps, {}, draws=100)
    monkeypatch.setattr(module, "_IN_MEMORY", 100)
    on_disk = group(maps, {}, draws=100)
    np.testing.assert_array_equal(on_disk.means["M"], in_memory.means["M"])
    np.testing.assert_array_equal(on_disk.contrasts[0].test.p_values, in_memory.contrasts[0].test.p_values)
