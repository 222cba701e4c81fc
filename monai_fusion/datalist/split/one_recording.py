"""People with one recording in a split: those with both are placed first, as if they were alone, then the others.

Whether the others are kept thus changes nothing for those with both: a run that uses only these learns from, and is
judged by, the same people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from monai_fusion.datalist.split.allocation import Quotas, fill, with_their_group
from monai_fusion.datalist.split.parts import numbers_of
from monai_fusion.datalist.split.ratio import rounded
from monai_fusion.datalist.strata import BOTH, Person


def with_both(people: Sequence[Person]) -> list[Person]:
    """The people who have both recordings."""
    return [person for person in people if person.recordings == BOTH]


def with_one(people: Sequence[Person]) -> list[Person]:
    """The people who lack a recording."""
    return [person for person in people if person.recordings != BOTH]


def shares(others: Sequence[Person], classes: Sequence[str], tested: Sequence[int], validation: float) -> Quotas:
    """The sizes of training, validation and test by class among those with one recording; any may be 0 of a few."""
    validated = [rounded(validation, n - test) for n, test in zip(numbers_of(others, classes), tested, strict=True)]
    return [
        [number - test - validates, validates, test]
        for number, test, validates in zip(numbers_of(others, classes), tested, validated, strict=True)
    ]


def fill_in_turn(
    people: Sequence[Person], quotas: Quotas, of_others: Quotas, fixed: Mapping[str, int], seed: str
) -> dict[str, int]:
    """`filling.fill` for those with both recordings, and then for the others around them.

    The others are balanced by what they have as by a column more: within each class, every part has its share of those
    with an EEG only and of those with an MRI only, as far as their numbers allow.

    Args:
        people: Everyone, also those whose part is known.
        quotas: As for `filling.fill`, of those with both recordings.
        of_others: The same of those with one; the sums are their classes' sizes.
        fixed: The part of people who stay where they are.
        seed: As for `filling.fill`.

    Raises:
        InputError: People of one group are fixed in two parts.
    """
    if not with_one(people):
        return fill(people, quotas, fixed, seed)
    fixed = with_their_group(
        people,
        {person.participant_id: fixed[person.participant_id] for person in people if person.participant_id in fixed},
    )
    complete = fill(with_both(people), quotas, fixed, seed)
    held = [list(parts) for parts in of_others]
    for person in with_both(people):
        held[person.label][complete[person.participant_id]] += 1
    everyone = [replace(person, strata=(person.recordings, *person.strata)) for person in people]
    return fill(everyone, held, {**fixed, **complete}, f"{seed}/one recording")
