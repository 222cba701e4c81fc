"""``monai-fusion datalist check --deep --model``: whose recordings are unlike those that a model learned from."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from monai_fusion.baseline.participant_numbers import NumberSettings
from monai_fusion.cohort_profile.profile_file import write_profile
from monai_fusion.cohort_profile.summarising import profile_of
from monai_fusion.datalist import read_datalist
from tests.baseline.cohorts import EEG_SHAPE, MM, SHAPE, write_cohort
from tests.commands import call

DEEP = ("--deep", "--eeg-shape", ",".join(map(str, EEG_SHAPE)))


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """A datalist, one of whose test participants has an MRI of other voxels, and a model trained on its training."""
    cohort = write_cohort(tmp_path / "cohort", 40, apart=0.0, tested=4)
    path = cohort.path.parent / f"{cohort.tested[0]}_T1w.nii"
    voxels = np.asarray(nib.load(path).dataobj).copy()
    nib.save(nib.Nifti1Image(voxels.reshape(SHAPE), np.diag([2 * MM[0], *MM[1:], 1.0])), path)
    model = tmp_path / "first"
    model.mkdir()
    reading = {"_target_": "monai_fusion.transforms.LoadScalogramd", "shape": EEG_SHAPE}
    recipe = {"classes": ["M", "F"], "modalities": "both", "preprocessing": {"eeg": [reading], "mri": []}}
    (model / "recipe.json").write_text(json.dumps(recipe))
    (model / "model.pt").write_bytes(b"weights")
    training = read_datalist(cohort.path).records("training")
    write_profile(profile_of(training, NumberSettings(None, EEG_SHAPE)), model)
    return cohort.path


def check(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    return call(capsys, "datalist", "check", *words)


def test_a_participant_unlike_the_training_is_a_warning(
    cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = check(capsys, cohort, "--deep", "--model", tmp_path / "first")  # whose scalograms are this small
    assert code == 0
    name = read_datalist(cohort).records("test")[0].participant_id
    (line,) = [line for line in err.splitlines() if name in line and "unlike" in line]
    assert line.strip().startswith(f"{name}: unlike the training of first: ")
    assert "voxel size: 4 mm left-right, in the training 2 mm" in line
    code, out, _ = check(capsys, cohort, *DEEP, "--model", tmp_path / "first", "--json")
    (found,) = [
        each for each in json.loads(out)["findings"] if "unlike" in each["message"] and each["participant_id"] == name
    ]
    assert found["severity"] == "warning" and "voxel size: 4 mm" in found["message"]


def test_a_model_of_an_earlier_version_is_one_warning(
    cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "first" / "cohort_profile.json").unlink()
    code, _, err = check(capsys, cohort, *DEEP, "--model", tmp_path / "first")
    assert code == 0
    assert err.count("no cohort_profile.json") == 1


def test_without_deep_and_with_a_folder_without_a_model_it_is_refused(
    cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = check(capsys, cohort, "--model", tmp_path / "first")
    assert code == 2 and "--model: without --deep: give --deep as well" in err
    code, _, err = check(capsys, cohort, *DEEP, "--model", tmp_path / "none")
    assert code == 2 and "no recipe.json" in err
