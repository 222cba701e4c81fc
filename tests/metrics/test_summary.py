"""What an evaluation says of its participants: scores, baselines, probabilities, and words for odd cohorts."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import classification_report, roc_auc_score

from monai_fusion.errors import InputError
from monai_fusion.evaluation.result_writer import ResultWriter
from monai_fusion.metrics import Calibration, report_text
from monai_fusion.metrics.intervals import mean_of_proportions, wilson
from monai_fusion.metrics.summary import ScoringSettings, summarize
from tests.message_parts import assert_parts, with_parts
from tests.metrics.people import QUICK, calibration_of, cohort, predictions_of

GENERATOR = np.random.default_rng(3)
LABELS = np.array([0] * 7 + [1] * 3)
PROBABILITIES = GENERATOR.dirichlet([1.0, 1.0], size=10)


def test_the_summary_agrees_with_scikit_learn_and_the_majority() -> None:
    found = summarize(predictions_of(PROBABILITIES, LABELS), ["M", "F"], settings=QUICK)
    predicted = PROBABILITIES.argmax(axis=1)
    assert found.classification_report == classification_report(
        LABELS, predicted, target_names=["M", "F"], output_dict=True, zero_division=0.0
    )
    counts = [[int(((true == LABELS) & (predicted == other)).sum()) for other in (0, 1)] for true in (0, 1)]
    assert found.confusion_matrix == counts
    assert found.participants == 10 and found.majority_class == "M" and found.positive_class == "F"
    scores = found.scores
    assert scores.auroc.value == pytest.approx(roc_auc_score(LABELS, PROBABILITIES[:, 1]))
    assert scores.accuracy.value == pytest.approx((predicted == LABELS).mean())
    assert scores.sensitivity is not None and scores.specificity is not None
    assert scores.sensitivity.value == pytest.approx(counts[1][1] / 3)
    assert scores.specificity.interval is None and scores.specificity.note == "no interval: fewer than 10 participants"
    interval = wilson(counts[0][0] + counts[1][1], 10)
    assert scores.accuracy.interval == (interval.low, interval.high) and scores.accuracy.method == "wilson"
    women = found.per_class[1]
    assert (women.participants, women.predicted) == (3, counts[0][1] + counts[1][1])
    assert women.precision.value == pytest.approx(counts[1][1] / women.predicted)


def test_baselines_are_what_always_saying_the_majority_scores() -> None:
    """Computed once more from predictions of that class."""
    found = summarize(predictions_of(PROBABILITIES, LABELS), ["M", "F"], settings=QUICK).scores
    always = summarize(predictions_of([[0.7, 0.3]] * 10, LABELS), ["M", "F"], settings=QUICK).scores
    for name in ("accuracy", "balanced_accuracy", "sensitivity", "specificity", "macro_f1", "mcc", "auroc", "auprc"):
        # 0.7 and 0.3 are the shares of the classes, so Brier score and cross-entropy are these baselines as well.
        assert getattr(found, name).baseline == pytest.approx(getattr(always, name).value), name
    assert found.brier.baseline == pytest.approx(always.brier.value)
    assert found.cross_entropy.baseline == pytest.approx(always.cross_entropy.value)
    three = cohort(30, classes=3)[:26]  # 9 + 9 + 8
    shares = [[9 / 26, 9 / 26, 8 / 26]] * 26
    found = summarize(three, ["a", "b", "c"], settings=QUICK).scores
    always = summarize(predictions_of(shares, [row.label for row in three]), ["a", "b", "c"], settings=QUICK).scores
    for name in ("accuracy", "balanced_accuracy", "mcc", "auroc", "auprc", "brier", "cross_entropy"):
        assert getattr(found, name).baseline == pytest.approx(getattr(always, name).value), name


def test_more_than_two_classes() -> None:
    rows = cohort(48, classes=3)
    found = summarize(rows, ["a", "b", "c"], settings=QUICK)
    probabilities, labels = np.array([row.probabilities for row in rows]), np.array([row.label for row in rows])
    assert found.scores.auroc.value == pytest.approx(roc_auc_score(labels, probabilities, multi_class="ovr"))
    assert found.scores.auroc.interval is not None and found.scores.auroc.method == "bca"
    assert found.scores.sensitivity is None and found.positive_class is None
    assert [each.class_name for each in found.per_class] == ["a", "b", "c"]
    assert found.calibration.threshold is None
    assert np.sum(found.confusion_matrix) == 48


@pytest.mark.parametrize("label", [0, 1])
def test_a_missing_class_is_reported(label: int) -> None:
    found = summarize(predictions_of([[0.6, 0.4], [0.3, 0.7], [0.8, 0.2]], [label] * 3), ["M", "F"], settings=QUICK)
    absent = ["F", "M"][label]
    assert found.scores.auroc.value is None and found.scores.auroc.note == f"no participant is {absent}"
    assert_parts(found.headline[0], "AUROC", "not defined", f"is {absent}")
    assert_parts(found.scores.balanced_accuracy.note, f"{'MF'[label]} only", f"is {absent}")
    assert_parts(found.warnings[0], f"class {absent}", "no participants", "omitted")
    assert found.permutation.tests[0].auroc is None
    undefined = found.scores.specificity if label else found.scores.sensitivity
    assert undefined is not None and undefined.value is None and undefined.note == f"no participant is {absent}"
    assert found.scores.accuracy.value is not None


def test_a_missing_class_of_three_leaves_the_others_their_scores() -> None:
    rows = cohort(30, classes=3)
    found = summarize([row for row in rows if row.label != 2], ["a", "b", "c"], settings=QUICK)
    assert found.scores.auroc.value is None and found.scores.auroc.note == "no participant is c"
    assert found.per_class[0].auroc.value is not None and found.per_class[2].auroc.value is None
    assert found.scores.balanced_accuracy.value is not None


def test_one_participant() -> None:
    found = summarize(predictions_of([[0.9, 0.1]], [0]), ["M", "F"], settings=QUICK)
    assert found.scores.accuracy.value == 1.0
    assert found.scores.accuracy.interval is None and "fewer than 10" in found.scores.accuracy.note
    assert found.scores.brier.interval is None and "M has one participant" in found.scores.brier.note
    assert found.gate.overall.sd is None and found.modalities is None


def test_a_perfect_result_of_few_is_not_given_as_certain() -> None:
    found = summarize(predictions_of([[0.9, 0.1]] * 8 + [[0.1, 0.9]] * 4, [0] * 8 + [1] * 4), ["M", "F"])
    auroc, balanced = found.scores.auroc, found.scores.balanced_accuracy
    assert auroc.value == 1.0 and auroc.method == "newcombe" and auroc.interval is not None
    assert 0.6 < auroc.interval[0] < 0.75 and auroc.interval[1] == 1.0
    assert balanced.method == "wilson, combined" and balanced.interval is not None and balanced.interval[0] < 0.8
    assert_parts(found.scores.mcc.note, "no interval", "same in every resample")
    assert_parts(found.warnings[0], "fewer than 10", "(8 M, 4 F)", "wide")


def test_the_same_probability_for_all_is_chance() -> None:
    found = summarize(predictions_of([[0.5, 0.5]] * 20, [0, 1] * 10), ["M", "F"], settings=QUICK)
    assert found.scores.auroc.value == 0.5 and found.permutation.tests[0].auroc == 1.0
    assert found.scores.auroc.interval is not None
    assert with_parts(found.warnings, "accuracy 0.500", "no better", "predicting M (0.500)")


def test_calibration_is_described_before_and_after() -> None:
    rows = cohort()
    calibration = calibration_of(rows)
    found = summarize(calibration.apply(rows), ["M", "F"], calibration, QUICK).calibration
    before = summarize(rows, ["M", "F"], settings=QUICK)
    assert not before.calibration.applied and before.calibration.after is None
    assert found.applied and found.before == before.calibration.before
    assert (found.fitted_on, found.fitted_participants) == ("validation", 48)
    assert found.after is not None and found.after.cross_entropy < found.before.cross_entropy
    assert sum(each.participants for each in found.after.reliability) == 48
    mean = sum(each.participants * abs(each.accuracy - each.confidence) for each in found.after.reliability) / 48
    assert found.after.ece == pytest.approx(mean)


@pytest.mark.parametrize(
    ("section", "words"), [("training", "learned from these"), ("validation", "chose the epoch and the calibration")]
)
def test_other_parts_than_the_test_are_warned_of(section: str, words: str) -> None:
    found = summarize(cohort(), ["M", "F"], settings=ScoringSettings(section=section, draws=50)).warnings
    assert any(words in each for each in found)


def test_participants_without_a_label_are_not_scored() -> None:
    found = summarize(predictions_of([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9]], [0, None, 1]), ["M", "F"], settings=QUICK)
    assert (found.participants, found.unlabelled) == (2, 1) and found.scores.accuracy.value == 1.0
    with pytest.raises(ValueError, match="no participant has a label"):
        summarize(predictions_of([[0.9, 0.1]], [None]), ["M", "F"])


def test_a_participant_predicted_twice_is_refused() -> None:
    once = predictions_of([[0.9, 0.1]], [0])
    with pytest.raises(ValueError, match="twice"):
        summarize(once + once, ["M", "F"])


def test_probabilities_that_are_not_numbers_are_an_error_that_names_the_participants(tmp_path: Path) -> None:
    rows = predictions_of([[0.5, 0.5], [np.nan, np.nan], [0.5, 0.5]], [0, 1, 1])
    with pytest.raises(InputError) as caught:
        ResultWriter(tmp_path / "out", ["M", "F"])(rows)
    assert_parts(str(caught.value), "sub-01 probabilities: not a number, expected 0 to 1: ", "check --deep")
    assert not (tmp_path / "out").exists()
    with pytest.raises(
        InputError, match=r"sub-00, sub-01, sub-02, sub-03, sub-04 and 3 more .*the network has diverged"
    ):
        ResultWriter(tmp_path / "out", ["M", "F"])(predictions_of([[np.nan, np.nan]] * 8, [0] * 8))


def test_the_report_names_the_classes_and_lines_the_matrix_up() -> None:
    predictions = predictions_of([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]], [0, 0, 1, 1])
    lines = report_text(predictions, ["young", "Ältere (60-75)"]).splitlines()
    assert_parts(lines[0], "accuracy 0.750, balanced accuracy 0.750", "4 participants", "majority: 0.500")
    head, young, old = lines[2:5]
    assert head.split(maxsplit=1) == ["young", "Ältere (60-75)"]
    assert young.split() == ["true", "young", "2", "0"] and old.split()[-2:] == ["1", "1"]
    assert len(head) == len(young) == len(old)
    assert head.index("young") + len("young") == young.rindex("2") + 1  # each count stands under its class
    report = classification_report([0, 0, 1, 1], [0, 0, 1, 0], target_names=["young", "Ältere (60-75)"], digits=3)
    assert "\n".join(lines[5:]) == report.rstrip()


def test_a_diverged_network_is_reported_while_it_trains() -> None:
    assert "accuracy" in report_text(predictions_of([[np.nan, np.nan]] * 3, [0, 1, 1]), ["M", "F"])


def test_the_headline_has_interval_baseline_and_p_value() -> None:
    lines = summarize(cohort(), ["M", "F"], settings=QUICK).headline
    number = r"\d\.\d+"
    assert re.fullmatch(
        rf"AUROC {number} \(95 % interval {number} to {number}; chance 0\.500, p = {number}\)", lines[0]
    )
    assert re.fullmatch(
        rf"balanced accuracy {number} \(95 % interval {number} to {number}; always the majority 0\.500, p = {number}\)",
        lines[1],
    )


def test_scores_of_few_participants_or_few_errors_have_no_interval_and_a_note() -> None:
    """Their intervals contain the truth far too rarely there: docs/method.md has the simulation."""

    def notes(number: int, sure: float) -> list[str]:
        labels = np.array([0, 1] * (number // 2))
        wrong = np.arange(number) % 7 == 0
        second = np.where((labels == 1) ^ wrong, sure, 1 - sure)
        found = summarize(predictions_of(np.stack([1 - second, second], axis=1), labels), ["M", "F"], settings=QUICK)
        each = (found.scores.brier, found.scores.mcc, found.scores.macro_f1, found.calibration.calibration_intercept)
        assert all((score.interval is None) == bool(score.note) for score in each)
        return [score.note for score in each]

    assert set(notes(38, 0.8)) == {"no interval: fewer than 20 participants in a class"}
    brier, mcc, *_ = notes(60, 0.95)
    assert mcc == "no interval: the probabilities expect only 3.0 errors, fewer than 5"
    assert brier == "no interval: the probabilities expect only 3.0 errors, fewer than 10"
    assert set(notes(60, 0.8)) == {""}


def test_the_balanced_accuracy_of_small_classes_has_the_wider_of_two_intervals() -> None:
    rows = predictions_of([[0.9, 0.1]] * 7 + [[0.2, 0.8]] + [[0.1, 0.9]] * 3 + [[0.7, 0.3]], [0] * 8 + [1] * 4)
    score = summarize(rows, ["M", "F"]).scores.balanced_accuracy
    combined = mean_of_proportions([7, 3], [8, 4])
    assert score.method == "bca or wilson, combined" and score.interval is not None
    assert score.interval[0] <= combined.low and score.interval[1] >= combined.high


def test_the_ece_stands_beside_its_mean_under_perfect_calibration() -> None:
    generator = np.random.default_rng(5)
    second = generator.uniform(0.02, 0.98, size=60)
    labels = (generator.random(60) < second).astype(int)
    found = summarize(predictions_of(np.stack([1 - second, second], axis=1), labels), ["M", "F"])
    ece, expected = found.scores.ece, found.calibration.expected_ece
    assert ece.interval is None and ece.baseline == expected.mean and "if the probabilities were true" in ece.note
    assert expected.low < expected.mean < expected.high
    assert ece.value is not None and expected.low < ece.value < expected.high
    overconfident = np.clip(np.where(second > 0.5, 0.99, 0.01), 0, 1)
    found = summarize(predictions_of(np.stack([1 - overconfident, overconfident], axis=1), labels), ["M", "F"])
    assert found.scores.ece.value is not None and found.scores.ece.value > found.calibration.expected_ece.high


def test_probability_scores_are_also_given_at_the_target_shares_and_other_shares_are_warned_of() -> None:
    """By hand: each class's mean, weighted by its target share."""
    rows = cohort(60)[:40] + [row for row in cohort(60)[40:] if row.label == 0]  # 30 M, 20 F
    calibration = Calibration((0.5, 0.5), (0.2, 0.8), intercepts=(0.0, 0.0), threshold=0.8, fitted=True)
    applied = calibration.apply(rows)
    found = summarize(applied, ["M", "F"], calibration, QUICK)
    shares = found.calibration.at_target_shares
    assert shares is not None and shares.tested_shares == [0.6, 0.4]
    errors = {label: [row.probabilities[1 - label] ** 2 for row in applied if row.label == label] for label in (0, 1)}
    hits = {label: [row.predicted == label for row in applied if row.label == label] for label in (0, 1)}
    assert shares.brier == pytest.approx(0.2 * np.mean(errors[0]) + 0.8 * np.mean(errors[1]))
    assert shares.accuracy == pytest.approx(0.2 * np.mean(hits[0]) + 0.8 * np.mean(hits[1]))
    assert shares.p == pytest.approx(binomtest(20, 50, 0.8).pvalue)
    assert with_parts(found.warnings, "other class shares (60 % M, 40 % F)", "assume (20 % M, 80 % F")
    same = replace(calibration, target_prior=(0.55, 0.45))
    assert not with_parts(summarize(same.apply(rows), ["M", "F"], same, QUICK).warnings, "other class shares")
