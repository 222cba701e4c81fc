"""``predictions.csv`` as other programs read it."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from monai_fusion.evaluation import Prediction, ResultWriter, write_predictions

CLASSES = ["M", "F, other"]
IDS = ["sub-01", 'a "quoted", id', "Jörg-Åse", "0042", " spaced "]


@pytest.fixture
def predictions() -> list[Prediction]:
    shares = np.random.default_rng(0).random(len(IDS))
    return [
        Prediction(name, place % 2 if place else None, (1 - share, float(share)), float(np.float32(share)), place + 1)
        for place, (name, share) in enumerate(zip(IDS, shares, strict=True))
    ]


def test_the_table_reads_back_exactly(predictions: list[Prediction], tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    write_predictions(predictions, CLASSES, path)
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["participant_id", "label", "predicted", "p(M)", "p(F, other)", "gate", "segments"]
    read = [
        Prediction(
            row["participant_id"],
            CLASSES.index(row["label"]) if row["label"] else None,
            (float(row["p(M)"]), float(row["p(F, other)"])),
            float(row["gate"]),
            int(row["segments"]),
        )
        for row in rows
    ]
    assert read == predictions
    assert [row["predicted"] for row in rows] == [CLASSES[row.predicted] for row in predictions]


def test_pandas_reads_the_same_table(predictions: list[Prediction], tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    write_predictions(predictions, CLASSES, path)
    table = pd.read_csv(path, dtype={"participant_id": str})
    assert table["participant_id"].tolist() == IDS
    assert table["p(M)"].tolist() == pytest.approx([row.probabilities[0] for row in predictions], rel=1e-15)
    assert table["label"].isna().tolist() == [row.label is None for row in predictions]


def test_the_predicted_class_is_the_most_probable_and_the_first_of_equals() -> None:
    assert Prediction("a", None, (0.2, 0.5, 0.3), 0.5, 1).predicted == 1
    assert Prediction("a", None, (0.1, 0.45, 0.45), 0.5, 1).predicted == 1


def test_metrics_are_written_where_labels_are_known(predictions: list[Prediction], tmp_path: Path) -> None:
    folder = tmp_path / "made" / "here"
    ResultWriter(folder, CLASSES, context={"section": "test", "datalist": "Köln"})(predictions)
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["section"] == "test" and metrics["datalist"] == "Köln"
    assert metrics["participants"] == len(predictions) - 1
    assert sorted(path.name for path in folder.iterdir()) == ["metrics.json", "predictions.csv"]


def test_without_labels_only_the_predictions_are_written(predictions: list[Prediction], tmp_path: Path) -> None:
    ResultWriter(tmp_path, CLASSES)(predictions[:1])
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.csv"]


def test_an_undefined_score_is_null_in_metrics_json(tmp_path: Path) -> None:
    ResultWriter(tmp_path, CLASSES)([Prediction("a", 0, (0.9, 0.1), 0.5, 1)])
    text = (tmp_path / "metrics.json").read_text(encoding="utf-8")
    assert '"auroc": null' in text and "NaN" not in text
