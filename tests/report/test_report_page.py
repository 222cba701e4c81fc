"""``report.html``: what stands in it, what does not, and what it says of what is missing."""

import csv
import io
import json
import math
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from monai_fusion.errors import InputError
from monai_fusion.report import write_report
from monai_fusion.report.results import read_results
from tests.report.conftest import EXAMPLES, HOSTILE_CLASSES, HOSTILE_IDS, Evaluation, Report, rows_of
from tests.report.page_reader import Page, table_of

SECTIONS = {
    "headline": "A <b>cohort</b>",
    "limits": "Limits",
    "cohort": "Cohort",
    "scores": "Scores",
    "discrimination": "Discrimination",
    "calibration": "Calibration",
    "gate": "Gate",
    "embeddings": "Embedding map",
    "mistakes": "Mistakes",
    "strata": "Results by stratum",
    "training": "Training",
    "run": "What was run",
}
ALL_EXAMPLES = sorted(path.name for path in EXAMPLES.iterdir())


def report_on(folder: Path) -> Page:
    return Page(write_report(folder))


def metrics_of(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("example", ALL_EXAMPLES)
def test_every_section_is_there_and_named_in_the_contents(report_of: Report, example: str) -> None:
    page = report_of(example)
    (contents,) = page.root.all("nav")
    assert [link.attributes["href"] for link in contents.all("a")] == [f"#{name}" for name in SECTIONS]
    for name, title in SECTIONS.items():
        headings = [heading.text for tag in ("h1", "h2") for heading in page.section(name).all(tag)]
        assert headings[0] == title


@pytest.mark.parametrize("example", ALL_EXAMPLES)
def test_the_page_needs_nothing_but_itself_and_runs_nothing(report_of: Report, example: str) -> None:
    page = report_of(example)
    tags = {tag for tag, _, _ in page.attributes}
    assert not tags & {"script", "iframe", "object", "embed", "base", "form"}
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    for _, name, value in page.attributes:
        if name in ("href", "src", "xlink:href", "srcset", "action", "data"):
            assert value.startswith(("#", "data:")), value
        if "url(" in value:
            assert "url(#" in value
    (style,) = page.root.all("style")
    assert "url(" not in style.text and "@import" not in style.text


@pytest.mark.parametrize("example", ALL_EXAMPLES)
def test_ids_are_given_once_and_every_reference_is_met(report_of: Report, example: str) -> None:
    page = report_of(example)
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    wanted = {value[1:] for _, name, value in page.attributes if name == "href" and value.startswith("#")}
    wanted |= {value.split("url(#")[1].split(")")[0] for _, _, value in page.attributes if "url(#" in value}
    assert wanted <= set(ids)


@pytest.mark.parametrize("example", ALL_EXAMPLES)
def test_figures_are_svg_whose_text_is_text(report_of: Report, example: str) -> None:
    figures = report_of(example).figures()
    assert figures
    for figure in figures:
        _, _, width, height = map(float, figure.attrib["viewBox"].split())
        assert width > 0 and height > 0 and figure.attrib["aria-label"]
        assert [text for text in figure.iter("{http://www.w3.org/2000/svg}text") if text.text]
        assert "nan" not in " ".join(element.attrib.get("d", "") for element in figure.iter()).lower()


def test_the_same_results_give_the_same_bytes(evaluation: Evaluation, report_of: Report) -> None:
    assert report_on(evaluation("two_classes")).source == report_of("two_classes").source


def test_hostile_names_stay_text(report_of: Report) -> None:
    folder = EXAMPLES / "hostile"
    page = report_of("hostile")
    wrong = [row["participant_id"] for row in rows_of(folder) if row["label"] != row["predicted"]]
    shown = [row[0] for row in table_of(page.section("mistakes"))[1:]]
    assert sorted(shown) == sorted(wrong) and set(wrong) & set(HOSTILE_IDS[:2])
    assert all(name in page.section("scores").text for name in HOSTILE_CLASSES)
    assert all(name in page.section("discrimination").text for name in HOSTILE_CLASSES)  # within the figures
    assert "trained on <script>alert(4)</script>" in page.section("run").text
    assert not [tag for tag in ("<script", "<b>", "<i>", "<img src=x") if tag in page.source]
    assert "49" not in table_of(page.section("mistakes"))[-1][0]  # {{ 7 * 7 }} is not computed


def test_the_headline_has_each_score_its_interval_and_the_baseline(report_of: Report) -> None:
    folder = EXAMPLES / "two_classes"
    metrics = metrics_of(folder)
    cards = report_of("two_classes").section("headline").all("div", class_="card")
    assert [card.all("div", class_="label")[0].text for card in cards] == ["AUROC", "Balanced accuracy", "Accuracy"]
    for card, name in zip(cards, ("auroc", "balanced_accuracy", "accuracy"), strict=True):
        score = metrics["scores"][name]
        low, high = score["interval"]
        assert card.all("div", class_="value")[0].text == f"{score['value']:.2f}"
        assert f"95 % interval {low:.2f} to {high:.2f}" in card.text
        assert f" {score['baseline']:.2f}" in card.text
        (value,) = card.all("i", class_="value")
        assert value.attributes["style"] == f"left:{100 * score['value']:.1f}%"
    assert f"permutation p = {metrics['permutation']['tests'][0]['auroc']:.3f}" in cards[0].text


def test_every_score_stands_in_the_table(report_of: Report) -> None:
    folder = EXAMPLES / "two_classes"
    rows = {row[0]: row for row in table_of(report_of("two_classes").section("scores"))}
    scores = metrics_of(folder)["scores"]
    titles = {"Sensitivity": "sensitivity", "MCC": "mcc", "Brier score": "brier", "Cross-entropy": "cross_entropy"}
    for title, name in titles.items():
        assert rows[title][1] == f"{scores[name]['value']:.2f}".replace("-", "\u2212")
    assert len(rows) == 1 + len(scores)


def test_few_participants_are_said_first(report_of: Report) -> None:
    limits = report_of("two_classes").section("limits").all("li")
    assert limits[0].text.startswith("26 test participants (16 M, 10 F): the interval is wide.")
    assert "3.8 points" in limits[0].text
    assert "not a medical device" in limits[-1].text


def test_warnings_of_the_evaluation_are_repeated(report_of: Report) -> None:
    folder = EXAMPLES / "hostile"
    text = report_of("hostile").section("limits").text
    warnings = metrics_of(folder)["warnings"]
    assert warnings and all(warning[1:] in text for warning in warnings)
    assert "chance, 0.50, is not excluded" in text


def test_the_cohort_is_counted_by_part_class_and_stratum(report_of: Report) -> None:
    rows = table_of(report_of("two_classes").section("cohort"))
    assert rows[0][:4] == ["Part", "n", "M", "F"] and any("age" in name for name in rows[0][4:])
    assert [row[:4] for row in rows[1:]] == [
        ["training", "4", "2", "2"],
        ["validation", "2", "1", "1"],
        ["test", "2", "1", "1"],
        ["all", "8", "4", "4"],
    ]


def test_mistakes_come_with_the_most_confident_first_and_with_pictures(report_of: Report) -> None:
    folder = EXAMPLES / "two_classes"
    section = report_of("two_classes").section("mistakes")
    wrong = [row for row in rows_of(folder) if row["correct"] == "false"]
    expected = sorted(wrong, key=lambda row: -float(row[f"probability_{row['predicted']}"]))
    assert [row[0] for row in table_of(section)[1:]] == [row["participant_id"] for row in expected]
    assert len(section.all("img", class_="mri")) == len(section.all("img", class_="eeg")) == len(wrong)
    assert f"{len(wrong)} of 26" in section.text


def test_strata_and_conditions_have_a_row_each(report_of: Report) -> None:
    folder = EXAMPLES / "two_classes"
    metrics = metrics_of(folder)
    rows = {row[0]: row for row in table_of(report_of("two_classes").section("strata"))}
    for each in metrics["strata"]:
        assert rows[each["category"]][1] == str(each["participants"])
        assert rows[each["category"]][8] == f"{each['accuracy']['value']:.2f}"
    assert {"EO", "EC", "age", "site"} <= rows.keys()


def test_the_learning_curves_name_the_stages_and_the_best_epoch(report_of: Report) -> None:
    section = report_of("two_classes").section("training")
    assert "stage B begins" in section.text and "Dotted: epoch 4," in section.text  # of equals the later
    titles = [label.attributes["aria-label"] for label in section.all("svg")]
    results = ["Loss by epoch", "Validation scores by epoch", "Gate in training by epoch"]
    assert titles == [*results, "Learning rate by epoch", "Waiting for data by epoch"]
    (folded,) = section.all("details")  # how the training ran is no result
    assert [label.attributes["aria-label"] for label in folded.all("svg")] == titles[3:]
    assert all("stage A" in figure.text and "stage B" in figure.text for figure in section.all("svg"))


def test_what_was_run_is_a_dozen_facts_and_the_knobs_that_differ_folded(report_of: Report) -> None:
    section = report_of("two_classes").section("run")
    (folded,) = section.all("details")
    assert "open" not in folded.attributes
    assert (
        folded.all("summary")[0].text
        == "Trained 2026-11-27, 5 + 3 epochs, seed 1337, commit 0123456789 with local changes"
    )
    facts, knobs = (
        dict(zip((e.text for e in part.all("dt")), (e.text for e in part.all("dd")), strict=True))
        for part in folded.all("dl")
    )
    assert len(facts) <= 14
    assert facts["Epochs"] == "5 in stage A, 3 in stage B; epoch 6 was kept"
    assert facts["Datalist"] == "trained on <script>alert(4)</script>, digest 7c39e759"
    assert facts["Precision"] == "bfloat16" and facts["Device"] == "cuda:0, NVIDIA H100"
    assert "torch 2.15" in facts["Versions"] and facts["Recordings"] == "training 41 participants (205 files)"
    assert knobs == {
        "num_epochs": "[5, 3] (shipped: [15, 10])",
        "head_lr": "0.001 (shipped: 0.0002)",
        "mri_weights": "weights.pth (shipped: null)",
    }


def test_no_folder_and_no_name_of_a_user_stands_in_the_page(evaluation: Evaluation) -> None:
    folder = evaluation("two_classes")
    page = report_on(folder)
    assert not [name for name in ("jane", "Jane", "/home", "C:\\", str(folder.parent)) if name in page.source]


def test_beyond_two_classes_each_is_told_from_the_rest(report_of: Report) -> None:
    three = report_of("three_classes").section("discrimination")
    assert len(three.all("svg")) == 3 and all(name in three.text for name in ("young", "middle", "old"))
    five = report_of("five_classes").section("discrimination")
    assert len(five.all("svg")) == 1 + 2 * 5  # bands of five would hide each other in one figure


def test_predictions_alone_are_enough_and_what_is_not_there_is_said(evaluation: Evaluation) -> None:
    folder = evaluation("two_classes")
    for path in folder.iterdir():
        if path.name != "predictions.csv":
            path.unlink()
    page = report_on(folder)
    assert len(page.section("discrimination").all("svg")) == 3
    missing = {
        "scores": "There is no metrics.json",
        "embeddings": "embeddings.npz",
        "mistakes": "thumbnails.npz",
        "cohort": "report_data.json",
        "training": "no history.csv",
        "run": "no manifest.json",
    }
    for section, said in missing.items():
        assert said in page.section(section).text


def test_scores_of_an_older_version_are_not_guessed_at(evaluation: Evaluation) -> None:
    folder = evaluation("two_classes")
    (folder / "metrics.json").write_text('{"accuracy": 0.9, "classes": ["M", "F"]}', encoding="utf-8")
    page = report_on(folder)
    assert "another version of monai-fusion: evaluate again" in page.section("headline").text
    assert not page.root.all("div", class_="card")


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("metrics.json", "metrics"),
        ("report_data.json", "cohort"),
        ("manifest.json", "manifest"),
        ("embeddings.npz", "embeddings"),
        ("thumbnails.npz", "mri"),
    ],
)
def test_a_damaged_file_is_as_if_it_were_not_there(evaluation: Evaluation, name: str, field: str) -> None:
    folder = evaluation("two_classes")
    assert getattr(read_results(folder), field)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    assert not getattr(read_results(folder), field)


