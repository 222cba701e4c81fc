"""The rows of a datalist as the page numbers them, and the pieces of its text that the page puts together again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from monai_fusion.datalist.changes.row_texts import FileText, SectionText, cut_into_rows
from monai_fusion.datalist.examination import Examination
from monai_fusion.datalist.file_finder import FileFinder
from monai_fusion.datalist.paths import natural_key
from monai_fusion.datalist.records import ParticipantRecord
from monai_fusion.datalist.reporting import DatalistError, Finding
from monai_fusion.datalist.schema import SECTIONS
from monai_fusion.datalist.validation import Row
from monai_fusion.errors import InputError, Problem

Place = tuple[str, int]
"""A part and the number of a row in it, from 0."""


@dataclass(frozen=True, slots=True)
class PageFinding:
    """A problem or a warning.

    Attributes:
        warning: Whether it is a warning.
        text: Its words; of a row, without the line and the participant, beside whom they stand.
        rows: The numbers of the rows that it belongs to; empty for the whole file.
    """

    warning: bool
    text: str
    rows: tuple[int, ...]


def text_of(examination: Examination) -> FileText:
    """Return the text of a datalist in pieces.

    Raises:
        InputError: It is no JSON, is written in another encoding than UTF-8, or has no rows: then its problems.
    """
    broken = [finding for finding in examination.problems if finding.group == "json"]
    if broken:
        raise DatalistError(broken, heading=str(examination.path))
    try:
        file = cut_into_rows(examination.json.content.decode())
    except (ValueError, IndexError) as error:
        raise _no_datalist(examination, str(error)) from None
    if not any(section.rows for section in file.sections.values()):
        raise _no_datalist(examination, "no participants")
    return file


def _no_datalist(examination: Examination, seen: str) -> InputError:
    if examination.problems:
        return DatalistError(examination.problems, heading=str(examination.path))
    return InputError(Problem(str(examination.path), seen=seen, wanted="a datalist with participants"))


def numbers_of_rows(file: FileText) -> dict[Place, int]:
    """Number the rows of all parts, training first."""
    places = [(name, place) for name in SECTIONS for place in range(len(file.sections[name].rows))]
    return {place: number for number, place in enumerate(places)}


def findings_of(findings: Iterable[Finding], numbers: Mapping[Place, int]) -> list[PageFinding]:
    """Attach each problem and warning to its row."""
    return [_attached(finding, numbers) for finding in findings]


def _attached(finding: Finding, numbers: Mapping[Place, int]) -> PageFinding:
    section, row = finding.place[:2] if len(finding.place) > 1 else (None, None)
    number = numbers.get((section, row)) if isinstance(section, str) and isinstance(row, int) else None
    if number is None:
        return PageFinding(finding.warning, str(finding), ())
    return PageFinding(finding.warning, str(replace(finding, where="", line=None, column=None)), (number,))


def records_of(examination: Examination, numbers: Mapping[Place, int]) -> dict[int, ParticipantRecord]:
    """Return the participants by the numbers of their rows, also those left out; ids are these numbers, as text.

    A row whose fields could not be read is not among them, nor is a file that is not there.
    """
    root, classes = examination.data_root, list(examination.head.classes)
    found: dict[int, tuple[Row, Iterable[str], str | None]] = {
        numbers[each.row.section, each.row.number - 1]: (each.row, each.eeg, each.mri)
        for each in examination.participants
    }
    finder = FileFinder(root, examination.left_out, lambda _: None)
    for row in examination.left_out:
        found[numbers[row.section, row.number - 1]] = row, finder.eeg(row), finder.mri(row)
    return {number: _record(number, row, eeg, mri, examination, classes) for number, (row, eeg, mri) in found.items()}


def _record(
    number: int, row: Row, eeg: Iterable[str], mri: str | None, examination: Examination, classes: list[str]
) -> ParticipantRecord:
    root, entry = examination.data_root, row.entry
    return ParticipantRecord(
        participant_id=str(number),
        label=classes.index(entry.label) if entry.label in classes else None,
        eeg=tuple(root / name for name in sorted(eeg, key=natural_key)),
        mri=None if mri is None else root / mri,
        section=row.section,
        extra=dict(entry.model_extra or {}),
    )


def pieces_of(file: FileText) -> list[Any]:
    """Return the pieces of the text as the page's script reads them: texts, and the parts as objects."""
    return [piece if isinstance(piece, str) else _section(piece) for piece in file.pieces]


def _section(section: SectionText) -> dict[str, Any]:
    return {
        "name": section.name,
        "head": section.head,
        "gaps": section.gaps,
        "style": section.style,
        "rows": [
            [[each.name, each.before, each.value, each.after] for each in row.members] if row.members else row.raw
            for row in section.rows
        ],
    }
