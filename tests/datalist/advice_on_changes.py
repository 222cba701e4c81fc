"""Edited workbooks and logs of changes that cannot be, and what a user does who reads why."""

import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl

from monai_fusion import cli
from tests.datalist.tried import Case, doing, doing_then, leaving_out, nothing, typing

FROM_TABLE = "build --from-table list.xlsx --out o.json"


def written() -> None:
    """The workbook of the right datalist."""
    try:
        cli.main(["datalist", "table", "right.json", "--out", "list.xlsx", "--force"])
    except SystemExit as ended:
        assert ended.code in (None, 0)


def workbook(change: Callable[[Any], object]) -> Callable[[], None]:
    """The workbook with an edit of the sheet of participants."""

    def write() -> None:
        written()
        book = openpyxl.load_workbook("list.xlsx")
        change(book["participants"])
        book.save("list.xlsx")

    return write


def cell(place: str, value: object) -> Callable[[], None]:
    def change(sheet: Any) -> None:
        sheet[place] = value

    return workbook(change)


def log(*changes: dict[str, str | None]) -> Callable[[], None]:
    """The log of these changes."""

    def write() -> None:
        Path("log.json").write_text(json.dumps({"change_log": 1, "changes": changes}), encoding="utf-8")

    return write


def moved(before: str, after: str) -> dict[str, str | None]:
    return {"participant_id": "sub-01", "field": "part", "before": before, "after": after}


def without_original() -> None:
    written()
    book = openpyxl.load_workbook("list.xlsx")
    del book["original"]
    book.save("list.xlsx")


MEANT = "did_you_mean in datalist/changes/from_workbook"
FROM_PARTICIPANTS = "build --eeg-dir eeg --mri-dir mri --participants participants.csv --out o.json"

CASES = {
    "leave it out: the workbook is a whole datalist; split it afterwards with datalist split": Case(
        f"{FROM_TABLE} --folds 3", written, leaving_out("--folds")
    ),
    "together with --from-table": Case(f"{FROM_TABLE} --eeg-dir eeg", written, leaving_out("--eeg-dir")),
    "a table of your own: monai-fusion datalist build --participants TABLE": Case(
        FROM_TABLE, without_original, doing_then(nothing, FROM_PARTICIPANTS)
    ),
    "put the row back; to leave somebody out, write the reason into the column exclude": Case(
        FROM_TABLE, workbook(lambda sheet: sheet.delete_rows(3)), doing(cell("D3", "moved"))
    ),
    "Excel makes one of a text such as 10-12, too: format the cell as text, and write it again": Case(
        FROM_TABLE, cell("E2", datetime.datetime(2026, 12, 10)), doing(cell("E2", "10-12"))
    ),
    f"{MEANT}._table": Case(FROM_TABLE, cell("B1", "prt"), doing(cell("B1", "part"))),
    f"{MEANT}._part": Case(FROM_TABLE, cell("B2", "Training"), doing(cell("B2", "training"))),
    "choose another --out, or give --force: the old file is kept beside the new one": Case(
        "build --from-table list.xlsx --out right.json", written, doing_then(nothing, FROM_TABLE)
    ),
    "choose another name, or give --force": Case("table right.json --out list.xlsx", written, typing("--force")),
    "choose another name": Case(
        "apply log.json right.json --out right.json", log(moved("training", "test")), typing("--out other.json")
    ),
    "the paths in it start from its folder: write it beside the datalist, and move both": Case(
        "apply log.json right.json --out eeg/other.json", log(moved("training", "test")), typing("--out other.json")
    ),
    "nothing was written; --skip-conflicts makes the other changes": Case(
        "apply log.json right.json --yes", log(moved("validation", "test")), typing("--skip-conflicts")
    ),
    "{}: written; after your edits: monai-fusion datalist build --from-table {} --out NEW.json": Case(
        "table right.json --out list.xlsx", nothing, doing_then(nothing, FROM_TABLE)
    ),
}

_ON_A_SHEET = "a text on the sheet `about`, which no command prints"
NO_ADVICE = {
    "why this participant is left out; empty: in use. Do not delete the row": _ON_A_SHEET,
    "a remark for people; the program does not use it": _ON_A_SHEET,
    "monai-fusion datalist build --from-table THIS_FILE --out NEW.json": _ON_A_SHEET,
    "a hidden sheet with the datalist as it was: leave it, so that nothing is lost": _ON_A_SHEET,
    "{} came into the test part or left it: decide who is in it before you look at any result, or the result looks "
    "better than it is": "said of a test part that is already another",
    "no recording was looked for; to check labels and files: monai-fusion datalist check {}": "said of every datalist",
    "Write this to {}?": "a question",
    "{} already exists. Replace it?": "a question",
    "not written (--dry-run)": "what happened",
    "({}: too many for a cell; they stay as they are)": "a text in a cell",
}
