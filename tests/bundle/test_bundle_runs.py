"""Training, evaluation and inference through the shipped bundle, on real files."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_fusion.datalist import read_datalist
from monai_fusion.evaluation.schema import Metrics
from monai_fusion.networks import FusionNet
from tests.bundle.conftest import SMALL, Cohort, bundle_run


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def state_of(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(folder / "model.pt", weights_only=True)
    return state


def test_training_leaves_the_model_its_export_its_recipe_and_its_history(run_folder: Path) -> None:
    exported = torch.load(run_folder / "fusion_convnext_r3d18_gated_align.pth", weights_only=True)
    assert exported.keys() == {"eeg_enc", "mri_enc", "head"}
    joined = {f"{part}.{name}": tensor for part, state in exported.items() for name, tensor in state.items()}
    state = state_of(run_folder)
    assert joined.keys() == state.keys() and all(torch.equal(joined[name], state[name]) for name in state)
    history = rows_of(run_folder / "history.csv")
    assert [(row["epoch"], row["stage"]) for row in history] == [("1", "A"), ("2", "B")]
    assert json.loads((run_folder / "recipe.json").read_text())["classes"] == ["M", "F"]
    assert "confusion matrix" in (run_folder / "train.log").read_text()
    calibration = json.loads((run_folder / "calibration.json").read_text(encoding="utf-8"))
    assert calibration["network_prior"] == [0.5, 0.5] and len(calibration["predictions"]) == 2
    assert "calibration: 2 validation participants to calibrate on, fewer than 30" in (
        run_folder / "train.log"
    ).read_text(encoding="utf-8")
    assert list((run_folder / "tensorboard").iterdir())


def test_the_same_seed_gives_the_same_bits_with_spawned_workers_too(cohort: Cohort, run_folder: Path) -> None:
    second = run_folder.parent / "second"
    options = SMALL | {"num_workers": 2, "start_method": "spawn"}
    done = bundle_run("train.yaml", datalist=cohort.datalist, output_dir=second, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    first, again = state_of(run_folder), state_of(second)
    assert all(torch.equal(first[name], again[name]) for name in first)
    timed = [{**row, "seconds": ""} for row in rows_of(run_folder / "history.csv")]
    assert [{**row, "seconds": ""} for row in rows_of(second / "history.csv")] == timed
    assert "prepared 0, reused " in done.stdout  # the store of the first run served the second


def test_evaluation_predicts_each_test_participant_once(cohort: Cohort, run_folder: Path) -> None:
    done = bundle_run("evaluate.yaml", datalist=cohort.datalist, output_dir=run_folder)
    assert done.returncode == 0, done.stdout + done.stderr
    test = read_datalist(cohort.datalist).records("test")
    rows = rows_of(run_folder / "predictions.csv")
    assert [row["participant_id"] for row in rows] == [record.participant_id for record in test]
    assert all(float(row["p(M)"]) + float(row["p(F)"]) == pytest.approx(1) for row in rows)
    assert all(0 <= float(row["gate"]) <= 1 and row["segments"] == "2" for row in rows)
    metrics = json.loads((run_folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["participants"] == len(test) and metrics["section"] == "test"
    Metrics.model_validate(metrics)
    right = sum(row["label"] == row["predicted"] for row in rows)
    assert metrics["scores"]["accuracy"]["value"] == pytest.approx(right / len(rows))
    assert np.trace(metrics["confusion_matrix"]) == right and np.sum(metrics["confusion_matrix"]) == len(rows)
    assert metrics["classification_report"].keys() >= {"M", "F"}
    assert "confusion matrix" in done.stdout and metrics["headline"][0] in done.stdout
    assert all(warning in done.stdout + done.stderr for warning in metrics["warnings"])
    # 5 M and 6 F trained, drawn equally often: the probabilities are corrected to the cohort's shares.
    assert metrics["calibration"]["applied"] and metrics["calibration"]["target_prior"] == [5 / 11, 6 / 11]
    odds = [float(row["p(F)"]) / float(row["p(M)"]) for row in rows]
    network = [float(row["p_network(F)"]) / float(row["p_network(M)"]) for row in rows]
    assert odds == pytest.approx([6 / 5 * each for each in network])
    # Two segments each, eyes open and closed; each modality was taken away once.
    assert [each["condition"] for each in metrics["conditions"]] == ["EC", "EO"]
    assert all(float(row["p_network(F)"]) > 0 and row["p(F|EO)"] and row["change_without_mri"] for row in rows)
    assert metrics["modalities"]["reference_participants"] == len(rows)


def test_inference_needs_no_labels_and_agrees_with_evaluation(cohort: Cohort, run_folder: Path) -> None:
    content = json.loads(cohort.datalist.read_text(encoding="utf-8"))
    people = [{**row, "label": None} for row in content["test"]]
    unlabelled = cohort.datalist.with_name("new.json")
    unlabelled.write_text(json.dumps({**content, "training": [], "validation": [], "test": people}))
    out = run_folder / "new"
    done = bundle_run("inference.yaml", datalist=unlabelled, model_dir=run_folder, output_dir=out)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (out / "metrics.json").exists()
    columns = ("participant_id", "p(M)", "p(F)", "predicted", "gate")
    new = [tuple(row[name] for name in columns) for row in rows_of(out / "predictions.csv")]
    options = {"datalist": cohort.datalist, "model_dir": run_folder}
    bundle_run("evaluate.yaml", **options, output_dir=out / "check")
    assert new == [tuple(row[name] for name in columns) for row in rows_of(out / "check" / "predictions.csv")]
    assert all(row["label"] == "" for row in rows_of(out / "predictions.csv"))
    prior, point = "[0.9, 0.1]", "0.05"
    bundle_run("evaluate.yaml", **options, output_dir=out / "rare", target_prior=prior, operating_point=point)
    metrics = json.loads((out / "rare" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["calibration"]["target_prior"] == [0.9, 0.1] and metrics["calibration"]["threshold"] == 0.05
    done = bundle_run("inference.yaml", **options, output_dir=out / "own", calibrate="false", operating_point="youden")
    assert (
        done.returncode == 2 and "--operating_point: 'youden': it has no effect with --calibrate false" in done.stderr
    )


def test_permuting_the_electrodes_changes_a_trained_networks_logits(run_folder: Path) -> None:
    network = FusionNet(pretrained=False)
    network.load_state_dict(state_of(run_folder))
    network.eval()
    generator = torch.Generator().manual_seed(0)
    eeg, mri = torch.randn(1, 17, 224, 224, generator=generator), torch.rand(1, 1, 16, 24, 24, generator=generator)
    with torch.no_grad():
        straight = network(eeg, mri)["logits"]
        permuted = network(eeg.flip(1), mri)["logits"]
        # The untrained stem has one filter for all electrodes and cannot tell: the difference is what training made.
        untrained = FusionNet(pretrained=False).eval()
        unmoved = (untrained(eeg, mri)["logits"] - untrained(eeg.flip(1), mri)["logits"]).abs().max()
    assert (straight - permuted).abs().max() > 100 * unmoved


def test_a_second_training_does_not_overwrite_the_first_by_accident(cohort: Cohort, run_folder: Path) -> None:
    before = (run_folder / "model.pt").stat().st_mtime_ns
    done = bundle_run("train.yaml", datalist=cohort.datalist, output_dir=run_folder, **SMALL)
    assert done.returncode == 2
    assert "--overwrite true" in done.stderr and "Traceback" not in done.stderr
    assert (run_folder / "model.pt").stat().st_mtime_ns == before
