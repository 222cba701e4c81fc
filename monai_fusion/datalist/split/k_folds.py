"""k folds: each participant is tested once, in k runs; the field ``fold`` holds when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from monai_fusion.datalist.schema import SECTIONS
from monai_fusion.datalist.split.allocation import Quotas
from monai_fusion.datalist.split.one_recording import allocate_in_turn, shares, with_both_recordings, with_one_recording
from monai_fusion.datalist.split.part_sizes import as_split, numbers_of, refuse_missing_classes, with_validation
from monai_fusion.datalist.split.ratio import Split
from monai_fusion.datalist.split.split_options import FOLDS, KeptSplit, SplitOptions
from monai_fusion.datalist.strata import SplitParticipant, described_group
from monai_fusion.errors import InputError, Problem
from monai_fusion.wording import a_few, counted, quoted

_TRAINING, _VALIDATION, _TEST = range(len(SECTIONS))


def kfold_split(
    participants: Sequence[SplitParticipant], classes: Sequence[str], options: SplitOptions, kept_split: KeptSplit
) -> Split:
    """Give each participant a fold, and fill the sections for the run that tests one of them.

    With ``options.keep_test``, or if ``kept_split`` has participants in ``test`` who are in no fold, these are the
    test set of all runs, as in Auto3DSeg; a fold then validates.

    Raises:
        InputError: A class has fewer participants than there are folds, a requested fold does not exist, or folds to
            keep are missing.
    """
    tested = {
        participant.participant_id
        for participant in participants
        if kept_split.sections.get(participant.participant_id) == "test"
    }
    outside = tested if options.keep_test else tested - kept_split.folds.keys() if kept_split.folds else set()
    if options.keep_test and not outside:
        raise InputError(Problem("--keep-test", seen="no participant is in test", wanted="a test set to keep"))
    outside = _with_relatives(participants, outside, kept_split, options)
    inside = [participant for participant in participants if participant.participant_id not in outside]
    folds = _folds(inside, classes, options, kept_split)
    number = 1 + max(folds.values())
    for name, fold in (("--test-fold", options.test_fold), ("--validation-fold", options.validation_fold)):
        if fold is not None and not 0 <= fold < number:
            raise InputError(Problem(name, seen=str(fold), wanted=f"0 to {number - 1}: there are {number} folds"))
    if outside:
        if options.test_fold is not None:
            advice = "the test set is in no fold: use --validation-fold"
            raise InputError(Problem("--test-fold", seen=str(options.test_fold), advice=advice))
        validated = options.validation_fold or 0
        sections = {name: _VALIDATION if fold == validated else _TRAINING for name, fold in folds.items()}
        return as_split(sections | dict.fromkeys(outside, _TEST), folds)
    return _testing_a_fold(inside, folds, classes, options, kept_split)


def _with_relatives(
    participants: Sequence[SplitParticipant], outside: set[str], kept_split: KeptSplit, options: SplitOptions
) -> set[str]:
    """A test set outside the folds, and those new participants whose group is in it.

    Raises:
        InputError: Someone of such a group is in a fold already, or the test set is to be kept as it is.
    """
    groups = {participant.group for participant in participants if participant.participant_id in outside} - {None}
    relatives = {participant.participant_id for participant in participants if participant.group in groups} - outside
    placed = relatives if options.keep_test else relatives & kept_split.folds.keys()
    if placed:
        torn = sorted(
            {
                participant.group
                for participant in participants
                if participant.participant_id in placed and participant.group
            }
        )
        advice = "put the whole group into test, or all of it elsewhere"
        raise InputError(
            [
                Problem(
                    "--group-by",
                    described_group(participants, group),
                    "partly in test",
                    "all in test, or none",
                    advice,
                )
                for group in torn
            ]
        )
    return outside | relatives


def _folds(
    participants: Sequence[SplitParticipant], classes: Sequence[str], options: SplitOptions, kept_split: KeptSplit
) -> dict[str, int]:
    """The fold of each participant; those who have one keep it."""
    fixed = {
        participant.participant_id: kept_split.folds[participant.participant_id]
        for participant in participants
        if participant.participant_id in kept_split.folds
    }
    there = 1 + max(fixed.values(), default=-1)
    if options.keep_folds and len(fixed) < len(participants):
        without = sorted({participant.participant_id for participant in participants} - fixed.keys())
        seen = f"no fold: {a_few(without)}" if fixed else "no participant has a fold"
        raise InputError(Problem("--keep-folds", seen=seen, wanted='"fold": 0, 1 ... in every row'))
    if there and options.folds is not None and options.folds != there:
        raise InputError(Problem("--folds", seen=str(options.folds), wanted=f"{there}, as there are already"))
    number = there or options.folds or FOLDS
    complete, others = with_both_recordings(participants), with_one_recording(participants)
    quotas = _fold_quotas(complete, number, classes)
    of_others = _distributed(numbers_of(others, classes), number, first=len(complete) % number)
    folds = allocate_in_turn(participants, quotas, of_others, fixed, f"{options.seed}/folds")
    refuse_missing_classes(complete, folds, [f"fold {fold}" for fold in range(number)], classes)
    return folds


def _fold_quotas(participants: Sequence[SplitParticipant], number: int, classes: Sequence[str]) -> Quotas:
    """How many of each class every fold gets.

    Raises:
        InputError: A class has fewer participants than there are folds.
    """
    totals = numbers_of(participants, classes)
    problems = [
        Problem(
            "split", f"class {quoted(name)}", counted(total, "participant"), f"at least {number}, one for each fold"
        )
        for name, total in zip(classes, totals, strict=True)
        if total < number
    ]
    if problems:
        fewest = min(totals)
        fewer = f"use fewer folds: --folds {fewest}"
        too_few = "every class needs three or more: one to test, one to choose the epoch, one to train on"
        error = InputError(problems)
        error.add_note(fewer if fewest > 2 else too_few)
        raise error
    return _distributed(totals, number)


def _distributed(totals: Sequence[int], number: int, first: int = 0) -> Quotas:
    """An equal number of each class for every fold; the rest is distributed so that folds differ by at most one."""
    quotas = []
    for total in totals:
        each, left_over = divmod(total, number)
        quotas.append([each + ((fold - first) % number < left_over) for fold in range(number)])
        first = (first + left_over) % number
    return quotas


def _testing_a_fold(
    participants: Sequence[SplitParticipant],
    folds: Mapping[str, int],
    classes: Sequence[str],
    options: SplitOptions,
    kept_split: KeptSplit,
) -> Split:
    tested_before = {
        folds[name] for name, section in kept_split.sections.items() if section == "test" and name in folds
    }
    test_fold = options.test_fold
    if test_fold is None:
        test_fold = min(tested_before, default=0)
    sections = {name: _TEST for name, fold in folds.items() if fold == test_fold}
    rest = [participant for participant in participants if participant.participant_id not in sections]
    if options.validation_fold is not None:
        if options.validation_fold == test_fold:
            raise InputError(
                Problem("--validation-fold", seen=str(test_fold), wanted="a fold other than the tested one")
            )
        for participant in rest:
            validates = folds[participant.participant_id] == options.validation_fold
            sections[participant.participant_id] = _VALIDATION if validates else _TRAINING
    else:
        # Whoever trained or validated goes on doing so, as long as it is the same fold that is tested.
        stay = kept_split.sections if tested_before == {test_fold} else {}
        fixed = {
            participant.participant_id: SECTIONS.index(stay[participant.participant_id])
            for participant in rest
            if stay.get(participant.participant_id, "test") != "test"
        }
        numbers, tested = _numbers_and_tested(with_both_recordings(participants), sections, classes)
        sizes = with_validation(numbers, tested, options.validation_fraction, classes, at_least=[3] * len(classes))
        _, tested = _numbers_and_tested(with_one_recording(participants), sections, classes)
        of_others = shares(with_one_recording(participants), classes, tested, options.validation_fraction)
        quotas, others = ([parts[:_TEST] for parts in each] for each in (sizes, of_others))
        placed = allocate_in_turn(rest, quotas, others, fixed, f"{options.seed}/validation of fold {test_fold}")
        if options.group_by and options.validation_fraction and not fixed and _lacks_a_class(rest, placed, classes):
            placed = _with_a_whole_fold(rest, folds, test_fold, classes) or placed
        sections |= placed
    refuse_missing_classes(with_both_recordings(participants), sections, SECTIONS, classes, options.may_be_empty)
    return as_split(sections, folds)


def _lacks_a_class(
    participants: Sequence[SplitParticipant], sections: Mapping[str, int], classes: Sequence[str]
) -> bool:
    """Whether a class is missing from training or validation."""
    there = {(sections[each.participant_id], each.label) for each in participants}
    return any((part, label) not in there for part in (_TRAINING, _VALIDATION) for label in range(len(classes)))


def _with_a_whole_fold(
    participants: Sequence[SplitParticipant], folds: Mapping[str, int], test_fold: int, classes: Sequence[str]
) -> dict[str, int] | None:
    """Let another fold validate: groups as large as sites cannot make a smaller part.

    Returns:
        The smallest fold with which no class is missing; of equally large ones the next after the tested one. None if
        there is none.
    """
    sizes = Counter(folds[each.participant_id] for each in participants)
    for chosen in sorted(sizes, key=lambda fold: (sizes[fold], (fold - test_fold) % (1 + max(folds.values())))):
        sections = {
            each.participant_id: _VALIDATION if folds[each.participant_id] == chosen else _TRAINING
            for each in participants
        }
        if not _lacks_a_class(participants, sections, classes):
            return sections
    return None


def _numbers_and_tested(
    participants: Sequence[SplitParticipant], sections: Mapping[str, int], classes: Sequence[str]
) -> tuple[list[int], list[int]]:
    """How many of each class there are, and how many of them have the section test."""
    tested = [participant for participant in participants if sections.get(participant.participant_id) == _TEST]
    return numbers_of(participants, classes), numbers_of(tested, classes)
