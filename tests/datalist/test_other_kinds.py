"""Other files given as a datalist: reported as what they are, with what to do; mistakes in one stay mistakes."""

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest

from monai_fusion import cli
from monai_fusion.datalist import check_datalist
from monai_fusion.datalist.saving.writing import schema_text
from tests.datalist.lines import Like

ROOT = Path(__file__).parents[2]
OTHER_TABLE = "make a datalist of a table of the participants: monai-fusion datalist build --participants TABLE"
TABLE = "make a datalist of it: monai-fusion datalist build --participants TABLE"
EDITOR = "copy the list into a text editor (Notepad, VS Code), and save it as plain text in UTF-8"
HERE = "give the datalist itself: is it the right path?"


def zipped(*names: str, first: str = "") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        if first:
            archive.writestr("mimetype", first)
        for name in names:
            archive.writestr(name, "x")
    return stream.getvalue()


def workbook() -> bytes:
    stream = io.BytesIO()
    openpyxl.Workbook().save(stream)
    return stream.getvalue()


def array() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.zeros(3))
    return stream.getvalue()


OPEN = "application/vnd.oasis.opendocument"
LIST = [{"participant_id": "a", "label": "M"}, {"participant_id": "b", "label": "F"}]
KINDS: dict[str, tuple[bytes | str, str, str]] = {
    "xlsx": (workbook(), "an Excel file", TABLE),
    "docx": (zipped("[Content_Types].xml", "word/document.xml"), "a Word file", EDITOR),
    "ods": (zipped("content.xml", first=f"{OPEN}.spreadsheet"), "a LibreOffice spreadsheet", "save it as .xlsx or CSV"),
    "odt": (zipped("content.xml", first=f"{OPEN}.text"), "a LibreOffice text", EDITOR),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "an old Word or Excel file", "of a table: save it as"),
    "damaged": (b"PK\x03\x04\x00\x00", "a Word or Excel file, or another ZIP archive, that is damaged", "copy or"),
    "zip": (zipped("cohort.json"), "a ZIP archive", "unpack it first"),
    "pt": (zipped("model/data.pkl", "model/data/0"), "a file of PyTorch", HERE),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3", "a PDF document", HERE),
    "png": (b"\x89PNG\r\n\x1a\n\x00\x00", "a PNG picture", HERE),
    "jpeg": (b"\xff\xd8\xff\xe0\x00\x10JFIF", "a JPEG picture", HERE),
    "gif": (b"GIF89a\x01\x00", "a GIF picture", HERE),
    "npy": (array(), "a NumPy array (.npy)", HERE),
    "gz": (gzip.compress(b"{}"), "a file packed with gzip", "unpack it first"),
    "nifti": (b"\x5c\x01" + bytes(342) + b"n+1\x00" + bytes(8), "a NIfTI volume", HERE),
    "html": ("<!DOCTYPE html>\n<html><body>Sign in</body></html>", "a web page (HTML)", "download the file itself"),
    "rtf": ("{\\rtf1\\ansi {\"training\": []}}", "a rich text file (RTF) of Word or WordPad", EDITOR),
    "csv": ("participant_id,gender\nsub-01,M\nsub-02,F\n", "a table (values separated by commas)", TABLE),
    "quoted csv": ('"participant_id","gender"\n"sub-01","M"\n', "a table (values separated by commas)", TABLE),
    "german csv": ("sep=;\nparticipant_id;gender\nsub-01;M\n", "a table (values separated by semicolons)", TABLE),
    "tsv": ("participant_id\tage\nsub-01\t25\n", "a table (values separated by tabs)", TABLE),
    "utf-16 tsv": ("participant_id\tage\nsub-01\t25\n".encode("utf-16"), "a table (values separated by tabs)", TABLE),
    "yaml": ("# knobs\ndatalist: gender.json\nepochs: [5, 3]\n", "YAML, such as a config", HERE),
    "package.json": (
        '{"name": "x", "version": "1.0.0", "dependencies": {"a": "1"}}', "a package.json of Node.js", HERE
    ),
    "notebook": ('{"cells": [], "metadata": {}, "nbformat": 4}', "a Jupyter notebook", HERE),
    "metrics.json": (
        (ROOT / "tests/report/examples/two_classes/metrics.json").read_bytes(),
        "the metrics.json of an evaluation",
        HERE,
    ),
    "metadata.json": (
        (ROOT / "bundles/brain_eeg_mri_classification/configs/metadata.json").read_bytes(),
        "the metadata.json of a MONAI bundle",
        HERE,
    ),
    "schema": (schema_text(), "a JSON Schema", HERE),
    "nnU-Net": (
        '{"numTraining": 2, "training": [{"image": "a.nii", "label": "b.nii"}]}',
        "a dataset.json of nnU-Net",
        OTHER_TABLE,
    ),
    "another": (
        '{"a": 1, "b": 2}', 'JSON of another kind: it has "a", "b", and none of "training", "validation", "test"', HERE
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_another_kind_is_reported_as_such_in_one_line(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, seen, advice = KINDS[kind]
    path = tmp_path / "cohort.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (found,) = map(str, check_datalist(path))
    assert found.startswith(f"this is {seen}")
    assert f", expected a datalist file (.json): {advice}" in found
    for options in ([], ["--fix", "--yes"]):
        with pytest.raises(SystemExit) as ended:
            cli.main(["datalist", "check", str(path), *options])
        assert ended.value.code == 2
        assert seen in capsys.readouterr().err
    assert path.read_bytes() == (content if isinstance(content, bytes) else content.encode())


def test_a_list_of_rows_is_reported_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(LIST), encoding="utf-8")
    assert [str(found) for found in check_datalist(path)] == [
        Like(
            "datalist: a list of 2 participants, expected an object: { ... }: … into … part: "
            '{"classes": ["M", "F"], "data_root": "...", "training": [...], "test": [...]}'
        )
    ]
    path.write_text("[1, 2]", encoding="utf-8")
    assert [str(found) for found in check_datalist(path)] == [Like(f"datalist: … list … object: {{ ... }}: {HERE}")]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.removeprefix("{\n"),
        lambda text: text.replace('"training"', '"trainning"'),
        lambda text: text.replace('"', "'"),
        lambda text: text.replace('"name"', "name"),
        lambda text: "// mine\n" + text,
        lambda text: text.replace("{\n", "", 1).replace('"$schema"', "$schema", 1),
        lambda text: text.replace('"training"', '"a"').replace('"validation"', '"b"').replace('"test"', '"testing"'),
    ],
)
def test_a_datalist_with_mistakes_stays_a_datalist_with_mistakes(
    spoil: Callable[[str], str], document: dict[str, Any], save: Callable[[Any], Path]
) -> None:
    text = save(document).read_text(encoding="utf-8")
    found = list(map(str, check_datalist(save(spoil(text)))))
    assert found
    assert not any("this is" in each for each in found)
