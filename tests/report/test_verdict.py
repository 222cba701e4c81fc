"""The result in words: what is claimed in which case, and what is not."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from monai_fusion.metrics.metrics_file import Metrics
from monai_fusion.report.predictions_reader import PredictionRow
from monai_fusion.report.run_results import Results
from monai_fusion.report.verdict import correction_text, threshold_text, verdict_of
from tests.message_parts import assert_parts
from tests.report.conftest import EXAMPLES

Changes = Callable[[dict[str, Any]], None]


def results_of(change: Changes = lambda metrics: None, example: str = "two_classes", **more: Any) -> Results:
    """An example's metrics, changed, as a report reads them."""
    content = json.loads((EXAMPLES / example / "metrics.json").read_text(encoding="utf-8"))
    change(content)
    metrics = Metrics.model_validate_json(json.dumps(content))
    people = [PredictionRow(f"p{n}", 0, 0, (0.6, 0.4), 0.5, "4") for n in range(metrics.participants)]
    return Results(name="run", classes=tuple(metrics.classes), participants=people, metrics=metrics, **more)


def verdict(change: Changes = lambda metrics: None, example: str = "two_classes", **more: Any) -> str:
    return " ".join(verdict_of(results_of(change, example, **more)))


def with_auroc(value: float | None, interval: tuple[float, float] | None, p: float | None, n: int = 12) -> Changes:
    """Metrics of n participants with this AUROC, without strata and modalities, well calibrated."""

    def change(metrics: dict[str, Any]) -> None:
        metrics["scores"]["auroc"] |= {"value": value, "interval": interval, "baseline": 0.5, "note": ""}
        metrics["permutation"]["tests"] = [
            {"within": [], "exchangeable": n, "auroc": p, "balanced_accuracy": 0.01},
        ]
        metrics |= {"participants": n, "modalities": None, "patterns": []}
        metrics["calibration"] |= {"applied": True, "fitted": True, "fitted_participants": 40, "notes": []}

    return change


def removing(without_eeg: float, without_mri: float, loss: dict[str, Any] | None = None) -> Changes:
    def change(metrics: dict[str, Any]) -> None:
        with_auroc(0.97, (0.65, 1.0), 0.004)(metrics)
        rows = {"without_eeg": without_eeg, "without_mri": without_mri}
        lost = {"value": 0.1, "note": "no interval: fewer than 10 participants in a class"} | (loss or {})
        same = {"balanced_accuracy": 0.8, "lost_auroc": lost, "lost_balanced_accuracy": lost}
        same |= {"mean_change": 0.1, "changed_predictions": 2, "changes_nothing": False}
        metrics["modalities"] = {
            "reference_participants": 12,
            **{name: {"auroc": v, **same} for name, v in rows.items()},
        }

    return change


def test_a_result_that_is_shown_is_claimed_with_its_p_value_and_its_interval() -> None:
    text = verdict(with_auroc(0.97, (0.6456, 1.0), 0.003998))
    assert_parts(text, "Distinguishes M from F better than chance", "p = 0.004", "12 test", "AUROC", "0.65 to 1.00")


def test_of_many_participants_the_score_stands_with_its_interval() -> None:
    text = verdict(with_auroc(0.871, (0.84, 0.9), 0.0005, n=500))
    assert_parts(text, "Distinguishes M from F better than chance", "p = 0.0005", "500 test", "0.87", "0.84 to 0.90")


@pytest.mark.parametrize(
    ("interval", "p", "expected"),
    [
        ((0.3, 0.8), 0.21, ("Not shown", "M from F better than chance", "p = 0.210")),
        ((0.55, 0.8), 0.051, ("Not shown", "M from F better than chance", "p = 0.051")),
        ((0.49, 0.8), 0.03, ("At the edge of chance", "p = 0.030", "AUROC (0.49 to 0.80)")),
        ((0.1, 0.4), 0.99, ("Worse than chance", "AUROC")),
        ((0.6, 0.8), None, ("did not test", "better than chance")),
    ],
)
def test_what_is_not_shown_is_not_claimed(
    interval: tuple[float, float], p: float | None, expected: tuple[str, ...]
) -> None:
    text = verdict(with_auroc(0.6, interval, p))
    assert_parts(text, *expected)
    assert "Distinguishes" not in text


