"""Participants tables, labels and splits that cannot be, and what a user does who reads why."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.datalist.advice_on_check import changed
from tests.datalist.tried import (
    BUILD,
    PARTICIPANTS,
    Case,
    as_printed,
    doing,
    doing_then,
    edit,
    leaving_out,
    move,
    nothing,
    options,
    typing,
)

TABLE = "participants.csv"
NAME = r'did you mean "(.+?)"'
SHEET = BUILD.replace(".csv", ".xlsx")
STRATIFIED = f"{BUILD} --method stratified"
KFOLD = "--out o.json --method kfold --folds 3"


def lines() -> list[str]:
    return Path(TABLE).read_text(encoding="utf-8").splitlines()


def save(rows: list[str], encoding: str = "utf-8") -> None:
    Path(TABLE).write_bytes("\n".join([*rows, ""]).encode(encoding))


def table_with(change: Callable[[list[str]], list[str]], encoding: str = "utf-8") -> Callable[[], None]:
    return lambda: save(change(lines()), encoding)


def edited(old: str, new: str, count: int = -1) -> Callable[[], None]:
    return lambda: edit(TABLE, old, new, count)


def workbook(change: Callable[[Any], object] = lambda _: None, first: str = "") -> Callable[[], None]:
    """The table as .xlsx."""

    def write() -> None:
        book = openpyxl.Workbook()
        sheet = book.active
        if first:
            sheet.append([first])
            sheet = book.create_sheet("participants")
        for line in lines():
            sheet.append(line.split(","))
        change(sheet)
        book.save("participants.xlsx")

    return write


def formula(sheet: Any) -> None:
    sheet["B2"] = '=IF(1=1,"M","F")'


def date(sheet: Any) -> None:
    import datetime

    sheet["C2"] = datetime.datetime(2026, 12, 10)


def web_page() -> None:
    Path(TABLE).rename("kept.csv")
    Path(TABLE).write_text("<html><table></table></html>", encoding="utf-8")


def annexed() -> None:
    Path(TABLE).rename("kept.csv")
    try:
        Path(TABLE).symlink_to(".git/annex/objects/aa/table")
    except OSError:
        pytest.skip("links need a privilege on Windows")


def fetched() -> None:
    move("kept.csv", ".git/annex/objects/aa/table")


def two_women() -> None:
    save([lines()[0], *(f"{name},{'F' if name in PARTICIPANTS[:2] else 'M'},20,f" for name in PARTICIPANTS)])


def old_excel() -> None:
    Path("participants.xlsx").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")


def without_test(document: dict[str, Any]) -> None:
    document["training"] += document.pop("test")


def families(document: dict[str, Any]) -> None:
    rows = [row for part in ("training", "validation", "test") for row in document[part]]
    for number, row in enumerate(rows):
        row["family"] = f"f{number % 7}"


def ages(document: dict[str, Any]) -> None:
    """Gives the participants numbers in which the classes hardly differ."""
    for part in ("training", "validation", "test"):
        for number, row in enumerate(document[part]):
            row["age"] = 30 + number


def an_age_in_words(document: dict[str, Any]) -> None:
    ages(document)
    document["training"][0]["age"] = "thirty"


def ages_apart(document: dict[str, Any]) -> None:
    """The classes have one age in common."""
    rows = [row for part in ("training", "validation", "test") for row in document[part]]
    for number, row in enumerate(rows):
        row["age"] = 20 + number if row["label"] == "M" else 80 + number
    next(row for row in rows if row["label"] == "F")["age"] = next(row for row in rows if row["label"] == "M")["age"]


def one_recording(document: dict[str, Any]) -> None:
    document["training"][0]["mri"] = None


def other_id(document: dict[str, Any]) -> None:
    document["training"][0]["participant_id"] = "SUB-01"


def folds_beside_a_test(document: dict[str, Any]) -> None:
    for part in ("training", "validation"):
        for number, row in enumerate(document[part]):
            row["fold"] = number // 2 % 2


def three_of_the_first_tested(document: dict[str, Any]) -> None:
    """Three M and one F in test, and the new one, an M, cannot make that 2 : 1."""
    rows = [row for part in ("training", "validation", "test") for row in document[part]]
    men = [row for row in rows if row["label"] == "M"]
    women = [row for row in rows if row["label"] == "F"]
    document.update(training=[*men[3:5], *women[1:6]], validation=[*men[6:], *women[6:]], test=[*men[:3], women[0]])


def document_as(name: str, change: Callable[[dict[str, Any]], object]) -> Callable[[], None]:
    return lambda: changed(change, out=name)


CASES = {
    "give its class with --label-map VALUE=CLASS": Case(BUILD, edited(",M,", ",male,"), typing("--label-map male=M")),
    "add it to a --bin": Case(
        f"{STRATIFIED} --label-column age --bin a=20-26 --bin b=27-31",
        nothing,
        lambda *_: f"{STRATIFIED} --label-column age --bin a=20-26 --bin b=27-33",
    ),
    "the datalist has a field of that name itself: rename the column": Case(
        f"{BUILD} --columns eeg", edited("age", "eeg"), doing_then(edited("eeg", "volt"), f"{BUILD} --columns volt")
    ),
    "correct the one that is wrong": Case(
        f"{STRATIFIED} --extend right.json", edited("sub-01,M", "sub-01,F"), doing(edited("sub-01,F", "sub-01,M"))
    ),
    "it names the classes and their values itself: leave out --classes and --label-map": Case(
        f"{STRATIFIED} --label-column age --bin a=20-26 --bin b=27-40 --classes a b",
        nothing,
        leaving_out("--classes"),
    ),
    "name it with --classes {} {}": Case(
        f"{BUILD} --label-map 1=D", nothing, as_printed(r"name it with (--classes [\w ]+)", options)
    ),
    "did_you_mean in datalist/building/labels._maps": Case(
        f"{BUILD} --label-map 1=m",
        nothing,
        as_printed(NAME, lambda command, name: options(command, f"--label-map 1={name}")),
    ),
    "did_you_mean in datalist/building/labels.class_of": Case(
        BUILD,
        edited("sub-01,M", "sub-01,m"),
        as_printed(NAME, lambda _, name: edit(TABLE, "sub-01,m", f"sub-01,{name}")),
    ),
    "did_you_mean in datalist/building/presets.preset": Case(
        f"{BUILD} --preset lemmon",
        nothing,
        as_printed(NAME, lambda command, name: options(command, f"--preset {name}")),
    ),
    "{} ({}) {}: open the file in a spreadsheet program and save it": Case(SHEET, workbook(formula), doing(workbook())),
    "save it as .xlsx without a password, or as CSV": Case(SHEET, old_excel, doing(workbook())),
    "Excel makes one of a range such as 10-12, too: format the column as text": Case(
        f"{SHEET} --force", workbook(date), doing(workbook())
    ),
    "they differ only in how letters with accents are stored: write one of them in all rows": Case(
        BUILD,
        table_with(lambda rows: [*rows, "sub-J\u00f6,M,20,f", "sub-Jo\u0308,M,20,f"]),
        doing(edited("sub-Jo\u0308,M,20,f\n", "")),
    ),
    "is line {} the header ({})? Then delete the lines above it": Case(
        BUILD, table_with(lambda rows: ["A study", *rows]), doing(edited("A study\n", ""))
    ),
    "line {} has {}: is that the header? Then delete the lines above it": Case(
        BUILD, table_with(lambda rows: ["A,study,of,us", *rows]), doing(edited("A,study,of,us\n", ""))
    ),
    "is there a decimal comma (write a point), or row numbers without a column name (give them one)?": Case(
        BUILD,
        table_with(lambda rows: [rows[0], *(f"{number},{row}" for number, row in enumerate(rows[1:]))]),
        doing(edited("participant_id", "number,participant_id")),
    ),
    "; name one with {}": Case(BUILD, edited("gender", "sex"), typing("--label-column sex")),
    "did_you_mean in datalist/building/participants_table._without": Case(
        f"{BUILD} --label-column Gender",
        nothing,
        as_printed(NAME, lambda command, name: options(command, f"--label-column {name}")),
    ),
    "{}: separate its cells by commas, semicolons or tabs, in all lines alike": Case(
        BUILD,
        table_with(lambda rows: [row.replace(",", " ") for row in [*rows, "sub-77,M"]]),
        doing(table_with(lambda rows: [row.replace(" ", ",") for row in rows])),
    ),
    "the whole line is in quotation marks: delete them": Case(
        BUILD, edited("sub-01,M,20,f0", '"sub-01,M,20,f0"'), doing(edited('"sub-01,M,20,f0"', "sub-01,M,20,f0"))
    ),
    "the whole line {} is in quotation marks: delete them, in all lines alike": Case(
        BUILD,
        table_with(lambda rows: [f'"{row}"' for row in [*rows, "sub-77,M"]]),
        doing(edited('"', "")),
    ),
    "the whole header is in quotation marks: delete them": Case(
        BUILD, table_with(lambda rows: [f'"{rows[0]}"', *rows[1:]]), doing(edited('"', ""))
    ),
    "is the header separated by another character ({}) than the lines below? Then write it as these": Case(
        BUILD, table_with(lambda rows: [rows[0].replace(",", "|"), *rows[1:]]), doing(edited("|", ","))
    ),
    "they look alike: rename one": Case(
        BUILD,
        table_with(lambda rows: [rows[0].replace("gender", "gen\u200bder").replace("age", "gen\u2060der"), *rows[1:]]),
        doing(edited("gen\u2060der", "other")),
    ),
    "is the first line ({}) a row? Then write the names of the columns above it": Case(
        BUILD,
        table_with(lambda rows: rows[1:]),
        doing(table_with(lambda rows: ["participant_id,gender,age,family", *rows])),
    ),
    "if a spreadsheet program opens it, save it as CSV; else download it again": Case(
        BUILD, web_page, doing(lambda: Path("kept.csv").replace(TABLE))
    ),
    "fetch it: datalad get, or git annex get": Case(BUILD, annexed, doing(fetched)),
    "delete the quotation mark, or write it twice if it is meant": Case(
        BUILD, edited("sub-02,F,", 'sub-02,"F,'), doing(edited('"', ""))
    ),
    "{}, line {}: not UTF-8, so the table was read as Windows-1252: check names with special letters": Case(
        f"{BUILD} --force",
        table_with(lambda rows: [*rows, "sub-\u00e4,M,20,f"], "cp1252"),
        doing(lambda: Path(TABLE).write_text(Path(TABLE).read_bytes().decode("cp1252"), encoding="utf-8")),
    ),
    "save the table as CSV UTF-8": Case(
        BUILD,
        lambda: Path(TABLE).write_bytes(Path(TABLE).read_bytes() + b"sub-\x81,M,20,f\n"),
        doing(lambda: Path(TABLE).write_bytes(Path(TABLE).read_bytes().replace(b"\x81", "\u0142".encode()))),
    ),
    "save it as CSV UTF-8 again": Case(
        BUILD,
        lambda: Path(TABLE).write_bytes(Path(TABLE).read_bytes() + b"sub-\0,M,20,f\n"),
        doing(lambda: Path(TABLE).write_bytes(Path(TABLE).read_bytes().replace(b"\0", b"0"))),
    ),
    # ---- splits
    "--extend, --keep-test, --keep-folds": Case(
        "split families.json --out o.json --method stratified --group-by family --extend right.json",
        document_as("families.json", families),
        leaving_out("--extend"),
    ),
    "put them into one part by hand, or split without what keeps them there ({})": Case(
        "split families.json --out o.json --method stratified --group-by family --extend right.json",
        document_as("families.json", families),
        leaving_out("--extend"),
    ),
    "put the whole group into test, or all of it elsewhere": Case(
        f"split families.json {KFOLD} --keep-test --group-by family",
        document_as("families.json", families),
        doing(
            lambda: changed(
                lambda document: (
                    [row.pop("family") for row in document["test"]] and document["test"][0].update(family="")
                ),
                "families.json",
                "families.json",
            )
        ),
    ),
    "use fewer folds: --folds {}": Case(
        f"{BUILD} --method kfold --folds 9", nothing, as_printed(r"fewer folds: (--folds \d+)", options)
    ),
    "every class needs three or more: one to test, one to choose the epoch, one to train on": Case(
        f"{BUILD} --method kfold --folds 3", two_women, doing(edited("sub-03,M", "sub-03,F"))
    ),
    "the test set is in no fold: use --validation-fold": Case(
        "split right.json --out o.json --method kfold --test-fold 0 --extend folds.json",
        document_as("folds.json", folds_beside_a_test),
        lambda command, _: options(command.replace("--test-fold 0 ", ""), "--validation-fold 0"),
    ),
    "a test set to keep": Case(
        f"split none.json {KFOLD} --keep-test", document_as("none.json", without_test), leaving_out("--keep-test")
    ),
    "no choice of the new ones makes it 2 : 1: use --method stratified": Case(
        "split right.json --out o.json --extend older.json",
        document_as("older.json", three_of_the_first_tested),
        typing("--method stratified"),
    ),
    "{} (--allow-missing splits them too)": Case(
        "split spoilt.json --out o.json --force", lambda: changed(one_recording), typing("--allow-missing")
    ),
    "with --all-folds the validation part is drawn from the folds not tested": Case(
        f"split right.json {KFOLD} --all-folds --validation-fold 1", nothing, leaving_out("--validation-fold")
    ),
    "{} is new, {} no longer here: if they are one participant, write the ids alike": Case(
        "split spoilt.json --out o.json --method stratified --force --extend right.json",
        lambda: changed(other_id),
        doing(lambda: edit("spoilt.json", "SUB-01", "sub-01")),
    ),
    "only with --method kfold": Case(f"{BUILD} --folds 3", nothing, typing("--method kfold")),
    "a file to write, such as {}": Case(
        f"{BUILD} --out eeg",
        nothing,
        as_printed(r"such as (\S+)", lambda command, name: options(command, f"--out {Path(name).as_posix()}")),
    ),
    "choose another --out": Case(f"{BUILD} --out {'x' * 400}.json", nothing, typing("--out short.json")),
    "the label is always balanced: leave it out": Case(
        f"split right.json {KFOLD} --stratify-by label", nothing, leaving_out("--stratify-by")
    ),
    "did_you_mean in datalist/split/resplitting._participants": Case(
        f"split families.json {KFOLD} --group-by famly",
        document_as("families.json", families),
        as_printed(NAME, lambda command, name: options(command, f"--group-by {name}")),
    ),
    "did_you_mean in datalist/split/matching._numbers": Case(
        "split ages.json --out o.json --method stratified --match agee",
        document_as("ages.json", ages),
        as_printed(NAME, lambda command, name: options(command, f"--match {name}")),
    ),
    "the rows have {}, or use head_volume": Case(
        "split ages.json --out o.json --method stratified --match zygosity",
        document_as("ages.json", ages),
        as_printed(r'the rows have "(.+?)"', lambda command, name: options(command, f"--match {name}")),
    ),
    "a number or a range, for --match": Case(
        "split ages.json --out o.json --method stratified --match age",
        document_as("ages.json", an_age_in_words),
        doing(document_as("ages.json", ages)),
    ),
    "--match: {}": Case(
        "split ages.json --out o.json --method stratified --match age",
        document_as("ages.json", ages_apart),
        leaving_out("--match"),
    ),
    "two, because the test set is drawn 2 : 1": Case(
        f"{BUILD} --method ratio --classes M F D",
        edited("sub-03,M", "sub-03,D"),
        typing("--method stratified", "--classes M F", "--label-map D=M"),
    ),
    "use --method stratified": Case(
        f"{BUILD} --method ratio --classes M F D",
        edited("sub-03,M", "sub-03,D"),
        typing("--method stratified"),
    ),
    "use a smaller test or validation fraction": Case(
        f"{BUILD} --validation-fraction 0.95", nothing, typing("--validation-fraction 0.2")
    ),
    "whole groups cannot make exactly 2 : 1: use --method stratified or kfold": Case(
        f"{BUILD} --method ratio --group-by family", nothing, typing("--method stratified")
    ),
    "with --keep-test no fold is tested: use --validation-fold": Case(
        f"split right.json {KFOLD} --keep-test --test-fold 1",
        nothing,
        lambda command, _: options(command.replace(" --test-fold 1", ""), "--validation-fold 1"),
    ),
    "the folds stay, and their number with them: leave out --folds": Case(
        f"split folds.json {KFOLD} --keep-folds", document_as("folds.json", folds_beside_a_test), leaving_out("--folds")
    ),
    "with folds, a fold is the test set: --folds 5 tests a fifth": Case(
        f"{BUILD} --method kfold --test-fraction 0.2",
        nothing,
        lambda command, _: options(command.replace(" --test-fraction 0.2", ""), "--folds 5"),
    ),
    "a fold other than --test-fold": Case(
        f"split right.json {KFOLD} --test-fold 1 --validation-fold 1", nothing, typing("--validation-fold 2")
    ),
}
NO_ADVICE = {
    "{} goes together with the class ({}): {} is {} in {}. A network may learn {} instead, and no split changes that: "
    "look within {}, too.": "what to think of when reading results",
    "leave-{}-out: each of the {} is tested by models that have seen none of its participants": "a name",
    "{} and {} in the test set, {} and {} new": "numbers; the advice stands behind them",
}
