"""What an evaluation reports of prediction sets, the file of predictions, and the knobs."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from monai_fusion.errors import InputError
from monai_fusion.metrics import Calibration, CalibrationWriter, Prediction, load_prediction_sets, write_predictions
from monai_fusion.metrics.calibration_file import read_calibration
from monai_fusion.metrics.coverage import read_coverage
from monai_fusion.metrics.intervals import wilson
from monai_fusion.metrics.prediction_sets import PredictionSets
from monai_fusion.metrics.predictions import set_of_text, set_text
from monai_fusion.metrics.set_results import (
    expected_coverage,
    probability_of_so_few,
    sets_section,
    undecided_band,
)
from monai_fusion.metrics.summary import ScoringSettings, summarize
from monai_fusion.metrics.terminal_text import sets_lines
from tests.message_parts import assert_parts
from tests.metrics.people import QUICK, calibration_of, cohort, predictions_of, sets_of

EVEN = (0.5, 0.5)
RULE = Calibration(EVEN, EVEN)
# The second class is in above 0.2, the first below 0.7 of the second.
SETS = PredictionSets(0.9, False, (0.3, 0.2), RULE, "validation", (20, 10))


def rows_of(*pairs: tuple[float, int | None]) -> list[Prediction]:
    found = predictions_of([[1 - share, share] for share, _ in pairs], [label for _, label in pairs])
    return [SETS.apply(row) for row in found]


# M, both, both, F, F; the first and the last are wrong
FIVE = rows_of((0.1, 1), (0.4, 0), (0.6, 1), (0.8, 1), (0.9, 0))


def test_the_numbers_of_an_evaluation_are_those_of_a_count_by_hand() -> None:
    assert [row.prediction_set for row in FIVE] == [(0,), (0, 1), (0, 1), (1,), (1,)]
    found = sets_section(FIVE, None, ["M", "F"], SETS, None)
    assert (found.covered.value, found.single, found.undecided, found.classes_in_a_set) == (0.6, 0.6, 0.4, 1.4)
    assert found.accuracy_of_single.value == pytest.approx(1 / 3) and found.predicted_added == 0
    assert found.covered.interval is None and "fewer than 10" in found.covered.note
    first, second = found.per_class
    assert (first.covered.value, first.undecided, first.threshold, first.calibration_participants) == (
        0.5,
        0.5,
        0.3,
        20,
    )
    assert (second.covered.value, second.undecided) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert found.undecided_from == pytest.approx((0.2, 0.7)) and found.calibration_participants == 30
    line = sets_lines(found)[0]
    assert_parts(line, "coverage of 0.9", "60 % hold the true class", "40 % are undecided", "33 % hold the true one")


def test_the_coverage_has_wilsons_interval_and_that_of_whole_families() -> None:
    rows = FIVE * 8
    found = sets_section(rows, None, ["M", "F"], SETS, None)
    assert found.covered.interval is not None and found.covered.method == "wilson"
    assert found.covered.interval == pytest.approx((wilson(24, 40).low, wilson(24, 40).high))
    families = sets_section(
        rows, np.tile(np.arange(5), 8).astype(np.int64) + 5 * (np.arange(40) // 20), ["M", "F"], SETS, None
    )
    assert families.covered.method == "wilson, design effect"
    assert families.covered.interval is not None and families.covered.interval[0] < found.covered.interval[0]


def test_a_predicted_class_that_would_not_be_in_the_set_is_counted() -> None:
    narrow = replace(SETS, thresholds=(0.7, 0.7))
    rows = [narrow.apply(row) for row in predictions_of([[0.4, 0.6], [0.9, 0.1]], [1, 0])]
    found = sets_section(rows, None, ["M", "F"], narrow, None)
    assert found.predicted_added == 0.5 and found.single == 1 and found.undecided_from is None


def test_the_range_of_a_models_coverage_is_that_of_order_statistics() -> None:
    """Of n uniform scores, the k-th smallest is below c if at least k are: a binomial probability."""
    low, high = expected_coverage(30, 0.9) or (0, 0)
    assert [binom.sf(27, 30, low), binom.sf(27, 30, high)] == pytest.approx([0.025, 0.975])  # k = ceil(27.9) = 28
    assert expected_coverage(8, 0.9) is None and expected_coverage(9, 0.9) is not None


def test_fewer_sets_with_the_true_class_than_chance_explains_are_a_warning() -> None:
    """The chance of at most h of m: all orders of m + n participants are equally likely, the threshold is the k-th."""
    sets = replace(SETS, counts=(6, 3))  # n = 9, k = 9: the threshold is the lowest conformity
    assert probability_of_so_few(0, 1, sets) == pytest.approx(1 / 10)  # the new one is the lowest of ten
    assert probability_of_so_few(0, 2, sets) == pytest.approx(2 / 11 * 1 / 10)  # both are below all nine
    wrong = rows_of(*[(0.1, 1)] * 12, *[(0.9, 1)] * 8)
    found = sets_section(wrong, None, ["M", "F"], SETS, None)
    assert found.p is not None and found.p < 0.001
    assert_parts(found.notes[0], "only 8 of 20", "coverage of 0.9", "may not be like")
    assert sets_section(FIVE, None, ["M", "F"], SETS, None).notes == []  # 3 of 5: p = 0.09
    by_class = sets_section(wrong, None, ["M", "F"], replace(SETS, by_class=True), None)
    assert by_class.p is None and by_class.notes == []


@pytest.mark.parametrize("prior", [EVEN, (0.8, 0.2)])
def test_the_undecided_probabilities_are_those_shown(prior: tuple[float, float]) -> None:
    """At the ends of the range, moved to the target prior, a prediction has the class at its threshold."""
    shown = Calibration(EVEN, prior)
    low, high = undecided_band(SETS, shown) or (0, 0)
    at = shown.probabilities(np.array([[0.8, 0.2], [0.3, 0.7]]))[:, 1]
    assert (low, high) == pytest.approx(tuple(at))
    unbalanced = replace(SETS, rule=Calibration((0.9, 0.1), EVEN))  # without calibration the network's own are shown
    own = undecided_band(unbalanced, None)
    assert own is not None
    assert unbalanced.rule.probabilities(np.array([1 - own[0], own[0]]))[1] == pytest.approx(0.2)


def test_beyond_two_classes_there_is_no_range_of_one_probability() -> None:
    assert undecided_band(sets_of(cohort(classes=3), 3), None) is None


def test_metrics_have_the_sets_and_their_warnings_and_none_without() -> None:
    rows = cohort()
    sets = sets_of(rows, coverage=0.99)
    calibrated = [sets.apply(row) for row in calibration_of(rows).apply(rows)]
    metrics = summarize(calibrated, ["M", "F"], calibration_of(rows), QUICK, sets)
    assert metrics.prediction_sets is not None and metrics.prediction_sets.undecided == 1
    (warning,) = [text for text in metrics.warnings if "0.99" in text]
    assert_parts(warning, "48 validation participants", "needs 99", "every prediction set holds all classes")
    assert summarize(rows, ["M", "F"], None, ScoringSettings(draws=20)).prediction_sets is None


def test_the_table_has_the_sets_at_its_end_only_where_there_are_any(tmp_path: Path) -> None:
    path = write_predictions(FIVE, ["M", "F"], tmp_path / "predictions.csv")
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0])[-1] == "prediction_set"
    assert [row["prediction_set"] for row in rows] == ["M", "M | F", "M | F", "F", "F"]
    plain = [replace(row, prediction_set=None) for row in FIVE]
    write_predictions(plain, ["M", "F"], path)
    assert "prediction_set" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "classes", [["M", "F"], ["a | b", "a", "b"], ["a\\", "|", "\\|", " | "], ["ä, ö", '"x"', "a |"]]
)
def test_any_set_of_any_names_is_read_back(classes: list[str]) -> None:
    texts = set()
    for number in range(1, 2 ** len(classes)):
        members = tuple(index for index in range(len(classes)) if number >> index & 1)
        text = set_text(classes, members)
        assert set_of_text(text, classes) == members
        texts.add(text)
    assert len(texts) == 2 ** len(classes) - 1
    for wrong in ("", "M | M", "F | M", "M|F", "x"):
        with pytest.raises(ValueError, match="prediction set"):
            set_of_text(wrong, ["M", "F"])


def refused(**options: object) -> str:
    with pytest.raises(InputError) as caught:
        load_prediction_sets("no folder", ["M", "F"], **options)
    assert len(caught.value.problems) == 1
    return str(caught.value)


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        *((90, "0.9"), ("90%", "0.9"), ("97.5 %", "0.975"), (95.0, "0.95")),
        *((value, "") for value in (1, 0.5, 0, -0.9, "much", True, float("nan"), [0.9], 150)),
    ],
)
def test_a_wrong_coverage_is_refused_with_what_was_probably_meant(value: object, advice: str) -> None:
    message = refused(coverage=value)
    assert_parts(
        message, f"--coverage: {value!r}", "above 0.5 and below 1", *([f"did you mean {advice}?"] if advice else [])
    )
    assert advice or "did you mean" not in message


def test_a_coverage_is_a_number_or_its_text_and_by_class_needs_one() -> None:
    assert [read_coverage(value) for value in (None, 0.9, "0.95")] == [None, 0.9, 0.95]
    assert load_prediction_sets("no folder", ["M", "F"]) is None
    assert_parts(refused(by_class=True), "--coverage_by_class", "without --coverage", "--coverage 0.9")
    assert_parts(refused(coverage=0.9), "no calibration.json", "leave out --coverage")


def test_sets_are_those_of_the_models_calibration_participants(tmp_path: Path) -> None:
    rows = cohort()
    writer = CalibrationWriter(tmp_path, ["M", "F"], [0] * 30 + [1] * 10, balanced=True)
    writer(rows)
    writer.write()
    found = load_prediction_sets(tmp_path, ["M", "F"], "0.8")
    assert found is not None and found == sets_of(rows) and not found.notes
    own = load_prediction_sets(tmp_path, ["M", "F"], 0.8, by_class=True, calibrate=False)
    assert own is not None and own.rule == RULE and len(set(own.thresholds)) == 2
    content = read_calibration(tmp_path)
    earlier = [row.model_copy(update={"others": None, "others_score": None}) for row in content.predictions]
    text = content.model_copy(update={"predictions": earlier}).model_dump_json()
    (tmp_path / "calibration.json").write_text(text, encoding="utf-8")
    of_earlier = load_prediction_sets(tmp_path, ["M", "F"], 0.8)
    assert of_earlier is not None and "earlier version" in of_earlier.notes[0]
