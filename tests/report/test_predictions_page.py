"""``predictions.html`` and ``predictions.xlsx``: the pages of an inference for readers, whatever the ids are."""

import csv
import json
from pathlib import Path

import pandas as pd
import pytest
from openpyxl import load_workbook

from monai_fusion import cli
from monai_fusion.datalist import ModalityPolicy, read_datalist
from monai_fusion.metrics import Calibration
from monai_fusion.report import write_pages, write_predictions_data, write_predictions_page
from monai_fusion.report.prediction_table import column_names
from monai_fusion.report.predictions_data import read_predictions_data
from tests.message_parts import assert_parts
from tests.report.browser import CHROMIUM, chromium
from tests.report.conftest import HOSTILE_IDS, Evaluation, make_evaluation, rows_of
from tests.report.page_reader import Page
from tests.report.test_report_in_a_browser import STICKING_OUT, WIDTH
from tests.support import write_datalist

COLUMNS = [
    "participant_id",
    "label",
    "predicted",
    "correct",
    "probability_M",
    "probability_F",
    "network_M",
    "network_F",
]
COLUMNS += ["threshold", "gate", "segments", "predicted_without_eeg", "predicted_without_mri"]
UNLIKE = "voxel size: 2 mm, in the training 1 mm; EEG reference: <b>A1</b>, in the training average"


