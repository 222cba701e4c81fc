"""Families, pairs and other groups whose participants belong in one part of a datalist."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from monai_fusion.datalist.strata import groups_of
from monai_fusion.spelling import field_of
from monai_fusion.wording import counted, quoted

KIN = ("family", "family_id", "subject", "subject_id", "pair", "pair_id", "twin_pair")
"""Fields that name relatives, or one person measured twice: if they are in two parts, the test is not independent."""
PLACES = ("site", "scanner")
"""Fields that name where participants were measured: in several parts by a usual split, which tests no new place."""

Member = tuple[str, Mapping[str, object]]
"""The part that a participant is in, and the further fields of the row."""


def participant_groups(fields: Mapping[str, Mapping[str, object]], names: Sequence[str]) -> dict[str, str | None]:
    """Return the name of each participant's group: those who agree in a field, directly or through others.

    Args:
        fields: The further fields of each participant.
        names: The fields that name groups; one that is empty, or not there, joins no participants.

    Returns:
        For each participant the smallest id in the group; None: in none.
    """

    def text(row: Mapping[str, object], name: str) -> str:
        value = row.get(field_of(row, name) or name)
        return "" if value is None else str(value).strip()

    columns = {name: {participant: text(row, name) for participant, row in fields.items()} for name in names}
    return groups_of(columns, fields)


@dataclass(frozen=True, slots=True)
class TornField:
    """A field whose groups are in several parts.

    Attributes:
        name: The field.
        torn: How many groups are in several parts.
        groups: How many groups have more than one participant.
        example: One of the torn groups.
        parts: The parts that it is in.
    """

    name: str
    torn: int
    groups: int
    example: str
    parts: tuple[str, ...]

    def __str__(self) -> str:
        """``3 of 12 groups are in several parts: "smith" in training and test``."""
        where = " and ".join(self.parts)
        verb = "is" if self.torn == 1 else "are"
        return (
            f"{self.torn} of {counted(self.groups, 'group')} {verb} in several parts: {quoted(self.example)} in {where}"
        )


def torn_fields(members: Iterable[Member], names: Sequence[str]) -> Iterator[TornField]:
    """Find the groups that are in several parts.

    Args:
        members: The participants; a field that is empty, or not there, makes no group.
        names: The fields to look at, upper and lower case alike.
    """
    members = list(members)
    for name in names:
        parts: dict[str, list[str]] = defaultdict(list)
        for part, fields in members:
            value = fields.get(field_of(fields, name) or name)
            if value is not None and str(value).strip():
                parts[str(value).strip()].append(part)
        groups = {value: found for value, found in parts.items() if len(found) > 1}
        torn = {value: tuple(dict.fromkeys(found)) for value, found in groups.items() if len(set(found)) > 1}
        if torn:
            example = next(iter(torn))
            yield TornField(name, len(torn), len(groups), example, torn[example])