def test_arrays_of_other_shapes_are_left_out(evaluation: Evaluation) -> None:
    folder = evaluation("two_classes")
    ids = np.array([row["participant_id"] for row in rows_of(folder)])
    np.savez(folder / "embeddings.npz", participant_id=ids, fused=np.zeros((len(ids) - 1, 4)), eeg=np.zeros(len(ids)))
    np.savez(folder / "thumbnails.npz", participant_id=ids, mri=np.zeros((len(ids), 3, 8)), eeg=np.zeros((len(ids), 8)))
    results = read_results(folder)
    assert not results.embeddings and not results.mri and not results.eeg


def test_pickled_arrays_are_not_loaded(evaluation: Evaluation) -> None:
    folder = evaluation("two_classes")
    ids = np.array([row["participant_id"] for row in rows_of(folder)], dtype=object)
    np.savez(folder / "embeddings.npz", participant_id=ids, fused=np.zeros((len(ids), 4)))
    assert not read_results(folder).embeddings


HOSTILE = (None, True, -1, 1e308, 10**40, "", "$open('ran', 'w')", "a\0b", [], {}, [[[]]])


@pytest.mark.parametrize("name", ["metrics.json", "report_data.json", "manifest.json"])
def test_any_value_of_another_type_gives_a_page_or_a_line(evaluation: Evaluation, name: str) -> None:
    path = evaluation("one_participant") / name
    whole = json.loads(path.read_text(encoding="utf-8"))
    keys = [(key, inner) for key, value in whole.items() for inner in (value if isinstance(value, dict) else [None])]
    for place, value in enumerate(HOSTILE * 2):
        key, inner = keys[place % len(keys)]
        changed = {**whole, key: value if inner is None else {**whole[key], inner: value}}
        path.write_text(json.dumps(changed), encoding="utf-8")
        read_results(path.parent)
    write_report(path.parent)


