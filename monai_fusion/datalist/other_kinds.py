"""Files of other kinds that are given as a datalist: reported as what they are, with what to do.

The content counts, not the name: a workbook saved as ``cohort.json`` is a workbook. Only the kind and the names of
fields are reported, never the file's content.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

from monai_fusion.datalist.reporting import WHOLE_FILE, Finding
from monai_fusion.datalist.schema import SECTIONS, DatalistFile
from monai_fusion.datalist.whole_files import WEB_PAGE, advise_the_file_itself, advise_to_unpack, binary_content_kind
from monai_fusion.wording import a_few, counted, misspelt, quoted

_WANTED = "a datalist file (.json)"
_BUILD = "monai-fusion datalist build --participants TABLE --eeg-dir ... --mri-dir ... --out LIST.json"
_FROM_A_TABLE = f"make a datalist of it: {_BUILD}"
_FROM_ANOTHER = f"make a datalist of a table of the participants: {_BUILD}"
_FROM_BIDS = "make a datalist of that dataset: monai-fusion datalist build --bids FOLDER --out LIST.json"
_AS_TEXT = "copy the list into a text editor (Notepad, VS Code), and save it as plain text in UTF-8"
_GIVE_IT = advise_the_file_itself("datalist")
_OLD_OFFICE = b"\xd0\xcf\x11\xe0"

# Of packed documents, what the names of their parts begin with.
_OFFICE = {
    "xl/": ("an Excel file", _FROM_A_TABLE),
    "word/": ("a Word file", _AS_TEXT),
    "ppt/": ("a PowerPoint file", _GIVE_IT),
}
_OPEN_DOCUMENT = {
    "spreadsheet": ("a LibreOffice spreadsheet", f"save it as .xlsx or CSV, then {_FROM_A_TABLE}"),
    "text": ("a LibreOffice text", _AS_TEXT),
}
_TEXTS = {
    "{\\rtf": ("a rich text file (RTF) of Word or WordPad", _AS_TEXT),
    "%!ps": ("a PostScript document", _GIVE_IT),
}
_MARKUP = ("<!doctype html", "<html", "<head", "<body", "<div", "<table")

# Fields that only one kind of JSON file has, and what that is.
_JSON_KINDS: tuple[tuple[frozenset[str], str, str], ...] = (
    (frozenset({"nbformat"}), "a Jupyter notebook", _GIVE_IT),
    (frozenset({"headline", "schema_version"}), "the metrics.json of an evaluation", _GIVE_IT),
    (frozenset({"monai_version"}), "the metadata.json of a MONAI bundle", _GIVE_IT),
    (frozenset({"numTraining"}), "a dataset.json of nnU-Net or the Decathlon, for segmentation", _FROM_ANOTHER),
    (frozenset({"tensorImageSize"}), "a dataset.json of nnU-Net or the Decathlon, for segmentation", _FROM_ANOTHER),
    (frozenset({"BIDSVersion"}), "a dataset_description.json of BIDS", _FROM_BIDS),
    (frozenset({"dependencies"}), "a package.json of Node.js", _GIVE_IT),
    (frozenset({"devDependencies"}), "a package.json of Node.js", _GIVE_IT),
    (frozenset({"RepetitionTime"}), "a sidecar file of a recording in BIDS", _GIVE_IT),
    (frozenset({"SamplingFrequency"}), "a sidecar file of a recording in BIDS", _GIVE_IT),
)
_KNOWN = frozenset(field.alias or name for name, field in DatalistFile.model_fields.items())

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "|"}
_JSON_SIGNS = re.compile(r'[{}\[\]]|^\s*"[^"]*"\s*[:=]|^\s*//')
_YAML_FIELD = re.compile(r"[A-Za-z_$][\w$.-]*:(?:\s|$)")


def binary_kind(content: bytes) -> Finding | None:
    """What a file is that is no text, or ``None`` if its bytes may be one."""
    if content.startswith(b"PK\x03\x04"):
        return _finding(*_packed(content))
    if content.startswith(_OLD_OFFICE):
        advice = f"of a table: save it as .xlsx or CSV, then {_FROM_A_TABLE}; of a text: {_AS_TEXT}"
        return _finding("an old Word or Excel file, or one with a password", advice)
    kind = binary_content_kind(content, "datalist")
    return None if kind is None else _finding(kind.seen, kind.advice)


def text_kind(text: str) -> Finding | None:
    """What a text is that is no JSON, or ``None`` if it may be a datalist with mistakes."""
    start = text.lstrip("\ufeff \t\r\n")
    for beginning, (seen, advice) in _TEXTS.items():
        if start.casefold().startswith(beginning):
            return _finding(seen, advice)
    if start.casefold().startswith(_MARKUP):
        return _finding(WEB_PAGE.seen, WEB_PAGE.advice)
    lines = [line for line in start[:4_096].splitlines() if line.strip()][:5]
    if not lines or any(_JSON_SIGNS.search(line) for line in lines[:2]):
        return None
    if separated := _separated(lines):
        return _finding(f"a table (values separated by {separated})", _FROM_A_TABLE)
    fields = [line for line in lines if not line.startswith(("#", "---", "%"))]
    if fields and _YAML_FIELD.match(fields[0]):
        return _finding("YAML, such as a config", _GIVE_IT)
    return None


def json_kind(document: Any) -> Finding | None:
    """What a valid JSON file is that is no datalist, or ``None`` if it may be one with mistakes."""
    if isinstance(document, list) and document:
        return _a_list(document)
    if not isinstance(document, Mapping):
        return None
    for fields, what, advice in _JSON_KINDS:
        if fields <= document.keys():
            return _finding(what, advice)
    if "json-schema.org" in str(document.get("$schema")):
        return _finding("a JSON Schema, which describes datalists or other files", _GIVE_IT)
    unknown = [name for name in document if name not in _KNOWN]
    is_near = any(name in document for name in (*SECTIONS, "data_root"))
    if not unknown or is_near or any(misspelt(name, tuple(_KNOWN)) for name in unknown):
        return None
    seen = f"JSON of another kind: it has {a_few(map(quoted, unknown))}, and none of {', '.join(map(quoted, SECTIONS))}"
    return _finding(seen, _GIVE_IT)


def _a_list(document: Sequence[Any]) -> Finding:
    rows = [row for row in document if isinstance(row, Mapping)]
    if any("participant_id" in row for row in rows):
        number = counted(len(rows), "participant")
        advice = 'put it into a part: {"classes": ["M", "F"], "data_root": "...", "training": [...], "test": [...]}'
        return Finding(WHOLE_FILE, seen=f"a list of {number}", wanted="an object: { ... }", advice=advice)
    return Finding(WHOLE_FILE, seen="a list", wanted="an object: { ... }", advice=_GIVE_IT)


def _finding(seen: str, advice: str) -> Finding:
    return Finding("", seen=f"this is {seen}", wanted=_WANTED, advice=advice, group="json")


def _packed(content: bytes) -> tuple[str, str]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        names = []
    for beginning, kind in _OFFICE.items():
        if any(name.startswith(beginning) for name in names):
            return kind
    for word, kind in _OPEN_DOCUMENT.items():
        if f"opendocument.{word}".encode() in content[:200]:
            return kind
    if names and all(name.endswith(".npy") for name in names):
        return "an .npz archive of arrays", _GIVE_IT
    if any(name.endswith("data.pkl") for name in names):
        return "a file of PyTorch, such as a model", _GIVE_IT
    if not names:
        return "a Word or Excel file, or another ZIP archive, that is damaged", "copy or download it again"
    return "a ZIP archive", advise_to_unpack("datalist")


def _separated(lines: Sequence[str]) -> str:
    """By what the values of a table's lines are separated; empty if this is no table."""
    if (first := lines[0].strip()).casefold().startswith("sep=") and len(first) == 5:
        return _DELIMITERS.get(first[4], quoted(first[4]))
    for character, name in _DELIMITERS.items():
        number = lines[0].count(character)
        cells = lines[0].split(character)
        alike = sum(line.count(character) >= number for line in lines) > len(lines) // 2
        if number and alike and all(cell.strip() for cell in cells[:-1]) and cells[-1].strip():
            return name
    return ""
