"""The variant ``numbers``: logistic regressions on plain numbers of the recordings, on the folds of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from monai_fusion.baseline.models import FeatureSet, feature_sets, tested
from monai_fusion.baseline.ridge import can_be_fitted, fit_ridge
from monai_fusion.comparison import comparison_file as schema
from monai_fusion.comparison.people import People
from monai_fusion.comparison.planning import Plan
from monai_fusion.comparison.results import ratio_of_test_to_training, t_tests, variant_score, why_none
from monai_fusion.comparison.statistics import DIFFERENCE, OutOfFold, fold_values, values_and_intervals
from monai_fusion.metrics.intervals import DRAWS
from monai_fusion.metrics.scores import Labels, ScoredCohort

_SCORES: tuple[schema.ScoreName, ...] = ("auroc", "balanced_accuracy")


def with_numbers(plan: Plan, people: People, found: schema.Comparison, draws: int = DRAWS) -> schema.Comparison:
    """Add what plain numbers predict on the same folds to a comparison; a note says why if they cannot be had.

    Args:
        plan: The comparison.
        people: Its participants, from `people_of`.
        found: Its results.
        draws: The number of bootstrap resamples.
    """
    if people.unreadable:
        return found.model_copy(
            update={"notes": [*found.notes, f"no comparison with plain numbers: {people.unreadable}"]}
        )
    return found.model_copy(update={"numbers": _results(plan, people, draws)})


def _results(plan: Plan, people: People, draws: int) -> list[schema.NumbersResult]:
    data, sets = people.data, list(feature_sets(people.numbers))
    if not sets or not all(can_be_fitted(data.labels[learned]) for learned in people.learned.values()):
        return []
    own = data.cohorts[plan.variants[0].name]
    cohorts: dict[str, Sequence[ScoredCohort]] = {"": own}
    cohorts |= {each.name: people.out_of_fold(partial(_tested, each, data.labels, own[0].classes)) for each in sets}
    together = replace(data, cohorts=cohorts)
    values, intervals = values_and_intervals(together, "", draws, plan.options.seed)
    note = why_none(together, "no interval: the difference is the same in every resample")
    found = []
    for place, each in enumerate(sets, start=1):
        scores = {
            name: variant_score(name, together, each.name, values[name, place], intervals[name, place])
            for name in _SCORES
        }
        apart = [reference_minus(name, each.name, place, values, intervals, note) for name in _SCORES]
        found.append(
            schema.NumbersResult(
                name=each.name, title=each.title, numbers=each.features.count, reference_minus=apart, **scores
            )
        )
    return _with_tests(plan, together, found)


def _tested(each: FeatureSet, labels: Labels, classes: int, learned: Labels, rows: Labels) -> ScoredCohort:
    model = fit_ridge(each.features.rows(learned), labels[learned], classes)
    return tested(model, each.features.rows(rows), labels[rows])


def reference_minus(
    score: schema.ScoreName,
    variant: str,
    place: int,
    values: Mapping[Any, float],
    intervals: Mapping[Any, Any],
    note: str,
) -> schema.Difference:
    """The reference minus a variant, from `values_and_intervals`, which has the opposite; without a t-test.

    Args:
        score: The score.
        variant: The variant's name.
        place: Its number.
        values: From there.
        intervals: From there.
        note: Why there is no interval, if there is none.
    """
    value, interval = -values[DIFFERENCE + score, place], intervals[DIFFERENCE + score, place]
    return schema.Difference(
        variant=variant,
        score=score,
        value=None if np.isnan(value) else value,
        interval=None if interval is None else (-interval.high, -interval.low),
        method=None if interval is None else interval.method,
        note=note if interval is None else "",
        t_test=None,
    )


def _with_tests(plan: Plan, data: OutOfFold, found: list[schema.NumbersResult]) -> list[schema.NumbersResult]:
    """Add the t-test over the folds to each difference, adjusted for the number of baselines."""
    ratio = ratio_of_test_to_training(plan)
    tests: dict[tuple[str, str], schema.TTest | None] = {}
    for score in _SCORES:
        base = fold_values(score, data, "")
        of_score = t_tests([(base, fold_values(score, data, each.name)) for each in found], ratio)
        tests |= {(each.name, score): test for each, test in zip(found, of_score, strict=True)}

    def tested_apart(each: schema.NumbersResult) -> list[schema.Difference]:
        return [apart.model_copy(update={"t_test": tests[each.name, apart.score]}) for apart in each.reference_minus]

    return [each.model_copy(update={"reference_minus": tested_apart(each)}) for each in found]