@pytest.mark.parametrize("name", ["metrics.json", "report_data.json", "embeddings.npz", "thumbnails.npz"])
@pytest.mark.parametrize("kind", ["folder", "pipe", "deep", "sparse", "zeros"])
def test_what_is_no_such_file_is_as_if_it_were_not_there(evaluation: Evaluation, name: str, kind: str) -> None:
    path = evaluation("one_participant") / name
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        if os.name == "nt":
            pytest.skip("Windows has no named pipes in folders")
        os.mkfifo(path)
    elif kind == "sparse":
        with path.open("wb") as stream:
            stream.truncate(3 * 2**30)
    else:
        path.write_bytes(b"[" * 100_000 if kind == "deep" else bytes(1000))
    assert read_results(path.parent).people


def test_an_array_that_claims_gigabytes_is_not_made_room_for(evaluation: Evaluation) -> None:
    folder = evaluation("two_classes")
    header = io.BytesIO()
    claim = {"descr": "<f4", "fortran_order": False, "shape": (1000, 800_000)}
    np.lib.format.write_array_header_1_0(header, claim)
    with zipfile.ZipFile(folder / "embeddings.npz", "w") as archive:
        for name in ("participant_id", "fused"):
            archive.writestr(f"{name}.npy", header.getvalue())
    assert not read_results(folder).embeddings


