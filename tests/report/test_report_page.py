"""``report.html``: what is in it, what is not, and how it names what is missing."""

import csv
import json
from pathlib import Path

import pytest

from monai_fusion.report import write_report
from tests.message_parts import assert_parts
from tests.report.conftest import EXAMPLES, HOSTILE_CLASSES, HOSTILE_IDS, Evaluation, Report, rows_of
from tests.report.page_reader import Page, table_of

SECTIONS = {
    "headline": "A <b>cohort</b>",
    "limits": "Limits",
    "cohort": "Cohort",
    "scores": "Scores",
    "numbers": "Plain numbers",
    "discrimination": "Discrimination",
    "calibration": "Calibration",
    "gate": "Gate",
    "explanation": "What the model looked at",
    "embeddings": "Embedding map",
    "mistakes": "Errors",
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


def test_recordings_unlike_the_training_s_or_not_used_are_a_limit_and_stand_beside_the_errors(
    evaluation: Evaluation,
) -> None:
    folder = evaluation("two_classes")
    rows = rows_of(folder)
    wrong = next(row["participant_id"] for row in rows if row["label"] != row["predicted"])
    text = "EEG reference: <i>A1</i>, in the training average"
    for row in rows:
        row["unlike_training"] = text if row["participant_id"] == wrong else ""
        row["not_used"] = "truncated <i>" if row["participant_id"] == wrong else ""
    failed = {"participant_id": "sub-99", "error": "mri: truncated"}
    with (folder / "predictions.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [*rows[0], "error"], restval="")
        writer.writeheader()
        writer.writerows([*rows, failed])
    page = report_on(folder)
    assert "1 participant could not be predicted" in page.section("limits").text
    assert f"1 of {len(rows)} participants is unlike the training's in EEG reference" in page.section("limits").text
    marked = [row[0] for row in table_of(page.section("mistakes"))[1:] if "unlike" in row[0]]
    assert marked == [f"{wrong} unlike the training's: {text} not used: truncated <i>"]
    assert "<i>A1" not in page.source and "1 participant was predicted without" in page.section("limits").text


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


def test_few_participants_are_reported_first(report_of: Report) -> None:
    limits = report_of("two_classes").section("limits").all("li")
    assert_parts(limits[0].text, "26 test participants (16 M, 10 F)", "wide", "3.8 points")
    assert "not a medical device" in limits[-1].text


@pytest.mark.parametrize(("status", "first"), [("running", "The training did not finish"), ("finished", "26 test")])
def test_a_training_that_did_not_finish_is_the_first_limit(status: str, first: str, evaluation: Evaluation) -> None:
    folder = evaluation("two_classes")
    path = folder / "report_data.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["manifest"] = {**(content["manifest"] or {}), "status": status}
    path.write_text(json.dumps(content), encoding="utf-8")
    assert report_on(folder).section("limits").all("li")[0].text.startswith(first)


def test_a_loss_without_an_interval_says_why(report_of: Report) -> None:
    assert "no interval: fewer than 10 participants in a class" in report_of("hostile").section("gate").text


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


def test_errors_come_with_the_most_confident_first_and_with_pictures(report_of: Report) -> None:
    folder = EXAMPLES / "two_classes"
    section = report_of("two_classes").section("mistakes")
    wrong = [row for row in rows_of(folder) if row["correct"] == "false"]
    expected = sorted(wrong, key=lambda row: -float(row[f"probability_{row['predicted']}"]))
    assert [row[0] for row in table_of(section)[1:]] == [row["participant_id"] for row in expected]
    assert len(section.all("img", class_="mri")) == len(section.all("img", class_="eeg")) == len(wrong)
    assert f"{len(wrong)} of 26 participants" in section.text


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
    assert "start of stage B" in section.text and "epoch 4, with the lowest" in section.text  # of equals the later
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
    summary = folded.all("summary")[0].text
    assert_parts(summary, "2026-11-27", "5 + 3 epochs", "seed 1337", "commit 0123456789 with local changes")
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


def test_beyond_two_classes_each_is_compared_with_the_rest(report_of: Report) -> None:
    three = report_of("three_classes").section("discrimination")
    assert len(three.all("svg")) == 3 and all(name in three.text for name in ("young", "middle", "old"))
    five = report_of("five_classes").section("discrimination")
    assert len(five.all("svg")) == 1 + 2 * 5  # bands of five would hide each other in one figure


def test_no_labels_no_scores_no_errors(report_of: Report) -> None:
    page = report_of("unlabelled")
    assert "No participant has a label" in page.section("limits").text
    assert_parts(page.section("mistakes").text, "Errors", "No participant has a label")
    assert len(page.section("gate").all("svg")) == 1 and page.section("embeddings").all("svg")


def test_one_class_or_one_participant_is_reported_as_far_as_it_goes(report_of: Report) -> None:
    one_class = report_of("one_class")
    assert "at least two classes" in one_class.section("discrimination").text
    assert one_class.root.all("div", class_="card")[0].all("div", class_="value small")[0].text == "not defined"
    alone = report_of("one_participant")
    assert "1 test participant (1 M, 0 F)" in alone.section("limits").text
    assert "at least three participants" in alone.section("embeddings").text


def test_an_explanation_shows_its_warnings_its_values_by_class_its_tables_and_the_pictures_that_are_there(
    report_of: Report,
) -> None:
    section = report_of("explained").section("explanation")
    assert f"The maps may show noise. {HOSTILE_IDS[0]}" in section.text and "log-odds of F" in section.text
    worth, bands, weights = (table_of(each) for each in section.all("table"))
    assert [row[0] for row in worth[1:]] == ["all", "M", "F"] and [row[1] for row in worth[1:]] == ["5", "3", "2"]
    assert bands[1] == [HOSTILE_IDS[0], "0.25"] and weights[1] == ["head", "0.10"]
    of_all, of_one = section.all("img")  # the third is no picture
    assert of_all.attributes["alt"].startswith("What each recording is worth.")
    assert of_one.attributes["alt"] == f"{HOSTILE_CLASSES[0]}. {HOSTILE_IDS[1]}"
    assert [heading.text for heading in section.all("h4")] == ["Bands", "Random weights", "sub-000"]
