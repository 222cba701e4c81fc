"""``metrics.json``: its content, and that it fits its schema and its page, for odd cohorts too."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import classification_report, roc_auc_score

from monai_fusion.errors import InputError
from monai_fusion.evaluation.result_writer import ResultWriter
from monai_fusion.metrics import Calibration, Prediction, fit_calibration, report_text
from monai_fusion.metrics.confounds import class_probabilities, conditional_p_value
from monai_fusion.metrics.intervals import mean_of_proportions, wilson
from monai_fusion.metrics.metrics_file import Metrics, PermutationTest, metrics_schema_text
from monai_fusion.metrics.summary import ScoringSettings, summarize
from tests.message_parts import assert_parts, with_parts

DOCS = Path(__file__).parents[2] / "docs"
GENERATOR = np.random.default_rng(3)
LABELS = np.array([0] * 7 + [1] * 3)
PROBABILITIES = GENERATOR.dirichlet([1.0, 1.0], size=10)
QUICK = ScoringSettings(datalist="Köln", section="test", draws=200)


def predictions_of(
    probabilities: np.ndarray | list[list[float]], labels: np.ndarray | list[Any], **more: Any
) -> list[Prediction]:
    return [
        Prediction(f"sub-{place:02d}", None if label is None else int(label), tuple(map(float, row)), 0.5, 2, **more)
        for place, (row, label) in enumerate(zip(probabilities, labels, strict=True))
    ]


def cohort(number: int = 48, classes: int = 2, seed: int = 0) -> list[Prediction]:
    """People with everything that an evaluation may know of them."""
    generator = np.random.default_rng(seed)
    rows = []
    for place in range(number):
        label = place % classes
        values = [generator.dirichlet(np.ones(classes) + 2 * np.eye(classes)[label]).tolist() for _ in range(5)]
        rows.append(
            Prediction(
                f"sub-{place:02d}",
                label,
                tuple(values[0]),
                float(generator.random()),
                4,
                without_eeg=tuple(values[1]),
                without_mri=tuple(values[2]),
                by_condition={"EC": tuple(values[3]), "EO": tuple(values[4])},
                fields={"age": ["20-25", "60-65"][place % 3 // 2], "site": "Leipzig", "fold": place // 2 % 4},
            )
        )
    return rows


def some_lacking(rows: list[Prediction]) -> list[Prediction]:
    """The same participants; every third lacks the MRI and every third the EEG."""
    others: list[dict[str, Any]] = [{}, {"recordings": "eeg", "gate": 1.0}, {"recordings": "mri", "gate": 0.0}]
    return [replace(row, **others[place % 3]) for place, row in enumerate(rows)]


def calibration_of(rows: list[Prediction]) -> Any:
    probabilities = np.array([row.probabilities for row in rows])
    prior = (1 / probabilities.shape[1],) * probabilities.shape[1]
    return fit_calibration(probabilities, np.array([row.label for row in rows]), prior, prior)


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


def test_strata_folds_and_conditions_have_results_with_their_numbers() -> None:
    rows = cohort()
    found = summarize(rows, ["M", "F"], settings=QUICK)
    young = [row for row in rows if row.fields["age"] == "20-25"]
    stratum = found.strata[0]
    assert (stratum.field, stratum.category, stratum.participants) == ("age", "20-25", len(young))
    labels, positive = [row.label for row in young], [row.probabilities[1] for row in young]
    assert stratum.auroc.value == pytest.approx(roc_auc_score(labels, positive))
    assert [each.category for each in found.strata if each.field == "fold"] == ["0", "1", "2", "3"]
    assert [each.field for each in found.strata_left_out] == ["site"]
    assert [test.within for test in found.permutation.tests] == [["fold"], ["fold", "age"]]
    assert [each.condition for each in found.conditions] == ["EC", "EO"]
    closed = [row.by_condition["EC"][1] for row in rows]
    assert found.conditions[0].auroc.value == pytest.approx(roc_auc_score([row.label for row in rows], closed))


def test_the_strata_are_those_of_predictions_csv_also_beside_participants_without_a_label(tmp_path: Path) -> None:
    """The unlabelled are older: ranges of the age are made over all who are predicted."""
    rows = [
        Prediction(f"s{place:02d}", place % 2 if place < 20 else None, (0.4, 0.6), 0.5, 1, fields={"age": 20 + place})
        for place in range(40)
    ]
    ResultWriter(tmp_path, ["M", "F"])(rows)
    found = Metrics.model_validate_json((tmp_path / "metrics.json").read_bytes())
    assert [(each.category, each.participants) for each in found.strata] == [("20 to 29", 10), ("30 to 39", 10)]
    table = (tmp_path / "predictions.csv").read_text(encoding="utf-8")
    assert table.count(",20 to 29") == table.count(",50 to 59") == 10


def test_a_number_that_the_network_reads_alone_is_not_called_knowledge_of_the_class() -> None:
    """Within four ranges of it, participants still differ in it: a permutation there would be significant."""
    found = [_test_given_size(seed, knows=0.0) for seed in range(40)]
    assert {test.method for test in found} == {"conditional randomisation"}
    assert {test.exchangeable for test in found} == {60}
    assert sum(test.auroc <= 0.05 for test in found if test.auroc is not None) <= 6  # 2 are expected
    assert all(test.balanced_accuracy is None for test in found)
    knower = [_test_given_size(seed, knows=2.0) for seed in range(10)]
    assert sum(test.auroc <= 0.05 for test in knower if test.auroc is not None) >= 9


def _test_given_size(seed: int, knows: float) -> PermutationTest:
    """The test beyond a number that differs by 1.5 SD between the classes, of a network that reads it."""
    random = np.random.default_rng(seed)
    labels = [place % 2 for place in range(60)]
    sizes = [1.5 * label + float(random.normal()) for label in labels]
    logits = [
        size - 0.75 + 0.5 * float(random.normal()) + knows * (label - 0.5)
        for size, label in zip(sizes, labels, strict=True)
    ]
    rows = [
        Prediction(f"s{place}", label, (1 - p, p), 0.5, 1, fields={"size": f"{size:.4f}"})
        for place, (label, size, p) in enumerate(zip(labels, sizes, 1 / (1 + np.exp(-np.array(logits))), strict=True))
    ]
    settings = ScoringSettings(draws=199, seed=1)
    (test,) = [
        each for each in summarize(rows, ["M", "F"], settings=settings).permutation.tests if each.within == ["size"]
    ]
    return test


def test_everyone_of_the_datalist_tells_how_a_number_goes_with_the_class() -> None:
    random = np.random.default_rng(0)
    labels, second = np.arange(20) % 2, random.random(20)
    rows = [
        Prediction(f"s{place}", int(label), (1 - p, p), 0.5, 1, fields={"size": place})
        for place, (label, p) in enumerate(zip(labels, second.tolist(), strict=True))
    ]
    all_labels, sizes = np.arange(100) % 2, random.integers(0, 20, 100) + 3 * (np.arange(100) % 2)
    everyone = tuple((int(label), {"size": int(size)}) for label, size in zip(all_labels, sizes, strict=True))
    test = summarize(rows, ["M", "F"], settings=ScoringSettings(draws=199, everyone=everyone)).permutation.tests[1]
    own = np.arange(20.0)[:, np.newaxis]
    given = class_probabilities(sizes[:, np.newaxis].astype(float), all_labels, 2, own)
    expected = conditional_p_value(np.stack([1 - second, second], axis=1), labels, given, draws=199)
    assert test.auroc == expected


def test_a_field_that_is_associated_with_the_class_is_warned_of() -> None:
    rows = [
        Prediction(f"s{place}", place % 2, (0.5, 0.5), 0.5, 1, fields={"age": "old" if place % 2 else "young"})
        for place in range(20)
    ]
    warnings = summarize(rows, ["M", "F"], settings=QUICK).warnings
    assert with_parts(warnings, "age is associated with the class", "0 of 20")


def test_a_collapsed_gate_and_a_useless_modality_are_warned_of() -> None:
    rows = [
        Prediction(f"s{place}", place % 2, (0.4, 0.6), 0.01, 1, without_eeg=(0.41, 0.59), without_mri=(0.6, 0.4))
        for place in range(20)
    ]
    warnings = summarize(rows, ["M", "F"], settings=QUICK).warnings
    assert with_parts(warnings, "gate has collapsed", "below 0.05", "only the MRI")
    assert with_parts(warnings, "the EEG has no effect", "1.0 % of the probability")
    assert not with_parts(warnings, "the MRI has no effect")


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


def written_files(folder: Path) -> Iterator[dict[str, Any]]:
    """Files of usual and odd cohorts, as an evaluation writes them."""
    cohorts: list[tuple[list[Prediction], list[str], Any]] = [
        (cohort(), ["M", "F"], calibration_of(cohort())),
        (cohort(classes=3), ["a", "b", "c"], calibration_of(cohort(classes=3))),
        (cohort(90), ["M", "F"], None),
        (predictions_of([[0.9, 0.1]], [0]), ["M", "F"], None),
        (some_lacking(cohort()), ["M", "F"], None),
        (predictions_of([[0.9, 0.1]] * 4, [0, 1, 0, 1], recordings="eeg"), ["M", "F"], None),
        (predictions_of([[0.9, 0.1]] * 3, [0, None, 1]), ["M", "F"], None),
    ]
    for place, (rows, classes, calibration) in enumerate(cohorts):
        ResultWriter(folder / str(place), classes, calibration, "Köln", "test")(rows)
        text = (folder / str(place) / "metrics.json").read_text(encoding="utf-8")
        assert "NaN" not in text and "Infinity" not in text
        yield json.loads(text)


def test_what_is_written_fits_the_committed_schema(tmp_path: Path) -> None:
    schema = json.loads((DOCS / "metrics.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for content in written_files(tmp_path):
        validator.validate(content)
        assert Metrics.model_validate(content).model_dump(mode="json") == content
    assert content["datalist"] == "Köln"
    broken = content | {"participants": "ten"}
    assert not validator.is_valid(broken) and not validator.is_valid(content | {"more": 1})


def test_the_committed_schema_is_current_and_describes_every_field() -> None:
    text = (DOCS / "metrics.schema.json").read_text(encoding="utf-8")
    assert text == metrics_schema_text(), (
        "write monai_fusion.metrics.metrics_file.metrics_schema_text() to docs/metrics.schema.json"
    )
    schema = json.loads(text)
    for part in (schema, *schema["$defs"].values()):
        assert part["additionalProperties"] is False
        assert all("description" in field for field in part["properties"].values())


def test_the_page_lists_every_field_and_every_column(tmp_path: Path) -> None:
    page = (DOCS / "metrics.md").read_text(encoding="utf-8")
    listed = {name.replace("\\|", "|") for name in re.findall(r"^\| `([^`]+)`", page, flags=re.MULTILINE)}
    schema = json.loads((DOCS / "metrics.schema.json").read_text(encoding="utf-8"))
    fields = {name for part in (schema, *schema["$defs"].values()) for name in part["properties"]}
    list(written_files(tmp_path))
    head = (tmp_path / "4" / "predictions.csv").read_text(encoding="utf-8").splitlines()[0]
    head = re.sub(r"_[MF]\b|_[MF](?=_in)", "_CLASS", head).replace("_in_EC", "_in_CONDITION")
    columns = set(re.sub(r"stratum_\w+", "stratum_FIELD", head.replace("_in_EO", "_in_CONDITION")).split(","))
    of_three = (tmp_path / "1" / "predictions.csv").read_text(encoding="utf-8").splitlines()[0]
    assert "share_a,share_b,share_c,threshold" in of_three
    assert fields | columns | {"share_CLASS", "group"} == listed


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


def test_a_gate_that_is_the_same_for_all_participants_is_warned_of() -> None:
    generator = np.random.default_rng(1)

    def warnings(gates: np.ndarray, **more: Any) -> list[str]:
        rows = [Prediction(f"s{place}", place % 2, (0.4, 0.6), float(gate), 1, **more)
                for place, gate in enumerate(gates)]  # fmt: skip
        return with_parts(summarize(rows, ["M", "F"], settings=QUICK).warnings, "same for all participants")

    assert_parts(warnings(generator.normal(0.44, 0.008, 20))[0], "mean 0.44", "by a constant")
    assert not warnings(generator.normal(0.44, 0.1, 20))
    # A gate that varies, and decides nothing: the mean gate for all gives the same probabilities.
    assert_parts(warnings(generator.normal(0.44, 0.1, 20), mean_gate=(0.41, 0.59))[0], "no probability", "0.010")
    assert not warnings(generator.normal(0.44, 0.1, 20), mean_gate=(0.5, 0.5))
    assert not warnings(np.full(20, 0.5))  # a head without a gate


def test_the_loss_without_a_modality_has_a_paired_interval() -> None:
    """Predictions that hardly change have a narrow one, far narrower than that of either AUROC."""
    generator = np.random.default_rng(2)
    labels = np.array([0, 1] * 40)
    odds = generator.normal(size=80) + 1.5 * (labels - 0.5)

    def two(values: np.ndarray) -> list[tuple[float, float]]:
        return [(1 - one, one) for one in (1 / (1 + np.exp(-values))).tolist()]

    nearly, nothing = two(odds + generator.normal(0, 0.1, 80)), two(generator.normal(size=80))
    rows = [
        Prediction(f"s{place}", int(label), both, 0.4, 1, without_eeg=one, without_mri=other)
        for place, (label, both, one, other) in enumerate(zip(labels, two(odds), nearly, nothing, strict=True))
    ]
    found = summarize(rows, ["M", "F"]).modalities
    assert found is not None and found.without_eeg.auroc is not None
    loss, large = found.without_eeg.lost_auroc, found.without_mri.lost_auroc
    full = roc_auc_score(labels, [row.probabilities[1] for row in rows])
    assert loss.value == pytest.approx(full - found.without_eeg.auroc)
    assert loss.interval is not None and loss.interval[0] < 0 < loss.interval[1]
    assert loss.interval[1] - loss.interval[0] < 0.05
    assert large.interval is not None and large.interval[0] > 0
    few = summarize(rows[:14], ["M", "F"], settings=QUICK).modalities
    assert few is not None and few.without_eeg.lost_auroc.interval is None
    assert_parts(few.without_eeg.lost_auroc.note, "fewer than 10 participants in a class")