@pytest.mark.parametrize("shape", [(0,), (1,)])
def test_embeddings_of_no_or_one_dimension_make_no_map_and_no_fault(
    evaluation: Evaluation, shape: tuple[int, ...]
) -> None:
    folder = evaluation("two_classes")
    ids = np.array([row["participant_id"] for row in rows_of(folder)])
    np.savez(folder / "embeddings.npz", participant_id=ids, fused=np.zeros((len(ids), *shape), np.float32))
    write_report(folder)


def test_an_id_with_a_nul_is_refused_without_showing_it(evaluation: Evaluation) -> None:
    path = evaluation("two_classes") / "predictions.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("sub-001,", "sub\0-001,", 1), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_results(path.parent)
    assert "\\x00" in str(caught.value) and "\0" not in str(caught.value)


def test_a_folder_in_place_of_the_page_is_refused_in_a_line(evaluation: Evaluation) -> None:
    folder = evaluation("one_participant")
    (folder / "report.html").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        write_report(folder)


def test_pictures_and_embeddings_find_their_participant_by_id(evaluation: Evaluation) -> None:
    folder = evaluation("two_classes")
    expected = read_results(folder)
    order = np.random.default_rng(3).permutation(len(rows_of(folder)))
    for name in ("embeddings.npz", "thumbnails.npz"):
        with np.load(folder / name) as stored:
            arrays = {key: stored[key][order] for key in stored.files}
        np.savez(folder / name, **arrays)
    found = read_results(folder)
    for name in ("fused", "eeg", "mri"):
        np.testing.assert_array_equal(found.embeddings[name], expected.embeddings[name])
    for person in expected.people:
        np.testing.assert_array_equal(found.mri[person.participant_id], expected.mri[person.participant_id])


