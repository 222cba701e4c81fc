"""`monai-fusion compare` through the shipped bundle: an ensemble averages its members, a stopped one continues."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.bundle import ConfigWorkflow

from monai_fusion.cohort_profile.profile_file import read_profile
from monai_fusion.comparison.comparison_file import Comparison
from monai_fusion.comparison.ensemble import write_ensemble
from monai_fusion.comparison.planning import CompareOptions, make_plan
from monai_fusion.comparison.run_records import RunRecord
from monai_fusion.run_folder import CALIBRATION_FILE, MANIFEST_FILE, MODEL_FILE, RECIPE_FILE
from monai_fusion.runs.run_digests import weights_digests
from tests.bundle.conftest import BUNDLE, EEG_SIZE, SMALL, Cohort, shipped


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def predict(config: str, cohort: Cohort, model_dir: Path, output_dir: Path) -> np.ndarray:
    """Predict the test part; return the network's own probabilities, [participant, class]."""
    workflow = ConfigWorkflow(
        config_file=shipped(config),
        workflow_type="infer",
        datalist=str(cohort.datalist),
        model_dir=str(model_dir),
        output_dir=str(output_dir),
        cache_dir=str(cohort.folder.parent / "runs" / "preprocessed"),
        device="cpu",
        calibrate=False,
    )
    workflow.initialize()
    workflow.run()
    rows = rows_of(output_dir / "predictions.csv")
    return np.array([[float(row[f"network_{name}"]) for name in ("M", "F")] for row in rows])


def test_an_ensemble_predicts_the_mean_of_its_members_predictions(
    cohort: Cohort, run_folder: Path, tmp_path: Path
) -> None:
    words = ("--eeg_shape", str(EEG_SIZE))
    options = CompareOptions(
        cohort.datalist, tmp_path / "compare", ("gated",), folds=2, words=words, bundle_root=BUNDLE
    )
    plan = make_plan(options)
    (tmp_path / "compare" / "folds").mkdir(parents=True)
    for name, text in plan.folds.texts.items():
        (tmp_path / "compare" / "folds" / name).write_text(text, encoding="utf-8")
    records = [RunRecord(run) for run in plan.runs]
    for record in records:
        record.begin()
        for name in (MODEL_FILE, RECIPE_FILE, MANIFEST_FILE, CALIBRATION_FILE):
            shutil.copy(run_folder / name, record.run.folder)
    other = torch.load(run_folder / MODEL_FILE, weights_only=True)
    last = [name for name in other if name.startswith("head.classifier.")][-2:]
    torch.save(other | {name: -90 * other[name] for name in last}, records[1].run.folder / MODEL_FILE)
    manifest = json.loads((run_folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    manifest["weights"] = weights_digests(records[1].run.folder / MODEL_FILE, ())
    (records[1].run.folder / MANIFEST_FILE).write_text(json.dumps(manifest), encoding="utf-8")
    alone = [predict("evaluate.yaml", cohort, each.run.folder, each.run.folder) for each in records]
    assert np.abs(alone[0] - alone[1]).min() > 0.01

    folder = write_ensemble(plan, records)
    profile = read_profile(folder)  # of everyone: each is in some member's training
    assert profile is not None and profile.participants == 16
    together = predict("evaluate.yaml", cohort, folder, tmp_path / "evaluated")
    np.testing.assert_allclose(together, np.mean(alone, axis=0), atol=1e-6)
    metrics = json.loads((tmp_path / "evaluated" / "metrics.json").read_text(encoding="utf-8"))
    number = len(together)
    assert metrics["warnings"][0].startswith(f"this ensemble has learned from {number} of these {number} participants")
    left = {path.name for path in (tmp_path / "evaluated").iterdir()}
    assert "report.html" in left and "embeddings.npz" not in left
    assert "optimistically biased" in (tmp_path / "evaluated" / "report.html").read_text(encoding="utf-8")
    np.testing.assert_array_equal(predict("inference.yaml", cohort, folder, tmp_path / "inferred"), together)


def compare_command(cohort: Cohort, output_dir: Path) -> list[str]:
    words = [word for name, value in SMALL.items() for word in (f"--{name}", str(value))]
    own = ["--variants", "gated", "concat", "--folds", "2", "--ensemble", "--bundle-root", str(BUNDLE)]
    command = [sys.executable, "-m", "monai_fusion", "compare", str(cohort.datalist), "--output-dir", str(output_dir)]
    return [*command, *own, "--", *words, "--device", "cpu"]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals between processes are POSIX's")
def test_a_stopped_comparison_continues_and_ends_in_numbers_and_an_ensemble(cohort: Cohort, tmp_path: Path) -> None:
    folder = cohort.folder.parent / "runs" / "compare"
    command = compare_command(cohort, folder)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    second = folder / "concat" / "seed1337_fold0"
    deadline = time.monotonic() + 600
    while process.poll() is None and not (second / "checkpoints" / "epoch_0001.pt").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.terminate()
    out, err = process.communicate(timeout=300)
    assert process.returncode == 128 + signal.SIGTERM, out + err
    assert "[1/4] gated, fold 0, seed 1337: AUROC" in out and "run the same command" in err
    assert json.loads((second / "manifest.json").read_text())["status"] == "stopped"
    first = folder / "gated" / "seed1337_fold0"
    written = (first / "predictions.csv").stat().st_mtime_ns

    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=3000)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 of 4 runs to do" in done.stdout and "minus gated" in done.stdout
    assert (first / "predictions.csv").stat().st_mtime_ns == written
    assert "resuming after epoch 1" in (second / "train.log").read_text(encoding="utf-8")
    found = Comparison.model_validate_json((folder / "comparison.json").read_bytes())
    assert found.participants == 16 and [variant.name for variant in found.variants] == ["gated", "concat"]
    assert not list(folder.glob("*/seed*/model.pt")) and (folder / "ensemble" / MODEL_FILE).is_file()
    assert len(predict("inference.yaml", cohort, folder / "ensemble", tmp_path / "new")) == 3
