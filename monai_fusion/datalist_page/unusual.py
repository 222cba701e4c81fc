"""How unlike the rest of the cohort each participant's recordings are, and why, in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from monai_fusion.baseline.participant_numbers import NumberSettings
from monai_fusion.cohort_profile.comparing import differences, unlike
from monai_fusion.cohort_profile.participant_facts import ParticipantFacts, participant_facts
from monai_fusion.cohort_profile.profile_file import CohortProfile
from monai_fusion.cohort_profile.summarising import summarised
from monai_fusion.datalist.records import ParticipantRecord

FEWEST = 8
"""Participants from which on somebody can be called unusual."""

_ALL_LEFT_OUT_IN_TURN = 100  # with more, one participant moves no quantile by much


@dataclass(frozen=True, slots=True)
class Unusual:
    """How unusual somebody is.

    Attributes:
        score: Above 1 something is unusual; 0 is amid the cohort in everything.
        reasons: What is, the most unusual first.
    """

    score: float
    reasons: tuple[str, ...]


def unusual(
    records: Sequence[ParticipantRecord], settings: NumberSettings, done: Callable[[], object] = str
) -> dict[str, Unusual]:
    """Compare the recordings of each participant with those of the cohort.

    Args:
        records: The participants, with recordings that can be read.
        settings: How they are read.
        done: Called after each file.

    Returns:
        By participant; empty for fewer than `FEWEST`.

    Raises:
        InputError: Recordings that cannot be read.
    """
    if len(records) < FEWEST:
        return {}
    everyone = participant_facts(records, settings, done)
    whole = summarised(everyone)
    found = {}
    for place, (record, facts) in enumerate(zip(records, everyone, strict=True)):
        others = _without(whole, everyone, place)
        reasons = tuple(each.words.replace("in the training", "in the cohort") for each in differences(others, facts))
        found[record.participant_id] = Unusual(unlike(others, facts), reasons)
    return found


def _without(whole: CohortProfile, everyone: Sequence[ParticipantFacts], place: int) -> CohortProfile:
    """The profile of all but one: a cohort with somebody in it has nothing that this one alone has."""
    if len(everyone) <= _ALL_LEFT_OUT_IN_TURN:
        return summarised([*everyone[:place], *everyone[place + 1 :]], whole.widening)
    facts = everyone[place]
    texts = {name: dict(counts) for name, counts in whole.texts.items()}
    for name, value in facts.texts.items():
        texts[name][value] -= 1
        if not texts[name][value]:
            del texts[name][value]
    flat = {name: count - (name in facts.flat) for name, count in whole.flat_electrodes.items()}
    return whole.model_copy(update={"texts": texts, "flat_electrodes": flat})
