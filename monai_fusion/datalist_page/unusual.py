"""How unlike the rest of the cohort each participant's recordings are, and why, in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from monai_fusion.baseline.participant_numbers import NumberSettings
from monai_fusion.datalist.records import ParticipantRecord

FEWEST = 8
"""Participants from which on somebody can be called unusual."""


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
    return {}
