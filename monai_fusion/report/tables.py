"""The tables of a report as rows of numbers, in full precision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from monai_fusion.files import delimited
from monai_fusion.metrics.fields_of_scores import GroupScores, Score
from monai_fusion.metrics.fields_of_sets import SetsSection
from monai_fusion.metrics.metrics_file import Metrics
from monai_fusion.report.figures import confusion_counts
from monai_fusion.report.report_data import Cohort
from monai_fusion.report.run_results import Results
from monai_fusion.report.what_was_run import WhatWasRun

Rows = Sequence[Sequence[Any]]
_ENDS = ("", "_low", "_high")


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        name: The name of its file, without the ending.
        columns: Column names that R accepts.
        rows: The cells.
    """

    name: str
    columns: Sequence[str]
    rows: Rows

    def csv(self) -> bytes:
        """The table as a CSV file; with a byte order mark if Excel needs one to read the letters."""
        content = delimited([self.columns, *self.rows])
        return content.encode("utf-8" if content.isascii() else "utf-8-sig")


def tables_of(results: Results, run: WhatWasRun | None) -> list[Table]:
    """All tables of a report that are not empty."""
    found = [*_of_metrics(results.metrics, results)] if results.metrics else []
    if results.cohort:
        found.insert(0, _cohort(results.cohort))
    if results.labelled:
        counts = confusion_counts(results).tolist()
        rows = [[name, *row] for name, row in zip(results.classes, counts, strict=True)]
        found.append(Table("confusion_matrix", ["true", *(f"predicted {name}" for name in results.classes)], rows))
        found.append(Table("mistakes", _MISTAKES, list(_mistakes(results))))
    if run:
        rows = [[name, value, ""] for name, value in run.facts] + [list(knob) for knob in run.knobs]
        found.append(Table("what_was_run", ["name", "value", "shipped_default"], rows))
    return [table for table in found if table.rows]


_MISTAKES = ("participant_id", "true", "predicted", "probability", "gate", "segments")


def _mistakes(results: Results) -> Iterator[list[Any]]:
    wrong = (participant for participant in results.labelled if participant.wrong)
    for participant in sorted(wrong, key=lambda participant: (-participant.confidence, participant.participant_id)):
        true = results.classes[participant.label if participant.label is not None else 0]
        gate = participant.gate if participant.gate == participant.gate else None  # NaN: the table has no gate
        predicted = results.classes[participant.predicted]
        yield [participant.participant_id, true, predicted, participant.confidence, gate, participant.segments]


def _cohort(cohort: Cohort) -> Table:
    strata = [f"{field} {category}" for field, category in cohort.strata]
    columns = ["part", "participants", *cohort.classes, "unlabelled", "one_recording"]
    columns += [f"{stratum}: {name}" for stratum in strata for name in cohort.classes]
    rows = [
        [
            *(row.part, row.number, *row.by_class, row.unlabelled, row.one_recording),
            *(count for counts in row.by_stratum for count in counts),
        ]
        for row in cohort.rows
    ]
    return Table("cohort", columns, rows)


