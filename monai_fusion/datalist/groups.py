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


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A field of places each of which is in one fold: it is tested by models that have not seen it.

    Attributes:
        field: ``site`` or ``scanner``, as the datalist spells it.
        places: Its values in the order of the participants.
    """

    field: str
    places: tuple[str, ...]

    def __str__(self) -> str:
        """``leave-site-out: each of the 5 sites is tested by models that have seen none of its participants``."""
        name = self.field.lower()
        return (
            f"leave-{name}-out: each of the {counted(len(self.places), name)} is tested by models that have seen none "
            "of its participants"
        )


def left_out(members: Iterable[tuple[int, Mapping[str, object]]]) -> LeftOut | None:
    """Find the field of places that folds leave out, whether they were made so or happen to be so.

    Args:
        members: The fold in which each participant is tested, and the further fields of the row.

    Returns:
        None if a place is in several folds, is not known for everyone, or is the only one.
    """
    members = list(members)
    for name in PLACES:
        field = next((found for _, fields in members if (found := field_of(fields, name))), None)
        if field is None:
            continue
        folds: dict[str, set[int]] = defaultdict(set)
        for fold, fields in members:
            value = fields.get(field)
            folds["" if value is None else str(value).strip()].add(fold)
        if "" not in folds and len(folds) > 1 and all(len(found) == 1 for found in folds.values()):
            return LeftOut(field, tuple(folds))
    return None
