"""Prediction sets in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from monai_fusion.metrics.fields_of_sets import SetsSection
from monai_fusion.report.number_text import count_participants, number


class SetsInfo(Protocol):
    """What a sentence about the sets needs."""

    @property
    def coverage(self) -> float:
        """The coverage that was asked for."""

    @property
    def by_class(self) -> bool:
        """Whether within each class."""

    @property
    def undecided_from(self) -> tuple[float, float] | None:
        """Of two classes: the probabilities of the second between which a set holds both."""


def guarantee(sets: SetsInfo, part: str, participants: int, classes: Sequence[str]) -> Iterator[str]:
    """Say what a set is, and for whom its coverage holds.

    Args:
        sets: The sets.
        part: The part that they are calibrated on, e.g. ``validation``.
        participants: The number of participants in it.
        classes: The class names, in the order of their indices.
    """
    whom = "of each class" if sets.by_class else "on average"
    yield (
        f"A prediction set holds the classes that cannot be excluded, and always the predicted one. It is made so that "
        f"at least {percent(sets.coverage)} of the sets {whom} hold the true class, for participants like the "
        f"{count_participants(participants, part)} on whom it is calibrated."
    )
    if sets.undecided_from is not None:
        low, high = (number(end, 3) for end in sets.undecided_from)
        yield f"It holds both classes where the probability of {classes[1]} is from {low} to {high}."


def abstention(sets: SetsSection, participants: int) -> Iterator[str]:
    """Say how the sets did on the scored participants."""
    undecided = round(sets.undecided * participants)
    yield f"Undecided: {undecided} of {count_participants(participants)} ({percent(sets.undecided)})."
    single = sets.accuracy_of_single
    if single.value is not None:
        alone = round(sets.single * participants)
        yield f"Of the {alone} sets with one class, {percent(single.value)} hold the true one."
    if sets.expected is not None:
        low, high = (number(end) for end in sets.expected)
        part = count_participants(sets.calibration_participants)
        yield f"Another calibration part of {part} would give a coverage from {low} to {high} (in 95 % of such parts)."


def percent(share: float) -> str:
    """``90 %``, ``97.5 %``."""
    return f"{100 * share:.3g} %"
