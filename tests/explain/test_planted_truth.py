"""The planted regions of a sample cohort, in the network's space."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from monai_fusion.errors import InputError
from monai_fusion.explain.planted_truth import EegRegion, cohort_file, planted_truth
from monai_fusion.sample_cohort import SampleCohortOptions
from monai_fusion.sample_cohort.scalograms import BETA_ELECTRODES, FRONTAL_ELECTRODES
from monai_fusion.sample_cohort.write import write_sample_cohort


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("planted") / "cohort"
    options = SampleCohortOptions(
        4, mri_effect=3, eeg_effect=3, mri_signal="local", eeg_signal="topography", segments_per_condition=1
    )
    write_sample_cohort(out, options, progress=False)
    return out


def test_the_cohort_is_found_beside_the_datalist_and_above_a_recording(cohort: Path, tmp_path: Path) -> None:
    assert cohort_file(cohort / "datalist.json") == cohort / "cohort.json"
    assert cohort_file(tmp_path / "datalist.json") is None
    mri = next((cohort / "mri").iterdir())
    assert cohort_file(tmp_path / "datalist.json", [mri]) == cohort / "cohort.json"
    (tmp_path / "cohort.json").write_text('{"kind": "of another program"}', encoding="utf-8")
    assert cohort_file(tmp_path / "datalist.json") is None


def test_the_region_lies_where_the_score_changes_the_volume(cohort: Path, tmp_path: Path) -> None:
    truth = planted_truth(cohort / "cohort.json").mri
    assert truth is not None
    assert truth.alone
    other = tmp_path / "cohort"
    options = SampleCohortOptions(
        4, mri_effect=3.5, eeg_effect=3, mri_signal="local", eeg_signal="topography", segments_per_condition=1
    )
    write_sample_cohort(other, options, progress=False)  # the same people with a larger effect
    for path in sorted((cohort / "mri").iterdir())[:2]:
        image, changed = nib.load(path), nib.load(other / "mri" / path.name)
        volume = image.get_fdata()
        moved = np.abs(np.log(np.maximum(volume, 1)) - np.log(np.maximum(changed.get_fdata(), 1)))
        inside = truth.inside(path.name.split("_")[0], image.affine, volume.shape)
        assert inside is not None
        head = volume > 100
        assert moved[inside & head].mean() > 3 * moved[~inside & head].mean()
        assert 0.005 < inside.sum() / head.sum() < 0.05


def test_a_sphere_of_one_and_a_half_standard_deviations(cohort: Path) -> None:
    truth = planted_truth(cohort / "cohort.json").mri
    assert truth is not None
    name = next(iter(truth.centres))
    affine = np.diag([1.0, 1.5, 2.0, 1.0])
    affine[:3, 3] = (-60, -60, -60)
    inside = truth.inside(name, affine, (120, 80, 60))
    assert inside is not None
    wanted = 4 / 3 * np.pi * (1.5 * truth.sds[name]) ** 3
    assert inside.sum() * 3.0 == pytest.approx(wanted, rel=0.02)
    middle = affine[:3, :3] @ np.argwhere(inside).mean(axis=0) + affine[:3, 3]
    np.testing.assert_allclose(middle, truth.centres[name], atol=0.2)
    assert truth.inside("sub-1", affine, (2, 2, 2)) is None


def test_the_eeg_region_has_the_rows_of_beta_and_the_electrodes_that_show_it(cohort: Path) -> None:
    truth = planted_truth(cohort / "cohort.json").eeg
    assert truth is not None
    inside = truth.inside((17, 224, 224))
    assert inside.any(axis=(1, 2)).sum() == len(BETA_ELECTRODES) + len(FRONTAL_ELECTRODES)
    assert np.flatnonzero(inside.any(axis=(0, 2))).tolist() == list(range(truth.rows[0], truth.rows[1] + 1))
    assert inside.all(axis=2).sum() == inside.any(axis=2).sum()


def test_a_scalogram_without_these_electrodes_is_refused() -> None:
    with pytest.raises(InputError, match="electrode 12"):
        EegRegion("beta", (3, 5), (2, 12)).inside((8, 224, 224))


def test_nothing_is_planted_where_an_effect_is_zero(cohort: Path, tmp_path: Path) -> None:
    content = json.loads((cohort / "cohort.json").read_text(encoding="utf-8"))
    content["options"] |= {"mri_effect": 0, "eeg_effect": 0}
    path = tmp_path / "cohort.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    truth = planted_truth(path)
    assert (truth.mri, truth.eeg) == (None, None)


@pytest.mark.parametrize("damage", ["older", "text", "nan", "rows"])
def test_a_damaged_file_is_one_short_message(cohort: Path, tmp_path: Path, damage: str) -> None:
    content = json.loads((cohort / "cohort.json").read_text(encoding="utf-8"))
    region = next(iter(content["signal"]["mri"]["region"]["participants"].values()))
    if damage == "older":
        del content["signal"]
    elif damage == "nan":
        region["sd_mm"] = float("nan")
    elif damage == "rows":
        content["signal"]["eeg"]["region"]["rows"] = [9, 3]
    path = tmp_path / "cohort.json"
    path.write_text("no JSON" if damage == "text" else json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        planted_truth(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
