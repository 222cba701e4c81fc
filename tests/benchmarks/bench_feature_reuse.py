"""Does `feature_reuse` cost accuracy? Out-of-fold AUROC with and without it, on the same folds and seeds.

    python tests/benchmarks/bench_feature_reuse.py                 # 150 participants, 3 folds: about 30 CPU minutes

Both ways train stage A only, where features are reused, at the demo's size and through the shipped bundle. The
difference of the two AUROCs is resampled by participant (paired: the same people in both). Ends with code 1 if its
interval lies below 0.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

CONFIGS = Path(__file__).parents[2] / "bundles" / "brain_eeg_mri_classification" / "configs"
DRAWS = 2000


def call(*words: object) -> None:
    """Run a Python module of this environment and stop with its output where it fails."""
    done = subprocess.run([sys.executable, "-m", *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


def bundle(configs: list[str], **options: object) -> None:
    """Run the shipped bundle."""
    files = str([(CONFIGS / name).as_posix() for name in configs])
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    call("monai.bundle", "run", "--config_file", files, "--bundle_root", CONFIGS.parent, *words)


def out_of_fold(folds: list[Path], folder: Path, epochs: int, **options: object) -> dict[str, tuple[bool, float]]:
    """Train and evaluate on each fold; return label (second class or not) and probability of each participant."""
    found: dict[str, tuple[bool, float]] = {}
    for number, datalist in enumerate(folds):
        run = folder / f"fold{number}"
        common = {"datalist": datalist, "output_dir": run, "cache_dir": folder.parent / "preprocessed"}
        knobs = {"num_epochs": f"[{epochs},0]", "val_interval": epochs, "select": "last"}
        bundle(["train.yaml", "demo.yaml"], **common, **knobs, **options)
        bundle(["evaluate.yaml"], **common, calibrate="false")
        with (run / "predictions.csv").open(encoding="utf-8", newline="") as stream:
            found |= {
                row["participant_id"]: (row["label"] == "F", float(row["probability_F"]))
                for row in csv.DictReader(stream)
            }
        for large in (*run.glob("*.pt*"), *run.glob("checkpoints/*")):
            large.unlink()
    return found


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--participants", type=int, default=150)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--variants", type=int, default=4)
    parser.add_argument("--eeg-effect", type=float, default=1.5)
    parser.add_argument("--mri-effect", type=float, default=1.8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cohort, datalist = folder / "cohort", folder / "datalist.json"
        effects = ["--eeg-effect", options.eeg_effect, "--mri-effect", options.mri_effect]
        call("monai_fusion", "sample-cohort", cohort, "--participants", options.participants, *effects)
        folders = [
            "--eeg-dir",
            cohort / "eeg",
            "--mri-dir",
            cohort / "mri",
            "--participants",
            cohort / "participants.csv",
        ]
        call("monai_fusion", "datalist", "build", *folders, "--classes", "M", "F", "--out", datalist)
        splits = ["--method", "kfold", "--folds", options.folds, "--all-folds", "--out", folder / "folds.json"]
        call("monai_fusion", "datalist", "split", datalist, *splits)
        folds = sorted(path for path in folder.glob("folds*.json"))
        predictions, seconds = {}, {}
        for way, knobs in (("anew", {}), ("reused", {"feature_reuse": options.variants})):
            started = time.perf_counter()
            predictions[way] = out_of_fold(folds, folder / way, options.epochs, **knobs)
            seconds[way] = time.perf_counter() - started
    people = sorted(predictions["anew"])
    if people != sorted(predictions["reused"]):
        sys.exit("the two ways predicted other people")
    labels = np.array([predictions["anew"][person][0] for person in people])
    scores = {way: np.array([found[person][1] for person in people]) for way, found in predictions.items()}
    auroc = {way: roc_auc_score(labels, values) for way, values in scores.items()}
    rng = np.random.default_rng(0)
    differences = []
    for _ in range(DRAWS):
        drawn = np.concatenate(
            [rng.choice(np.flatnonzero(labels == value), (labels == value).sum()) for value in (0, 1)]
        )
        differences.append(
            roc_auc_score(labels[drawn], scores["reused"][drawn]) - roc_auc_score(labels[drawn], scores["anew"][drawn])
        )
    low, high = np.percentile(differences, [2.5, 97.5])
    print(f"{len(people)} participants, {options.folds} folds, {options.epochs} epochs of stage A")
    print(f"AUROC out of fold: anew {auroc['anew']:.3f} ({seconds['anew']:.0f} s), ", end="")
    print(f"feature_reuse {options.variants}: {auroc['reused']:.3f} ({seconds['reused']:.0f} s)")
    print(f"difference {auroc['reused'] - auroc['anew']:+.3f}, 95 % interval {low:+.3f} to {high:+.3f}")
    return 0 if high >= 0 else 1


if __name__ == "__main__":
    sys.exit(main())
