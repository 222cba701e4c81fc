"""The knobs that are off by default, all of them on, in one training through the shipped bundle."""

import shutil
from pathlib import Path

import torch

from tests.bundle.conftest import SMALL, Cohort, bundle_run

ALL_ON = {
    "accumulation_steps": 2,
    "batch_size": 2,
    "early_stopping": 1,
    "balanced_sampling": "false",
    "class_weights": "balanced",
    "label_smoothing": 0.1,
    "ema_decay": 0.9,
    "keep_epoch": "last",
}


def test_a_training_with_every_knob_stops_in_time_and_resumes(cohort: Cohort, run_folder: Path, tmp_path: Path) -> None:
    options = SMALL | ALL_ON | {"datalist": cohort.datalist, "output_dir": tmp_path}
    options |= {"cache_dir": run_folder.parent / "preprocessed"}
    stopped = bundle_run("train.yaml", time_limit_minutes=1.0e-4, **options)
    assert stopped.returncode == 124 and "Traceback" not in stopped.stderr
    assert "no epoch was completed in time_limit_minutes 0.0001" in stopped.stdout
    assert "stopped in epoch 1 of 2" in stopped.stdout and "the same command with --resume true" in stopped.stdout

    done = bundle_run("train.yaml", resume="latest", time_limit_minutes=100, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "kept the last epoch, 2" in done.stdout
    checkpoint = torch.load(tmp_path / "checkpoints" / "epoch_0002.pt", weights_only=True, mmap=True)
    network, average = checkpoint["parts"]["network"], checkpoint["parts"]["average"]
    saved = torch.load(tmp_path / "model.pt", weights_only=True)
    assert all(torch.equal(saved[name], average[f"module.{name}"]) for name in saved)
    trained = [name for name in saved if name.startswith("head.")]
    assert not any(torch.equal(saved[name], network[name]) for name in trained)
    frozen = [name for name in saved if name.startswith("mri_enc.backbone.layer1.") and name.endswith("weight")]
    assert frozen and all(torch.equal(saved[name], network[name]) for name in frozen)
    assert average["n_averaged"] == 2 * len(range(0, 11, 4))  # 11 participants, four for each step, two epochs
    shutil.rmtree(tmp_path / "checkpoints")  # 2 GB


def test_class_weights_with_balanced_sampling_are_refused_before_anything_is_prepared(
    cohort: Cohort, tmp_path: Path
) -> None:
    done = bundle_run(
        "train.yaml", datalist=cohort.datalist, output_dir=tmp_path / "run", class_weights="[1.0, 2.0]", **SMALL
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "class_weights: [1.0, 2.0] with balanced sampling: add --balanced_sampling false" in done.stderr
    assert not (tmp_path / "preprocessed").exists()
