"""``predictions.csv`` as other programs read it."""

import csv
import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from monai_fusion.evaluation.result_writer import ResultWriter
from monai_fusion.metrics import Calibration, Prediction, write_predictions
from monai_fusion.metrics.predictions import PredictionTable, decide, probability_change

CLASSES = ["M", "F, other"]
IDS = ["sub-01", 'a "quoted", id', "Jörg-Åse", "0042", " spaced "]


@pytest.fixture
def predictions() -> list[Prediction]:
    shares = np.random.default_rng(0).random(len(IDS))
    return [
        Prediction(name, place % 2 if place else None, (1 - share, float(share)), float(np.float32(share)), place + 1)
        for place, (name, share) in enumerate(zip(IDS, shares, strict=True))
    ]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_table_reads_back_exactly(predictions: list[Prediction], tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    write_predictions(predictions, CLASSES, path)
    rows = rows_of(path)
    assert list(rows[0]) == [
        *("participant_id", "label", "predicted", "correct", "probability_M", "probability_F, other", "network_M"),
        *("network_F, other", "threshold", "gate", "segments", "fold"),
        *("predicted_without_eeg", "change_without_eeg", "predicted_without_mri", "change_without_mri"),
        "segment_spread",
    ]
    read = [
        Prediction(
            row["participant_id"],
            CLASSES.index(row["label"]) if row["label"] else None,
            (float(row["probability_M"]), float(row["probability_F, other"])),
            float(row["gate"]),
            int(row["segments"]),
        )
        for row in rows
    ]
    assert read == predictions
    assert [row["predicted"] for row in rows] == [CLASSES[row.predicted] for row in predictions]
    assert [row["correct"] for row in rows] == [
        "",
        *(str(row.predicted == row.label).lower() for row in predictions[1:]),
    ]


def test_the_spread_is_the_deviation_of_the_predicted_classs_probability_over_the_segments(tmp_path: Path) -> None:
    segments = np.array([[0.7, 0.2, 0.1], [0.5, 0.2, 0.3], [0.6, 0.2, 0.2]])
    several = Prediction("a", None, (0.6, 0.2, 0.2), 0.5, 3, segment_probabilities=segments)
    assert several.segment_spread == pytest.approx(0.1)  # of 0.7, 0.5 and 0.6
    alone = Prediction("b", None, (0.7, 0.2, 0.1), 0.5, 1, segment_probabilities=segments[:1])
    failed = Prediction("c", None, (np.nan,) * 3, np.nan, 2, segment_probabilities=segments, error="damaged")
    without_eeg = Prediction("d", None, (0.7, 0.2, 0.1), 0.0, 0, recordings="mri")
    path = tmp_path / "predictions.csv"
    write_predictions([several, alone, failed, without_eeg], ["M", "F", "D"], path)
    spreads = [row["segment_spread"] for row in rows_of(path)]
    assert spreads == [str(several.segment_spread), "", "", ""]


def test_a_row_with_an_error_has_neither_class_nor_probability() -> None:
    failed = Prediction("c", 1, (np.nan, np.nan), np.nan, 2, fields={"fold": 3}, error="truncated, or damaged")
    table = PredictionTable(["M", "F"], ["EO"], removed=False, errors=True)
    row = next(csv.DictReader([table.header(), table.line(failed)]))
    assert list(row)[-2:] == ["not_used", "error"]
    assert {name: value for name, value in row.items() if value} == {
        "participant_id": "c", "label": "F", "segments": "2", "fold": "3", "error": "truncated, or damaged",
    }  # fmt: skip


def test_all_that_is_known_of_a_participant_stands_in_its_row(tmp_path: Path) -> None:
    row = Prediction(
        "a",
        1,
        (0.6, 0.4),
        0.25,
        3,
        network_probabilities=(0.3, 0.7),
        threshold=0.35,
        without_eeg=(0.7, 0.3),
        without_mri=(0.2, 0.8),
        by_condition={"EO": (0.1, 0.9)},
        fields={"fold": 2, "age": "20-25"},
    )
    other = Prediction("b", 0, (0.6, 0.4), 0.25, 3, threshold=0.35)
    path = tmp_path / "predictions.csv"
    write_predictions([row, other], CLASSES, path, {"age": {"a": "20-25", "b": "not known"}})
    first, second = rows_of(path)
    expected = {
        "predicted": "F, other",
        "correct": "true",
        "network_F, other": "0.7",
        "threshold": "0.35",
        "fold": "2",
        "predicted_without_eeg": "M",
        "predicted_without_mri": "F, other",
        "stratum_age": "20-25",
        "probability_F, other_in_EO": "0.9",
    }
    assert {name: first[name] for name in expected} == expected
    assert float(first["change_without_eeg"]) == pytest.approx(0.1)
    assert float(first["change_without_mri"]) == pytest.approx(0.4)
    assert (second["predicted"], second["correct"]) == ("F, other", "false")
    assert (second["probability_M_in_EO"], second["change_without_eeg"], second["stratum_age"]) == ("", "", "not known")


def test_pandas_reads_the_same_table(predictions: list[Prediction], tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    write_predictions(predictions, CLASSES, path)
    table = pd.read_csv(path, dtype={"participant_id": str})
    assert table["participant_id"].tolist() == IDS
    assert table["probability_M"].tolist() == pytest.approx([row.probabilities[0] for row in predictions], rel=1e-15)
    assert table["label"].isna().tolist() == [row.label is None for row in predictions]


def test_the_predicted_class_is_the_most_probable_and_the_first_of_equals() -> None:
    assert Prediction("a", None, (0.2, 0.5, 0.3), 0.5, 1).predicted == 1
    assert Prediction("a", None, (0.1, 0.45, 0.45), 0.5, 1).predicted == 1
    assert Prediction("a", None, (0.5, 0.5), 0.5, 1).predicted == 0


def test_of_two_classes_the_second_is_predicted_above_the_threshold() -> None:
    assert [decide((1 - positive, positive), 0.3) for positive in (0.29, 0.3, 0.31)] == [0, 0, 1]
    assert decide((0.5, 0.5), 0.5) == decide((0.5, 0.5)) == 0  # 0.5 is the most probable class
    assert decide((0.2, 0.5, 0.3), 0.1) == 1  # means nothing beyond two


def test_the_change_is_the_share_of_probability_that_moves() -> None:
    assert probability_change((0.7, 0.3), (0.4, 0.6)) == pytest.approx(0.3)
    assert probability_change((0.2, 0.5, 0.3), (0.5, 0.2, 0.3)) == pytest.approx(0.3)
    assert probability_change((1.0, 0.0), (0.0, 1.0)) == 1.0


def test_metrics_are_written_where_labels_are_known(
    predictions: list[Prediction], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "made" / "here"
    with caplog.at_level(logging.INFO):
        ResultWriter(folder, CLASSES, datalist="Köln", section="test")(predictions)
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["section"] == "test" and metrics["datalist"] == "Köln"
    assert metrics["participants"] == len(predictions) - 1 and metrics["unlabelled"] == 1
    assert sorted(path.name for path in folder.iterdir()) == ["metrics.json", "predictions.csv"]
    for said_too in (*metrics["headline"], *metrics["warnings"], "confusion matrix"):
        assert said_too in caplog.text


def test_without_labels_only_the_predictions_are_written(
    predictions: list[Prediction], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ResultWriter(tmp_path, CLASSES)([replace(predictions[0], gate=0.99)])
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.csv"]
    assert "the gate has collapsed" in caplog.text


def test_calibrated_predictions_are_written_with_the_networks_own(tmp_path: Path) -> None:
    calibration = Calibration((0.5, 0.5), (0.9, 0.1), threshold=0.2)
    ResultWriter(tmp_path, ["M", "F"], calibration)([Prediction("a", 1, (0.25, 0.75), 0.5, 1)])
    (row,) = rows_of(tmp_path / "predictions.csv")
    assert float(row["probability_F"]) == pytest.approx(0.25) and row["network_F"] == "0.75"
    assert (row["predicted"], row["threshold"]) == ("F", "0.2")


def test_an_undefined_score_is_null_in_metrics_json(tmp_path: Path) -> None:
    ResultWriter(tmp_path, CLASSES)([Prediction("a", 0, (0.9, 0.1), 0.5, 1)])
    text = (tmp_path / "metrics.json").read_text(encoding="utf-8")
    assert json.loads(text)["scores"]["auroc"]["value"] is None and "NaN" not in text


def test_what_differs_from_the_training_is_the_last_column_if_anyone_was_compared(
    predictions: list[Prediction], tmp_path: Path
) -> None:
    write_predictions(predictions, CLASSES, tmp_path / "none.csv")
    assert "unlike_training" not in rows_of(tmp_path / "none.csv")[0]
    texts = ["", "voxel size: 2 mm, in the training 1 mm; tilt of the MRI: 9 degrees, in the training 0", None, "", ""]
    compared = [replace(row, unlike_training=text) for row, text in zip(predictions, texts, strict=True)]
    write_predictions(compared, CLASSES, tmp_path / "some.csv")
    rows = rows_of(tmp_path / "some.csv")
    assert list(rows[0])[-1] == "unlike_training"
    assert [row["unlike_training"] for row in rows] == [text or "" for text in texts]


def test_participants_unlike_the_training_are_counted_in_a_warning(
    predictions: list[Prediction], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    unlabelled = [replace(row, label=None, unlike_training="") for row in predictions]
    with caplog.at_level(logging.WARNING):
        ResultWriter(tmp_path, CLASSES)(unlabelled)
    assert "unlike" not in caplog.text
    unlabelled[:2] = [replace(row, unlike_training="voxel size: 2 mm, in the training 1 mm") for row in unlabelled[:2]]
    with caplog.at_level(logging.WARNING):
        ResultWriter(tmp_path, CLASSES)(unlabelled)
    assert "2 of 5 participants are unlike the training's, most often in voxel size (2)" in caplog.text
    assert "see the column unlike_training of predictions.csv" in caplog.text
