"""The warnings of a comparison: what limits its results."""

from __future__ import annotations

from collections.abc import Iterator

from monai_fusion.comparison.comparison_file import Comparison
from monai_fusion.metrics.result_warnings import FEW_PER_CLASS, warnings_of_groups
from monai_fusion.wording import counted

_FEW_FOLDS = 5
FEW_PER_CELL = 5
"""Below this many of a class in a fold, the interval of the AUROC within folds is too narrow."""


def warnings_of_comparison(found: Comparison) -> list[str]:
    """Return the warnings of a comparison, the most important first."""
    return [*_of_participants(found), *_of_folds(found), *_of_choice(found)]


def _of_participants(found: Comparison) -> Iterator[str]:
    few = [each for each in found.class_counts if each.participants < FEW_PER_CLASS]
    if few:
        counts = ", ".join(f"{each.participants} {each.class_name}" for each in few)
        yield f"fewer than {FEW_PER_CLASS} participants in a class ({counts}): intervals are wide and imprecise"
    yield from warnings_of_groups(found.groups, found.classes)
    smallest = min((each.participants for fold in found.folds for each in fold.tested if each.participants), default=0)
    whole_groups = found.groups is not None and found.groups.resampled  # which are drawn over all folds
    if 0 < smallest < FEW_PER_CELL and not whole_groups:
        yield (
            f"a fold tests only {counted(smallest, 'participant')} of a class, fewer than {FEW_PER_CELL}: the "
            "intervals of the AUROC are too narrow; use fewer folds"
        )
    for fold in found.folds:
        if missing := [each.class_name for each in fold.tested if each.participants == 0]:
            names = ", ".join(missing)
            where = f"fold {fold.number}" if found.repeats == 1 else f"fold {fold.number} of repeat {fold.repeat}"
            yield f"no participant in {where} is {names}: it has no AUROC, and the AUROC has no t-test"
            break


def _of_folds(found: Comparison) -> Iterator[str]:
    number = len(found.folds)
    if number < _FEW_FOLDS:
        degrees = "1 degree" if number == 2 else f"{number - 1} degrees"
        more = " (--repeats 5 draws more folds)"
        yield f"{number} folds: the t-test has {degrees} of freedom and detects only large differences{more}"
    if len(found.seeds) == found.repeats == 1:
        yield "one seed: another would change the scores too (--seeds 3 trains each variant three times in every fold)"


def _of_choice(found: Comparison) -> Iterator[str]:
    best = max(found.variants, key=lambda variant: -1.0 if variant.auroc.value is None else variant.auroc.value)
    if len(found.variants) > 1:
        yield (
            f"the best of {len(found.variants)} variants ({best.name}) looks better than it is, because these scores "
            "chose it: test it on participants who had no part in the choice"
        )
