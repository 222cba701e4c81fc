"""Participants who lack a recording, and trainings on one recording alone, through the shipped bundle."""

import csv
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.bundle import ConfigWorkflow

from monai_fusion.datalist import read_datalist
from monai_fusion.metrics.metrics_file import Metrics
from tests.bundle.conftest import CONFIGS, EEG_SIZE, SMALL, Cohort, bundle_run, shipped
from tests.message_parts import assert_parts

# With the knobs that have to do with batches and weights; a batch of 3 often lacks the one or the other altogether.
MISSING = SMALL | {"allow_missing": "true", "modality_dropout": 0.4, "batch_size": 3, "num_workers": 1}
MISSING |= {"accumulation_steps": 2, "ema_decay": 0.5, "keep_epoch": "last"}
WITHOUT_MRI = {"training": (0, 7), "validation": (), "test": (0,)}
WITHOUT_EEG = {"training": (1, 8), "validation": (0,), "test": (1,)}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def evaluate(config: str, **options: object) -> None:
    """Run a shipped evaluation or inference in this process."""
    texts = {name: str(value) for name, value in options.items()}
    workflow = ConfigWorkflow(config_file=shipped(config), workflow_type="infer", **({"device": "cpu"} | texts))
    workflow.initialize()
    workflow.run()


@pytest.fixture(scope="module")
def datalist(cohort: Cohort) -> Path:
    """The sample cohort, of which some have lost their MRI and some their EEG."""
    content: dict[str, Any] = json.loads(cohort.datalist.read_text(encoding="utf-8"))
    for section, rows in ((section, content[section]) for section in WITHOUT_MRI):
        for place in WITHOUT_MRI[section]:
            rows[place]["mri"] = None
        for place in WITHOUT_EEG[section]:
            rows[place]["eeg"] = []
    path = cohort.folder / "incomplete.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(datalist: Path, run_folder: Path) -> Path:
    """The folder of a training with every kind of absence; ``run_folder`` has prepared its files."""
    folder = run_folder.parent / "incomplete"
    done = bundle_run("train.yaml", **MISSING, datalist=datalist, output_dir=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_participants_with_one_recording_are_trained_on(trained: Path, datalist: Path) -> None:
    log = (trained / "train.log").read_text(encoding="utf-8")
    assert "training: 7 with both recordings, 2 with EEG only, 2 with MRI only" in log
    assert "validation: 1 with both recordings, 1 with MRI only" in log
    state = torch.load(trained / "model.pt", weights_only=True)
    assert state["head.absent_eeg"].any() and state["head.absent_mri"].any()
    assert torch.load(trained / "fusion_convnext_r3d18_gated_align.pth", weights_only=True)["head"].keys() == {
        name.removeprefix("head.") for name in state if name.startswith("head.")
    }
    recipe = json.loads((trained / "recipe.json").read_text(encoding="utf-8"))
    assert (recipe["absence"], recipe["unseen_absence"], recipe["modalities"]) == (True, [], "both")
    identity = torch.load(trained / "checkpoints" / "epoch_0002.pt", weights_only=True, mmap=True)["identity"]
    assert (identity["modality_dropout"], identity["allow_missing"], identity["modalities"]) == (0.4, True, "both")
    cohort = read_datalist(datalist)
    used = [record for section in ("training", "validation") for record in cohort.records(section)]
    assert list(identity["participants"]) == [record.participant_id for record in used]
    shutil.rmtree(trained / "checkpoints")  # 2 GB


def test_evaluation_inference_and_report_take_them_too(trained: Path, datalist: Path) -> None:
    done = bundle_run("evaluate.yaml", datalist=datalist, output_dir=trained)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = rows_of(trained / "predictions.csv")
    assert [row["recordings"] for row in rows] == ["eeg", "mri", "both"]
    assert [row["segments"] for row in rows] == ["2", "0", "2"]
    assert [float(row["gate"]) for row in rows[:2]] == [1, 0] and 0 < float(rows[2]["gate"]) < 1
    metrics = Metrics.model_validate_json((trained / "metrics.json").read_bytes())
    assert [(each.recordings, each.participants) for each in metrics.patterns] == [("both", 1), ("eeg", 1), ("mri", 1)]
    assert "(1 with both recordings, 1 with EEG only, 1 with MRI only)" in done.stdout + done.stderr
    report = (trained / "report.html").read_text(encoding="utf-8")
    assert all(f">{title}</th>" in report for title in ("both recordings", "EEG only", "MRI only"))

    new = trained / "new"
    evaluate("inference.yaml", datalist=datalist, model_dir=trained, output_dir=new)
    columns = ("participant_id", "probability_M", "probability_F", "predicted", "gate", "recordings")
    again = rows_of(new / "predictions.csv")
    assert [[row[name] for name in columns] for row in again] == [[row[name] for name in columns] for row in rows]


def test_a_model_trained_only_on_both_recordings_reports_how_to_train_for_one(
    run_folder: Path, datalist: Path, tmp_path: Path
) -> None:
    options = {"datalist": datalist, "model_dir": run_folder, "output_dir": tmp_path / "out"}
    done = bundle_run("evaluate.yaml", **options, allow_missing="true")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert_parts(done.stderr, "--allow_missing: ", "both recordings", "train it with")
    evaluate("evaluate.yaml", **options)
    log = (tmp_path / "out" / "evaluate.log").read_text(encoding="utf-8")
    assert "test: left out, one recording only: 2" in log
    assert len(rows_of(tmp_path / "out" / "predictions.csv")) == 1


def test_one_modality_alone_needs_no_file_of_the_other(cohort: Cohort, run_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "eeg_only"
    shutil.copytree(cohort.folder / "eeg", folder / "eeg", copy_function=os.link)
    shutil.copy(cohort.datalist, folder / "list.json")
    content: dict[str, Any] = json.loads(cohort.datalist.read_text(encoding="utf-8"))
    content["test"][0]["mri"] = None  # has the EEG, but is not used: those who are compared have both
    content["data_root"] = "."
    (folder / "list.json").write_text(json.dumps(content), encoding="utf-8")
    options = {"datalist": str(folder / "list.json"), "output_dir": str(tmp_path / "run"), "device": "cpu"}
    options["cache_dir"] = str(run_folder.parent / "preprocessed")
    training = ConfigWorkflow(
        config_file=str(CONFIGS / "train.yaml"),
        workflow_type="train",
        modalities="eeg",
        num_epochs=[1, 0],
        pretrained=False,
        slab_depth=16,
        eeg_shape=EEG_SIZE,
        mri_size=[24, 24, 24],
        **options,
    )
    training.initialize()
    training.run()
    log = (tmp_path / "run" / "train.log").read_text(encoding="utf-8")
    assert "stage A (1 epoch): EEG stage3, stage4, MRI nothing, and the heads" in log
    assert "MRI projection" not in log and "training: --modalities eeg: the other recording is not used" in log
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "finished" and manifest["data"]["training"]["files"] == 22
    shutil.rmtree(tmp_path / "run" / "checkpoints")

    evaluate("evaluate.yaml", model_dir=options["output_dir"], **options)
    rows = rows_of(tmp_path / "run" / "predictions.csv")
    assert [row["participant_id"] for row in rows] == [row["participant_id"] for row in content["test"][1:]]
    assert all(row["recordings"] == "eeg" and row["gate"] == "1.0" for row in rows)
    metrics = Metrics.model_validate_json((tmp_path / "run" / "metrics.json").read_bytes())
    assert metrics.gate is None and metrics.patterns == [] and metrics.modalities is None
    assert "This model uses the" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
