"""A datalist file as it is written: fields and rows in their order, for programs that change some and keep the rest."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from monai_fusion.datalist.availability import AvailableModalities
from monai_fusion.datalist.examination import check_datalist
from monai_fusion.datalist.schema import SECTIONS
from monai_fusion.datalist.strata import BOTH, ONLY_EEG, ONLY_MRI
from monai_fusion.errors import InputError
from monai_fusion.spelling import field_of, nfc


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """One participant's row: its section, and its fields in their order."""

    section: str
    fields: Mapping[str, Any]

    @property
    def participant_id(self) -> str:
        """Whose row it is."""
        return str(self.fields["participant_id"])

    @property
    def excluded(self) -> bool:
        """Whether the row gives a reason to leave the participant out."""
        return self.fields.get("exclude") is not None

    @property
    def recordings(self) -> AvailableModalities:
        """``both``, ``eeg`` or ``mri``; a row that was checked has at least one."""
        return ONLY_EEG if not self.fields.get("mri") else ONLY_MRI if not self.fields.get("eeg") else BOTH

    def in_use(self, allow_missing: bool) -> bool:
        """Whether the participant is not excluded and has both recordings; with ``allow_missing`` one will do."""
        return not self.excluded and (allow_missing or self.recordings == BOTH)

    def text(self, field: str) -> str:
        """The field's value as a table would hold it; empty if there is none."""
        value = self.fields.get(field_of(self.fields, field) or field)
        return "" if value is None else value if isinstance(value, str) else json.dumps(value)


@dataclass(frozen=True, slots=True)
class Document:
    """A datalist file that was checked.

    Attributes:
        path: The file.
        fields: Its fields, sections included, in their order.
        rows: All rows, excluded ones too, in the file's order.
    """

    path: Path
    fields: Mapping[str, Any]
    rows: tuple[DocumentRow, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names."""
        return tuple(self.fields["classes"])

    def class_index(self, row: DocumentRow) -> int:
        """The index of a row's label among the classes; the row has one."""
        return [nfc(name) for name in self.classes].index(nfc(str(row.fields["label"])))

    @property
    def by_id(self) -> dict[str, DocumentRow]:
        """The rows by participant; of a participant excluded here and listed elsewhere, the row in use."""
        ordered = sorted(self.rows, key=lambda row: not row.excluded)
        return {row.participant_id: row for row in ordered}

    def spelled_as(self, ids: Collection[str]) -> Document:
        """The same with its participants' ids written as in ``ids``, where they are equal in NFC."""
        spelling = {nfc(name): name for name in ids}
        rows = []
        for row in self.rows:
            name = spelling.get(nfc(row.participant_id), row.participant_id)
            rows.append(DocumentRow(row.section, {**row.fields, "participant_id": name}))
        return replace(self, rows=tuple(rows))

    def with_rows(self, rows: Iterable[DocumentRow]) -> dict[str, Any]:
        """The file's content with other rows: what ``write_document`` takes."""
        by_section: dict[str, list[dict[str, Any]]] = {section: [] for section in SECTIONS}
        for row in rows:
            by_section[row.section].append(dict(row.fields))
        return {**self.fields, **by_section}


def read_document(path: Path, *, require_files: bool) -> Document:
    """Read a datalist to change it.

    Args:
        path: The file.
        require_files: Whether its recordings must be there too.

    Raises:
        InputError: Anything is wrong with it; such a file is not to be built on.
    """
    problems = check_datalist(path, require_files=require_files)
    if problems:
        raise InputError(problems, heading=str(path))
    fields = json.loads(path.read_text(encoding="utf-8-sig"))
    rows = [DocumentRow(section, row) for section in SECTIONS for row in fields.get(section, [])]
    return Document(path, fields, tuple(rows))


def with_fold(fields: Mapping[str, Any], fold: int | None) -> dict[str, Any]:
    """A row's fields with another fold, in its place or else after the MRI; without the field if there is none."""
    changed = {name: value for name, value in fields.items() if name != "fold" or fold is not None}
    if fold is None or "fold" in changed:
        return {**changed, "fold": fold} if fold is not None else changed
    names = list(changed)
    place = names.index("mri") + 1 if "mri" in changed else len(names)
    items = list(changed.items())
    return dict([*items[:place], ("fold", fold), *items[place:]])