def write_rows(folder: Path, rows: list[tuple[object, ...]], columns: list[str] = COLUMNS) -> Path:
    """A folder with these predictions."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "predictions.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([columns, *rows])
    return folder


def row(name: str, probability: float, threshold: object = 0.4, gate: object = 0.61234567) -> tuple[object, ...]:
    predicted = "F" if probability > float(str(threshold or 0.5)) else "M"
    shares = (1 - probability, probability)
    return (name, "", predicted, "", *shares, *shares, threshold, gate, 4, "M", "F")


def body(page: Page) -> list[dict[str, str]]:
    """The cells of the table of participants by column."""
    table = page.root.all("table", class_="participants")[0]
    head = [cell.text for cell in table.all("thead")[0].all("th")]
    return [
        dict(zip(head, [cell.text for cell in line.children], strict=True)) for line in table.all("tbody")[0].all("tr")
    ]


def test_a_row_a_participant_with_class_probability_and_threshold(tmp_path: Path) -> None:
    folder = write_rows(tmp_path / "new", [row("sub-01", 0.9), row("sub-02", 0.41), row("sub-03", 0.39, gate="")])
    html, table = write_predictions_page(folder)
    assert (html, table) == (folder / "predictions.html", folder / "predictions.xlsx")
    page = Page(html)
    assert [line["Participant"] for line in body(page)] == ["sub-01", "sub-02", "sub-03"]
    assert [line["Predicted"] for line in body(page)] == ["F", "F", "M"]
    assert [line["Probability of F"] for line in body(page)] == ["0.900", "0.410", "0.390"]
    assert [line["Weight"].split(" another")[0] for line in body(page)] == ["EEG 61 %, MRI 39 %"] * 2 + ["not weighed"]
    assert "another class with the EEG" in body(page)[0]["Weight"] and "with the MRI" in body(page)[2]["Weight"]
    ticks = [each.attributes["style"] for each in page.root.all("i", class_="threshold")]
    dots = [each.attributes["style"] for each in page.root.all("i", class_="dot")]
    assert ticks == ["left:40.0%"] * 3 and dots == ["left:90.0%", "left:41.0%", "left:39.0%"]
    text = page.root.text
    assert_parts(text, "F is predicted", "above 0.400", "otherwise M")
    assert "3 participants predicted: 1 M, 2 F" in text
    assert "not a diagnosis" in page.root.all("div", class_="limits")[0].all("h2")[0].text
    assert not page.root.all("script") and "Evaluation report" not in text


def test_more_than_two_classes_show_the_predicted_one_and_the_next(tmp_path: Path) -> None:
    columns = [
        "participant_id",
        "label",
        "predicted",
        "probability_a",
        "probability_b",
        "probability_c",
        "threshold",
        "gate",
        "segments",
    ]
    folder = write_rows(tmp_path / "new", [("sub-01", "", "b", 0.3, 0.6, 0.1, "", 0.5, 2)], columns)
    page = Page(write_predictions_page(folder)[0])
    assert body(page)[0]["Probability"] == "0.600 a 0.300 c 0.100"
    assert not page.root.all("i", class_="threshold")
    assert "most probable class is predicted" in page.root.text


def test_the_page_names_the_model_and_how_well_it_did(tmp_path: Path, evaluation: Evaluation) -> None:
    model = evaluation("two_classes")
    manifest = {
        "times": {"ended": "2026-11-27T09:08:59+00:00"},
        "datalist": {"name": "LEMON"},
        "data": {"training": {"participants": 150}},
    }
    (model / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    people = [
        {"participant_id": "sub-01", "label": None, "eeg": "e1.npy", "mri": "m1.nii"},
        {"participant_id": "sub-02", "label": None, "eeg": "e2.npy", "mri": None},
    ]
    for name in ("e1.npy", "m1.nii", "e2.npy"):
        (tmp_path / name).touch()
    path = write_datalist(tmp_path / "list.json", {"test": people}, name="Site B")
    cohort = read_datalist(path, ["test"], require_labels=False)
    folder = write_rows(tmp_path / "new", [row("sub-01", 0.9)])
    calibration = Calibration((0.5, 0.5), (0.65, 0.35), 0.8, (-0.1, 0.1), 0.4, "youden", "validation", 40, fitted=True)
    recipe = {"target": "gender"}
    write_predictions_data(folder, cohort, "test", ModalityPolicy(), model, recipe, calibration)
    page = Page(write_predictions_page(folder)[0])
    text = page.root.text
    metrics = json.loads((model / "metrics.json").read_text(encoding="utf-8"))
    auroc = metrics["scores"]["auroc"]
    assert page.root.all("h1")[0].text == "Site B"
    assert_parts(text, '"two_classes"', "2026-11-27", "150 participants", '"LEMON"')
    low, high = auroc["interval"]
    assert f"an AUROC of {auroc['value']:.2f} (95 % interval {low:.2f} to {high:.2f}; guessing 0.50)" in text
    assert f'{metrics["participants"]} participants of "two_classes <i>"' in text
    assert_parts(text, "above 0.400", "validation part", "youden")
    assert_parts(text, "class shares: 65 % M, 35 % F")
    assert page.root.all("section", id="left-out")[0].all("td")[0].text == "EEG only"
    assert "1 participant predicted: 0 M, 1 F; 1 not predicted." in text
    assert str(tmp_path) not in page.source, "no path of this machine is in the page"
    (model / "metrics.json").write_text(json.dumps(metrics | {"schema_version": 1}), encoding="utf-8")
    write_predictions_data(folder, cohort, "test", ModalityPolicy(), model, recipe, calibration)
    text = Page(write_predictions_page(folder)[0]).root.text
    assert "version 1, not 3" in text and "evaluate again" in text
    (model / "metrics.json").unlink()
    write_predictions_data(folder, cohort, "test", ModalityPolicy(), model, recipe, None)
    text = Page(write_predictions_page(folder)[0]).root.text
    assert "How well it predicts is not known" in text and "network's own" in text


def test_without_or_with_a_damaged_context_the_page_is_made_all_the_same(tmp_path: Path) -> None:
    folder = write_rows(tmp_path / "new", [row("sub-01", 0.9, threshold="")])
    for content in (None, "{", '{"model": 3}', '{"unknown": 1}'):
        if content is not None:
            (folder / "predictions_data.json").write_text(content, encoding="utf-8")
        assert read_predictions_data(folder).model is None
        assert "The model is not known" in Page(write_predictions_page(folder)[0]).root.text


def test_the_same_predictions_give_the_same_page(tmp_path: Path) -> None:
    folder = make_evaluation("unlabelled", tmp_path)
    first = write_predictions_page(folder)[0].read_bytes()
    assert write_predictions_page(folder)[0].read_bytes() == first


def test_pictures_are_those_of_the_participant_and_of_recordings_that_were_used(tmp_path: Path) -> None:
    folder = make_evaluation("unlabelled", tmp_path)
    page = Page(write_predictions_page(folder)[0])
    names = [each["participant_id"] for each in rows_of(folder)]
    assert [image.attributes["alt"] for image in page.root.all("img")] == [
        text for name in names for text in (f"MRI of {name}: axial slice", f"Mean scalogram of {name}")
    ]
    (folder / "thumbnails.npz").unlink()
    without = Page(write_predictions_page(folder)[0])
    assert not without.root.all("img") and "MRI" not in body(without)[0]


def test_of_a_model_of_the_eeg_there_is_no_weight_and_no_mri(tmp_path: Path) -> None:
    folder = make_evaluation("unlabelled", tmp_path)
    model = {"model": {"name": "eeg", "modalities": "eeg", "takes_missing": True}}
    (folder / "predictions_data.json").write_text(json.dumps(model), encoding="utf-8")
    page = Page(write_predictions_page(folder)[0])
    assert list(body(page)[0]) == ["Participant", "Predicted", "Probability of F", "Recordings", "EEG"]
    assert {line["Recordings"].split(" only")[0] for line in body(page)} == {"EEG"}
    assert "from the EEG alone" in page.root.text and "MRI" not in page.section("participants").text


def test_report_writes_the_page_that_fits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_evaluation("unlabelled", tmp_path)
    with pytest.raises(SystemExit) as ended:
        cli.main(["report", str(folder)])
    assert not ended.value.code
    assert capsys.readouterr().out.splitlines() == [
        f"wrote {folder / 'predictions.html'}",
        f"wrote {folder / 'predictions.xlsx'}",
    ]
    assert not (folder / "report.html").exists()
    labelled = make_evaluation("two_classes", tmp_path)
    assert write_pages(labelled) == [labelled / "report.html"]


DANGEROUS = ["=1+1", "+1", "-1", "@SUM(A1)", "=HYPERLINK(0)", "'quoted", "0012", "1e5", "Ünï-01"]


def test_the_table_opens_as_it_is_and_ids_stay_text(tmp_path: Path) -> None:
    folder = write_rows(tmp_path / "new", [row(name, 0.123456789) for name in DANGEROUS])
    table = write_predictions_page(folder)[1]
    sheet = load_workbook(table)["predictions"]
    cells = list(sheet.iter_rows())
    assert [cell.value for cell in cells[0]] == [
        *("participant_id", "predicted", "probability_M", "probability_F", "threshold", "gate", "segments"),
        *("recordings", "predicted_without_eeg", "predicted_without_mri", "segment_spread"),
    ]
    for line, name in zip(cells[1:], DANGEROUS, strict=True):
        assert (line[0].value, line[0].data_type, line[0].number_format) == (name, "s", "@")
        assert line[0].quotePrefix == (name[0] in "=+-@")
        assert (line[3].value, line[3].data_type) == (0.1235, "n")
        assert (line[5].value, line[6].value, line[7].value) == (0.6123, 4, "both")
    frame = pd.read_excel(table, dtype={"participant_id": str})
    assert frame["participant_id"].tolist() == DANGEROUS and frame["probability_M"].tolist() == [0.8765] * len(
        DANGEROUS
    )
    about = [[cell.value for cell in line] for line in load_workbook(table)["about"].iter_rows()]
    assert ["probability_F", "probability of F, rounded to 4 digits"] in about
    assert any("not a diagnosis" in str(line[1]) for line in about)


def test_column_names_are_syntactic_and_different() -> None:
    assert column_names(["M", "F, other", "a b", "a_b", "A-b", "jünger"]) == [
        *("probability_M", "probability_F__other", "probability_a_b", "probability_a_b_2", "probability_A_b_3"),
        "probability_jünger",
    ]


def test_whatever_the_ids_and_classes_are_they_are_text(tmp_path: Path) -> None:
    folder = make_evaluation("hostile", tmp_path)
    (folder / "predictions_data.json").write_text(
        json.dumps({"datalist": "<script>alert(3)</script>", "left_out": {"<b>x</b>": "eeg"}}), encoding="utf-8"
    )
    page = Page(write_predictions_page(folder)[0])
    assert not page.root.all("script") and not page.root.all("b")
    names = [line["Participant"] for line in body(page)]
    assert set(HOSTILE_IDS) <= {*names}
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert page.root.all("h1")[0].text == "<script>alert(3)</script>"


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium (apt-get install chromium)")
@pytest.mark.parametrize("kind", ["one", "three hundred", "unlike", "hostile", "five_classes"])
def test_the_page_is_shown_without_a_complaint_on_screen_phone_and_paper(kind: str, tmp_path: Path) -> None:
    if kind in ("one", "three hundred"):
        number = {"one": 1, "three hundred": 300}[kind]
        folder = write_rows(tmp_path / "new", [row(f"sub-{n:03d}", n / 300) for n in range(number)])
    elif kind == "unlike":
        rows = [(*row("sub-01", 0.7), f"{UNLIKE}; electrodes: {'x' * 90} instead of none"), (*row("sub-02", 0.2), "")]
        folder = write_rows(tmp_path / "new", rows, [*COLUMNS, "unlike_training"])
    else:
        folder = make_evaluation(kind, tmp_path)
    page = write_predictions_page(folder)[0]
    with chromium() as browser:
        for width in (1280, 400):
            browser.open(page, width)
            assert browser.complaints == []
            assert [url for url in browser.requests if not url.startswith("data:")] == [page.resolve().as_uri()]
            assert browser.evaluate(WIDTH) <= width and browser.evaluate(STICKING_OUT) == []
        browser.call("Emulation.setEmulatedMedia", media="print")
        browser.open(page, 718)  # A4 less its margins, at 96 dpi
        assert browser.evaluate(WIDTH) <= 718 and browser.evaluate(STICKING_OUT) == []
        head = "getComputedStyle(document.querySelector('.participants thead')).display"
        assert browser.evaluate(head) == "table-header-group", "on paper it is a table, with its head on every page"
        browser.print(tmp_path / "predictions.pdf")
    assert (tmp_path / "predictions.pdf").read_bytes().startswith(b"%PDF")


def test_what_differs_from_the_training_stands_beside_the_recordings_and_in_the_table(tmp_path: Path) -> None:
    rows = [(*row("a", 0.7), UNLIKE), (*row("b", 0.2), "")]
    folder = write_rows(tmp_path / "new", rows, [*COLUMNS, "unlike_training"])
    write_predictions_page(folder)
    page = Page(folder / "predictions.html")
    first, second = (line["Recordings"] for line in body(page))
    assert UNLIKE in first and "unlike" not in second
    limits = page.section("limits").text
    assert "1 of 2 participants is unlike the training's in voxel size and more" in limits
    sheet = load_workbook(folder / "predictions.xlsx")["predictions"]
    assert [cell.value for cell in list(sheet.columns)[-1]] == ["unlike_training", UNLIKE, None]


def test_without_a_comparison_nothing_is_said_of_the_training_s_recordings(tmp_path: Path) -> None:
    folder = write_rows(tmp_path / "new", [row("a", 0.7)])
    write_predictions_page(folder)
    assert "unlike" not in Page(folder / "predictions.html").section("limits").text
    sheet = load_workbook(folder / "predictions.xlsx")["predictions"]
    assert "unlike_training" not in [cell.value for cell in next(sheet.rows)]


FAILED_COLUMNS = [name for name in COLUMNS if "without" not in name] + ["segment_spread", "error"]


def predicted_row(name: str) -> tuple[object, ...]:
    return (*row(name, 0.7)[:-2], 0.0525, "")


def failed_row(name: str, why: str) -> tuple[object, ...]:
    return (name, "", "", "", "", "", "", "", "", "", 4, "", why)


def test_participants_who_could_not_be_predicted_stand_on_the_page_and_in_the_table_with_the_reason(
    tmp_path: Path,
) -> None:
    why = 'sub-02_T1w.nii.gz mri: truncated, "damaged" <b>'
    rows = [predicted_row("sub-01"), failed_row("sub-02", why), predicted_row("sub-03")]
    page_file, table = write_predictions_page(write_rows(tmp_path / "new", rows, FAILED_COLUMNS))
    page = Page(page_file)
    assert "2 participants predicted: 0 M, 2 F; 1 could not be predicted" in page.root.text
    (section,) = page.root.all("section", id="failed")
    assert [cell.text for cell in section.all("tbody")[0].all("td")] == [why]
    assert [line["Participant"] for line in body(page)] == ["sub-01", "sub-03"]
    assert "0.052" in body(page)[0]["Probability of F"]
    frame = pd.read_excel(table, dtype={"participant_id": str})
    assert frame["participant_id"].tolist() == ["sub-01", "sub-03", "sub-02"]
    assert frame["error"].tolist()[2] == why and frame["segment_spread"].tolist()[:2] == [0.0525, 0.0525]
    assert frame.loc[2, ["predicted", "probability_M", "probability_F", "gate"]].isna().all()


def test_who_was_predicted_without_some_of_the_eeg_is_said_on_the_page_and_in_the_table(tmp_path: Path) -> None:
    why = '1 of 4 EEG segments: sub-01_seg2.npy: truncated, "damaged" <b>'
    rows = [(*predicted_row("sub-01")[:-1], why, ""), (*predicted_row("sub-02")[:-1], "", "")]
    folder = write_rows(tmp_path / "new", rows, [*FAILED_COLUMNS[:-1], "not_used", "error"])
    page_file, table = write_predictions_page(folder)
    page = Page(page_file)
    assert f"not used: {why}" in body(page)[0]["Recordings"] and "not used" not in body(page)[1]["Recordings"]
    assert_parts(page.section("limits").text, "1 participant", "without some of the EEG")
    assert pd.read_excel(table)["not_used"].fillna("").tolist() == [why, ""]
    assert "Could not be predicted" not in page.root.text


def test_a_page_of_failures_alone_shows_no_table_of_predictions(tmp_path: Path) -> None:
    rows = [failed_row("sub-01", "damaged"), failed_row("sub-02", "damaged")]
    page_file, table = write_predictions_page(write_rows(tmp_path / "new", rows, FAILED_COLUMNS))
    page = Page(page_file)
    assert "0 participants predicted; 2 could not be predicted" in page.root.text
    assert not page.root.all("table", class_="participants") and len(pd.read_excel(table)) == 2


def test_five_thousand_participants_fit_on_the_page_and_in_the_table(tmp_path: Path) -> None:
    rows = [predicted_row(f"sub-{number:05d}") for number in range(4990)]
    rows += [failed_row(f"sub-{number:05d}", "damaged") for number in range(4990, 5000)]
    page_file, table = write_predictions_page(write_rows(tmp_path / "new", rows, FAILED_COLUMNS))
    assert page_file.stat().st_size < 10e6 and table.stat().st_size < 2e6
    assert "4990 participants predicted" in page_file.read_text(encoding="utf-8")
