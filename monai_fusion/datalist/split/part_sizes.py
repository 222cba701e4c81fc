"""What the ways to split have in common: sizes of the parts, and that no class is missing from one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from monai_fusion.datalist.schema import SECTIONS
from monai_fusion.datalist.split.ratio import Split, refuse_empty_parts, validation_sizes
from monai_fusion.datalist.strata import SplitParticipant
from monai_fusion.errors import InputError, Problem
from monai_fusion.wording import counted, quoted


def numbers_of(participants: Sequence[SplitParticipant], classes: Sequence[str]) -> list[int]:
    """How many participants are of each class."""
    numbers = [0] * len(classes)
    for participant in participants:
        numbers[participant.label] += 1
    return numbers


def with_validation(
    numbers: Sequence[int],
    tested: Sequence[int],
    fraction: float,
    classes: Sequence[str],
    at_least: Sequence[int] = (4, 3),
) -> list[list[int]]:
    """The sizes of training, validation and test by class; at least one of each class validates, or of 0 nobody.

    Args:
        numbers: All participants by class.
        tested: Those of them who are tested.
        fraction: Fraction of the others that validates.
        classes: Class names, for messages.
        at_least: How many of each class the method needs, for messages.

    Raises:
        InputError: A class would be missing from a part.
    """
    validated = validation_sizes(numbers, tested, fraction)
    refuse_empty_parts(numbers, tested, validated, classes, at_least)
    return [
        [number - test - validation, validation, test]
        for number, test, validation in zip(numbers, tested, validated, strict=True)
    ]


def as_split(sections: Mapping[str, int], folds: Mapping[str, int] | None = None) -> Split:
    """A split from the position of each participant's section in `SECTIONS`."""
    ids = [tuple(sorted(name for name, part in sections.items() if part == index)) for index in range(len(SECTIONS))]
    return Split(ids[0], ids[1], ids[2], dict(folds or {}))


def refuse_missing_classes(
    participants: Sequence[SplitParticipant],
    parts: Mapping[str, int],
    names: Sequence[str],
    classes: Sequence[str],
    may_be_empty: Collection[str] = (),
) -> None:
    """Every class must be in every part: whole groups, and participants who stay where they are, may prevent it.

    Parts in ``may_be_empty`` may lack all of them.

    Raises:
        InputError: A class is missing from a part.
    """
    found = {
        (parts[participant.participant_id], participant.label)
        for participant in participants
        if participant.participant_id in parts
    }
    totals = numbers_of(participants, classes)
    problems = [
        Problem(
            "split", f"class {quoted(label)}", f"no participant in {name}, of {counted(totals[index], 'participant')}"
        )
        for part, name in enumerate(names)
        for index, label in enumerate(classes)
        if (part, index) not in found and (name not in may_be_empty or any(there == part for there, _ in found))
    ]
    if problems:
        advice = "there are too few of them, or their groups are too large, or the others were placed before"
        raise InputError([*problems, Problem("split", advice=advice)], heading="the participants cannot be split")
