"""What a datalist would lose if another one replaced it: a list, in words, of what its users edited."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from monai_fusion.datalist.schema import SECTIONS
from monai_fusion.spelling import nfc
from monai_fusion.wording import a_few, counted, quoted

_PATHS = ("eeg", "mri")
_HEAD = ("name", "target", "classes")


class _List:
    """A datalist's rows: those left out with their reasons, and those in use with their sections, by id in NFC."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.content = content
        self.left_out: dict[str, str] = {}
        self.rows: dict[str, Mapping[str, Any]] = {}
        self.sections: dict[str, str] = {}
        for section in SECTIONS:
            for row in content.get(section) or ():
                name = nfc(str(row["participant_id"]))
                if row.get("exclude") is not None:
                    self.left_out[name] = str(row["exclude"])
                else:
                    self.rows[name] = row
                    self.sections[name] = section


def losses(old: Mapping[str, Any], new: Mapping[str, Any], source: str) -> list[str]:
    """What a datalist has and the one that replaces it has not.

    Args:
        old: The content of the one, as parsed JSON; it was checked.
        new: That of the other.
        source: Where the other one's labels come from: ``the table``.

    Returns:
        Phrases that fit behind ``with``, the worst loss first; empty if nothing is lost.
    """
    before, after = _List(old), _List(new)
    both = [name for name in before.rows if name in after.rows]
    return [
        *_left_out(before, after),
        *_labels(before, after, both, source),
        *_gone(before, after),
        *_split(before, after, both),
        *_values(before, after, both),
        *_head(old, new),
    ]


def _left_out(before: _List, after: _List) -> Iterator[str]:
    lost = {name: reason for name, reason in before.left_out.items() if after.left_out.get(name) != reason}
    if lost:
        whose = a_few(f"{name}: {reason}" for name, reason in lost.items())
        yield f"{counted(len(lost), 'participant')} left out by hand ({whose})"


def _labels(before: _List, after: _List, both: list[str], source: str) -> Iterator[str]:
    pairs = {name: (before.rows[name].get("label"), after.rows[name].get("label")) for name in both}
    differ = {name: pair for name, pair in pairs.items() if _same_text(pair[0]) != _same_text(pair[1])}
    if differ:
        whose = a_few(f"{name}: {quoted(one)}, not {quoted(other)}" for name, (one, other) in differ.items())
        verb = "differs" if len(differ) == 1 else "differ"
        yield f"{counted(len(differ), 'label')} that {verb} from {source} ({whose})"


def _gone(before: _List, after: _List) -> Iterator[str]:
    gone = [name for name in before.rows if name not in after.rows and name not in after.left_out]
    if gone:
        yield f"{counted(len(gone), 'participant')} who would be gone from it ({a_few(gone)})"


def _split(before: _List, after: _List, both: list[str]) -> Iterator[str]:
    def place(rows: _List, name: str) -> tuple[str, object]:
        return rows.sections[name], rows.rows[name].get("fold")

    moved = [name for name in both if place(before, name) != place(after, name)]
    if moved:
        yield f"a split of its own ({len(moved)} of {counted(len(both), 'participant')} in another part)"


def _values(before: _List, after: _List, both: list[str]) -> Iterator[str]:
    """Paths, and what was written into further fields. Of two that start from different folders, no path can differ."""
    same_root = before.content.get("data_root", ".") == after.content.get("data_root", ".")
    skipped = {"participant_id", "label", "fold", "exclude", *(() if same_root else _PATHS)}
    number: Counter[str] = Counter()
    first: dict[str, str] = {}
    for name in both:
        for field, value in before.rows[name].items():
            other = after.rows[name].get(field)
            if field not in skipped and value is not None and value != other:
                number[field] += 1
                first.setdefault(field, f"{name}: {quoted(value)}, not {quoted(other)}")
    for field, times in number.items():
        more = f" and {times - 1} more" if times > 1 else ""
        yield f"{'values' if times > 1 else 'a value'} of its own in {quoted(field)} ({first[field]}{more})"


def _head(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name in _HEAD:
        if old.get(name) and old[name] != new.get(name):
            yield f"another {quoted(name)} ({quoted(old[name])}, not {quoted(new.get(name))})"


def _same_text(value: object) -> object:
    return nfc(value) if isinstance(value, str) else value
