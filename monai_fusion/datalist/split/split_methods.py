"""Every way to split a cohort: by ratio, stratified, into folds or all tested; new or around an older split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monai_fusion.datalist.schema import SECTIONS
from monai_fusion.datalist.split.allocation import Quotas
from monai_fusion.datalist.split.k_folds import kfold_split
from monai_fusion.datalist.split.one_recording import allocate_in_turn, shares, with_both_recordings, with_one_recording
from monai_fusion.datalist.split.part_sizes import as_split, numbers_of, refuse_missing_classes, with_validation
from monai_fusion.datalist.split.ratio import (
    TEST_FRACTION,
    Split,
    ratio_split,
    refuse_what_ratio_cannot,
    rounded,
    test_set_sizes,
)
from monai_fusion.datalist.split.split_options import KeptSplit, SplitOptions
from monai_fusion.datalist.strata import SplitParticipant
from monai_fusion.errors import InputError, Problem
from monai_fusion.wording import quoted

_TEST = SECTIONS.index("test")


def make_split(
    participants: Sequence[SplitParticipant],
    classes: Sequence[str],
    options: SplitOptions,
    kept_split: KeptSplit | None = None,
) -> Split:
    """Split participants into training, validation and test.

    Those with one recording, if any, change nothing for those with both; every part gets its share of them.

    Args:
        participants: Everyone, with the categories of ``options.stratify_by`` and the groups of ``options.group_by``.
        classes: Class names, for messages.
        options: How.
        kept_split: Who stays where they are; only the others are distributed, so that all together come as near to the
            wanted numbers as that allows.

    Raises:
        InputError: A class would be missing from a section or fold, or a group is in two sections already.
    """
    options = options.for_classes(classes)
    options.refuse_what_does_not_go_together()
    kept_split = kept_split or KeptSplit()
    if options.method == "kfold":
        return kfold_split(participants, classes, options, kept_split)
    if options.method == "test":
        return _all_tested(participants, classes, kept_split)
    complete, others = with_both_recordings(participants), with_one_recording(participants)
    fixed = {name: SECTIONS.index(section) for name, section in kept_split.sections.items()}
    if options.method == "ratio" and not fixed and not options.stratify_by:
        split = ratio_split(
            {participant.participant_id: participant.label for participant in complete},
            seed=options.seed,
            test_fraction=_test_fraction(options),
            validation_fraction=options.validation_fraction,
            classes=classes,
        )
        if not others:
            return split
        fixed = {name: part for part, section in enumerate(SECTIONS) for name in split.section(section)}
    quotas = (_ratio_quotas if options.method == "ratio" else _stratified_quotas)(complete, classes, options, fixed)
    tested = (_ratio_tested if options.method == "ratio" else _stratified_tested)(others, classes, options, fixed)
    of_others = shares(others, classes, tested, options.validation_fraction)
    parts = allocate_in_turn(participants, quotas, of_others, fixed, f"{options.seed}/{options.method}")
    refuse_missing_classes(complete, parts, SECTIONS, classes, options.may_be_empty)
    return as_split(parts)


def _all_tested(participants: Sequence[SplitParticipant], classes: Sequence[str], kept_split: KeptSplit) -> Split:
    """A test set and nothing else, for a model that others have trained; participants in other sections stay there.

    Raises:
        InputError: A class is missing: an evaluation needs every one.
    """
    test = SECTIONS[_TEST]
    sections = {
        participant.participant_id: kept_split.sections.get(participant.participant_id, test)
        for participant in participants
    }
    there = numbers_of(
        [participant for participant in participants if sections[participant.participant_id] == test], classes
    )
    advice = "an evaluation needs every class; participants are predicted without labels: datalist build --unlabelled"
    problems = [
        Problem("split", f"class {quoted(name)}", "no participant in test", "at least one", advice)
        for name, number in zip(classes, there, strict=True)
        if not number
    ]
    if problems:
        raise InputError(problems, heading="the participants cannot be tested")
    return as_split({name: SECTIONS.index(section) for name, section in sections.items()})


def _test_fraction(options: SplitOptions) -> float:
    return TEST_FRACTION if options.test_fraction is None else options.test_fraction


def _stratified_quotas(
    participants: Sequence[SplitParticipant], classes: Sequence[str], options: SplitOptions, _: Mapping[str, int]
) -> Quotas:
    """Of each class the test fraction, then of its rest the validation fraction; at least one each."""
    numbers = numbers_of(participants, classes)
    tested = [max(1, rounded(_test_fraction(options), number)) for number in numbers]
    return with_validation(numbers, tested, options.validation_fraction, classes, at_least=[3] * len(classes))


def _stratified_tested(
    others: Sequence[SplitParticipant], classes: Sequence[str], options: SplitOptions, _: Mapping[str, int]
) -> list[int]:
    """How many with one recording are tested of each class: the test fraction, none of too few."""
    return [rounded(_test_fraction(options), number) for number in numbers_of(others, classes)]


def _ratio_tested(
    others: Sequence[SplitParticipant], classes: Sequence[str], options: SplitOptions, fixed: Mapping[str, int]
) -> list[int]:
    """The same, 2 : 1 as of those with both recordings."""
    numbers = numbers_of(others, classes)
    _, wanted = test_set_sizes(numbers[0], numbers[1], _test_fraction(options), at_least=0)
    there = numbers_of([p for p in others if fixed.get(p.participant_id) == _TEST], classes)
    waiting = numbers_of([p for p in others if p.participant_id not in fixed], classes)
    return list(_ratio_around((there[0], there[1]), (waiting[0], waiting[1]), wanted))


def _ratio_quotas(
    participants: Sequence[SplitParticipant], classes: Sequence[str], options: SplitOptions, fixed: Mapping[str, int]
) -> Quotas:
    refuse_what_ratio_cannot(
        (participant.label for participant in participants),
        classes,
        _test_fraction(options),
        options.validation_fraction,
    )
    numbers = numbers_of(participants, classes)
    first, second = test_set_sizes(numbers[0], numbers[1], _test_fraction(options))
    there = [numbers_of([p for p in participants if fixed.get(p.participant_id) == part], classes) for part in range(3)]
    training, validation, test = there
    waiting = [number - sum(parts) for number, *parts in zip(numbers, *there, strict=True)]
    if fixed:
        first, second = _ratio_around((test[0], test[1]), (waiting[0], waiting[1]), second)
    sizes = with_validation(numbers, [first, second], options.validation_fraction, classes)
    for label, parts in enumerate(sizes):  # those in it stay, and the test set must still be full
        most = numbers[label] - parts[_TEST] - training[label]
        parts[1] = min(max(parts[1], validation[label]), most)
        parts[0] = numbers[label] - parts[_TEST] - parts[1]
    return sizes


def _ratio_around(tested: tuple[int, int], waiting: tuple[int, int], wanted: int) -> tuple[int, int]:
    """The test set when those who are in it stay: 2 : 1 as near to the wanted size as the new participants allow.

    With no new participant there is nothing to draw, and it stays as it is, also where it was made by hand.

    Raises:
        InputError: No choice of new participants makes it 2 : 1.
    """
    if waiting == (0, 0):
        return tested
    possible = [
        second for second in range(tested[1], tested[1] + waiting[1] + 1) if 0 <= 2 * second - tested[0] <= waiting[0]
    ]
    if not possible:
        seen = f"{tested[0]} and {tested[1]} in the test set, {waiting[0]} and {waiting[1]} new"
        advice = "no choice of the new ones makes it 2 : 1: use --method stratified"
        raise InputError(Problem("--method", "ratio", seen, advice=advice))
    second = min(possible, key=lambda number: (abs(number - wanted), number))
    return 2 * second, second
