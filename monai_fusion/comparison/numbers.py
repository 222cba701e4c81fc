"""The variant ``numbers``: logistic regressions on plain numbers of the recordings, on the folds of a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from monai_fusion.baseline.evaluating import LEARNED_FROM, BaselineSettings
from monai_fusion.baseline.models import FeatureSet, feature_sets, tested
from monai_fusion.baseline.participant_numbers import NumberSettings, numeric_fields, participant_numbers
from monai_fusion.baseline.ridge import can_be_fitted, fit_ridge
from monai_fusion.comparison import comparison_file as schema
from monai_fusion.comparison.fold_datalists import FOLDER
from monai_fusion.comparison.planning import Plan
from monai_fusion.comparison.results import (
    FoldPredictions,
    out_of_fold_arrays,
    ratio_of_test_to_training,
    variant_score,
)
from monai_fusion.comparison.statistics import (
    DIFFERENCE,
    OutOfFold,
    corrected_t_test,
    fold_values,
    holm,
    values_and_intervals,
)
from monai_fusion.datalist import ParticipantRecord, read_datalist
from monai_fusion.errors import InputError
from monai_fusion.metrics.intervals import DRAWS
from monai_fusion.metrics.scores import ScoredCohort

_SCORES: tuple[schema.ScoreName, ...] = ("auroc", "balanced_accuracy")


def with_numbers(
    plan: Plan, runs: list[FoldPredictions], found: schema.Comparison, draws: int = DRAWS
) -> schema.Comparison:
    """Add what plain numbers predict on the same folds to a comparison; a note says why if they cannot be had.

    Args:
        plan: The comparison.
        runs: The predictions of all its runs, from `read_runs`.
        found: Its results.
        draws: The number of bootstrap resamples.
    """
    try:
        results = _results(plan, out_of_fold_arrays(plan, runs), runs, draws)
    except InputError as error:
        notes = [*found.notes, f"no comparison with plain numbers: {error.problems[0]}"]
        return found.model_copy(update={"notes": notes})
    return found.model_copy(update={"numbers": results})


def _results(plan: Plan, data: OutOfFold, runs: list[FoldPredictions], draws: int) -> list[schema.NumbersResult]:
    reference = plan.variants[0].name
    sets, cohorts = _out_of_fold(plan, runs)
    if not sets:
        return []
    own = data.cohorts[reference]
    together = OutOfFold(
        data.labels, data.folds, {"": own, **{name: [each] for name, each in cohorts.items()}}, data.groups
    )
    values, intervals = values_and_intervals(together, "", draws, plan.options.seed)
    found = []
    for place, each in enumerate(sets, start=1):
        scores = {
            name: variant_score(name, together, each.name, values[name, place], intervals[name, place])
            for name in _SCORES
        }
        apart = [_difference(name, together, each, place, values, intervals) for name in _SCORES]
        found.append(
            schema.NumbersResult(
                name=each.name, title=each.title, numbers=each.features.count, reference_minus=apart, **scores
            )
        )
    return _with_tests(plan, together, found)


def _difference(
    name: schema.ScoreName,
    data: OutOfFold,
    each: FeatureSet,
    place: int,
    values: Mapping[Any, float],
    intervals: Mapping[Any, Any],
) -> schema.Difference:
    value, interval = -values[DIFFERENCE + name, place], intervals[DIFFERENCE + name, place]
    return schema.Difference(
        variant=each.name,
        score=name,
        value=None if np.isnan(value) else value,
        interval=None if interval is None else (-interval.high, -interval.low),
        method=None if interval is None else interval.method,
        note="no interval: the difference is the same in every resample" if interval is None else "",
        t_test=None,
    )


def _with_tests(plan: Plan, data: OutOfFold, found: list[schema.NumbersResult]) -> list[schema.NumbersResult]:
    """Add the t-test over the folds to each difference, adjusted for the number of baselines."""
    ratio = ratio_of_test_to_training(plan)
    tests: dict[tuple[str, str], schema.TTest | None] = {}
    for score in _SCORES:
        base = fold_values(score, data, "")
        of_score = []
        for each in found:
            pairs = zip(base, fold_values(score, data, each.name), strict=True)
            apart = [one - other for one, other in pairs if one is not None and other is not None]
            of_score.append(corrected_t_test(apart, ratio) if len(apart) == len(base) else None)
        adjusted = holm([None if test is None else test.p for test in of_score])
        for each, test, p_holm in zip(found, of_score, adjusted, strict=True):
            tests[each.name, score] = None
            if test is not None and p_holm is not None:
                tests[each.name, score] = schema.TTest(
                    mean=test.mean,
                    interval=test.interval,
                    t=test.t,
                    degrees_of_freedom=test.degrees,
                    p=test.p,
                    p_holm=p_holm,
                )

    def tested_apart(each: schema.NumbersResult) -> list[schema.Difference]:
        return [apart.model_copy(update={"t_test": tests[each.name, apart.score]}) for apart in each.reference_minus]

    return [each.model_copy(update={"reference_minus": tested_apart(each)}) for each in found]


def _out_of_fold(plan: Plan, runs: list[FoldPredictions]) -> tuple[list[FeatureSet], dict[str, ScoredCohort]]:
    """Predict every fold by models of the others; participants in the order of `out_of_fold_arrays`."""
    folds = [read_datalist(plan.options.output_dir / FOLDER / name, require_files=True) for name in plan.folds.texts]
    records = {each.participant_id: each for section in folds[0].sections for each in folds[0].records(section)}
    everyone = list(records.values())
    places = {name: place for place, name in enumerate(records)}
    numbers = participant_numbers(everyone, number_settings(plan), list(numeric_fields(everyone)))
    sets = list(feature_sets(numbers))
    labels = np.array([record.label for record in everyone], dtype=np.int64)
    ids = {
        each.record.run.fold: [row.participant_id for row in each.participants]
        for each in runs
        if (each.record.run.variant, each.record.run.seed) == (plan.variants[0], plan.seeds[0])
    }
    predicted: dict[str, list[ScoredCohort]] = {each.name: [] for each in sets}
    for number, fold in enumerate(folds):
        learned = np.array([places[each.participant_id] for each in _learned_from(fold.by_section)], dtype=np.int64)
        rows = np.array([places[name] for name in ids[number]], dtype=np.int64)
        if not can_be_fitted(labels[learned]):
            return [], {}
        for each in sets:
            model = fit_ridge(each.features.rows(learned), labels[learned], len(plan.folds.classes))
            predicted[each.name].append(tested(model, each.features.rows(rows), labels[rows]))
    return sets, {name: _joined(parts) for name, parts in predicted.items()}


def number_settings(plan: Plan) -> NumberSettings:
    """Return how the trainings of a comparison read recordings."""
    shape = plan.shared.get("eeg_shape", NumberSettings.eeg_shape)
    return NumberSettings(plan.cache_dir, tuple(shape), plan.shared.get("assume_orientation"))


def _learned_from(by_section: Mapping[str, tuple[ParticipantRecord, ...]]) -> list[ParticipantRecord]:
    return [record for section in LEARNED_FROM[BaselineSettings.section] for record in by_section[section]]


def _joined(parts: list[ScoredCohort]) -> ScoredCohort:
    return ScoredCohort(
        np.concatenate([each.probabilities for each in parts]),
        np.concatenate([each.labels for each in parts]),
        np.concatenate([each.predicted for each in parts]),
    )