@pytest.mark.parametrize(
    ("without_eeg", "without_mri", "expected"),
    [
        (1.0, 0.75, ("The MRI carries it", "0.97 to 0.75", "without the EEG it is 1.00")),
        (0.6, 0.96, ("The EEG carries it", "0.97 to 0.60", "without the MRI it is 0.96")),
        (0.93, 0.75, ("The MRI carries most of it", "0.97 to 0.75", "without the EEG to 0.93")),
        (0.8, 0.75, ("Both recordings", "0.97 to 0.80 without the EEG", "0.75 without the MRI")),
        (0.95, 0.94, ("Each recording alone", "0.97 with both", "0.95 without the EEG", "0.94 without the MRI")),
    ],
)
def test_what_carries_the_result_is_read_from_the_removal_of_each_recording(
    without_eeg: float, without_mri: float, expected: tuple[str, ...]
) -> None:
    assert_parts(verdict(removing(without_eeg, without_mri)), *expected, "few participants")


def test_a_result_that_is_not_shown_is_carried_by_nothing() -> None:
    def change(metrics: dict[str, Any]) -> None:
        removing(1.0, 0.75)(metrics)
        metrics["permutation"]["tests"][0]["auroc"] = 0.3

    assert "carries" not in verdict(change)


def test_a_model_of_one_recording_makes_no_claim_about_the_other() -> None:
    assert "carries" in verdict(removing(1.0, 0.75))
    assert "carries" not in verdict(removing(1.0, 0.75), recipe={"modalities": "mri"})


def test_where_some_lack_a_recording_those_with_both_are_compared_with_themselves() -> None:
    def change(metrics: dict[str, Any]) -> None:
        removing(0.9, 0.6)(metrics)
        score = {"value": 0.91, "interval": None, "baseline": 0.5}
        scores = dict.fromkeys(("accuracy", "balanced_accuracy", "auroc"), score)
        metrics["patterns"] = [{"recordings": "both", "participants": 9, "class_counts": [], **scores}]

    assert "falls from 0.91 to 0.60" in verdict(change)


def test_a_field_that_is_associated_with_the_class_may_be_what_was_recognised() -> None:
    def within(p: float | None) -> Changes:
        def change(metrics: dict[str, Any]) -> None:
            with_auroc(0.97, (0.65, 1.0), 0.004)(metrics)
            metrics["permutation"]["tests"].append(
                {"within": ["age"], "exchangeable": 3, "auroc": p, "balanced_accuracy": p}
            )

        return change

    assert_parts(verdict(within(0.341)), "not shown", "more than age", "p = 0.341", "3 exchangeable participants")
    assert_parts(verdict(within(None)), "not shown", "more than age", "the same age")
    assert "age" not in verdict(within(0.01))


def test_ranks_without_classes_are_reported_as_such() -> None:
    def change(metrics: dict[str, Any]) -> None:
        with_auroc(0.97, (0.65, 1.0), 0.004)(metrics)
        metrics["permutation"]["tests"][0]["balanced_accuracy"] = 0.4

    assert_parts(verdict(change), "predicted classes are not shown", "balanced accuracy", "p = 0.400")


@pytest.mark.parametrize(
    ("section", "expected"),
    [("training", "learned from these participants"), ("validation", "chose the epoch and the calibration")],
)
def test_of_participants_who_made_the_model_nothing_is_claimed(section: str, expected: str) -> None:
    def change(metrics: dict[str, Any]) -> None:
        removing(1.0, 0.75)(metrics)
        metrics["section"] = section

    text = verdict(change)
    assert expected in text and "better than chance" not in text and "carries" not in text


def test_three_and_five_classes_are_distinguished() -> None:
    change = with_auroc(0.8, (0.7, 0.9), 0.001, n=18)
    assert verdict(change, "three_classes").startswith("Distinguishes young, middle and old better")
    assert verdict(change, "five_classes").startswith("Distinguishes 5 classes better than chance")


