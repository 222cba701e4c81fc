"""Two datalists differ in participants, in fields, in the order of rows, in the file's own fields, or not at all."""

import copy
from typing import Any

from monai_fusion.datalist.changes.comparing import compare

Document = dict[str, Any]


def test_every_kind_of_difference_is_put_into_words(document: Document) -> None:
    new = copy.deepcopy(document)
    new["name"] = "Nine"
    new["training"][0]["label"] = "F"
    new["training"][1]["exclude"] = "moved during the scan"
    new["validation"][0]["age"] = 30
    new["training"].append(new["test"].pop(0))
    new["test"].append({"participant_id": "sub-09", "label": "M"})
    del new["validation"][1]

    lines = list(compare(document, new).lines())

    assert lines == [
        "name: Eight -> Nine",
        "sub-09: added (test)",
        "sub-05: removed (validation)",
        "sub-01: label M -> F",
        "sub-02: left out: moved during the scan",
        "sub-06: moved from test to training",
        "sub-04: age 30 added",
        "validation: 2 participants (1 F, 1 M) -> 1 participant (1 M)",
        "warning: 2 participants came into the test part or left it: decide who is in it before you look at any "
        "result, or the result looks better than it is",
    ]


def test_an_exclusion_that_is_taken_back_names_the_reason(document: Document) -> None:
    document["training"][0]["exclude"] = "asleep"
    new = copy.deepcopy(document)
    del new["training"][0]["exclude"]

    assert "sub-01: included again (was left out: asleep)" in list(compare(document, new).lines())


def test_a_test_participant_who_is_left_out_changes_the_test_part(document: Document) -> None:
    new = copy.deepcopy(document)
    new["test"][0]["exclude"] = "asleep"

    assert compare(document, new).test_part_changes == 1


def test_the_same_rows_in_another_order_are_a_difference_because_a_training_draws_by_it(document: Document) -> None:
    new = copy.deepcopy(document)
    new["training"].reverse()

    found = compare(document, new)

    assert found.order
    assert not found.same
    assert not found.differences


def test_a_row_in_the_middle_that_is_gone_is_no_other_order(document: Document) -> None:
    new = copy.deepcopy(document)
    del new["training"][1]

    assert not compare(document, new).order


def test_one_and_true_are_different_values_and_null_and_no_field_are_the_same(document: Document) -> None:
    document["training"][0]["right_handed"] = 1
    new = copy.deepcopy(document)
    new["training"][0]["right_handed"] = True
    new["training"][1]["age"] = None

    (difference,) = compare(document, new).differences

    assert difference.field == "right_handed"


def test_equal_datalists_have_no_difference_whatever_schema_they_name(document: Document) -> None:
    assert list(compare(document, {**document, "$schema": "elsewhere.json"}).lines()) == ["no difference"]
