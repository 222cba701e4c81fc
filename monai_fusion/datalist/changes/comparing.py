"""What differs between two datalists, participant by participant, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from monai_fusion.datalist.changes.change_log import PART
from monai_fusion.datalist.schema import SECTIONS
from monai_fusion.spelling import nfc
from monai_fusion.wording import counted, cut, quoted

_ORDER = ("exclude", "label", PART, "fold", "note")


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of one participant that differs; ``None`` where there is no such field, or it is null."""

    participant_id: str
    field: str
    before: Any
    after: Any

    @property
    def words(self) -> str:
        """What changed, to stand behind the id."""
        match self.field:
            case "exclude" if self.after is None:
                return f"included again (was left out: {self.before})"
            case "exclude" if self.before is None:
                return f"left out: {self.after}"
            case "exclude":
                return f"left out for another reason: {self.after} (was: {self.before})"
            case "part":
                return f"moved from {self.before} to {self.after}"
            case "note" if self.before is None:
                return f"note: {self.after}"
            case _ if self.before is None:
                return f"{self.field} {_shown(self.after)} added"
            case _ if self.after is None:
                return f"{self.field} removed (was {_shown(self.before)})"
        return f"{self.field} {_shown(self.before)} -> {_shown(self.after)}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs.

    Attributes:
        head: Fields of the file (``name``, ``classes`` ...): name, before, after.
        added: Ids of participants that only the second datalist has, with their parts.
        removed: Those that only the first has.
        differences: Of participants in both, in the order of the second datalist.
        order: Whether the participants of a part are the same, but stand in another order, which a training's draws
            depend on.
        before: Participants in use, by part and label, in the first datalist.
        after: ... in the second.
        test_part_changes: How many participants are in use in the test part of only one of the two.
    """

    head: tuple[tuple[str, Any, Any], ...]
    added: tuple[tuple[str, str], ...]
    removed: tuple[tuple[str, str], ...]
    differences: tuple[Difference, ...]
    order: bool
    before: Mapping[str, Mapping[str, int]]
    after: Mapping[str, Mapping[str, int]]
    test_part_changes: int = 0

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not (self.head or self.added or self.removed or self.differences or self.order)

    @property
    def people(self) -> int:
        """How many participants of both datalists differ."""
        return len({each.participant_id for each in self.differences})

    def lines(self) -> Iterator[str]:
        """The comparison as a reader wants it: a summary, the file's fields, participants, counts, warnings."""
        if self.same:
            yield "no difference"
            return
        for name, before, after in self.head:
            yield f"{name}: {_shown(before)} -> {_shown(after)}"
        for what, found in (("added", self.added), ("removed", self.removed)):
            for participant, part in found:
                yield f"{participant}: {what} ({part})"
        by_participant: dict[str, list[str]] = {}
        for each in self.differences:
            by_participant.setdefault(each.participant_id, []).append(each.words)
        for participant, changes in by_participant.items():
            yield f"{participant}: {'; '.join(changes)}"
        if self.order:
            yield "the participants of a part stand in another order: a training draws them in another order"
        yield from self._counts()
        if warning := self.test_part_warning:
            yield f"warning: {warning}"

    @property
    def test_part_warning(self) -> str:
        """What to say where the test part has other people than before; empty if it has the same."""
        if not self.test_part_changes:
            return ""
        return (
            f"{counted(self.test_part_changes, 'participant')} came into the test part or left it: decide who is in it "
            "before you look at any result, or the result looks better than it is"
        )

    def _counts(self) -> Iterator[str]:
        for section in SECTIONS:
            before, after = self.before.get(section, {}), self.after.get(section, {})
            if before != after:
                yield f"{section}: {_counted(before)} -> {_counted(after)}"


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> Comparison:
    """Compare the contents of two datalist files.

    Args:
        before: The content of one, as parsed JSON; its rows have ids, each once (apart from rows left out).
        after: That of the other.
    """
    old, new = _rows(before), _rows(after)
    names = dict.fromkeys((*before, *after))
    return Comparison(
        tuple((name, before.get(name), after.get(name)) for name in names if _differ(name, before, after)),
        tuple((str(row["participant_id"]), part) for name, (part, row) in new.items() if name not in old),
        tuple((str(row["participant_id"]), part) for name, (part, row) in old.items() if name not in new),
        tuple(each for name, found in new.items() if name in old for each in _differences(*old[name], *found)),
        any(_shared_order(old, new, part) != _shared_order(new, old, part) for part in SECTIONS),
        _in_use(old),
        _in_use(new),
        len(_tested(old) ^ _tested(new)),
    )


def _tested(rows: Mapping[str, tuple[str, Mapping[str, Any]]]) -> set[str]:
    return {name for name, (part, row) in rows.items() if part == "test" and row.get("exclude") is None}


def _rows(content: Mapping[str, Any]) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Part and row by id in NFC; of a participant who is left out here and used there, the row in use."""
    rows: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for part in SECTIONS:
        for row in content.get(part) or ():
            name = nfc(str(row["participant_id"]))
            if name not in rows or row.get("exclude") is None:
                rows[name] = part, row
    return rows


def _differ(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    return name not in SECTIONS and name != "$schema" and before.get(name) != after.get(name)


def _differences(old_part: str, old: Mapping[str, Any], new_part: str, new: Mapping[str, Any]) -> Iterator[Difference]:
    participant = str(new["participant_id"])
    if old_part != new_part:
        yield Difference(participant, PART, old_part, new_part)
    fields = [name for name in dict.fromkeys((*old, *new)) if name != "participant_id"]
    for name in sorted(fields, key=lambda each: _ORDER.index(each) if each in _ORDER else len(_ORDER)):
        before, after = old.get(name), new.get(name)
        if before != after or type(before) is not type(after):
            yield Difference(participant, name, before, after)


def _shared_order(rows: Mapping[str, tuple[str, Any]], others: Mapping[str, tuple[str, Any]], part: str) -> list[str]:
    """The participants of a part who are in the same part of the other datalist, in their order."""
    return [name for name, (own, _) in rows.items() if own == part and name in others and others[name][0] == part]


def _in_use(rows: Mapping[str, tuple[str, Mapping[str, Any]]]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {part: Counter() for part in SECTIONS}
    for part, row in rows.values():
        if row.get("exclude") is None:
            counts[part]["no label" if row.get("label") is None else str(row["label"])] += 1
    return {part: dict(sorted(found.items())) for part, found in counts.items()}


def _counted(counts: Mapping[str, int]) -> str:
    by_label = ", ".join(f"{number} {label}" for label, number in counts.items())
    return counted(sum(counts.values()), "participant") + (f" ({by_label})" if by_label else "")


def _shown(value: Any) -> str:
    return "nothing" if value is None else cut(value) if isinstance(value, str) else quoted(value)
