"""The datalist file as pydantic models, and the JSON Schema made from them that an editor completes and underlines by.

The models define what a field may hold. What concerns several rows (one participant in two sections, labels and
files) is checked in `rules` and `file_finder`; `validation` words the messages. The models are built at their first
use: every command imports this module, and most, ``--help`` above all, validate nothing.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import GenerateJsonSchema

SECTIONS = ("training", "validation", "test")
SCHEMA_FILE = "datalist.schema.json"
NOTE = "note"
"""A further field that holds a remark for people: nothing is grouped, split or tested by it."""

# Control characters, and the characters by which a text turns the direction of what is printed behind it.
_TURNING = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_UNPRINTABLE = rf"\x00-\x1f\x7f-\x9f\u2028\u2029{_TURNING}"
# A participant's id names rows in tables and reports. It is never used as a path, and may not look like one either.
_ID_CHARACTER = rf"/\\{_UNPRINTABLE}"
_ID_PATTERN = rf"^[^\s{_ID_CHARACTER}]([^{_ID_CHARACTER}]*[^\s{_ID_CHARACTER}])?$"
_ID = re.compile(_ID_PATTERN)
_TRIMMED_TEXT = r"^\S(.*\S)?$"
_CLASS_PATTERN = rf"^[^\s{_UNPRINTABLE}]([^{_UNPRINTABLE}]*[^\s{_UNPRINTABLE}])?$"
_CLASS = re.compile(_CLASS_PATTERN)

ClassName = Annotated[str, Field(pattern=_CLASS_PATTERN)]


class Entry(BaseModel):
    """One participant: a row of a section. Further fields (age, site ...) are allowed and kept."""

    model_config = ConfigDict(extra="allow", strict=True, defer_build=True)

    participant_id: Annotated[
        str, Field(pattern=_ID_PATTERN, description="The participant's id, e.g. sub-010002; once in the whole file.")
    ]
    label: Annotated[
        str | None, Field(description="The participant's class: one of the names in classes; null if not known.")
    ] = None
    eeg: Annotated[
        str | list[str] | None,
        Field(
            description="The EEG scalograms (.npy), relative to data_root: a path, a list of paths, or a pattern "
            "such as eeg/sub-010002_*.npy; null for a participant without."
        ),
    ] = None
    mri: Annotated[
        str | None,
        Field(
            description="The T1 MRI (.nii or .nii.gz), relative to data_root: one path; null for a participant without."
        ),
    ] = None
    fold: Annotated[
        int | None,
        Field(ge=0, description="Which part of a k-fold split this participant is in, from 0; as in Auto3DSeg."),
    ] = None
    exclude: Annotated[
        str | None,
        Field(
            pattern=_TRIMMED_TEXT,
            description='Why this participant is left out, e.g. "moved during the scan": the row stays, unused.',
        ),
    ] = None

    @property
    def further(self) -> dict[str, Any]:
        """The cohort's own fields (age, site ...), without the note."""
        return {name: value for name, value in (self.model_extra or {}).items() if name != NOTE}


class DatalistFile(BaseModel):
    """A cohort: who it is, which class each participant belongs to, which files are theirs, and how they are split."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True, title="monai-fusion datalist")

    schema_reference: Annotated[
        str | None, Field(alias="$schema", description="Where an editor finds this JSON Schema.")
    ] = None
    name: Annotated[str, Field(description="The name of the cohort, e.g. LEMON gender.")] = ""
    target: Annotated[str, Field(description="What is classified, e.g. gender.")] = ""
    classes: Annotated[
        list[ClassName],
        Field(
            min_length=2,
            json_schema_extra={"uniqueItems": True},
            description='The class names in their order, e.g. ["M", "F"]: the first is class 0.',
        ),
    ] = []
    data_root: Annotated[
        str, Field(description="The folder that all paths are relative to, itself relative to the folder of this file.")
    ] = "."
    group_by: Annotated[
        list[str],
        Field(
            description="Fields of the participants, such as family, whose groups the split has kept in one part: a"
            " group in two parts is refused."
        ),
    ] = []
    training: Annotated[list[Entry], Field(description="Participants the network is trained on.")] = []
    validation: Annotated[list[Entry], Field(description="Participants that choose the best epoch.")] = []
    test: Annotated[list[Entry], Field(description="Participants the trained network is tested on.")] = []


class SchemaOfFiles(GenerateJsonSchema):
    """Leaves out the titles that pydantic derives from field names: they only repeat the name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never."""
        return False


def datalist_json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a datalist file, as committed in ``data_manifests/datalist.schema.json``."""
    schema = DatalistFile.model_json_schema(by_alias=True, schema_generator=SchemaOfFiles)
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema}


def is_participant_id(text: str) -> bool:
    """Whether ``text`` may be a participant's id: not empty, no path separator, no space at its ends."""
    return _ID.fullmatch(text) is not None


def unprintable_character(*texts: object) -> str:
    """What to do about the first character in a text that a terminal or a page obeys; empty if there is none."""
    found = re.search(f"[{_UNPRINTABLE}]", "".join(text for text in texts if isinstance(text, str)))
    if found is None:
        return ""
    does = "which turns the direction of writing" if re.match(f"[{_TURNING}]", found[0]) else "a control character"
    return f"it holds {found[0]}, {does}: delete that character"


def why_no_classes(names: object) -> str:
    """What is wrong with a list of class names that has two or more; empty if that is all right."""
    for name in names if isinstance(names, list) else ():
        if not isinstance(name, str):
            return "each is text: write it in double quotes"
        if reason := unprintable_character(name):
            return reason
        if name != name.strip() or not name:
            return "one of them is empty, or has a space at an end: delete it"
    return ""


def is_class_name(text: str) -> bool:
    """Whether ``text`` may be the name of a class: not empty, nothing that a terminal obeys, no space at its ends."""
    return _CLASS.fullmatch(text) is not None
