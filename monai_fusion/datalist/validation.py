"""From parsed JSON to the models of `schema`; what does not fit is reported in the words of the file's users.

Every row is validated by itself, so that one wrong row does not hide what is wrong with the others.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from monai_fusion.datalist.other_kinds import json_kind
from monai_fusion.datalist.reporting import NO_SUCH_FIELD, WHOLE_FILE, Finding, Place
from monai_fusion.datalist.schema import SECTIONS, DatalistFile, Entry, unprintable_character, why_no_classes
from monai_fusion.spelling import by_nfc
from monai_fusion.wording import did_you_mean, misspelt, quoted

Model = TypeVar("Model", bound=BaseModel)
_WRITE_AGAIN = "delete the field, or write it again"
# Half of a character of UTF-16, which JSON can write and which is no text.
_SURROGATE = re.compile("[\ud800-\udfff]")

ENTRY_FIELDS = tuple(Entry.model_fields)
TOP_FIELDS = tuple(field.alias or name for name, field in DatalistFile.model_fields.items())

_WANTED_AT_TOP = {
    "$schema": "text in double quotes",
    "name": "text in double quotes",
    "target": "text in double quotes",
    "classes": 'a list of at least two class names, such as ["M", "F"]',
    "data_root": "a folder, as text in double quotes",
    "group_by": 'a list of fields, such as ["family"]',
    **dict.fromkeys(SECTIONS, "a list of participants: [{...}, {...}]"),
}
_WANTED_IN_ENTRY = {
    "participant_id": "text in double quotes, without / and \\, control characters, or spaces at its ends",
    "label": "a class name in double quotes",
    "eeg": 'a path, a list of paths, or a pattern such as "eeg/sub-010002_*.npy"',
    "mri": "one path in double quotes, or null",
    "fold": "a whole number from 0, or no such field",
    "exclude": "the reason in double quotes (or no such field)",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a section that fits the model: ``number`` counts from 1 within the section."""

    section: str
    number: int
    entry: Entry

    @property
    def participant_id(self) -> str:
        """The id of the row's participant."""
        return self.entry.participant_id

    @property
    def place(self) -> Place:
        """The place of the row in the document."""
        return self.section, self.number - 1

    def finding(self, field: str = "", seen: str = "", wanted: str = "", advice: str = "", *, group: str) -> Finding:
        """Something about this row or one of its fields."""
        name = field.partition(" ")[0]
        place = (*self.place, name) if name else self.place
        return Finding(
            self.participant_id,
            field,
            seen,
            wanted,
            advice,
            group=group,
            place=place,
            participant_id=self.participant_id,
        )


def validate(document: Any) -> tuple[DatalistFile, list[Row], list[Finding]]:
    """The file's head (its sections empty), the rows that fit the model, and what does not fit.

    A field of the head that does not fit has its default value in the head.
    """
    if (kind := json_kind(document)) is not None:
        return DatalistFile(), [], [kind]
    if not isinstance(document, Mapping):
        return DatalistFile(), [], [Finding(WHOLE_FILE, seen=_described(document), wanted="an object: { ... }")]
    head, findings = _head({name: value for name, value in document.items() if name not in SECTIONS})
    rows: list[Row] = []
    for section in SECTIONS:
        entries = document.get(section, [])
        if not isinstance(entries, list):
            findings.append(_about_head(section, _described(entries), _WANTED_AT_TOP[section]))
            continue
        for index, raw in enumerate(entries):
            entry, found = _entry(raw, (section, index))
            findings += found
            if entry is not None:
                rows.append(Row(section, index + 1, entry))
    return head, rows, findings


def _about_head(name: str, seen: str, wanted: str = "", advice: str = "") -> Finding:
    return Finding(WHOLE_FILE, name, seen, wanted, advice, place=(name,))


def _head(fields: dict[str, Any]) -> tuple[DatalistFile, list[Finding]]:
    model, wrong = _fitted(DatalistFile, fields)
    findings = []
    for name in wrong:
        if name in _WANTED_AT_TOP:
            advice = why_no_classes(fields[name]) if name == "classes" else ""
            findings.append(_about_head(name, _described(fields[name]), _WANTED_AT_TOP[name], advice))
        else:
            known = f"the fields are {', '.join(TOP_FIELDS)}"
            advice = did_you_mean(name, TOP_FIELDS) or known
            findings.append(_about_head(name, NO_SUCH_FIELD, advice=advice))
    if model is None:
        model = DatalistFile.model_validate({name: value for name, value in fields.items() if name not in wrong})
    if "classes" not in wrong:
        findings += _repeated_classes(model.classes)
    return model, findings


