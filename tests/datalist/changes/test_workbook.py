"""A datalist goes to a workbook and back: without an edit to the last byte, with edits in exactly those fields."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monai_fusion.datalist.changes.comparing import compare
from monai_fusion.datalist.changes.from_workbook import datalist_of
from monai_fusion.datalist.changes.workbook import PARTICIPANTS, workbook_of
from monai_fusion.errors import InputError
from tests.datalist.conftest import one_row_a_line

Document = dict[str, Any]
Edit = Callable[[Any], object]


def back(document: Document, folder: Path, edit: Edit | None = None, text: str = "") -> tuple[str, tuple[str, ...]]:
    """The text of the datalist after a way to a workbook and back, saved by openpyxl as another program would."""
    content = workbook_of(text or one_row_a_line(document), document)
    path = folder / "cohort.xlsx"
    book = openpyxl.load_workbook(io.BytesIO(content))
    if edit is not None:
        edit(book[PARTICIPANTS])
    book.save(path)
    return datalist_of(path)


def column(sheet: Any, name: str) -> int:
    return int(next(cell.column for cell in sheet[1] if cell.value == name))


def put(sheet: Any, row: int, name: str, value: object) -> None:
    sheet.cell(row, column(sheet, name)).value = value


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
cells = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
values = cells | st.lists(texts, max_size=3) | st.dictionaries(texts, cells, max_size=2)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(st.sampled_from(["age", "site", "Größe", "=x", "checked"]), values), max_size=4))
def test_a_workbook_that_nobody_edited_is_the_same_datalist_to_the_last_byte(
    tmp_path: Path, fields: list[Document]
) -> None:
    rows = [{"participant_id": f"{place:04d}", "label": "M", "mri": None, **row} for place, row in enumerate(fields)]
    document = {"name": "=1+1", "classes": ["M", "F"], "training": rows[::2], "test": rows[1::2]}
    text = json.dumps(document, indent=1, ensure_ascii=True) + "\r\n"

    assert back(document, tmp_path, text=text) == (text, ())


def test_edited_cells_change_their_fields_and_no_other(document: Document, tmp_path: Path) -> None:
    document["training"][0]["age"] = 30
    document["training"][1]["age"] = 31.5

    def edit(sheet: Any) -> None:
        put(sheet, 2, "label", "F")
        put(sheet, 2, "age", 40)
        put(sheet, 3, "exclude", " moved during the scan ")
        put(sheet, 3, "age", None)
        put(sheet, 4, "eeg", '["eeg/a.npy", "eeg/b.npy"]')
        put(sheet, 7, "part", "training")

    text, notes = back(document, tmp_path, edit)

    found = {(each.participant_id, each.field): each.after for each in compare(document, json.loads(text)).differences}
    assert notes == ()
    assert found == {
        ("sub-01", "label"): "F",
        ("sub-01", "age"): 40,
        ("sub-02", "exclude"): "moved during the scan",
        ("sub-02", "age"): None,
        ("sub-03", "eeg"): ["eeg/a.npy", "eeg/b.npy"],
        ("sub-06", "part"): "training",
    }
    assert json.loads(text)["training"][-1]["participant_id"] == "sub-06"


def test_a_sheet_that_was_sorted_keeps_the_datalists_order(document: Document, tmp_path: Path) -> None:
    def reverse(sheet: Any) -> None:
        rows = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=2)]
        for number, row in enumerate(reversed(rows), start=2):
            for place, value in enumerate(row, start=1):
                sheet.cell(number, place).value = value

    assert back(document, tmp_path, reverse)[0] == one_row_a_line(document)


def test_a_new_row_becomes_a_participant_and_a_new_column_a_field(document: Document, tmp_path: Path) -> None:
    def add(sheet: Any) -> None:
        sheet.cell(1, sheet.max_column + 1).value = "site"
        put(sheet, 2, "site", "Leipzig")
        for name, value in {"participant_id": "0012", "part": "test", "label": "F", "mri": "mri/12.nii"}.items():
            put(sheet, 10, name, value)

    text, notes = back(document, tmp_path, add)

    content = json.loads(text)
    assert content["training"][0]["site"] == "Leipzig"
    assert "site" not in content["training"][1]
    assert content["test"][-1] == {"participant_id": "0012", "label": "F", "eeg": None, "mri": "mri/12.nii"}
    assert notes == ("0012: added",)


def test_a_column_that_was_deleted_leaves_its_values_and_is_reported(document: Document, tmp_path: Path) -> None:
    document["training"][0]["age"] = 30

    text, notes = back(document, tmp_path, lambda sheet: sheet.delete_cols(column(sheet, "age")))

    assert text == one_row_a_line(document)
    assert notes == ('no column "age": these fields stay as they are',)


def test_an_id_of_digits_stays_text_and_a_list_too_long_for_a_cell_stays_a_list(
    document: Document, tmp_path: Path
) -> None:
    document["training"][0]["participant_id"] = "0012"
    document["training"][1]["eeg"] = [f"eeg/a_long_name_of_a_file_{number}.npy" for number in range(2000)]

    def look(sheet: Any) -> None:
        assert sheet.cell(2, 1).value == "0012"
        assert "2000 files" in sheet.cell(3, column(sheet, "eeg")).value
        put(sheet, 3, "note", "many files")

    content = json.loads(back(document, tmp_path, look)[0])

    assert content["training"][1] == {**document["training"][1], "note": "many files"}


def twice(sheet: Any) -> None:
    put(sheet, 3, "participant_id", "sub-01")


WRONG: dict[str, tuple[Edit, str]] = {
    "a row is gone": (lambda sheet: sheet.delete_rows(3), "sub-02: is not in the table"),
    "one id twice": (twice, "sub-01 is in row 2, too"),
    "an unknown part": (lambda sheet: put(sheet, 2, "part", "tset"), 'row 2, sub-01 part: "tset"'),
    "no id": (lambda sheet: put(sheet, 2, "participant_id", None), "row 2 participant_id: empty"),
    "no list": (lambda sheet: put(sheet, 2, "eeg", "[a.npy"), "row 2, sub-01 eeg"),
    "one column twice": (lambda sheet: sheet.cell(1, 5, "label"), "two columns have this name"),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_edit_that_cannot_be_is_reported_with_its_row(name: str, document: Document, tmp_path: Path) -> None:
    edit, named = WRONG[name]

    with pytest.raises(InputError) as refused:
        back(document, tmp_path, edit)

    assert named in str(refused.value)


@pytest.mark.parametrize("content", [b"PK\x03\x04 damaged", b"a,b\n1,2\n", b""])
def test_what_is_no_workbook_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cohort.xlsx"
    path.write_bytes(content)

    with pytest.raises(InputError, match="cannot be read"):
        datalist_of(path)