def test_one_class_alone_cannot_be_distinguished() -> None:
    text = verdict(example="one_class")
    assert_parts(text, "6 test participants are all M", "no evidence", "M from F", "6 of 6", "correctly")
    assert "chance" not in text
    assert_parts(verdict(example="one_participant"), "1 test participant is M", "1 of 1 participant was")


def test_of_three_classes_the_two_that_are_there_are_distinguished() -> None:
    def change(metrics: dict[str, Any]) -> None:
        with_auroc(None, None, None)(metrics)
        metrics["class_counts"][2]["participants"] = 0
        metrics["scores"]["balanced_accuracy"] |= {"value": 0.9, "interval": [0.7, 1.0], "baseline": 0.5}

    text = verdict(change, "three_classes")
    assert_parts(text, "Distinguishes young from middle", "p = 0.010", "No participant is old")
    assert_parts(text, "balanced accuracy", "0.70 to 1.00")


def test_without_labels_nothing_is_known() -> None:
    participant = PredictionRow("p", None, 0, (0.6, 0.4), 0.5, "4")
    found = Results(
        name="run", classes=("M", "F"), participants=[participant, replace(participant, participant_id="q")]
    )
    (text,) = verdict_of(found)
    assert_parts(text, "2 participants without a label", "not known")


def test_probabilities_that_are_not_calibrated_are_reported() -> None:
    def change(**calibration: Any) -> Changes:
        def both(metrics: dict[str, Any]) -> None:
            with_auroc(0.97, (0.65, 1.0), 0.004)(metrics)
            metrics["calibration"] |= calibration

        return both

    note = "the validation participants to calibrate on lack a class: the network's evidence is not corrected"
    lacking = change(fitted=False, fitted_participants=7, notes=[note])
    assert_parts(verdict(lacking), "not calibrated", "validation participants", "lack a class")
    assert_parts(verdict(change(applied=False)), "network's own", "not calibrated")
    assert "calibrated" not in verdict(change())


@pytest.mark.parametrize(
    ("calibration", "expected"),
    [
        ({"fitted_participants": 7}, "Youden's index, fitted on 7 validation participants"),
        ({"operating_point": "balanced"}, "balanced: 0.5 at equal class shares"),
        ({"operating_point": "prior"}, "prior: 0.5 at the assumed class shares"),
        ({"operating_point": "sensitivity 0.9"}, "sensitivity 0.9, fitted on 32 validation participants"),
        ({"operating_point": "fixed"}, "given"),
        ({"applied": False, "operating_point": "fixed"}, "not fitted: without calibration"),
    ],
)
def test_the_text_names_the_origin_of_the_threshold(calibration: dict[str, Any], expected: str) -> None:
    def change(metrics: dict[str, Any]) -> None:
        metrics["calibration"] |= {"fitted_participants": 32, "operating_point": "youden", "notes": []} | calibration

    metrics = results_of(change).metrics
    assert metrics is not None and threshold_text(metrics.calibration) == expected


def test_the_text_states_how_the_evidence_was_corrected() -> None:
    metrics = results_of().metrics
    assert metrics is not None
    text = correction_text(metrics.calibration, ["M", "F"])
    assert_parts(text, "multiplied by 0.70", "+0.20 added to the log-odds of F", "fitted on 32 validation participants")
    more = metrics.calibration.model_copy(update={"intercepts": [-0.2, 0.05, 0.15]})
    assert_parts(correction_text(more, ["a", "b", "c"]), "intercepts of \u22120.20 (a), +0.05 (b) and +0.15 (c)")
    unfitted = metrics.calibration.model_copy(update={"fitted": False})
    assert_parts(correction_text(unfitted, ["M", "F"]), "not corrected")


def test_the_loss_without_a_recording_has_its_paired_interval_where_there_is_one() -> None:
    shown = verdict(removing(0.6, 0.9, {"interval": [0.2, 0.45], "method": "bca", "note": ""}))
    assert_parts(shown, "without it the AUROC falls", "0.60 (paired 95 % interval of the loss 0.20 to 0.45)")
    assert "paired" not in verdict(removing(0.6, 0.9))
