"""Knobs of an explanation: each mistake is one short message, before anything is prepared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from monai_fusion.datalist import Datalist, read_datalist
from monai_fusion.errors import InputError
from monai_fusion.explain import read_settings
from tests.commands import call

RECIPE: Mapping[str, Any] = {"classes": ["M", "F"], "modalities": "both", "absence": False}


@pytest.fixture
def cohort(tmp_path: Path) -> Datalist:
    """A datalist of which a run has read the test part alone."""
    ids = {"training": [("sub-03", "F")], "validation": [], "test": [("sub-01", "M"), ("sub-02", "F")]}
    rows = {
        part: [
            {"participant_id": name, "label": label, "eeg": f"{name}.npy", "mri": f"{name}.nii.gz"}
            for name, label in names
        ]
        for part, names in ids.items()
    }
    path = tmp_path / "cohort.json"
    path.write_text(json.dumps({"classes": ["M", "F"], **rows}), encoding="utf-8")
    for name in ("sub-01", "sub-02"):
        (tmp_path / f"{name}.npy").touch()
        (tmp_path / f"{name}.nii.gz").touch()
    return read_datalist(path, ["test"])


def read(cohort: Datalist, recipe: Mapping[str, Any] = RECIPE, **knobs: Any) -> Any:
    return read_settings(recipe, cohort, "test", **knobs)


def message(cohort: Datalist, recipe: Mapping[str, Any] = RECIPE, **knobs: Any) -> str:
    with pytest.raises(InputError) as caught:
        read(cohort, recipe, **knobs)
    return str(caught.value)


def test_the_defaults_are_quick_methods_for_all_participants_and_the_second_class(cohort: Datalist) -> None:
    found = read(cohort)
    assert found.methods == ("modality", "eeg_occlusion", "mri_gradcam")
    assert (found.participants, found.target, found.segments) == (None, 1, 8)


def test_all_are_those_that_suit_the_model(cohort: Datalist) -> None:
    assert len(read(cohort, methods="all").methods) == 9
    assert read(cohort, RECIPE | {"modalities": "eeg"}, methods="all").methods == (
        "eeg_occlusion",
        "eeg_integrated_gradients",
        "eeg_reference_gradients",
    )
    assert read(cohort, RECIPE | {"modalities": "mri"}).methods == ("mri_gradcam",)


@pytest.mark.parametrize("typed", ["mri_gradcam,modality", ["mri_gradcam", "modality"], "['mri_gradcam', 'modality']"])
def test_methods_are_a_list_or_a_text(cohort: Datalist, typed: object) -> None:
    assert read(cohort, methods=typed).methods == ("modality", "mri_gradcam")


def test_an_unknown_method_is_named_with_the_likely_one(cohort: Datalist) -> None:
    found = message(cohort, methods=["eeg_oclusion"])
    assert "eeg_oclusion" in found and "did you mean eeg_occlusion?" in found
    assert "none" in message(cohort, methods=[])
    assert "MRI alone" in message(cohort, RECIPE | {"modalities": "mri"}, methods=["eeg_occlusion"])


def test_participants_must_be_in_the_part(cohort: Datalist) -> None:
    assert read(cohort, participants=["sub-02", "sub-02"]).participants == ("sub-02",)
    assert read(cohort, participants="sub-01, sub-02").participants == ("sub-01", "sub-02")
    assert "in the training part" in message(cohort, participants=["sub-03"])
    assert "did you mean sub-01?" in message(cohort, participants=["sub-O1"])


def test_one_of_more_than_two_classes_must_be_named(cohort: Datalist) -> None:
    three = RECIPE | {"classes": ["A", "B", "C"]}
    assert "A, B, C" in message(cohort, three)
    assert read(cohort, three, explained_class="C").target == 2
    assert read(cohort, explained_class="M").target == 0
    assert "'X'" in message(cohort, explained_class="X")


@pytest.mark.parametrize("value", [0, -1, "8", True, 2.5])
def test_segments_are_a_whole_number(cohort: Datalist, value: object) -> None:
    assert "explained_segments" in message(cohort, segments=value)


def test_absent_recordings_must_have_been_learned(cohort: Datalist) -> None:
    assert "modality_dropout" in message(cohort, modality_reference="absent")
    assert read(cohort, RECIPE | {"absence": True}, modality_reference="absent").modality_reference == "absent"
    assert "swapped or absent" in message(cohort, modality_reference="zero")


def test_a_library_that_is_not_installed_is_named_with_the_command(
    cohort: Datalist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monai_fusion.explain.settings.find_spec", lambda name: None)
    found = message(cohort, methods=["eeg_integrated_gradients"])
    assert "eeg_integrated_gradients needs captum" in found and 'pip install "monai-fusion[explain]"' in found
    assert read(cohort).methods == ("modality", "eeg_occlusion", "mri_gradcam")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--methods", "modality", "eeg_oclusion"), "did you mean eeg_occlusion?"),
        (("--participants", "sub-03"), "--participants sub-03: is in the training part: add --section training"),
        (("--explained_class", "X"), "--explained_class: 'X', expected one of M, F"),
    ],
)
def test_a_dry_run_refuses_what_the_run_would_refuse(
    words: tuple[str, ...], expected: str, cohort: Datalist, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/model.pt").touch()
    (tmp_path / "run/recipe.json").write_text(json.dumps({**RECIPE, "preprocessing": {}}), encoding="utf-8")
    command = ("explain", tmp_path / "run", "--datalist", cohort.path, "--dry-run")
    assert call(capsys, *command)[0] == 0
    code, out, err = call(capsys, *command, *words)
    assert (code, out) == (2, "") and expected in err
