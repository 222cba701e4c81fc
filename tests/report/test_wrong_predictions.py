"""A ``predictions.csv`` that contradicts itself is refused in one line, before a page is written."""

import csv
import io
import json
import math
from pathlib import Path

import pytest

from monai_fusion.errors import InputError
from monai_fusion.report import write_report
from tests.report.conftest import Evaluation
from tests.report.page_reader import Page


def report_on(folder: Path) -> Page:
    return Page(write_report(folder))


def metrics_of(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("sub-001,M,", "sub-001,X,", "sub-001 label: 'X', expected one of M, F"),
        ("sub-001,", "sub-000,", "sub-000: occurs twice"),
        ("participant_id,", "name,", "no column participant_id"),
        (",probability_F,", ",q_F,", "fewer than two columns probability_CLASS"),
    ],
)
def test_a_table_that_is_not_right_is_refused(evaluation: Evaluation, old: str, new: str, message: str) -> None:
    path = evaluation("two_classes") / "predictions.csv"
    content = path.read_text(encoding="utf-8")
    assert content.count(old) >= 1
    path.write_text(content.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError) as refused:
        write_report(path.parent)
    assert message in str(refused.value)
    assert not (path.parent / "report.html").exists()


@pytest.mark.parametrize("cell", ["nan", "1.5", "much", ""])
def test_a_probability_that_is_none_is_refused(evaluation: Evaluation, cell: str) -> None:
    path = evaluation("two_classes") / "predictions.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    cells = lines[1].split(",")
    assert math.isfinite(float(cells[4]))
    cells[4] = cell
    path.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]), encoding="utf-8")
    with pytest.raises(InputError, match=r"sub-000 probability_M: '.*', expected a number from 0 to 1"):
        write_report(path.parent)


def edited(folder: Path, participant: str, **cells: str) -> Path:
    """The table with some cells of a participant changed; another prediction stands in the participant's set."""
    cells = {"prediction_set": "M | F", **cells} if cells.get("predicted") == "F" else cells
    path = folder / "predictions.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        if row["participant_id"] in (participant, "" if participant else row["participant_id"]):
            row |= cells
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("participant", "cells", "message"),
    [
        (
            "sub-000",
            {"probability_M": "0.95"},
            "sub-000 probability_...: adding up to 1.08227, expected 1: ",
        ),
        ("sub-000", {"network_M": "0.5"}, "sub-000 network_...: adding up to 0.583652, expected 1: "),
        (
            "",
            {"probability_M": "0.7", "probability_F": "0.7"},
            "sub-000, sub-001, sub-002 and 23 more probability_...: adding up to 1.4",
        ),
        (
            "sub-000",
            {"predicted": "F"},
            "sub-000 predicted: 'F', expected 'M', from probability_F and the threshold 0.45",
        ),
        ("sub-000", {"predicted": "F", "threshold": ""}, "sub-000 predicted: 'F', expected 'M', the likeliest"),
        ("sub-000", {"threshold": "a half"}, "sub-000 threshold: 'a half', expected a number: "),
    ],
)
def test_a_table_whose_cells_contradict_one_another_is_refused_in_one_line(
    evaluation: Evaluation, participant: str, cells: dict[str, str], message: str
) -> None:
    path = edited(evaluation("two_classes"), participant, **cells)
    with pytest.raises(InputError) as refused:
        write_report(path.parent)
    lines = str(refused.value).splitlines()
    assert lines[0] == f"{path}: {len(lines) - 1} problem{'' if len(lines) == 2 else 's'}"
    assert [line for line in lines if line.startswith(f"  {message}")]
    assert not (path.parent / "report.html").exists()


def test_probabilities_that_a_spreadsheet_rounded_are_taken(evaluation: Evaluation) -> None:
    folder = evaluation("three_classes")
    cells = {"probability_young": "0.33", "probability_middle": "0.33", "probability_old": "0.33", "predicted": "old"}
    write_report(edited(folder, "sub-000", **cells).parent)
    at_the_threshold = {"probability_M": "0.55", "probability_F": "0.45", "threshold": "0.45", "predicted": "F"}
    write_report(edited(evaluation("two_classes"), "sub-000", **at_the_threshold).parent)


def test_a_folder_without_predictions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no predictions\.csv: give the --output_dir of an evaluation"):
        write_report(tmp_path)
