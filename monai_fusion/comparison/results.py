"""From the predictions of all runs to the files of a comparison."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from monai_fusion import __version__
from monai_fusion.comparison import comparison_file as schema
from monai_fusion.comparison.caveats import warnings_of
from monai_fusion.comparison.comparison_page import PAGE_FILE, render
from monai_fusion.comparison.fold_datalists import sections_of
from monai_fusion.comparison.planning import Plan
from monai_fusion.comparison.run_records import RunRecord
from monai_fusion.comparison.statistics import (
    DIFFERENCE,
    SCORES,
    OutOfFold,
    cautious_interval,
    corrected_t_test,
    fold_values,
    holm,
    values_and_intervals,
)
from monai_fusion.errors import InputError, Problem
from monai_fusion.files import write_for_readers
from monai_fusion.metrics.intervals import DRAWS, LEVEL, Interval
from monai_fusion.metrics.metrics_file import ClassCount
from monai_fusion.metrics.scores import Outcome
from monai_fusion.report.predictions import Participant, read_participants

OUT_OF_FOLD_FILE, TABLE_FILE = "out_of_fold.csv", "comparison.csv"
_NO_INTERVAL = "no interval: however participants are drawn, it is the same"
_SINGLE = "no interval: in a fold one class has a single participant"


@dataclass(frozen=True)
class Said:
    """What one run said of the participants of its fold."""

    record: RunRecord
    people: Sequence[Participant]


def read_runs(records: Iterable[RunRecord]) -> list[Said]:
    """Read the predictions of all runs.

    Raises:
        InputError: One is damaged, or the runs of a fold are not about the same people.
    """
    found: list[Said] = []
    of_fold: dict[int, tuple[str, dict[str, int | None]]] = {}
    for record in records:
        people = sorted(read_participants(record.run.folder)[1], key=lambda person: person.participant_id)
        labels = {person.participant_id: person.label for person in people}
        title, before = of_fold.setdefault(record.run.fold, (record.run.title, labels))
        if labels != before:
            raise InputError(
                Problem(record.run.title, "predictions.csv", "other participants or labels", f"those of {title}")
            )
        if None in labels.values():
            raise InputError(Problem(record.run.title, "predictions.csv", "participants without a label"))
        found.append(Said(record, people))
    return found


def arrays_of(plan: Plan, runs: Sequence[Said]) -> OutOfFold:
    """Put all predictions into arrays: participants by fold, then by id."""
    by_run = {(said.record.run.variant.name, said.record.run.seed, said.record.run.fold): said for said in runs}
    folds = range(len(plan.folds.texts))
    first = [by_run[plan.variants[0].name, plan.seeds[0], fold].people for fold in folds]
    outcomes = {}
    for variant in plan.variants:
        of_seeds = []
        for seed in plan.seeds:
            people = [person for fold in folds for person in by_run[variant.name, seed, fold].people]
            of_seeds.append(
                Outcome(
                    np.array([person.probabilities for person in people], dtype=np.float64),
                    np.array([person.label for person in people], dtype=np.int64),
                    np.array([person.predicted for person in people], dtype=np.int64),
                )
            )
        outcomes[variant.name] = of_seeds
    labels = np.array([person.label for people in first for person in people], dtype=np.int64)
    numbers = np.repeat(np.arange(len(first)), [len(people) for people in first]).astype(np.int64)
    return OutOfFold(labels, numbers, outcomes)


def compare_runs(plan: Plan, runs: Sequence[Said], draws: int = DRAWS) -> schema.Comparison:
    """Score all variants and their differences.

    Args:
        plan: The comparison.
        runs: Of every run of it, from `read_runs`.
        draws: How often the bootstrap draws everybody anew.
    """
    data = arrays_of(plan, runs)
    classes = plan.folds.classes
    values, intervals = values_and_intervals(data, plan.variants[0].name, draws, plan.options.seed)
    note = _SINGLE if np.bincount(data.cells).min() < 2 else _NO_INTERVAL

    variants = [
        schema.VariantResult(
            name=variant.name,
            description=variant.says,
            settings=dict(plan.runs_of(variant.name)[0].settings["variant"]),
            **{name: _score(name, data, variant.name, values[name, place], intervals[name, place]) for name in SCORES},
            kept_epochs=[
                (said.record.manifest.get("best") or {}).get("epoch")
                for said in runs
                if said.record.run.variant == variant
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
        class_counts=_counts(data.labels, classes),
        folds=_folds(plan, data),
        seeds=list(plan.seeds),
        reference=plan.variants[0].name,
        confidence_level=LEVEL,
        bootstrap_draws=draws,
        bootstrap_seed=plan.options.seed,
        config_files=["train.yaml", *(path.name for path in plan.options.config_files)],
        shared_settings=dict(plan.shared),
        variants=variants,
        differences=_differences(plan, data, values, intervals, note),
        notes=list(plan.folds.notes),
        warnings=[],
    )
    return found.model_copy(update={"warnings": warnings_of(found)})


def write_results(plan: Plan, runs: Sequence[Said], found: schema.Comparison) -> list[Path]:
    """Write page, numbers, table and predictions into the output folder; return their paths."""
    folder = plan.options.output_dir
    written = {
        PAGE_FILE: render(found),
        schema.FILE: found.model_dump_json(indent=2),
        TABLE_FILE: _csv(_table_rows(found)),
        OUT_OF_FOLD_FILE: _csv(_out_of_fold_rows(found.classes, runs)),
    }
    return [write_for_readers(folder / name, text.encode("utf-8")) for name, text in written.items()]


def _score(
    name: schema.Name, data: OutOfFold, variant: str, value: float, interval: Interval | None
) -> schema.VariantScore:
    each = fold_values(name, data, variant)
    known = [one for one in each if one is not None]
    counts = np.bincount(data.labels, minlength=data.outcomes[variant][0].classes)
    no_skill = {"auroc": 0.5, "balanced_accuracy": 1 / int((counts > 0).sum()), "accuracy": counts.max() / counts.sum()}
    undefined = bool(np.isnan(value))
    interval = interval or cautious_interval(name, data, variant)
    return schema.VariantScore(
        value=None if undefined else value,
        interval=None if interval is None else (interval.low, interval.high),
        method=None if interval is None else interval.method,
        baseline=float(no_skill[name]),
        note="no fold has participants of two classes" if undefined else _NO_INTERVAL if interval is None else "",
        folds=each,
        fold_mean=float(np.mean(known)) if known else None,
        fold_sd=float(np.std(known, ddof=1)) if len(known) > 1 else None,
    )


def _differences(
    plan: Plan,
    data: OutOfFold,
    values: Mapping[Any, float],
    intervals: Mapping[Any, Interval | None],
    note: str,
) -> list[schema.Difference]:
    reference, *others = [variant.name for variant in plan.variants]
    ratio = _test_to_training(plan)
    found = []
    for name in SCORES:
        base = fold_values(name, data, reference)
        tests = []
        for variant in others:
            pairs = zip(fold_values(name, data, variant), base, strict=True)
            apart = [one - other for one, other in pairs if one is not None and other is not None]
            tests.append(corrected_t_test(apart, ratio) if len(apart) == len(base) else None)
        adjusted = holm([None if test is None else test.p for test in tests])
        for place, (variant, test, p_holm) in enumerate(zip(others, tests, adjusted, strict=True), start=1):
            value, interval = values[DIFFERENCE + name, place], intervals[DIFFERENCE + name, place]
            t_test = None
            if test is not None and p_holm is not None:
                t_test = schema.TTest(
                    mean=test.mean,
                    interval=test.interval,
                    t=test.t,
                    degrees_of_freedom=test.degrees,
                    p=test.p,
                    p_holm=p_holm,
                )
            found.append(
                schema.Difference(
                    variant=variant,
                    score=name,
                    value=None if np.isnan(value) else value,
                    interval=None if interval is None else (interval.low, interval.high),
                    method=None if interval is None else interval.method,
                    note=note if interval is None else "",
                    t_test=t_test,
                )
            )
    return found


def _test_to_training(plan: Plan) -> float:
    """Mean over the folds of participants tested / all that the fold's model was made from."""
    sizes = [sections_of(content) for content in plan.contents]
    return float(np.mean([each["test"] / (each["training"] + each["validation"]) for each in sizes]))


def _folds(plan: Plan, data: OutOfFold) -> list[schema.Fold]:
    sizes = [sections_of(content) for content in plan.contents]
    return [
        schema.Fold(
            number=number,
            training=each["training"],
            validation=each["validation"],
            tested=_counts(data.labels[data.folds == number], plan.folds.classes),
        )
        for number, each in enumerate(sizes)
    ]


def _counts(labels: Any, classes: Sequence[str]) -> list[ClassCount]:
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


def _out_of_fold_rows(classes: Sequence[str], runs: Sequence[Said]) -> Iterable[list[Any]]:
    yield [
        *("participant_id", "fold", "seed", "variant", "label", "predicted"),
        *(f"probability_{name}" for name in classes),
        *(f"network_{name}" for name in classes),
    ]
    for said in runs:
        run = said.record.run
        for person in said.people:
            label = "" if person.label is None else classes[person.label]
            start = [person.participant_id, run.fold, run.seed, run.variant.name, label, classes[person.predicted]]
            yield [*start, *person.probabilities, *person.network]


def _csv(rows: Iterable[list[Any]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
