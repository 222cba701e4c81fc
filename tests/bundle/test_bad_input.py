"""Mistakes that a user may make: one short message, exit code 2, no traceback, nothing trained."""

import gzip
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from tests import warm
from tests.bundle.conftest import EEG_SIZE, SMALL, Cohort, bundle_command, bundle_run, monai_fusion


def spoil_shape(path: Path) -> None:
    np.save(path, np.load(path)[..., :16])


def spoil_nan(path: Path) -> None:
    scalogram = np.load(path)
    scalogram[3, 4, 5] = np.nan
    np.save(path, scalogram)


def spoil_objects(path: Path) -> None:
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)


def spoil_truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20_000])


def spoil_text(path: Path) -> None:
    path.write_bytes(gzip.compress(b"<html>not found</html>"))


def spoil_two_volumes(path: Path) -> None:
    image = nib.load(path)
    nib.save(nib.Nifti1Image(np.stack([image.get_fdata()] * 2, axis=-1), image.affine), path)


def make_4d_with_one_volume(path: Path) -> None:
    image = nib.load(path)
    nib.save(nib.Nifti1Image(image.get_fdata()[..., None], image.affine), path)


# What is done to a file, whether it is an EEG or an MRI, and what the message must say beside participant and file.
SPOILED: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "shape": (spoil_shape, "eeg", "shape (56, 56, 16), expected (56, 56, 17): one electrode is missing"),
    "nan": (spoil_nan, "eeg", "1 NaN and 0 infinite values, the first at (frequency 3, time 4, electrode 5)"),
    "objects": (spoil_objects, "eeg", "objects"),
    "truncated": (spoil_truncated, "mri", ""),
    "text": (spoil_text, "mri", ""),
    "two volumes": (spoil_two_volumes, "mri", "(70, 96, 102, 2)"),
}


