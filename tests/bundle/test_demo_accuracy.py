"""The demo learns what was planted in its cohort."""

import csv
import json
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from tests.bundle.conftest import CONFIGS, bundle_run, monai_fusion

SEEDS = (1337, 1338)
DEMO = f"['{(CONFIGS / 'train.yaml').as_posix()}','{(CONFIGS / 'demo.yaml').as_posix()}']"


def run_demo(folder: Path, seed: int) -> tuple[list[dict[str, str]], float]:
    """Run what `make demo` runs; return the rows of predictions.csv and the best possible balanced accuracy."""
    cohort, datalist, run = folder / "cohort", folder / "datalist.json", folder / "run"
    steps = [
        monai_fusion("sample-cohort", cohort, "--seed", seed, "--eeg-effect", 2.5, "--mri-effect", 3.0),
        monai_fusion(
            *("datalist", "build", "--eeg-dir", cohort / "eeg", "--mri-dir", cohort / "mri"),
            *("--participants", cohort / "participants.csv", "--classes", "M", "F", "--out", datalist),
        ),
        bundle_run(DEMO, datalist=datalist, output_dir=run, seed=seed),
        bundle_run("evaluate.yaml", datalist=datalist, output_dir=run),
    ]
    for step in steps:
        assert step.returncode == 0, step.stdout + step.stderr
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    optimum = json.loads((cohort / "cohort.json").read_text(encoding="utf-8"))["best_balanced_accuracy"]["both"]
    return rows, optimum


@pytest.mark.slow
def test_the_demo_reaches_a_pooled_balanced_accuracy_of_070_over_two_seeds(tmp_path: Path) -> None:
    truth: list[str] = []
    predicted: list[str] = []
    females: list[float] = []
    for seed in SEEDS:
        started = time.perf_counter()
        rows, optimum = run_demo(tmp_path / str(seed), seed)
        assert optimum == pytest.approx(0.975, abs=0.001)  # Phi(sqrt(2.5^2 + 3.0^2) / 2)
        right = np.mean([row["label"] == row["predicted"] for row in rows])
        seconds = time.perf_counter() - started
        print(f"seed {seed}: accuracy {right:.3f} over {len(rows)} test participants, {seconds:.0f} s")
        truth += [row["label"] for row in rows]
        predicted += [row["predicted"] for row in rows]
        females += [float(row["probability_F"]) for row in rows]
    balanced = balanced_accuracy_score(truth, predicted)
    auroc = roc_auc_score([label == "F" for label in truth], females)
    print(f"pooled over {len(truth)}: balanced accuracy {balanced:.3f} (best possible 0.975), AUROC {auroc:.3f}")
    assert balanced >= 0.70
