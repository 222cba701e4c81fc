"""Participants with one recording in a split: those with both are placed first, as if they were alone, then the others.

So keeping the others or not changes nothing for those with both: a run that uses only these trains and tests on the
same participants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from monai_fusion.datalist.split.allocation import Quotas, allocate, with_their_group
from monai_fusion.datalist.split.part_sizes import numbers_of
from monai_fusion.datalist.split.ratio import rounded
from monai_fusion.datalist.strata import BOTH, SplitParticipant


def with_both_recordings(participants: Sequence[SplitParticipant]) -> list[SplitParticipant]:
    """The participants who have both recordings."""
    return [participant for participant in participants if participant.recordings == BOTH]


def with_one_recording(participants: Sequence[SplitParticipant]) -> list[SplitParticipant]:
    """The participants who lack a recording."""
    return [participant for participant in participants if participant.recordings != BOTH]


def shares(
    others: Sequence[SplitParticipant], classes: Sequence[str], tested: Sequence[int], validation: float
) -> Quotas:
    """The sizes of training, validation and test by class among those with one recording; any may be 0 of a few."""
    validated = [rounded(validation, n - test) for n, test in zip(numbers_of(others, classes), tested, strict=True)]
    return [
        [number - test - validates, validates, test]
        for number, test, validates in zip(numbers_of(others, classes), tested, validated, strict=True)
    ]


def allocate_in_turn(
    participants: Sequence[SplitParticipant], quotas: Quotas, of_others: Quotas, fixed: Mapping[str, int], seed: str
) -> dict[str, int]:
    """`allocation.allocate` for those with both recordings, and then for the others around them.

    The others are balanced by what they have as by a column more: within each class, every part has its share of those
    with an EEG only and of those with an MRI only, as far as their numbers allow.

    Args:
        participants: Everyone, also those whose part is known.
        quotas: As for `allocation.allocate`, of those with both recordings.
        of_others: The same of those with one; the sums are their classes' sizes.
        fixed: The part of participants who stay where they are.
        seed: As for `allocation.allocate`.

    Raises:
        InputError: Participants of one group are fixed in two parts.
    """
    if not with_one_recording(participants):
        return allocate(participants, quotas, fixed, seed)
    fixed = with_their_group(
        participants,
        {
            participant.participant_id: fixed[participant.participant_id]
            for participant in participants
            if participant.participant_id in fixed
        },
    )
    complete = allocate(with_both_recordings(participants), quotas, fixed, seed)
    held = [list(parts) for parts in of_others]
    for participant in with_both_recordings(participants):
        held[participant.label][complete[participant.participant_id]] += 1
    everyone = [
        replace(participant, strata=(participant.recordings, *participant.strata)) for participant in participants
    ]
    return allocate(everyone, held, {**fixed, **complete}, f"{seed}/one recording")
