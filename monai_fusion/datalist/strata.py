"""Participants as a split sees them: class, strata to balance, group to keep together."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from monai_fusion.datalist.availability import AVAILABLE_MODALITIES, AvailableModalities
from monai_fusion.errors import InputError, Problem
from monai_fusion.wording import a_few, quoted

RANGES = 4
"""How many ranges a column of many numbers is cut into."""

NOT_KNOWN = "not known"

BOTH, ONLY_EEG, ONLY_MRI = AVAILABLE_MODALITIES
"""Which recordings a participant has."""

MANY_NUMBERS = 8
"""More different numbers than these are cut into ranges."""

_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?")
_RANGE = re.compile(r"(\d+(?:[.,]\d+)?)\s*[-\u2010-\u2015]\s*(\d+(?:[.,]\d+)?)")


@dataclass(frozen=True, slots=True)
class SplitParticipant:
    """One participant to be split.

    Attributes:
        participant_id: The id.
        label: Class index.
        strata: The category in each column that is balanced besides the class.
        group: Participants of one group stay together; ``None`` without a group.
        recordings: `BOTH`, `ONLY_EEG` or `ONLY_MRI`.
    """

    participant_id: str
    label: int
    strata: tuple[str, ...] = ()
    group: str | None = None
    recordings: AvailableModalities = BOTH


def lowest(text: str) -> Fraction | None:
    """Where a number or range begins: 20 of ``20-25`` and of ``20``; ``None`` for any other text."""
    match = _RANGE.fullmatch(text.strip())
    number = match[1] if match else text.strip()
    return Fraction(number.replace(",", ".")) if _NUMBER.fullmatch(number) else None


def is_number(text: str) -> bool:
    """Whether a text is one number, not a range."""
    return _NUMBER.fullmatch(text.strip()) is not None


def bounds(text: str) -> tuple[Fraction, Fraction] | None:
    """Both ends of a range, ``20-25``, or of one number, ``20``; a hyphen or any dash, a decimal comma too."""
    match = _RANGE.fullmatch(text.strip())
    if match:
        return Fraction(match[1].replace(",", ".")), Fraction(match[2].replace(",", "."))
    low = lowest(text)
    return None if low is None else (low, low)


def categories_in_order(categories: Iterable[str]) -> list[str]:
    """Categories by their numbers if they have any, then by name; `NOT_KNOWN` comes last."""

    def key(category: str) -> tuple[bool, bool, Fraction, str]:
        low = lowest(category.split(" to ")[0])
        return category == NOT_KNOWN, low is None, low or Fraction(0), category

    return sorted(categories, key=key)


def categories(values: Mapping[str, str], more_than: int = MANY_NUMBERS, ranges: bool = False) -> dict[str, str]:
    """The category of each participant in one column.

    A column of more than ``more_than`` different numbers (age in years) is cut into `RANGES` ranges that hold about
    equally many participants; equal numbers are never cut apart.

    Args:
        values: The column's text by participant id.
        more_than: How many different numbers are left as they are.
        ranges: Whether ranges such as ``20-25`` are numbers here: they are then put together to wider ones.
    """
    known = {name: value.strip() for name, value in values.items() if value.strip()}
    lows = {value: lowest(value) for value in set(known.values())}
    countable = all(low is not None for low in lows.values()) and (ranges or not any(map(_RANGE.fullmatch, lows)))
    if not countable or len(lows) <= more_than:
        return {name: known.get(name, NOT_KNOWN) for name in values}
    counts = Counter(known.values())
    parts: dict[int, list[str]] = defaultdict(list)
    before = 0
    for value in sorted(lows, key=lambda text: (lows[text] or Fraction(0), text)):
        parts[RANGES * (2 * before + counts[value]) // (2 * len(known))].append(value)
        before += counts[value]
    named = {value: _range_name(part) for part in parts.values() for value in part}
    return {name: named[known[name]] if name in known else NOT_KNOWN for name in values}


def _range_name(values: Sequence[str]) -> str:
    """From first to last: ``20 to 29``; ranges that follow one another, ``20-25`` and ``25-30``, are ``20-30``."""
    if len(values) == 1:
        return values[0]
    ranges = [_RANGE.fullmatch(value) for value in values]
    ends = [match[2] if match else "" for match in ranges]
    begins = [match[1] if match else "" for match in ranges]
    if all(ends[:-1]) and ends[:-1] == begins[1:]:
        return f"{begins[0]}-{ends[-1]}"
    return f"{values[0]} to {values[-1]}"


def strata_by_participant(
    columns: Mapping[str, Mapping[str, str]], participants: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """The categories of each participant in the columns to balance.

    Raises:
        InputError: A column has a different value for nearly every participant: it cannot be balanced.
    """
    problems = []
    found = []
    for name, values in columns.items():
        by_participant = categories({participant: values[participant] for participant in participants})
        different = len(set(by_participant.values()))
        if different > max(2, len(participants) // 2):
            seen = f"{different} different values among {len(participants)} participants"
            problems.append(Problem("--stratify-by", quoted(name), seen, "a column that many share"))
        found.append(by_participant)
    if problems:
        raise InputError(problems)
    return {participant: tuple(by_participant[participant] for by_participant in found) for participant in participants}


def groups_of(columns: Mapping[str, Mapping[str, str]], participants: Iterable[str]) -> dict[str, str | None]:
    """A name for each participant's group: those who agree in a column are in one, directly or through others.

    An empty cell joins no participants. The name is the smallest id in the group.
    """
    leader: dict[tuple[str, str], tuple[str, str]] = {}

    def find(node: tuple[str, str]) -> tuple[str, str]:
        leader.setdefault(node, node)
        while leader[node] != node:
            leader[node] = leader[leader[node]]
            node = leader[node]
        return node

    participants = sorted(participants)
    for participant in participants:
        for column, values in columns.items():
            if values[participant].strip():
                one, other = find(("", participant)), find((column, values[participant].strip()))
                leader[max(one, other)] = min(one, other)
    # A participant's node begins with "", a column's with its name: the smallest of a group is its smallest id.
    return {
        participant: find(("", participant))[1] if ("", participant) in leader else None for participant in participants
    }


def described_group(participants: Iterable[SplitParticipant], group: str) -> str:
    """The group by its members: ``the group of sub-01, sub-02 and 3 more``."""
    ids = sorted(each.participant_id for each in participants if each.group == group)
    return f"the group of {a_few(ids)}"