def _repeated_classes(classes: list[str]) -> Iterator[Finding]:
    for spellings in by_nfc(classes).values():
        if len(spellings) > 1:
            seen = f"{quoted(spellings[0])} is listed {len(spellings)} times"
            advice = "write the name of another class in place of one, or delete it"
            yield _about_head("classes", seen, "each class once", advice)


def _entry(raw: Any, place: Place) -> tuple[Entry | None, list[Finding]]:
    if not isinstance(raw, dict):
        return None, [
            Finding("", seen=_described(raw), wanted='a participant: {"participant_id": ..., ...}', place=place)
        ]
    entry, wrong = _fitted(Entry, raw)
    who = str(raw["participant_id"]) if "participant_id" in raw and "participant_id" not in wrong else None

    def about(field: str, seen: str, wanted: str = "", advice: str = "") -> Finding:
        return Finding(who or "", field, seen, wanted, advice, place=(*place, field), participant_id=who)

    misspellings = _misspelt_fields(raw)
    findings = []
    for written, meant in misspellings.items():
        or_keep = f' (If not, add "{meant}": null; "{written}" is then kept.)' if meant != "participant_id" else ""
        findings.append(about(written, NO_SUCH_FIELD, advice=f"did you mean {quoted(meant)}?{or_keep}"))
    for name in wrong:
        if name in raw and name not in _WANTED_IN_ENTRY:
            findings.append(about(name, "half a character in its name", advice=_WRITE_AGAIN))
        elif name in raw:
            advice = unprintable_character(raw[name]) if name == "participant_id" else ""
            findings.append(about(name, _described(raw[name]), _WANTED_IN_ENTRY[name], advice))
        elif name not in misspellings.values():
            findings.append(about(name, "missing", _WANTED_IN_ENTRY[name]))
    for name, value in raw.items():
        if name not in (*ENTRY_FIELDS, *wrong) and (reason := _why_not_kept(value)):
            findings.append(about(name, reason, advice=_WRITE_AGAIN))
    return None if findings else entry, findings


def _why_not_kept(value: Any) -> str:
    """Why no file could hold a further field; empty if one can."""
    left = [value]
    while left:
        match left.pop():
            case str() as text if _SURROGATE.search(text):
                return "half a character in its value"
            case float() as number if math.isinf(number):
                return "a number that is too large for a computer"
            case dict() as fields:
                left += [*fields, *fields.values()]
            case list() as values:
                left += values
    return ""


def _misspelt_fields(raw: Mapping[str, Any]) -> dict[str, str]:
    """Further fields are allowed, but not one that looks like a known field which this row does not have."""
    absent = tuple(name for name in ENTRY_FIELDS if name not in raw)
    meant = {name: misspelt(name, absent) for name in raw if name not in ENTRY_FIELDS}
    return {name: known for name, known in meant.items() if known is not None}


def _fitted(model: type[Model], fields: Mapping[str, Any]) -> tuple[Model | None, list[str]]:
    """The model, or ``None`` and the names of the fields that do not fit, each once, in pydantic's order."""
    no_text = [name for name in fields if _SURROGATE.search(name)]  # pydantic would not name it
    try:
        fitted = model.model_validate({name: value for name, value in fields.items() if name not in no_text})
    except ValidationError as error:
        locations: Iterable[Any] = (detail["loc"][0] for detail in error.errors(include_url=False, include_input=False))
        return None, list(dict.fromkeys([*map(str, locations), *no_text]))
    return (fitted, []) if not no_text else (None, no_text)


def _described(value: Any) -> str:
    match value:
        case bool():
            return quoted(value)
        case int() | float():
            return f"{quoted(value)} (a number)"
        case "":
            return '"" (empty)'
        case dict():
            return "an object { ... }"
        case []:
            return "[] (empty)"
        case _:
            return quoted(value)
