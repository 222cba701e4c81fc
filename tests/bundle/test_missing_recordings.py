"""People who lack a recording, through training, resume, evaluation, inference and report of the shipped bundle."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tests.bundle.conftest import SMALL, Cohort, bundle_run

MISSING = SMALL | {"allow_missing": "true", "modality_dropout": 0.4, "num_workers": 1, "batch_size": 3}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def datalist(cohort: Cohort) -> Path:
    """The sample cohort, of which some have lost their MRI and some their EEG in every part."""
    content: dict[str, Any] = json.loads(cohort.datalist.read_text(encoding="utf-8"))
    for section, without_mri, without_eeg in (
        ("training", (0, 7), (1, 8)),
        ("validation", (), (0,)),
        ("test", (0,), (1,)),
    ):
        for place in without_mri:
            content[section][place]["mri"] = None
        for place in without_eeg:
            content[section][place]["eeg"] = []
    path = cohort.folder / "incomplete.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(datalist: Path, run_folder: Path) -> Path:
    """A training that was stopped after its first epoch and went on."""
    folder = run_folder.parent / "incomplete"
    options = MISSING | {"datalist": datalist, "output_dir": folder}
    done = bundle_run("train.yaml", **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_training(trained: Path, datalist, run_folder, cohort) -> None:
    print((trained / "train.log").read_text())
    done = bundle_run("evaluate.yaml", datalist=datalist, output_dir=trained)
    print(done.stdout, done.stderr)
    print((trained / "predictions.csv").read_text())
    assert 0
