"""The facts about a training that a page carries, and the folders that it does not."""

import json
from typing import Any

import pytest

from monai_fusion.report.run_results import Results
from monai_fusion.report.what_was_run import MOST_KNOBS, later_stages_train_more, value_text, what_was_run
from tests.report.conftest import MANIFEST


def results(manifest: Any = None, recipe: Any = None) -> Results:
    return Results(name="run", classes=("M", "F"), participants=[], manifest=manifest, recipe=recipe)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/home/jane/study/weights.pth", "weights.pth"),
        ("/home/Jane Doe/my study/weights.pth", "weights.pth"),
        (r"C:\Users\Jane Doe\weights.pth", "weights.pth"),
        (r"\\server\jane\weights.pth", "weights.pth"),
        ("~/study/weights.pth", "weights.pth"),
        ("../jane/weights.pth", "weights.pth"),
        ("sqlite:////home/jane/mlruns.db", "mlruns.db"),
        ("weights from /home/jane/weights.pth", "weights from weights.pth"),
        (["/home/jane/a", {"x": "/home/jane/b"}], '["a", {"x": "b"}]'),
        ("runs/first", "runs/first"),
        ("Linux-6.18-x86_64", "Linux-6.18-x86_64"),
        ("EEG / MRI", "EEG / MRI"),
        ([0.5, 0.5], "[0.5, 0.5]"),
        (None, "null"),
        ("x" * 500, "x" * 118 + " …"),
    ],
)
def test_a_value_loses_its_folders_and_keeps_the_rest(value: Any, expected: str) -> None:
    assert value_text(value) == expected


def test_knobs_that_differ_are_those_that_a_user_set_and_not_folders_or_devices() -> None:
    run = what_was_run(results(MANIFEST))
    assert run is not None
    assert [name for name, _, _ in run.knobs] == ["num_epochs", "head_lr", "mri_weights"]
    assert what_was_run(results({"knobs": {"batch_size": 4}})).knobs == ()  # type: ignore[union-attr]


def test_many_knobs_are_cut_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"knob{n}" for n in range(MOST_KNOBS + 5)]
    module = "monai_fusion.report.what_was_run"
    monkeypatch.setattr(f"{module}.load_configs", lambda paths: dict.fromkeys(names, 0))
    knob = type("Knob", (), {})
    monkeypatch.setattr(f"{module}.read_knobs", lambda path: [_named(knob(), name) for name in names])
    run = what_was_run(results({"knobs": dict.fromkeys(names, 1)}))
    assert run is not None and len(run.knobs) == MOST_KNOBS and run.further_knobs == 5


def _named(knob: Any, name: str) -> Any:
    knob.name = name
    return knob


def test_without_a_manifest_the_recipe_is_shown_and_without_either_nothing() -> None:
    run = what_was_run(results(None, {"fusion": "gated", "preprocessing": {"eeg": "e"}, "mri_size": [1, 2, 3]}))
    assert run is not None and run.facts == (("fusion", "gated"), ("mri_size", "[1, 2, 3]"))
    assert what_was_run(results()) is None


@pytest.mark.parametrize("value", [None, True, -1, 1e308, "", "a", [], {}, [[[]]], {"epoch": []}])
def test_a_manifest_of_another_shape_is_no_fault(value: Any) -> None:
    for name in MANIFEST:
        changed = json.loads(json.dumps(MANIFEST)) | {name: value}
        assert what_was_run(results(changed)) is not None
        if isinstance(MANIFEST[name], dict):
            for inner in MANIFEST[name]:  # type: ignore[attr-defined]
                assert what_was_run(results({**MANIFEST, name: {**MANIFEST[name], inner: value}}))  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("stages", "more"),
    [
        ([{"mri": ["layer4"]}, {"mri": ["layer3", "layer4"]}], True),
        ([{"mri": ["all"]}, {"mri": ["all"]}], False),
        (None, True),
    ],
)
def test_stages_that_train_the_same_blocks_are_not_said_to_train_more(stages: Any, more: bool) -> None:
    assert later_stages_train_more({"knobs": {"stage_blocks": stages}}) is more
