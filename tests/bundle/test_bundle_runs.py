"""Training, evaluation and inference through the shipped bundle, on real files."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_fusion.datalist import read_datalist
from monai_fusion.networks import FusionNet
from tests.bundle.conftest import SMALL, Cohort, bundle_run, monai_fusion


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
    right = sum(row["label"] == row["predicted"] for row in rows)
    assert metrics["accuracy"] == pytest.approx(right / len(rows))
    assert np.trace(metrics["confusion_matrix"]) == right and np.sum(metrics["confusion_matrix"]) == len(rows)
    assert metrics["classification_report"].keys() >= {"M", "F"}
    assert "confusion matrix" in done.stdout
    for name, arrays in (("embeddings.npz", {"eeg", "mri", "fused"}), ("thumbnails.npz", {"eeg", "mri"})):
        with np.load(run_folder / name, allow_pickle=False) as stored:
            assert stored["participant_id"].tolist() == [record.participant_id for record in test]
            assert set(stored.files) == arrays | {"participant_id"}
    # The report can be made again, with the same bytes, where neither the recordings nor the model are.
    elsewhere = run_folder.parent / "elsewhere" / run_folder.name
    elsewhere.mkdir(parents=True)
    for name in (
        "predictions.csv",
        "metrics.json",
        "embeddings.npz",
        "thumbnails.npz",
        "report_data.json",
        "recipe.json",
    ):
        shutil.copy(run_folder / name, elsewhere)
    again = monai_fusion("report", elsewhere)
    assert again.returncode == 0 and str(elsewhere / "report.html") in again.stdout, again.stderr
    assert (elsewhere / "report.html").read_bytes() == (run_folder / "report.html").read_bytes()
    report = (run_folder / "report.html").read_text(encoding="utf-8")
    assert "stage B" in report and all(f">{name}</th>" in report for name in ("training", "validation", "test"))


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
    bundle_run("evaluate.yaml", datalist=cohort.datalist, output_dir=out / "check", model_dir=run_folder)
    assert new == [tuple(row[name] for name in columns) for row in rows_of(out / "check" / "predictions.csv")]
    assert all(row["label"] == "" for row in rows_of(out / "predictions.csv"))


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
