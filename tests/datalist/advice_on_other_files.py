"""Files that are no datalist or no recording, or are there already, and what a user does who reads that."""

import gzip
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.datalist.advice_on_check import changed
from tests.datalist.advice_on_contents import MRI, header, named, recordings, rewritten, wrong
from tests.datalist.advice_on_json import CHECK, mistake
from tests.datalist.advice_on_tables import old_excel, workbook
from tests.datalist.tried import BUILD, Case, Follow, as_printed, doing, doing_then, edit, move, nothing, spoilt, typing

RIGHT = "check right.json"
OPEN_TABLE = "application/vnd.oasis.opendocument.spreadsheet"


def there(name: str, content: bytes | str) -> Callable[[], None]:
    return lambda: Path(name).write_bytes(content.encode() if isinstance(content, str) else content) and None


def as_instructed(filled: Mapping[str, str]) -> Follow:
    """Types the command that the message names, with the participant's own files in it, and nothing else."""

    def type_it(_: str, command: str) -> str:
        for gap, mine in filled.items():
            assert gap in command, (gap, command)
            command = command.replace(gap, mine)
        return command

    return as_printed(r"monai-fusion datalist (build .*?)(?:;|$)", type_it)


def build_from(table: str) -> Follow:
    return as_instructed(
        {"TABLE": table, "--eeg-dir ...": "--eeg-dir eeg", "--mri-dir ...": "--mri-dir mri", "LIST.json": "list.json"}
    )


def saved_as_xlsx(_: str, line: str) -> str:
    """Opens it in a spreadsheet program, saves it as .xlsx, and types the rest of the message."""
    workbook()()
    command = build_from("participants.xlsx")("", line)
    assert isinstance(command, str)
    return command


def zipped(name: str, *members: str, kind: str = "") -> None:
    with zipfile.ZipFile(name, "w") as archive:
        if kind:
            archive.writestr("mimetype", kind)
        for member in members:
            archive.write("right.json", member)


def unzip() -> None:
    with zipfile.ZipFile("cohort.zip") as archive:
        archive.extractall()


def word_file() -> None:
    zipped("spoilt.json", "[Content_Types].xml", "word/document.xml")


def page_of_it() -> None:
    there("spoilt.json", "<!DOCTYPE html>\n<html><body>Sign in</body></html>")()


def as_right() -> None:
    Path("spoilt.json").write_bytes(Path("right.json").read_bytes())


def rows_alone() -> None:
    changed(lambda document: document.update(training=rows_of(document)))
    rows = json.loads(Path("spoilt.json").read_text(encoding="utf-8"))["training"]
    Path("spoilt.json").write_text(json.dumps(rows), encoding="utf-8")


def rows_of(document: dict[str, Any]) -> list[Any]:
    return [row for part in ("training", "validation", "test") for row in document[part]]


def into_a_part(_: str, line: str) -> str:
    """Fills the rows into the object that the message shows."""
    rows = json.loads(Path("spoilt.json").read_text(encoding="utf-8"))
    shown = line[line.index("put it into a part: ") + len("put it into a part: ") :]
    dots = "[...]"
    assert shown.count(dots) == 2
    for part in (rows[:-4], rows[-4:]):
        shown = shown.replace(dots, json.dumps(part), 1)
    Path("spoilt.json").write_text(shown.replace('"..."', '"."'), encoding="utf-8")
    return CHECK


def opened_list(_: str, name: str) -> str:
    """Writes the opening bracket behind the field that the message names."""
    edit("spoilt.json", f'"{name}":', f'"{name}": [')
    return CHECK


def one_as_mgz() -> None:
    move("mri/sub-01_T1w.nii.gz", "mri/sub-01_T1w.mgz")
    spoilt("mri/sub-01_T1w.nii.gz", "mri/sub-01_T1w.mgz")


def converted() -> None:
    Path("mri/sub-01_T1w.nii.gz").touch()
    edit("spoilt.json", "mri/sub-01_T1w.mgz", "mri/sub-01_T1w.nii.gz")


def sidecars_beside() -> None:
    Path("eeg/sub-01_EO_seg0.json").touch()
    spoilt("eeg/sub-01_*.npy", "eeg/sub-01_*")


def narrower() -> None:
    edit("spoilt.json", "eeg/sub-01_*", "eeg/sub-01_*.npy")


