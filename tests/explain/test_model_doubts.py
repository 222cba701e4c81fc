"""When the maps of a model carry a warning, whatever they show."""

from __future__ import annotations

from typing import Any

import pytest

from monai_fusion.explain.model_doubts import model_doubts, recording_doubts

FINISHED = {"status": "finished", "epochs": [{"epoch": 1}]}


def metrics(low: float | None, section: str = "test") -> dict[str, Any]:
    interval = None if low is None else [low, 0.9]
    return {"section": section, "scores": {"auroc": {"value": 0.8, "interval": interval}}}


def calibration(right: int, of: int) -> dict[str, Any]:
    rows = [
        {"label": label, "probabilities": [1.0 - p, p]}
        for label in (0, 1)
        for p in [float(label)] * right + [1.0 - label] * (of - right)
    ]
    return {"fitted_on": "validation", "predictions": rows}


def test_a_model_that_predicts_has_no_warning() -> None:
    assert model_doubts(FINISHED, metrics(0.6), None) == []
    assert model_doubts(None, metrics(0.6), None) == []
    assert model_doubts(FINISHED, None, calibration(18, 20)) == []


def test_an_auroc_whose_interval_holds_one_half_is_not_shown() -> None:
    (warning,) = model_doubts(FINISHED, metrics(0.45), calibration(20, 20))
    assert "AUROC 0.800 on the test part, 95 % interval from 0.450; chance is 0.5" in warning
    (warning,) = model_doubts(FINISHED, metrics(None), None)
    assert "no interval" in warning


def test_scores_of_the_training_part_show_nothing() -> None:
    (warning,) = model_doubts(FINISHED, metrics(0.9, "training"), None)
    assert "nothing shows that the model predicts" in warning


def test_the_validation_decides_without_an_evaluation() -> None:
    (warning,) = model_doubts(FINISHED, None, calibration(12, 20))
    assert "balanced accuracy 0.600 on the validation part" in warning


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ({"status": "finished", "epochs": []}, "untrained"),
        ({"status": "running", "epochs": [{}]}, "not finished"),
        ({"status": "failed"}, "not finished"),
    ],
)
def test_an_untrained_model_is_named_so(manifest: dict[str, Any], words: str) -> None:
    (warning,) = model_doubts(manifest, metrics(0.9), calibration(20, 20))
    assert words in warning


def test_what_is_not_understood_counts_as_unknown() -> None:
    for damaged in ({}, {"scores": 3}, {"scores": {"auroc": {"value": "x"}}}):
        (warning,) = model_doubts(FINISHED, damaged, {"fitted_on": "validation", "predictions": [{"label": None}]})
        assert "nothing shows" in warning


def test_a_recording_without_effect_is_warned_of() -> None:
    found = recording_doubts({"modalities": {"without_mri": {"changes_nothing": True}, "without_eeg": {}}})
    assert list(found) == ["mri"]
    assert "the MRI has no effect" in found["mri"]
    assert recording_doubts(None) == {}
