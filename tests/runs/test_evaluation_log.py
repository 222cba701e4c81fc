"""A model's manifest counts how often it was scored."""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from monai_fusion.datalist import Datalist
from monai_fusion.fingerprint import content_hash
from monai_fusion.metrics.predictions import Prediction
from monai_fusion.runs import EvaluationLog

SETTINGS = {"calibrate": True, "operating_point": None}


def predictions(label: int | None = 0) -> list[Prediction]:
    return [Prediction(f"p{n}", label, (0.7, 0.3), gate=0.5, segments=2) for n in range(3)]


@pytest.fixture
def cohort(tmp_path: Path) -> Datalist:
    path = tmp_path / "list.json"
    path.write_text("{}", encoding="utf-8")
    return Datalist(path, "tiny", "gender", ("M", "F"), tmp_path, {})


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "manifest.json").write_text('{"manifest": 1, "status": "finished"}', encoding="utf-8")
    return folder


def manifest(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return content


def test_each_evaluation_with_scores_appends_an_entry(model: Path, cohort: Datalist) -> None:
    for point in (None, None, "youden"):
        EvaluationLog(model, cohort, "test", {**SETTINGS, "operating_point": point})(predictions())
    found = manifest(model)
    assert found["status"] == "finished"
    entries = found["evaluations"]
    assert [(each["section"], each["participants"]) for each in entries] == [("test", 3)] * 3
    assert {each["datalist"] for each in entries} == {content_hash(cohort.path)}
    digests = [each["settings_digest"] for each in entries]
    assert digests[0] == digests[1] != digests[2]


def test_predictions_without_labels_are_no_evaluation(model: Path, cohort: Datalist) -> None:
    EvaluationLog(model, cohort, "test", SETTINGS)(predictions(None))
    assert "evaluations" not in manifest(model)


def test_evaluations_at_the_same_time_are_all_counted(model: Path, cohort: Datalist) -> None:
    logs = [EvaluationLog(model, cohort, "test", {"number": number}) for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda log: log(predictions()), logs))
    assert sorted(each["settings"]["number"] for each in manifest(model)["evaluations"]) == list(range(12))


def test_a_folder_that_cannot_be_written_to_costs_a_warning_not_the_results(
    tmp_path: Path, cohort: Datalist, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        EvaluationLog(blocked / "run", cohort, "test", SETTINGS)(predictions())
    assert "this evaluation is not counted" in caplog.text


def test_a_model_without_a_manifest_is_evaluated_all_the_same(tmp_path: Path, cohort: Datalist) -> None:
    EvaluationLog(tmp_path, cohort, "test", SETTINGS)(predictions())
    assert not (tmp_path / "manifest.json").exists()
