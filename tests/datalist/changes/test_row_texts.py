"""The text of a datalist is cut into rows and put together again; what nobody edited keeps its bytes."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monai_fusion.datalist.changes.row_texts import FileText, cut_into_rows
from monai_fusion.datalist.schema import SECTIONS

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
rows = st.dictionaries(st.text(max_size=5), values, min_size=1, max_size=4)
documents = st.fixed_dictionaries({"name": values}, optional={part: st.lists(rows, max_size=3) for part in SECTIONS})
layouts = st.sampled_from(
    [{}, {"indent": 2}, {"indent": "\t"}, {"separators": (",", ":")}, {"indent": 1, "separators": (" , ", " : ")}]
)


@settings(max_examples=30, deadline=None)
@given(documents, layouts, st.booleans(), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "\ufeff", "\n "]))
def test_the_pieces_of_any_datalist_are_its_text(
    document: dict[str, object], layout: dict[str, object], ascii_only: bool, line_end: str, before: str
) -> None:
    text = before + json.dumps(document, ensure_ascii=ascii_only, **layout).replace("\n", line_end) + line_end  # type: ignore[arg-type] # what json takes
    file = cut_into_rows(text)

    assert file.written({}) == text
    assert file.written({part: each.rows for part, each in file.sections.items()}) == text


@settings(max_examples=30, deadline=None)
@given(documents, layouts, st.text(max_size=5), values)
def test_a_field_that_is_set_has_the_value_and_all_else_is_as_before(
    document: dict[str, object], layout: dict[str, object], name: str, value: object
) -> None:
    text = json.dumps(document, **layout)  # type: ignore[arg-type] # what json takes
    file = cut_into_rows(text)
    edited = {part: [row.with_field(name, value) for row in each.rows] for part, each in file.sections.items()}

    read = json.loads(file.written(edited))

    wanted = {
        field: [{**row, name: value} for row in content] if field in SECTIONS else content  # type: ignore[attr-defined] # rows
        for field, content in document.items()
    }
    assert read == json.loads(json.dumps(wanted))


@settings(max_examples=30, deadline=None)
@given(documents, layouts, st.data())
def test_a_field_that_is_added_and_removed_again_leaves_the_row_as_it_was(
    document: dict[str, object], layout: dict[str, object], data: st.DataObject
) -> None:
    file = cut_into_rows(json.dumps(document, **layout))  # type: ignore[arg-type] # what json takes
    for section in file.sections.values():
        for row in section.rows:
            assert row.with_field("exclude!", "moved").without_field("exclude!").text == row.text
            if len(row.members) > 1:
                gone = data.draw(st.sampled_from([member.name for member in row.members]))
                assert json.loads(row.without_field(gone).text) == {
                    name: value for name, value in json.loads(row.text).items() if name != gone
                }


def test_a_participant_who_moves_takes_the_row_along_and_the_layout_stays() -> None:
    rows = '    {"participant_id": "a", "age": 1.0},\n    {"participant_id": "b"}\n'
    text = f'{{\n  "training": [\n{rows}  ],\n  "test": []\n}}\n'
    file = cut_into_rows(text)
    first, second = file.sections["training"].rows

    moved = file.written({"training": [second], "test": [first]})

    assert moved == (
        '{\n  "training": [\n    {"participant_id": "b"}\n  ],\n'
        '  "test": [\n    {"participant_id": "a", "age": 1.0}\n  ]\n}\n'
    )


def test_a_part_that_the_file_lacks_is_added_only_for_somebody() -> None:
    file = cut_into_rows('{"classes": ["M", "F"], "training": [{"participant_id": "a"}]}')
    (row,) = file.sections["training"].rows

    moved = file.written({"training": [], "validation": [row]})

    assert json.loads(moved) == {"classes": ["M", "F"], "training": [], "validation": [{"participant_id": "a"}]}
    assert "test" not in moved


@pytest.mark.parametrize("text", ["[]", "{}", '{"training": {}}', '{"training": [], "training": []}', "3"])
def test_a_text_that_is_no_datalist_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # the caller says which file
        cut_into_rows(text)


def test_rows_that_are_no_objects_stay_as_they_are() -> None:
    text = '{"training": [3, {}, [1, 2], {"participant_id": "a"}]}'
    file: FileText = cut_into_rows(text)

    assert [row.text for row in file.sections["training"].rows] == ["3", "{}", "[1, 2]", '{"participant_id": "a"}']
