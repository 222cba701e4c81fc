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

from monai_fusion.report import write_context, write_report
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
HISTORY = """epoch,stage,train_loss,gate,cross_entropy,accuracy,balanced_accuracy,seconds,head_lr,note
1,A,0.9,0.50,,,,3.1,0.0002,started
2,A,0.7,0.48,0.65,0.6,0.55,3.0,0.00015,
3,B,0.6,0.47,0.60,0.7,0.65,3.3,0.0001,
4,B,0.5,0.46,0.60,0.7,0.65,3.2,0.00005,ended
"""

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
    write_context(folder, datalist, "test", folder)
    manifest = {"versions": {"torch": "2.15"}, "command": "run <script>alert(4)</script>", "seeds": [1, 2]}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
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