def built_and_edited() -> None:
    """A datalist of everyone, in which one participant is left out by hand."""
    changed(lambda document: document["training"][0].update(exclude="moved"), out="list.json")


def no_datalist() -> None:
    Path("list.json").write_text('{"classes": 3}', encoding="utf-8")


def kept(_: str, words: str) -> str:
    return f"{BUILD.removesuffix(' --out list.json')} {words}"


def whole_gz() -> None:
    Path("mri/sub-01.nii.gz").write_bytes(gzip.compress(recordings(0)[1]))


SPLIT = "split right.json --out list.json --method stratified"
CASES = {
    # ---- no datalist
    "monai-fusion datalist build --participants TABLE --eeg-dir ... --mri-dir ... --out LIST.json": Case(
        "check participants.csv", nothing, build_from("participants.csv")
    ),
    "make a datalist of it: {}": Case(
        "check cohort.json",
        lambda: (workbook()(), move("participants.xlsx", "cohort.json")),
        build_from("cohort.json"),
    ),
    "make a datalist of a table of the participants: {}": Case(
        "check dataset.json",
        there("dataset.json", '{"numTraining": 1, "training": [{"image": "a.nii", "label": "b.nii"}]}'),
        build_from("participants.csv"),
    ),
    "make a datalist of that dataset: monai-fusion datalist build --bids FOLDER --out LIST.json": Case(
        "check bids/dataset_description.json",
        there("bids/dataset_description.json", '{"Name": "a study", "BIDSVersion": "1.8.0"}'),
        as_instructed({"FOLDER": "bids", "LIST.json": "list.json"}),
    ),
    "save it as .xlsx or CSV, then {}": Case(
        "check participants.ods", lambda: zipped("participants.ods", "content.xml", kind=OPEN_TABLE), saved_as_xlsx
    ),
    "of a table: save it as .xlsx or CSV, then {}; of a text: {}": Case(
        "check participants.xls",
        lambda: (old_excel(), move("participants.xlsx", "participants.xls")),
        saved_as_xlsx,
    ),
    "copy the list into a text editor (Notepad, VS Code), and save it as plain text in UTF-8": Case(
        CHECK, word_file, doing(as_right)
    ),
    "give the {} itself: is it the right path?": Case(
        "check package.json", there("package.json", '{"name": "x", "dependencies": {}}'), lambda *_: RIGHT
    ),
    "download the file itself: this is the page that shows it": Case(CHECK, page_of_it, doing(as_right)),
    "unpack it first, if the {} is in it": Case(
        "check cohort.zip", lambda: zipped("cohort.zip", "cohort.json"), doing_then(unzip, "check cohort.json")
    ),
    'put it into a part: {"classes": ["M", "F"], "data_root": "...", "training": [...], "test": [...]}': Case(
        CHECK, rows_alone, into_a_part
    ),
    "{} is missing after {}:": mistake(
        '"training": [', '"training":', as_printed(r'"\[" is missing after "(\w+)":', opened_list)
    ),
    # ---- no recordings
    "a file of the format {}": Case(CHECK, one_as_mgz, doing(converted)),
    "it is not a recording: write the recording's file, or a narrower pattern": Case(
        CHECK, sidecars_beside, doing(narrower)
    ),
    "the code counts as 0, as in nibabel, so {} is used: check where left is": wrong(
        MRI, header(252, "h", 9), rewritten(MRI, header(252, "h", 0))
    ),
    "copy it again": named("mri/sub-01.nii.gz", lambda content: gzip.compress(content)[:60], whole_gz),
    # ---- files that are there already
    "To keep everything in it and add new participants: {}. {}.": Case(
        BUILD, built_and_edited, as_printed(r"add new participants: (.+?)\. --force", kept)
    ),
    "--force {} and keeps the old file as {}": Case(BUILD, built_and_edited, typing("--force")),
    "To write another file, choose another --out. {}.": Case(SPLIT, built_and_edited, typing("--out other.json")),
    "it is not replaced: correct it, move it away, or choose another --out": Case(
        f"{BUILD} --force", no_datalist, typing("--out other.json")
    ),
}
NO_ADVICE = {
    "{}\nReplace it? The old {} kept as {}.": "a question, which tests/datalist/saving/test_replacing.py answers",
}
