"""Groups of participants: fields of the datalist, and EEG conditions in file names."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from monai_fusion.datalist import ParticipantRecord
from monai_fusion.metrics import Prediction
from monai_fusion.metrics.conditions import conditions_of, mean_by_condition
from monai_fusion.metrics.grouping import folds_of, participant_strata


def people(**fields: Sequence[object]) -> list[Prediction]:
    number = len(next(iter(fields.values())))
    rows = [{name: values[place] for name, values in fields.items() if values[place] != ""} for place in range(number)]
    return [Prediction(f"sub-{place}", place % 2, (0.5, 0.5), 0.5, 1, fields=row) for place, row in enumerate(rows)]


def test_fields_that_many_share_are_strata_and_the_others_say_why_not() -> None:
    used, left_out = participant_strata(
        people(
            age=["20-25", "20-25", "60-65", "60-65", "60-65", ""],
            site=["Leipzig"] * 6,
            note=["a", "b", "c", "d", "e", "f"],
            scans=[["x"]] * 6,
            fold=[0, 0, 0, 1, 1, 1],
        )
    )
    assert used["age"] == {
        "sub-0": "20-25", "sub-1": "20-25", "sub-2": "60-65", "sub-3": "60-65", "sub-4": "60-65", "sub-5": "not known"
    }  # fmt: skip
    assert set(used["fold"].values()) == {"0", "1"} and used.keys() == {"age", "fold"}
    assert left_out.keys() == {"site", "note", "scans"}
    assert "same" in left_out["site"] and "6 different values among 6" in left_out["note"]
    assert "text or a number" in left_out["scans"]


def test_ages_in_years_become_four_ranges() -> None:
    used, _ = participant_strata(people(age=list(range(20, 60))))
    assert sorted(set(used["age"].values())) == ["20 to 29", "30 to 39", "40 to 49", "50 to 59"]


def test_the_fold_is_a_participants_own_and_the_same_where_there_is_none() -> None:
    assert folds_of(people(fold=[0, 1, 1])) == ["0", "1", "1"]
    assert folds_of(people(age=[1, 2])) == ["", ""]


def record(name: str, *files: str) -> ParticipantRecord:
    return ParticipantRecord(name, 0, tuple(Path(file) for file in files), None, "test")


@pytest.mark.parametrize(
    "pattern",
    ["{id}_{c}_seg{s}.npy", "{id}_task-rest_acq-{c}_run-{s}_eeg.npy", "{id}_ses-0{s}_{c}_{s}.npy"],
    ids=["LEMON", "BIDS", "session and number"],
)
def test_the_condition_is_the_word_that_files_differ_in(pattern: str) -> None:
    records = [
        record(name, *(pattern.format(id=name, c=c, s=s) for c in ("EC", "EO") for s in (0, 1)))
        for name in ("sub-1", "sub-2")
    ]
    assert conditions_of(records) == dict.fromkeys(("sub-1", "sub-2"), ("EC", "EC", "EO", "EO"))


@pytest.mark.parametrize(
    "files",
    [
        {"a": ["a_EO_seg0.npy"], "b": ["b_EO_seg0.npy"]},
        {"a": ["a_seg0.npy", "a_seg1.npy"], "b": ["b_seg0.npy"]},
        {"a": ["a_x1_seg0.npy", "a_x2_seg0.npy"], "b": ["b_y1_seg0.npy", "b_y2_seg0.npy"]},
        {"a": ["a_EO.npy", "a_EC.npy"], "b": ["b_EO.npy"]},
        {},
    ],
    ids=["one condition", "no condition", "a word a file", "of one participant", "no participant"],
)
def test_names_that_do_not_tell_conditions_tell_none(files: dict[str, list[str]]) -> None:
    assert conditions_of([record(name, *paths) for name, paths in files.items()]) == {}


def test_a_file_without_a_condition_beside_others_is_not_guessed() -> None:
    records = [record(name, f"{name}_EO.npy", f"{name}_EC.npy", f"{name}.npy") for name in ("a", "b")]
    assert conditions_of(records)["a"] == ("EO", "EC", None)
    assert mean_by_condition([(0.2, 0.8), (0.4, 0.6), (1.0, 0.0)], ("EO", "EO", None)) == {
        "EO": pytest.approx((0.3, 0.7))
    }