def _of_metrics(metrics: Metrics, results: Results) -> Iterator[Table]:
    yield Table(
        "scores",
        ["score", "value", "low", "high", "method", "baseline", "note"],
        [
            [name, score.value, *_ends(score), score.method, score.baseline, score.note]
            for name, score in metrics.scores
            if score is not None
        ],
    )
    measured = ("recall", "precision", "f1", "auroc", "auprc")
    yield Table(
        "classes",
        ["class", "participants", "predicted", *(f"{name}{end}" for name in measured for end in _ENDS)],
        [
            [row.class_name, row.participants, row.predicted, *_with_ends(getattr(row, name) for name in measured)]
            for row in metrics.per_class
        ],
    )
    yield Table(
        "permutation_tests",
        ["permuted_within", "exchangeable", "p_auroc", "p_balanced_accuracy"],
        [
            [", ".join(test.within), test.exchangeable, test.auroc, test.balanced_accuracy]
            for test in metrics.permutation.tests
        ],
    )
    yield from _calibration(metrics)
    if metrics.prediction_sets is not None:
        yield _sets(metrics.prediction_sets)
    if metrics.modalities:
        rows = {"EEG": metrics.modalities.without_eeg, "MRI": metrics.modalities.without_mri}
        yield Table(
            "one_recording_taken_away",
            [
                *("without", "auroc", "balanced_accuracy", "mean_change", "changed_predictions"),
                *(f"lost_{name}{end}" for name in ("auroc", "balanced_accuracy") for end in _ENDS),
            ],
            [
                [
                    *(name, row.auroc, row.balanced_accuracy, row.mean_change, row.changed_predictions),
                    *_with_ends((row.lost_auroc, row.lost_balanced_accuracy)),
                ]
                for name, row in rows.items()
            ],
        )
    yield Table("strata", _strata_columns(results.classes), list(_strata(metrics)))


def _calibration(metrics: Metrics) -> Iterator[Table]:
    found = metrics.calibration
    both = [("before" if found.after else "network", found.before), ("after", found.after)]
    there = [(name, quality) for name, quality in both if quality is not None]
    weighted = [found.at_target_shares] if found.at_target_shares else []
    measured = ("ece", "brier", "cross_entropy", "accuracy", "balanced_accuracy")
    yield Table(
        "calibration",
        ["probabilities", *measured],
        [[name, *(getattr(quality, score) for score in measured)] for name, quality in there]
        + [["at the assumed shares", *(getattr(shares, score, None) for score in measured)] for shares in weighted],
    )
    of_scored = (("slope", found.calibration_slope), ("intercept", found.calibration_intercept))
    yield Table(
        "calibration_slope",
        ["measure", "value", "low", "high", "method", "note"],
        [[name, one.value, *_ends(one), one.method, one.note] for name, one in of_scored if one is not None],
    )
    yield Table(
        "reliability",
        ["probabilities", "participants", "confidence", "accuracy", "low", "high"],
        [
            [name, one.participants, one.confidence, one.accuracy, *one.interval]
            for name, quality in there
            for one in quality.reliability
        ],
    )


def _sets(sets: SetsSection) -> Table:
    rows = [("all", sets.calibration_participants, sets.covered, sets.undecided)]
    of_classes = [(row.class_name, row.calibration_participants, row.covered, row.undecided) for row in sets.per_class]
    return Table(
        "prediction_sets",
        ["true", "calibration_participants", "covered", "low", "high", "undecided", "asked_coverage", "by_class"],
        [
            [name, count, covered.value, *_ends(covered), undecided, sets.coverage, str(sets.by_class).lower()]
            for name, count, covered, undecided in [*rows, *of_classes]
        ],
    )


def _strata_columns(classes: Sequence[str]) -> list[str]:
    scores = (f"{name}{end}" for name in ("auroc", "balanced_accuracy", "accuracy") for end in _ENDS)
    return ["field", "category", "participants", *classes, *scores]


def _strata(metrics: Metrics) -> Iterator[list[Any]]:
    groups: list[tuple[str, str, GroupScores]] = [("recordings", row.recordings, row) for row in metrics.patterns]
    groups += [(row.field, row.category, row) for row in metrics.strata]
    groups += [("EEG condition", row.condition, row) for row in metrics.conditions]
    for field, category, row in groups:
        counts = [count.participants for count in row.class_counts]
        scores = _with_ends((row.auroc, row.balanced_accuracy, row.accuracy))
        yield [field, category, row.participants, *counts, *scores]


def _ends(score: Score) -> tuple[float | None, float | None]:
    return (None, None) if score.interval is None else score.interval


def _with_ends(scores: Any) -> Iterator[float | None]:
    for score in scores:
        yield score.value
        yield from _ends(score)
