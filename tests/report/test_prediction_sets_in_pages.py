"""Prediction sets on the pages: in words, with how many are undecided and how often they were right."""

import json
from pathlib import Path

import pandas as pd
import pytest

from monai_fusion.datalist import ModalityPolicy, read_datalist
from monai_fusion.errors import InputError
from monai_fusion.metrics import Calibration, write_predictions
from monai_fusion.metrics.prediction_words import set_words
from monai_fusion.report import write_pages, write_predictions_data, write_predictions_page, write_report
from monai_fusion.report.export import write_figures
from monai_fusion.report.run_results import read_results
from tests.message_parts import assert_parts
from tests.metrics.people import predictions_of, sets_of
from tests.report.conftest import HOSTILE_CLASSES, Evaluation, Report, rows_of
from tests.report.make_examples import people
from tests.report.page_reader import Page
from tests.report.test_predictions_page import body
from tests.support import write_datalist


def test_a_set_in_words() -> None:
    classes = ["M", "F", "X"]
    assert [set_words(members, classes) for members in ((1,), (0, 1), (0, 1, 2), ())] == [
        "F",
        "M or F (undecided)",
        "M, F or X (undecided)",
        "",
    ]


def test_the_report_has_coverage_and_abstention_in_words_and_by_class(
    report_of: Report, evaluation: Evaluation
) -> None:
    section = report_of("two_classes").root.all("section", id="calibration")[0]
    found = json.loads((evaluation("two_classes") / "metrics.json").read_text(encoding="utf-8"))["prediction_sets"]
    undecided = round(26 * found["undecided"])
    assert 0 < undecided < 26
    parts = ("Prediction sets", "at least 90 %", "32 validation participants", "It holds both classes")
    parts += (f"Undecided: {undecided} of 26 participants", "sets with one class", "Another calibration part")
    assert_parts(section.text, *parts)
    table = next(each for each in section.all("table") if "Undecided" in each.text)
    rows = [[cell.text for cell in line.children] for line in table.all("tbody")[0].all("tr")]
    assert [row[:2] for row in rows] == [["all", "26"], ["M", "16"], ["F", "10"]]
    assert [row[6] for row in rows] == ["32", "20", "12"] and rows[0][4] == "0.90"
    assert rows[0][2] == f"{found['covered']['value']:.2f}" and " to " in rows[0][3]
    assert "Prediction sets" not in report_of("three_classes").root.text


def test_the_sets_stay_when_the_report_is_written_again_without_the_model(evaluation: Evaluation) -> None:
    folder = evaluation("two_classes")
    (folder / "manifest.json").unlink()
    (path,) = write_pages(folder)
    assert "Prediction sets" in Page(path).root.text
    assert read_results(folder).participants[0].prediction_set in ((0,), (1,), (0, 1))


def test_tables_and_methods_for_a_paper_have_the_sets(evaluation: Evaluation, tmp_path: Path) -> None:
    write_figures(evaluation("two_classes"), tmp_path / "paper", ("svg",))
    table = pd.read_csv(tmp_path / "paper" / "table_prediction_sets.csv")
    assert table["true"].tolist() == ["all", "M", "F"] and table["asked_coverage"].tolist() == [0.9] * 3
    methods = (tmp_path / "paper" / "methods.md").read_text(encoding="utf-8")
    assert_parts(methods, "Prediction sets", "32 validation participants", "0.9", "true class was in", "undecided")
    assert_parts(methods, "Vovk V", "Sadinle M")


@pytest.mark.parametrize("cell", ["M | X", "F | M", "M|F", "{predicted}x", "{other}"])
def test_a_set_that_is_none_of_this_prediction_is_refused_in_a_line(evaluation: Evaluation, cell: str) -> None:
    folder = evaluation("two_classes")
    first = rows_of(folder)[0]
    cell = cell.format(predicted=first["predicted"], other="F" if first["predicted"] == "M" else "M")
    path = folder / "predictions.csv"
    head, row, rest = path.read_text(encoding="utf-8").split("\n", 2)
    path.write_text("\n".join([head, f"{row.rpartition(',')[0]},{cell}", rest]), encoding="utf-8")
    with pytest.raises(InputError) as refused:
        write_report(folder)
    assert_parts(str(refused.value), "sub-000 prediction_set", repr(cell), first["predicted"])
    assert not (folder / "report.html").exists()


def test_new_participants_have_a_column_of_sets_and_a_sentence(tmp_path: Path) -> None:
    sets = sets_of(people([20, 12]), coverage=0.9)
    rows = [sets.apply(row) for row in predictions_of([[0.97, 0.03], [0.55, 0.45], [0.02, 0.98]], [None] * 3)]
    assert [row.prediction_set for row in rows] == [(0,), (0, 1), (1,)]
    folder = tmp_path / "new"
    folder.mkdir()
    classes = [*HOSTILE_CLASSES]
    write_predictions(rows, classes, folder / "predictions.csv")
    page = Page(write_predictions_page(folder)[0])  # without predictions_data.json
    words = [classes[0], f"{classes[0]} or {classes[1]} (undecided)", classes[1]]
    assert [line["Prediction set"] for line in body(page)] == words
    for name in ("e.npy", "m.nii"):
        (tmp_path / name).touch()
    row = {"participant_id": "sub-01", "label": None, "eeg": "e.npy", "mri": "m.nii"}
    cohort = read_datalist(write_datalist(tmp_path / "list.json", {"test": [row]}), ["test"], require_labels=False)
    recipe, plain = {"classes": classes}, Calibration((0.5, 0.5), (0.5, 0.5))
    write_predictions_data(folder, cohort, "test", ModalityPolicy(), tmp_path, recipe, plain, sets)
    html, table = write_predictions_page(folder)
    page = Page(html)
    assert [line["Set at 90 %"] for line in body(page)] == words
    assert_parts(page.root.text, "at least 90 %", "32 validation participants", "holds both classes where", "1 of 3")
    sheet = pd.read_excel(table, sheet_name=None)
    assert sheet["predictions"].columns[-1] == "prediction_set"
    assert sheet["predictions"]["prediction_set"].tolist()[1] == " | ".join(classes)
    assert "at least 90 %" in sheet["about"].to_string()


def test_too_few_participants_are_a_sentence_of_the_page(tmp_path: Path) -> None:
    sets = sets_of(people([2, 1]))
    folder = tmp_path / "new"
    folder.mkdir()
    write_predictions(
        [sets.apply(row) for row in predictions_of([[0.9, 0.1]], [None])], ["M", "F"], folder / "predictions.csv"
    )
    for name in ("e.npy", "m.nii"):
        (tmp_path / name).touch()
    row = {"participant_id": "sub-01", "label": None, "eeg": "e.npy", "mri": "m.nii"}
    cohort = read_datalist(write_datalist(tmp_path / "list.json", {"test": [row]}), ["test"], require_labels=False)
    write_predictions_data(folder, cohort, "test", ModalityPolicy(), tmp_path, {"classes": ["M", "F"]}, None, sets)
    text = Page(write_predictions_page(folder)[0]).root.text
    assert_parts(text, "cannot give a coverage of 0.8", "needs 4", "Undecided: 1 of 1 participant (100 %)")
