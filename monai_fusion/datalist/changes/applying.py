"""Makes the changes of a log in a datalist that may be newer than the one they were made in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monai_fusion.datalist.changes.change_log import PART, Change, ChangeLog
from monai_fusion.datalist.changes.row_texts import FileText, RowText, cut_into_rows
from monai_fusion.datalist.schema import SECTIONS
from monai_fusion.spelling import nfc
from monai_fusion.wording import cut, one_of


@dataclass(frozen=True, slots=True)
class Conflict:
    """A change that cannot be made, and why."""

    change: Change
    reason: str

    @property
    def words(self) -> str:
        """``sub-07 label: the log changes "M" to "F", but the datalist has "X"``."""
        return f"{self.change.participant_id} {self.change.field}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Merge:
    """What a log makes of a datalist.

    Attributes:
        text: The new text of the file, with every change that could be made.
        made: How many fields of participants have another value now.
        already: Of the fields that the log changes, how many had the value before.
        conflicts: The changes that were not made.
    """

    text: str
    made: int
    already: int
    conflicts: tuple[Conflict, ...]


def apply_changes(text: str, log: ChangeLog) -> Merge:
    """Make the changes of a log in the text of a datalist.

    Several changes of one field count as one, from its first value to its last. Rows without a change keep their bytes;
    participants who are moved become the last of their part.

    Args:
        text: A datalist without problems.
        log: The changes.

    Raises:
        ValueError: The text is no datalist.
    """
    edited = _Edited(cut_into_rows(text), json.loads(text.removeprefix("\ufeff")))
    made = already = 0
    conflicts = []
    for change in _joined(log.changes):
        reason = edited.refusal(change)
        if reason is None:
            made += edited.make(change)
        elif reason == "":
            already += 1
        else:
            conflicts.append(Conflict(change, reason))
    return Merge(edited.text(), made, already, tuple(conflicts))


def _joined(changes: Sequence[Change]) -> Iterator[Change]:
    """One change for each field of each participant, in the order of the first ones; none where nothing is left."""
    joined: dict[tuple[str, str], Change] = {}
    for change in changes:
        key = nfc(change.participant_id), change.field
        first = joined.get(key)
        joined[key] = change if first is None else change.model_copy(update={"before": first.before})
    return (change for change in joined.values() if change.before != change.after)


class _Edited:
    """The rows of a file while they are changed, each with its part, in the file's order."""

    def __init__(self, file: FileText, content: Mapping[str, Any]) -> None:
        self._file = file
        self._rows: dict[str, list[RowText]] = {name: list(each.rows) for name, each in file.sections.items()}
        self._classes = list(content.get("classes") or ())
        self._places: dict[str, tuple[str, RowText]] = {}
        for part in SECTIONS:
            for row, fields in zip(self._rows[part], content.get(part) or (), strict=True):
                name = nfc(str(fields["participant_id"]))
                if name not in self._places or fields.get("exclude") is None:
                    self._places[name] = part, row

    def refusal(self, change: Change) -> str | None:
        """Why a change cannot be made; empty if it is made already; None if it can be made."""
        if nfc(change.participant_id) not in self._places:
            return "the datalist has no such participant"
        now = self._value(change)
        if now == change.after:
            return ""
        if now != change.before:
            return (
                f"the log changes {_quoted(change.before)} to {_quoted(change.after)}, the datalist has {_quoted(now)}"
            )
        if change.field == "label" and change.after not in self._classes:
            return f"{_quoted(change.after)} is no class of this datalist: {one_of(self._classes)}"
        if change.field == PART and change.after not in SECTIONS:
            return f"{_quoted(change.after)} is no part: {one_of(SECTIONS)}"
        return None

    def make(self, change: Change) -> int:
        """Make a change."""
        name = nfc(change.participant_id)
        part, row = self._places[name]
        rows = self._rows[part]
        place = next(number for number, each in enumerate(rows) if each is row)
        if change.field == PART:
            assert change.after is not None  # noqa: S101 # refused when the log was read
            del rows[place]
            self._rows[change.after].append(row)
            self._places[name] = change.after, row
            return 1
        new = row.without_field(change.field) if change.after is None else row.with_field(change.field, change.after)
        rows[place] = new
        self._places[name] = part, new
        return 1

    def text(self) -> str:
        """The file."""
        return self._file.written(self._rows)

    def _value(self, change: Change) -> Any:
        part, row = self._places[nfc(change.participant_id)]
        if change.field == PART:
            return part
        values = {member.name: member.value for member in row.members}
        return json.loads(values[change.field]) if change.field in values else None


def _quoted(value: Any) -> str:
    return "nothing" if value is None else f'"{cut(str(value))}"'
