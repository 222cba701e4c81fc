"""A log of changes is made again in a datalist that may be newer; what has changed in the meantime is a conflict."""

import json
from pathlib import Path
from typing import Any

import pytest

from monai_fusion.datalist.changes.applying import apply_changes
from monai_fusion.datalist.changes.change_log import Change, ChangeLog, read_change_log
from monai_fusion.datalist.changes.comparing import compare
from monai_fusion.errors import InputError
from tests.datalist.conftest import one_row_a_line

Document = dict[str, Any]


def change(participant: str, field: Any, before: str | None, after: str | None) -> Change:
    return Change(participant_id=participant, field=field, before=before, after=after)


def log(*changes: Change) -> ChangeLog:
    return ChangeLog(changes=list(changes))


ALL_KINDS = log(
    change("sub-01", "label", "M", "F"),
    change("sub-02", "exclude", None, 'moved "a lot"'),
    change("sub-03", "note", None, "see the\nsecond scan"),
    change("sub-06", "part", "test", "training"),
)


def test_each_kind_of_change_is_made_and_the_other_lines_keep_their_bytes(document: Document) -> None:
    text = one_row_a_line(document)

    merge = apply_changes(text, ALL_KINDS)

    assert (merge.made, merge.already, merge.conflicts) == (4, 0, ())
    new = json.loads(merge.text)
    training = {row["participant_id"]: row for row in new["training"]}
    assert training["sub-01"]["label"] == "F"
    assert training["sub-02"]["exclude"] == 'moved "a lot"'
    assert training["sub-03"]["note"] == "see the\nsecond scan"
    assert list(training) == ["sub-01", "sub-02", "sub-03", "sub-06"]
    assert [row["participant_id"] for row in new["test"]] == ["sub-07", "sub-08"]
    unchanged = [line for line in text.splitlines() if any(name in line for name in ("-04", "-05", "-07", "-08"))]
    assert len(unchanged) == 4
    assert {line.strip(" ,") for line in unchanged} <= {line.strip(" ,") for line in merge.text.splitlines()}


def test_a_log_that_was_applied_changes_nothing_the_second_time(document: Document) -> None:
    once = apply_changes(one_row_a_line(document), ALL_KINDS)

    twice = apply_changes(once.text, ALL_KINDS)

    assert (twice.text, twice.made, twice.already, twice.conflicts) == (once.text, 0, 4, ())


def test_the_newer_datalists_own_changes_stay(document: Document) -> None:
    document["training"][0]["age"] = 30
    document["training"].append({"participant_id": "sub-09", "label": "M", "eeg": None, "mri": "mri/x.nii"})

    merge = apply_changes(one_row_a_line(document), ALL_KINDS)

    rows = {row["participant_id"]: row for row in json.loads(merge.text)["training"]}
    assert not merge.conflicts
    assert rows["sub-01"]["age"] == 30
    assert "sub-09" in rows


CONFLICTS = {
    "the participant is gone": (change("sub-99", "note", None, "x"), "note", "no such participant"),
    "the class is unknown": (change("sub-01", "label", "M", "X"), "label", '"X" is no class'),
    "the part is unknown": (change("sub-01", "part", "training", "tset"), "part", '"tset" is no part'),
    "another reason": (change("sub-02", "exclude", "old", "new"), "exclude", "the datalist has nothing"),
}


@pytest.mark.parametrize("name", CONFLICTS)
def test_a_change_that_cannot_be_made_is_a_conflict_and_the_others_are_made(name: str, document: Document) -> None:
    wrong, field, reason = CONFLICTS[name]

    merge = apply_changes(one_row_a_line(document), log(wrong, change("sub-08", "note", None, "fine")))

    (conflict,) = merge.conflicts
    assert conflict.change.field == field
    assert reason in conflict.words
    assert merge.made == 1
    assert json.loads(merge.text)["test"][2]["note"] == "fine"


def test_a_field_that_somebody_else_changed_is_not_overwritten(document: Document) -> None:
    document["classes"] = ["M", "F", "X"]
    document["training"][0]["label"] = "X"

    merge = apply_changes(one_row_a_line(document), log(change("sub-01", "label", "M", "F")))

    assert merge.conflicts[0].words == 'sub-01 label: the log changes "M" to "F", the datalist has "X"'
    assert json.loads(merge.text)["training"][0]["label"] == "X"


def test_changes_to_and_fro_count_as_what_is_left_of_them(document: Document) -> None:
    to_and_fro = log(
        change("sub-01", "label", "M", "F"),
        change("sub-01", "label", "F", "M"),
        change("sub-02", "exclude", None, "a"),
        change("sub-02", "exclude", "a", "b"),
    )

    merge = apply_changes(one_row_a_line(document), to_and_fro)

    assert merge.made == 1
    (difference,) = compare(document, json.loads(merge.text)).differences
    assert (difference.participant_id, difference.field, difference.after) == ("sub-02", "exclude", "b")


def test_an_exclusion_is_taken_back(document: Document) -> None:
    text = one_row_a_line(document)
    out = apply_changes(text, log(change("sub-02", "exclude", None, "a"))).text

    back = apply_changes(out, log(change("sub-02", "exclude", "a", None)))

    assert back.text == text


BAD_LOGS = {
    "not JSON": ("{", "not JSON"),
    "a datalist": ('{"classes": ["M", "F"], "training": []}', "changes"),
    "another format": ('{"change_log": 2, "changes": []}', "change_log"),
    "an unknown field": (
        '{"change_log": 1, "changes": [{"participant_id": "a", "field": "mri", "after": "x"}]}',
        "changes 1 field: Input should be 'label'",
    ),
    "an id that is a path": (
        '{"change_log": 1, "changes": [{"participant_id": "../a", "field": "note", "after": "x"}]}',
        "participant_id",
    ),
    "no class": ('{"change_log": 1, "changes": [{"participant_id": "a", "field": "label", "after": null}]}', "label"),
    "a reason of two lines": (
        '{"change_log": 1, "changes": [{"participant_id": "a", "field": "exclude", "after": "x\\ny"}]}',
        "exclude",
    ),
    "no time": (
        '{"change_log": 1, "changes": [{"participant_id": "a", "field": "note", "after": "x", "when": "soon"}]}',
        "when",
    ),
}


@pytest.mark.parametrize("name", BAD_LOGS)
def test_a_file_that_is_no_log_is_refused_in_one_message(name: str, tmp_path: Path) -> None:
    text, named = BAD_LOGS[name]
    path = tmp_path / "log.json"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(InputError) as refused:
        read_change_log(path)

    assert len(refused.value.problems) == 1
    assert named in str(refused.value)


def test_a_log_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="file not found"):
        read_change_log(tmp_path / "none.json")
