"""From the predictions of all runs to the files of a comparison."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from monai_fusion import __version__
from monai_fusion.comparison import comparison_file as schema
from monai_fusion.comparison.comparison_page import PAGE_FILE, render_comparison
from monai_fusion.comparison.comparison_warnings import warnings_of_comparison
from monai_fusion.comparison.fold_datalists import sections_of
from monai_fusion.comparison.planning import Plan
from monai_fusion.comparison.run_records import RunRecord
from monai_fusion.comparison.statistics import (
    DIFFERENCE,
    SCORES,
    WITHIN_FOLDS,
    OutOfFold,
    corrected_t_test,
    fallback_interval,
    fold_values,
    holm,
    values_and_intervals,
)
from monai_fusion.datalist.groups import participant_groups
from monai_fusion.datalist.schema import SECTIONS
from monai_fusion.errors import InputError, Problem
from monai_fusion.files import delimited, write_for_readers
from monai_fusion.metrics.clusters import as_groups, drawn_together
from monai_fusion.metrics.fields_of_scores import ClassCount, GroupsSection
from monai_fusion.metrics.grouping import groups_section
from monai_fusion.metrics.intervals import DRAWS, FEWEST_GROUPS, LEVEL, Interval, too_few_groups
from monai_fusion.metrics.scores import Labels, ScoredCohort
from monai_fusion.report.predictions_reader import PredictionRow, read_predictions

OUT_OF_FOLD_FILE, TABLE_FILE = "out_of_fold.csv", "comparison.csv"
_NO_INTERVAL = "no interval: the score is the same in every resample"
_SINGLE = "no interval: a class has only one participant in a fold"
_FEW_GROUPS = f"no interval: fewer than {FEWEST_GROUPS} groups"


@dataclass(frozen=True)
class FoldPredictions:
    """The predictions of one run for the participants of its fold."""

    record: RunRecord
    participants: Sequence[PredictionRow]


def read_runs(records: Iterable[RunRecord]) -> list[FoldPredictions]:
    """Read the predictions of all runs.

    Raises:
        InputError: A file is damaged, or the runs of a fold have different participants.
    """
    found: list[FoldPredictions] = []
    of_fold: dict[tuple[int, int], tuple[str, dict[str, int | None]]] = {}
    for record in records:
        participants = sorted(
            read_predictions(record.run.folder)[1], key=lambda participant: participant.participant_id
        )
        labels = {participant.participant_id: participant.label for participant in participants}
        where = record.run.repeat, record.run.fold
        title, before = of_fold.setdefault(where, (record.run.title, labels))
        if labels != before:
            raise InputError(
                Problem(record.run.title, "predictions.csv", "other participants or labels", f"those of {title}")
            )
        if None in labels.values():
            raise InputError(Problem(record.run.title, "predictions.csv", "participants without a label"))
        found.append(FoldPredictions(record, participants))
    _refuse_unequal_repeats(found)
    return found


def _refuse_unequal_repeats(runs: Sequence[FoldPredictions]) -> None:
    """Refuse repeats with other participants or labels than the first: a predictions.csv was changed."""
    by_repeat: dict[int, dict[str, int | None]] = {}
    for of_run in runs:
        labels = by_repeat.setdefault(of_run.record.run.repeat, {})
        labels.update({row.participant_id: row.label for row in of_run.participants})
    for repeat, labels in by_repeat.items():
        if labels != by_repeat[1]:
            raise InputError(
                Problem(f"repeat {repeat}", "predictions.csv", "other participants or labels", "those of repeat 1")
            )


def out_of_fold_arrays(plan: Plan, runs: Sequence[FoldPredictions]) -> OutOfFold:
    """Put all predictions into arrays: participants by their fold in the first repeat, then by id."""
    by_run = {
        (of_run.record.run.variant.name, of_run.record.run.seed, of_run.record.run.fold): of_run.participants
        for of_run in runs
    }  # no seed is in two repeats
    name, folds = plan.variants[0].name, range(len(plan.folds.texts))
    ids = [row.participant_id for fold in folds for row in by_run[name, plan.seeds[0], fold]]
    labels, numbers = {}, []
    for repeat in plan.repeats:
        of_repeat = {}
        for fold in range(len(plan.repeats[repeat].texts)):
            for row in by_run[name, plan.seeds_of(repeat)[0], fold]:
                of_repeat[row.participant_id], labels[row.participant_id] = fold, row.label
        numbers.append(np.array([of_repeat[each] for each in ids], dtype=np.int64))
    cohorts: dict[str, list[ScoredCohort]] = {variant.name: [] for variant in plan.variants}
    for variant in plan.variants:
        for repeat in plan.repeats:
            for seed in plan.seeds_of(repeat):
                folds = range(len(plan.repeats[repeat].texts))
                rows = {row.participant_id: row for fold in folds for row in by_run[variant.name, seed, fold]}
                cohorts[variant.name].append(_cohort([rows[each] for each in ids]))
    own = np.array([labels[each] for each in ids], dtype=np.int64)
    return OutOfFold(own, numbers[0], cohorts, tuple(numbers[1:]), tuple(ids), groups_among(plan, ids))


def groups_among(plan: Plan, ids: Sequence[str], without: str = "") -> Labels | None:
    """Return the groups of participants by the ``group_by`` of the folds' datalists, [participant]; None: all alone.

    Args:
        plan: The comparison.
        ids: The participants.
        without: A field that makes no groups here.
    """
    rows = {row["participant_id"]: row for content in plan.contents for part in SECTIONS for row in content[part]}
    fields = [name for name in plan.contents[0].get("group_by", ()) if name.lower() != without.lower()]
    names = participant_groups(rows, fields)
    return as_groups([names.get(each) for each in ids])


def _cohort(rows: Sequence[PredictionRow]) -> ScoredCohort:
    return ScoredCohort(
        np.array([row.probabilities for row in rows], dtype=np.float64),
        np.array([row.label for row in rows], dtype=np.int64),
        np.array([row.predicted for row in rows], dtype=np.int64),
    )


def compare_runs(plan: Plan, runs: Sequence[FoldPredictions], draws: int = DRAWS) -> schema.Comparison:
    """Score all variants and their differences.

    Args:
        plan: The comparison.
        runs: The predictions of all its runs, from `read_runs`.
        draws: The number of bootstrap resamples.
    """
    data = out_of_fold_arrays(plan, runs)
    classes = plan.folds.classes
    values, intervals = values_and_intervals(data, plan.variants[0].name, draws, plan.options.seed)
    single = np.bincount(data.cells).min() < 2 and drawn_together(data.groups) is None
    note = why_none(data, _SINGLE if single else _NO_INTERVAL)

    variants = [
        schema.VariantResult(
            name=variant.name,
            description=variant.description,
            settings=dict(plan.runs_of(variant.name)[0].settings["variant"]),
            **{
                name: variant_score(name, data, variant.name, values[name, place], intervals[name, place])
                for name in SCORES
            },
            kept_epochs=[
                (of_run.record.manifest.get("best") or {}).get("epoch")
                for of_run in runs
                if of_run.record.run.variant == variant
            ],
            minutes=round(sum(s.record.seconds for s in runs if s.record.run.variant == variant) / 60, 2),
        )
        for place, variant in enumerate(plan.variants)
    ]
    found = schema.Comparison(
        monai_fusion=__version__,
        datalist=plan.folds.name,
        classes=list(classes),
        participants=len(data.labels),
        class_counts=class_counts(data.labels, classes),
        folds=_folds(plan, data),
        repeats=len(plan.repeats),
        seeds=list(plan.seeds),
        reference=plan.variants[0].name,
        confidence_level=LEVEL,
        bootstrap_draws=draws,
        bootstrap_seed=plan.options.seed,
        groups=_groups(plan, data),
        config_files=["train.yaml", *(path.name for path in plan.options.config_files)],
        shared_settings=dict(plan.shared),
        variants=variants,
        differences=_differences(plan, data, values, intervals, note),
        notes=list(plan.folds.notes),
        warnings=[],
    )
    return found.model_copy(update={"warnings": warnings_of_comparison(found)})


def _groups(plan: Plan, data: OutOfFold) -> GroupsSection | None:
    """The groups that are resampled whole; None if the datalist names none."""
    fields = plan.contents[0].get("group_by", ())
    return groups_section(data.labels, data.groups, len(plan.folds.classes), fields)


def write_results(plan: Plan, runs: Sequence[FoldPredictions], found: schema.Comparison) -> list[Path]:
    """Write page, results, table and predictions into the output folder; return their paths."""
    folder = plan.options.output_dir
    written = {
        PAGE_FILE: render_comparison(found),
        schema.FILE: found.model_dump_json(indent=2),
        TABLE_FILE: delimited(_table_rows(found)),
        OUT_OF_FOLD_FILE: delimited(_out_of_fold_rows(found.classes, runs)),
    }
    return [write_for_readers(folder / name, text.encode("utf-8")) for name, text in written.items()]


def variant_score(
    name: schema.ScoreName, data: OutOfFold, variant: str, value: float, interval: Interval | None
) -> schema.VariantScore:
    """Describe a score of one variant over all folds."""
    each = fold_values(name, data, variant)
    known = [one for one in each if one is not None]
    counts = np.bincount(data.labels, minlength=data.cohorts[variant][0].classes)
    no_skill = {"auroc": 0.5, "balanced_accuracy": 1 / int((counts > 0).sum()), "accuracy": counts.max() / counts.sum()}
    undefined = bool(np.isnan(value))
    interval = interval or fallback_interval(name, data, variant)
    return schema.VariantScore(
        value=None if undefined else value,
        interval=None if interval is None else (interval.low, interval.high),
        method=None if interval is None else interval.method,
        baseline=float(no_skill[name]),
        note="no fold has participants of two classes" if undefined else "" if interval else why_none(data),
        folds=each,
        fold_mean=float(np.mean(known)) if known else None,
        fold_sd=float(np.std(known, ddof=1)) if len(known) > 1 else None,
    )


def why_none(data: OutOfFold, otherwise: str = _NO_INTERVAL) -> str:
    """Say why the bootstrap has no interval: too few groups, or another reason."""
    return _FEW_GROUPS if too_few_groups(data.groups) else otherwise


def _differences(
    plan: Plan,
    data: OutOfFold,
    values: Mapping[Any, float],
    intervals: Mapping[Any, Interval | None],
    note: str,
) -> list[schema.Difference]:
    reference, *others = [variant.name for variant in plan.variants]
    ratio = ratio_of_test_to_training(plan)
    found = []
    for name in SCORES:
        base = fold_values(name, data, reference)
        tests = t_tests([(fold_values(name, data, variant), base) for variant in others], ratio)
        for place, (variant, t_test) in enumerate(zip(others, tests, strict=True), start=1):
            value, interval = values[DIFFERENCE + name, place], intervals[DIFFERENCE + name, place]
            found.append(
                schema.Difference(
                    variant=variant,
                    score=name,
                    value=None if np.isnan(value) else value,
                    interval=None if interval is None else (interval.low, interval.high),
                    method=None if interval is None else interval.method,
                    note="" if interval else note if name in WITHIN_FOLDS else why_none(data),
                    t_test=t_test,
                )
            )
    return found


def t_tests(
    pairs: Sequence[tuple[Sequence[float | None], Sequence[float | None]]], ratio: float
) -> list[schema.TTest | None]:
    """Test each pair of scores over the folds for a difference, first - second, adjusted for the number of pairs.

    Args:
        pairs: Two scores of each fold of each repeat.
        ratio: `ratio_of_test_to_training`.

    Returns:
        None where a fold lacks a score, or all differences are equal.
    """
    tests = []
    for one, other in pairs:
        apart = [a - b for a, b in zip(one, other, strict=True) if a is not None and b is not None]
        tests.append(corrected_t_test(apart, ratio) if len(apart) == len(one) else None)
    adjusted = holm([None if test is None else test.p for test in tests])
    return [
        None
        if test is None or p_holm is None
        else schema.TTest(
            mean=test.mean,
            interval=test.interval,
            t=test.t,
            degrees_of_freedom=test.degrees,
            p=test.p,
            p_holm=p_holm,
        )
        for test, p_holm in zip(tests, adjusted, strict=True)
    ]


def ratio_of_test_to_training(plan: Plan) -> float:
    """Mean over the folds of tested participants / training and validation participants."""
    sizes = [sections_of(content) for content in plan.contents]
    return float(np.mean([each["test"] / (each["training"] + each["validation"]) for each in sizes]))


def _folds(plan: Plan, data: OutOfFold) -> list[schema.Fold]:
    places = [(repeat, number) for repeat, folds in plan.repeats.items() for number in range(len(folds.texts))]
    return [
        schema.Fold(
            repeat=repeat,
            number=number,
            training=sizes["training"],
            validation=sizes["validation"],
            tested=class_counts(data.labels[data.repeats[repeat - 1] == number], plan.folds.classes),
        )
        for (repeat, number), sizes in zip(places, map(sections_of, plan.contents), strict=True)
    ]


def class_counts(labels: Any, classes: Sequence[str]) -> list[ClassCount]:
    """The number of participants of each class."""
    counts = np.bincount(labels, minlength=len(classes)).tolist()
    return [ClassCount(class_name=name, participants=count) for name, count in zip(classes, counts, strict=True)]


def _table_rows(found: schema.Comparison) -> Iterable[list[Any]]:
    differences = {(each.variant, each.score): each for each in found.differences}
    yield [
        "variant",
        *(f"{name}{suffix}" for name in SCORES for suffix in ("", "_low", "_high", "_fold_mean", "_fold_sd")),
        *(f"{name}_difference{suffix}" for name in SCORES for suffix in ("", "_low", "_high", "_p", "_p_holm")),
        "minutes",
    ]
    for variant in found.variants:
        row: list[Any] = [variant.name]
        for name in SCORES:
            score: schema.VariantScore = getattr(variant, name)
            row += [score.value, *(score.interval or (None, None)), score.fold_mean, score.fold_sd]
        for name in SCORES:
            apart = differences.get((variant.name, name))
            test = None if apart is None else apart.t_test
            row += [None] * 3 if apart is None else [apart.value, *(apart.interval or (None, None))]
            row += [None] * 2 if test is None else [test.p, test.p_holm]
        yield [*row, variant.minutes]


def _out_of_fold_rows(classes: Sequence[str], runs: Sequence[FoldPredictions]) -> Iterable[list[Any]]:
    yield [
        *("participant_id", "repeat", "fold", "seed", "variant", "label", "predicted"),
        *(f"probability_{name}" for name in classes),
        *(f"network_{name}" for name in classes),
    ]
    for of_run in runs:
        run = of_run.record.run
        for participant in of_run.participants:
            label = "" if participant.label is None else classes[participant.label]
            start = [
                participant.participant_id,
                run.repeat,
                run.fold,
                run.seed,
                run.variant.name,
                label,
                classes[participant.predicted],
            ]
            yield [*start, *participant.probabilities, *participant.network_probabilities]
