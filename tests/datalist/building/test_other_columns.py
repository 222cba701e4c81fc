"""A label column without any of the classes, and a table in another sheet: one message with options that work."""

import re
import shlex
from pathlib import Path

import openpyxl
import pytest

from monai_fusion import cli
from monai_fusion.datalist.building.other_columns import about_other_column
from monai_fusion.messages import pasteable

BUILD = "datalist build --eeg-dir eeg --mri-dir mri --out list.json"
AGES = ("20-25", "25-30", "60-65", "75-80")
ROWS = [
    f"sub-{n:02d},{AGES[n % 4]},{20.5 + 2 * n},{('HC', 'MDD', 'SZ')[n % 3]},{('ctrl', 'pat')[n % 2]},{n % 2}"
    for n in range(24)
]
HEADER = "participant_id,age,years,dx,group,sexcode"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for n in range(24):
        for path in (Path(f"eeg/sub-{n:02d}_s0.npy"), Path(f"mri/sub-{n:02d}_T1w.nii.gz")):
            path.parent.mkdir(exist_ok=True)
            path.touch()
    Path("people.csv").write_text("\n".join([HEADER, *ROWS]) + "\n", encoding="utf-8")
    return tmp_path


def call(capsys: pytest.CaptureFixture[str], command: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main(shlex.split(command))
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out + captured.err


MESSAGES = {
    "age": 'age: holds ranges ("20-25", "25-30", "60-65", "75-80"), expected classes: make classes of them with '
    "--bin young=20-30 --bin old=60-80; regression is not possible",
    "years": "years: holds numbers (from 20.5 to 66.5), expected classes: make classes of them with "
    "--bin low=20.5-42.5 --bin high=44.5-66.5; regression is not possible",
    "dx": 'dx: holds "HC", "MDD", "SZ", expected "M" or "F": name the classes with --classes HC MDD SZ '
    "--method stratified; several values in one class: --bin one=HC --bin other=MDD,SZ",
    "group": 'group: holds "ctrl", "pat", expected "M" or "F": name the classes with --classes ctrl pat',
    "participant_id": 'participant_id: holds 24 different values ("sub-00", "sub-01", "sub-02" and 21 more), expected '
    '"M" or "F": name the column of labels with --label-column, or give --bin CLASS=VALUE,VALUE once for each class',
}


@pytest.mark.parametrize("column", MESSAGES)
def test_what_a_column_holds_is_one_message_and_its_options_work(
    column: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = f"{BUILD} --participants people.csv --label-column {column}"
    assert call(capsys, command) == (2, f"error: people.csv: 1 problem\n  {MESSAGES[column]}\n")
    assert call(capsys, f"{command} --drop-unlabelled")[1].endswith(f"{MESSAGES[column]}\n")
    for advised in re.findall(r"(?:with|class:) ((?:--bin|--classes) [^;]+)", MESSAGES[column]):
        code, printed = call(capsys, f"{command} {advised} --force --yes")
        assert code == 0, printed


def with_values(*values: str) -> str:
    """The command for a further column that holds these values in turn."""
    rows = [f"{row};{values[number % len(values)]}" for number, row in enumerate(ROWS)]
    Path("people.csv").write_text("\n".join([f"{HEADER},status", *rows]).replace(",", ";") + "\n", encoding="utf-8")
    return f"{BUILD} --participants people.csv --label-column status"


def test_names_with_spaces_can_be_pasted_and_no_value_is_forgotten(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["healthy control", "MDD", "bipolar I", "bipolar II"]
    command = with_values(*names)
    code, printed = call(capsys, command)
    others = pasteable(["other=MDD,bipolar I,bipolar II"])
    ways = [
        f"--classes {pasteable(names)} --method stratified",
        f"--bin {pasteable(['one=healthy control'])} --bin {others}",
    ]
    assert code == 2
    assert printed.endswith(f"name the classes with {ways[0]}; several values in one class: {ways[1]}\n")
    for way in ways:
        code, printed = call(capsys, f"{command} {way} --force --yes")
        assert code == 0, printed
        assert "24" in printed


def test_a_word_for_a_missing_value_is_not_advised_as_a_class(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = with_values("control", "patient", "n/a", "control", "patient")
    code, printed = call(capsys, command)
    assert code == 2
    assert printed.endswith(
        'holds "control", "patient", expected "M" or "F": name the classes with --classes control patient\n'
    )
    code, printed = call(capsys, f"{command} --classes control patient")
    assert code == 2
    assert "--drop-unlabelled" in printed  # no label is guessed
    assert call(capsys, f"{command} --classes control patient --drop-unlabelled")[0] == 0


@pytest.mark.parametrize("values", [("a,b", "c", "d"), ("MDD", "mdd", "HC")])
def test_no_example_of_several_values_is_given_that_would_not_work(values: tuple[str, ...]) -> None:
    printed = str(about_other_column("dx", values, ()))
    assert f"--classes {pasteable(values)} --method stratified" in printed
    assert "several values" not in printed


def test_none_may_be_the_name_of_a_class() -> None:
    assert "--classes none MDD" in str(about_other_column("dx", ["none", "MDD", "n/a", ""], ()))


def test_names_that_would_be_read_as_options_are_not_advised() -> None:
    printed = str(about_other_column("dx", ["-control", "-patient"], ()))
    assert "--classes" not in printed
    assert "--label-column" in printed


def test_classes_that_are_named_are_made_of_the_numbers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = f"{BUILD} --participants people.csv --label-column years --method stratified"
    printed = call(capsys, f"{command} --classes a b c")[1]
    assert "--bin a=20.5-34.5 --bin b=36.5-50.5 --bin c=52.5-66.5" in printed
    assert call(capsys, f"{command} --bin a=20.5-34.5 --bin b=36.5-50.5 --bin c=52.5-66.5")[0] == 0


def test_codes_and_columns_of_sex_are_left_to_a_map(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed = call(capsys, f"{BUILD} --participants people.csv --label-column sexcode")[1]
    assert "give its class with --label-map VALUE=CLASS" in printed
    assert about_other_column("gender", ["male", "female"], ()) is None
    assert about_other_column("age", ["20-30", "25-28", "21-22"], ()) is not None  # ranges that overlap: no example
    assert "--bin NAME=FROM-TO" in str(about_other_column("age", ["20-30", "25-28", "21-22"], ()))
    assert "ranges" in str(about_other_column("age", ["20-25", "60-65", "n/a"], ()))


def test_an_empty_first_sheet_names_the_others_and_one_of_them_can_be_chosen(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Notes"
    book.create_sheet("also empty")
    sheet = book.create_sheet("All participants")
    for line in (HEADER, *ROWS):
        sheet.append(line.split(","))
    sheet.row_dimensions[5].hidden = True
    book.save("people.xlsx")
    command = f"{BUILD} --participants people.xlsx --label-column group --classes ctrl pat"
    code, printed = call(capsys, command)
    assert (code, printed) == (
        2,
        'error: people.xlsx: the first sheet, "Notes", is empty: another has rows, "All participants": '
        f"name it with --sheet {pasteable(['All participants'])}\n",
    )
    code, printed = call(capsys, f'{command} --sheet "all participants"')
    assert (code, printed) == (
        2,
        'error: --sheet "all participants": not in people.xlsx: did you mean "All participants"? '
        'the sheets are "Notes", "also empty", "All participants"\n',
    )
    code, printed = call(capsys, f'{command} --sheet "All participants"')
    assert code == 0, printed
    assert "line 5 is hidden in the sheet" in printed  # of the sheet that was read
    assert "only the first sheet" not in printed
    code, printed = call(capsys, f"{BUILD} --participants people.csv --sheet x")
    assert (code, printed) == (2, "error: --sheet: people.csv is not a workbook: leave it out\n")
