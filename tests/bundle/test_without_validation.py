"""A final model on all participants: with `--keep_epoch last`, validation and test may be empty."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from monai_fusion.comparison.variants import ORIGINAL
from tests.bundle.conftest import CONFIGS, SMALL, Cohort, bundle_run, monai_fusion

TRAIN, OVERLAY = (str(CONFIGS / name) for name in ("train.yaml", "original.yaml"))


@pytest.fixture(scope="module")
def everybody(cohort: Cohort) -> Path:
    """A datalist whose training part has all participants."""
    content = json.loads(cohort.datalist.read_text(encoding="utf-8"))
    for section in ("validation", "test"):
        content["training"] += content.pop(section)
    content["validation"] = []
    path = cohort.datalist.with_name("everybody.json")
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def final(cohort: Cohort, everybody: Path) -> Path:
    """A training of it by the settings of the script that this bundle replaces."""
    folder = cohort.folder.parent / "runs" / "final"
    done = bundle_run(str([TRAIN, OVERLAY]), datalist=everybody, output_dir=folder, **SMALL)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def json_of(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_all_participants_train_and_the_last_epoch_is_kept(final: Path) -> None:
    log = (final / "train.log").read_text(encoding="utf-8")
    assert "training: 16 participants (8 M, 8 F)" in log and "validation: no participant" in log
    assert "epoch 2/2, stage B: training loss" in log and "not validated" in log and "best so far" not in log
    assert "kept the last epoch, 2" in log
    assert "no participant of this datalist can test the model" in log and "next, to score" not in log
    with (final / "history.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["balanced_cross_entropy"] for row in rows] == ["", ""]
    assert all(float(row["train_loss"]) > 0 for row in rows)
    manifest = json_of(final / "manifest.json")
    assert manifest["status"] == "finished" and manifest["best"] is None
    assert manifest["weights"]["file"] == "model.pt" and manifest["data"].keys() == {"training"}
    calibration = json_of(final / "calibration.json")
    assert calibration["predictions"] == [] and calibration["training_counts"] == [8, 8]
    recipe = json_of(final / "recipe.json")
    assert len(recipe["trained_on"]) == 3 * 16 and recipe["validated_on"] == []  # two EEG segments and an MRI each


def test_a_finished_final_model_that_is_resumed_has_nothing_to_do(final: Path, everybody: Path) -> None:
    before = (final / "manifest.json").read_bytes()
    done = bundle_run(str([TRAIN, OVERLAY]), datalist=everybody, output_dir=final, resume="true", **SMALL)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "this training is finished: all 2 epochs are done" in done.stdout + done.stderr
    assert (final / "manifest.json").read_bytes() == before


def test_an_evaluation_through_another_datalist_recognises_the_participants_it_learned_from(
    final: Path, cohort: Cohort, tmp_path: Path
) -> None:
    done = monai_fusion(
        *("evaluate", cohort.datalist, "--model_dir", final, "--output_dir", tmp_path),
        *("--cache_dir", final.parent / "preprocessed"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    warnings = json_of(tmp_path / "metrics.json")["warnings"]
    (warning,) = [each for each in warnings if "learned" in each]
    number = len(json_of(cohort.datalist)["test"])
    assert warning.startswith(f"this model has learned from {number} of these {number} participants")
    assert "his model has learned from" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_best_epoch_and_early_stopping_need_a_validation_part(everybody: Path, tmp_path: Path) -> None:
    done = monai_fusion("train", everybody, "--output_dir", tmp_path / "best")
    assert done.returncode == 2
    assert (
        "validation: no participant, expected at least one: or delete the empty part, and train with --keep_epoch last"
        in (done.stderr)
    )
    options = {"keep_epoch": "last", "early_stopping": 3}
    done = bundle_run("train.yaml", datalist=everybody, output_dir=tmp_path / "early", **SMALL, **options)
    assert done.returncode == 2
    assert "--early_stopping: 3, expected a validation part to stop by" in done.stdout + done.stderr


def test_the_overlay_and_the_variant_of_the_original_script_are_the_same_knobs_of_training() -> None:
    overlay, training = (yaml.safe_load(Path(file).read_text(encoding="utf-8")) for file in (OVERLAY, TRAIN))
    assert overlay == ORIGINAL
    assert all(training[name] != value for name, value in overlay.items())