def test_no_labels_no_scores_no_mistakes(report_of: Report) -> None:
    page = report_of("unlabelled")
    assert "No participant has a label" in page.section("limits").text
    assert "mistakes cannot be told" in page.section("mistakes").text
    assert len(page.section("gate").all("svg")) == 1 and page.section("embeddings").all("svg")


def test_one_class_or_one_participant_is_reported_as_far_as_it_goes(report_of: Report) -> None:
    one_class = report_of("one_class")
    assert "need participants of at least two classes" in one_class.section("discrimination").text
    assert one_class.root.all("div", class_="card")[0].all("div", class_="value small")[0].text == "not defined"
    alone = report_of("one_participant")
    assert "1 test participant (1 M, 0 F)" in alone.section("limits").text
    assert "at least three participants" in alone.section("embeddings").text


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("sub-001,M,", "sub-001,X,", "sub-001 label: 'X', expected one of M, F"),
        ("sub-001,", "sub-000,", "sub-000: occurs twice"),
        ("participant_id,", "name,", "no column participant_id"),
        (",probability_F,", ",q_F,", "fewer than two columns probability_CLASS"),
    ],
)
def test_a_table_that_is_not_right_is_refused(evaluation: Evaluation, old: str, new: str, said: str) -> None:
    path = evaluation("two_classes") / "predictions.csv"
    content = path.read_text(encoding="utf-8")
    assert content.count(old) >= 1
    path.write_text(content.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError) as refused:
        write_report(path.parent)
    assert said in str(refused.value)
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


def edited(folder: Path, person: str, **cells: str) -> Path:
    """The table with some cells of a person changed."""
    path = folder / "predictions.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        if row["participant_id"] in (person, "" if person else row["participant_id"]):
            row |= cells
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("person", "cells", "said"),
    [
        (
            "sub-000",
            {"probability_M": "0.95"},
            "sub-000 probability_...: adding up to 1.05762, expected 1: was the table edited?",
        ),
        ("sub-000", {"network_M": "0.5"}, "sub-000 network_...: adding up to 0.583652, expected 1: was the"),
        (
            "",
            {"probability_M": "0.7", "probability_F": "0.7"},
            "sub-000, sub-001, sub-002 and 23 more probability_...: adding up to 1.4",
        ),
        (
            "sub-000",
            {"predicted": "F"},
            "sub-000 predicted: 'F', expected 'M', as probability_F and the threshold 0.45 say",
        ),
        ("sub-000", {"predicted": "F", "threshold": ""}, "sub-000 predicted: 'F', expected 'M', the likeliest: was"),
        ("sub-000", {"threshold": "a half"}, "sub-000 threshold: 'a half', expected a number: was the table edited?"),
    ],
)
def test_a_table_whose_cells_contradict_one_another_is_refused_in_one_line(
    evaluation: Evaluation, person: str, cells: dict[str, str], said: str
) -> None:
    path = edited(evaluation("two_classes"), person, **cells)
    with pytest.raises(InputError) as refused:
        write_report(path.parent)
    lines = str(refused.value).splitlines()
    assert lines[0] == f"{path}: {len(lines) - 1} problem{'' if len(lines) == 2 else 's'}"
    assert [line for line in lines if line.startswith(f"  {said}")]
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