@pytest.fixture(scope="module")
def spoiled(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A copy of the cohort in which one training participant each has one bad file; who has which."""
    content = json.loads(cohort.datalist.read_text(encoding="utf-8"))
    folder = tmp_path_factory.mktemp("spoiled")
    rows = content["training"]
    assert len(rows) > len(SPOILED)
    victims = {kind: row["participant_id"] for row, kind in zip(rows, SPOILED, strict=False)}
    for source in cohort.folder.rglob("sub-*"):
        target = folder / source.relative_to(cohort.folder)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(source.read_bytes())
    for kind, (spoil, recording, _) in SPOILED.items():
        spoil(sorted((folder / recording).glob(f"{victims[kind]}_*"))[0])
    make_4d_with_one_volume(next((folder / "mri").glob(f"{rows[len(SPOILED)]['participant_id']}_*")))
    datalist = folder / "datalist.json"
    datalist.write_text(json.dumps({**content, "data_root": "."}), encoding="utf-8")
    return datalist, victims


def assert_refused(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr and "epoch 1/" not in done.stdout
    message = done.stderr[done.stderr.index("error:") :]
    assert len(message.splitlines()) <= 22
    return message


def assert_names_every_victim(message: str, victims: dict[str, str]) -> None:
    lines = message.splitlines()
    assert lines[0].endswith("6 problems")  # the 4-D file with one volume is accepted
    for kind, (_, recording, text) in SPOILED.items():
        (line,) = (line for line in lines if victims[kind] in line)
        assert recording in line and text in line, line


def test_a_training_names_all_bad_files_before_it_starts(spoiled: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    datalist, victims = spoiled
    done = bundle_run("train.yaml", datalist=datalist, output_dir=tmp_path / "run", **SMALL)
    assert_names_every_victim(assert_refused(done), victims)
    assert not list((tmp_path / "run").glob("*.pt*")) and not (tmp_path / "run" / "recipe.json").exists()


def test_the_deep_check_names_the_same_bad_files(spoiled: tuple[Path, dict[str, str]]) -> None:
    datalist, victims = spoiled
    checked = monai_fusion("datalist", "check", "--deep", datalist, "--eeg-shape", ",".join(map(str, EEG_SIZE)))
    assert_names_every_victim(assert_refused(checked), victims)


@pytest.fixture
def wrong_datalist(cohort: Cohort) -> tuple[Path, list[str]]:
    """A datalist with a foreign label, an empty one, a missing file and a participant in two splits; who is who."""
    content: dict[str, Any] = json.loads(cohort.datalist.read_text(encoding="utf-8"))
    rows = content["training"]
    rows[0]["label"] = "male"
    rows[1]["label"] = ""
    rows[2]["mri"] = "mri/missing_T1w.nii.gz"
    content["test"].append(rows[3])
    path = cohort.datalist.with_name("wrong.json")
    path.write_text(json.dumps(content), encoding="utf-8")
    return path, [row["participant_id"] for row in rows[:4]]


def test_check_and_training_refuse_a_wrong_datalist_with_the_same_text(
    wrong_datalist: tuple[Path, list[str]], tmp_path: Path
) -> None:
    path, rows = wrong_datalist
    run = bundle_run("train.yaml", datalist=path, output_dir=tmp_path / "run", **SMALL)
    messages = assert_refused(run), assert_refused(monai_fusion("datalist", "check", path))
    for message in messages:
        for participant in rows:
            assert participant in message
        assert '"male"' in message and "missing_T1w.nii.gz" in message and "test" in message
    problems = [{line.strip() for line in message.splitlines() if "sub-" in line} for message in messages]
    assert problems[0] <= problems[1] or problems[1] <= problems[0]
    assert not (tmp_path / "run").exists()


def test_a_model_is_not_used_on_other_classes_and_its_preprocessing_is_not_an_option(
    cohort: Cohort, run_folder: Path, tmp_path: Path
) -> None:
    content = json.loads(cohort.datalist.read_text(encoding="utf-8"))
    turned = cohort.datalist.with_name("turned.json")
    turned.write_text(json.dumps({**content, "classes": ["F", "M"]}), encoding="utf-8")
    options = {"model_dir": run_folder, "output_dir": tmp_path / "out"}
    message = assert_refused(bundle_run("evaluate.yaml", datalist=turned, **options))
    assert "['F', 'M'], expected ['M', 'F']" in message
    message = assert_refused(bundle_run("evaluate.yaml", datalist=cohort.datalist, orientation="LPS", **options))
    assert "there is no 'orientation' in the config" in message


@pytest.mark.parametrize(("knob", "value"), [("covariates", "agee"), ("operating_point", "1.5"), ("coverage", "90")])
def test_a_wrong_knob_of_an_evaluation_is_refused_before_anything_is_prepared_or_written(
    cohort: Cohort, run_folder: Path, tmp_path: Path, knob: str, value: str
) -> None:
    options = {"datalist": cohort.datalist, "model_dir": run_folder, "cache_dir": tmp_path / "store", knob: value}
    message = assert_refused(bundle_run("evaluate.yaml", **options, output_dir=tmp_path / "out"))
    assert f"--{knob}" in message and value in message
    assert not (tmp_path / "store").exists() and not (tmp_path / "out" / "predictions.csv").exists()


REFUSED = {
    "run#2": "run#2 is read as 'run', expected text",
    "@home": "MONAI reads @home as a reference into the config, expected text",
    "$HOME/x": "MONAI reads $HOME/x as a Python expression, expected text",
    "a,b": "a,b is read as a collection, ('a', 'b'), expected text",
    "": "empty, expected text: is a variable of the shell not set?",
}


@pytest.mark.parametrize("typed", REFUSED)
def test_an_output_folder_that_would_be_another_one_is_refused_and_nothing_is_cleared(
    typed: str, cohort: Cohort, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.pt").write_bytes(b"a finished run")
    _, _, module, *words = bundle_command(
        "train.yaml", datalist=cohort.datalist, output_dir=typed, overwrite="true", **SMALL
    )
    done = warm.run(module, words, cwd=tmp_path, timeout=300)
    assert f"--output_dir: {REFUSED[typed]}" in assert_refused(done)
    assert [path.name for path in tmp_path.rglob("*")] == ["run", "model.pt"]


def test_what_can_be_refused_without_the_recordings_is_refused_before_they_are_prepared(
    cohort: Cohort, tmp_path: Path
) -> None:
    options = SMALL | {"num_epochs": "[5]", "datalist": cohort.datalist, "output_dir": tmp_path / "run"}
    assert 'num_epochs: [5], expected 2 numbers, one per stage: e.g. "[15, 10]"' in assert_refused(
        bundle_run("train.yaml", **options)
    )
    weights = SMALL | {"pretrained": "true", "eeg_weights": tmp_path / "none.pth", "mri_weights": tmp_path / "none.pth"}
    done = bundle_run("train.yaml", datalist=cohort.datalist, output_dir=tmp_path / "run", **weights)
    assert "none.pth': file not found" in assert_refused(done)
    assert not (tmp_path / "preprocessed").exists()
