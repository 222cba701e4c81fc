"""What the covariates explain on the folds of a comparison, and what each variant knows beyond them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from monai_fusion.baseline.confound_results import balance_rows, confound_result, sets_of, values_of
from monai_fusion.baseline.participant_numbers import Covariate
from monai_fusion.baseline.words import imbalance, is_imbalanced
from monai_fusion.comparison import comparison_file as schema
from monai_fusion.comparison.people import People
from monai_fusion.comparison.planning import Plan
from monai_fusion.comparison.results import ratio_of_test_to_training, t_tests, why_none
from monai_fusion.comparison.statistics import DIFFERENCE, OutOfFold, fold_values, values_and_intervals
from monai_fusion.metrics.confounds import FEWEST, class_probabilities
from monai_fusion.metrics.intervals import DRAWS
from monai_fusion.metrics.scores import Floats, Labels, ScoredCohort

_COVARIATES = ""  # the name of their predictions beside those of the variants
_NO_INTERVAL = "no interval: the difference is the same in every resample, or a class has one participant"


def with_covariates(plan: Plan, people: People, found: schema.Comparison, draws: int = DRAWS) -> schema.Comparison:
    """Add to a comparison what each covariate, and all of them together, explain on the same folds.

    Args:
        plan: The comparison.
        people: Its participants, from `people_of`.
        found: Its results.
        draws: The number of bootstrap resamples.
    """
    covariates, labels = people.numbers.all_covariates, people.data.labels
    balance = balance_rows(covariates, labels, found.classes)
    warnings = [imbalance(row, found.classes) for row in balance if is_imbalanced(row)]
    results = [each for own in sets_of(covariates) for each in _results(plan, people, own, draws)] if covariates else []
    return found.model_copy(update={"balance": balance, "confounds": results, "warnings": [*found.warnings, *warnings]})


def _results(
    plan: Plan, people: People, covariates: Sequence[Covariate], draws: int
) -> Iterator[schema.VariantConfound]:
    """Compare every variant with some covariates, among the participants who have a value of each."""
    values, known = values_of(covariates)
    if known.sum() < FEWEST or len(np.unique(people.data.labels[known])) < 2:
        return
    together = _with_predictions_of(people, values, known)
    scores, intervals = values_and_intervals(together, _COVARIATES, draws, plan.options.seed, ("auroc",))
    names = list(together.cohorts)
    base = fold_values("auroc", together, _COVARIATES)
    pairs = [(fold_values("auroc", together, name), base) for name in names[1:]]
    tests = t_tests(pairs, ratio_of_test_to_training(plan))
    given = class_probabilities(values[known], together.labels, len(plan.folds.classes))
    alone = scores["auroc", 0]
    for place, (name, test) in enumerate(zip(names[1:], tests, strict=True), start=1):
        value, interval = scores[DIFFERENCE + "auroc", place], intervals[DIFFERENCE + "auroc", place]
        result = confound_result(
            covariates,
            values[known],
            given,
            list(together.predicted(name)),
            int(known.sum()),
            None if np.isnan(alone) else alone,
            together.groups,
        )
        apart = schema.Difference(
            variant=name,
            score="auroc",
            value=None if np.isnan(value) else value,
            interval=None if interval is None else (interval.low, interval.high),
            method=None if interval is None else interval.method,
            note="" if interval else why_none(together, _NO_INTERVAL),
            t_test=test,
        )
        yield schema.VariantConfound(variant=name, minus_covariates=apart, **result.model_dump())


def _with_predictions_of(people: People, values: Floats, known: np.ndarray) -> OutOfFold:
    """The predictions of the covariates beside those of the variants, of participants whose covariates are known.

    The covariates' model of each fold learns from the training and validation participants of that fold.
    """
    classes = next(iter(people.data.cohorts.values()))[0].classes
    alone = people.out_of_fold(partial(_predicted, values, known, people.data.labels, classes))
    data = people.data.only(known)
    return replace(data, cohorts={_COVARIATES: [each.subset(known) for each in alone], **data.cohorts})


def _predicted(
    values: Floats, known: np.ndarray, labels: Labels, classes: int, learned: Labels, rows: Labels
) -> ScoredCohort:
    probabilities = np.full((len(rows), classes), 1 / classes)
    own, inside = learned[known[learned]], known[rows]
    if len(own) and inside.any():
        probabilities[inside] = class_probabilities(values[own], labels[own], classes, values[rows[inside]])
    return ScoredCohort.of(probabilities, labels[rows])
