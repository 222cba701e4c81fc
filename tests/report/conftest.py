"""Folders of evaluations to report on: real scores of made-up predictions, and everything else an evaluation leaves."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from monai_fusion.report import write_report, write_report_data
from tests.report.page_reader import Page
from tests.support import write_datalist

EXAMPLES = Path(__file__).parent / "examples"
HOSTILE_IDS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "{{ 7 * 7 }}",
    "O'Brien & Söhne",
    "x" * 120,
)
HOSTILE_CLASSES = ("<b>M</b>", "$F_1$ & co")
HISTORY = """epoch,stage,train_loss,gate,cross_entropy,accuracy,balanced_accuracy,seconds,head_lr,data_wait,note
1,A,0.9,0.50,,,,3.1,0.0002,0.01,started
2,A,0.7,0.48,0.65,0.6,0.55,3.0,0.00015,0.02,
3,B,0.6,0.47,0.60,0.7,0.65,3.3,0.0001,0.01,
4,B,0.5,0.46,0.60,0.7,0.65,3.2,0.00005,0.01,ended
"""
MANIFEST = {
    "status": "finished",
    "times": {"started": "2026-11-27T08:34:26+00:00", "ended": "2026-11-27T08:35:37+00:00"},
    "command": {"argv": ["python"], "folder": "/home/jane/study", "overrides": {"output_dir": "/home/jane/runs"}},
    "datalist": {"name": "trained on <script>alert(4)</script>", "digest": "7c39e759"},
    "data": {"training": {"participants": 41, "files": 205, "digest": "00850a0f"}},
    "seed": 1337,
    "versions": {"monai-fusion": "0.1.0", "torch": "2.15"},
    "git": {"revision": "0123456789abcdef", "modified": True},
    "hardware": {"device": "cuda:0", "gpu": "NVIDIA H100", "cpu": "EPYC"},
    "identity": {"num_epochs": [5, 3], "precision": "bfloat16", "modalities": "both", "pretrained": True},
    "knobs": {
        "datalist": "/home/jane/study/cohort.json",
        "output_dir": "C:\\Users\\Jane Doe\\runs",
        "num_epochs": [5, 3],
        "head_lr": 0.001,
        "batch_size": 4,
        "overwrite": True,
        "mri_weights": "/home/Jane Doe/weights.pth",
    },
    "best": {"epoch": 6},
}

Evaluation = Callable[[str], Path]
Report = Callable[[str], Page]


def rows_of(folder: Path) -> list[dict[str, str]]:
    """The rows of a folder's predictions."""
    with (folder / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def make_evaluation(example: str, parent: Path) -> Path:
    """Make a run folder from an example, with embeddings, thumbnails, history, cohort and manifest."""
    folder = parent / "runs" / example
    shutil.copytree(EXAMPLES / example, folder)
    rows, generator = rows_of(folder), np.random.default_rng(1)
    ids = np.array([row["participant_id"] for row in rows])
    embeddings = {name: generator.normal(size=(len(ids), 8)).astype(np.float32) for name in ("eeg", "mri", "fused")}
    np.savez_compressed(folder / "embeddings.npz", participant_id=ids, **embeddings)
    pictures = generator.integers(0, 256, size=(len(ids), 4, 12, 12), dtype=np.uint8)
    np.savez_compressed(folder / "thumbnails.npz", participant_id=ids, mri=pictures[:, :3], eeg=pictures[:, 3])
    (folder / "history.csv").write_text(HISTORY, encoding="utf-8")
    people = [
        {"participant_id": f"p{n}", "label": "MF"[n % 2], "eeg": f"p{n}_*.npy", "mri": f"p{n}.nii", "age": 20 + n}
        for n in range(8)
    ]
    sections = {"training": people[:4], "validation": people[4:6], "test": people[6:]}
    datalist = write_datalist(parent / f"{example}.json", sections, name="A <b>cohort</b>")
    write_report_data(folder, datalist, "test", folder)
    (folder / "manifest.json").write_text(json.dumps(MANIFEST), encoding="utf-8")
    return folder


@pytest.fixture
def evaluation(tmp_path: Path) -> Evaluation:
    """Makes run folders that a test may change."""
    return lambda example: make_evaluation(example, tmp_path)


@pytest.fixture(scope="session")
def report_of(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of an example, written once."""

    @cache
    def page(example: str) -> Page:
        return Page(write_report(make_evaluation(example, tmp_path_factory.mktemp("reports"))))

    return page
