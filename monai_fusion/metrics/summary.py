"""Everything that an evaluation finds, put together: the content of ``metrics.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from monai_fusion import __version__
from monai_fusion.datalist import AVAILABLE_MODALITIES
from monai_fusion.datalist.strata import categories_in_order
from monai_fusion.metrics import metrics_file as schema
from monai_fusion.metrics import scores
from monai_fusion.metrics.calibration import Calibration
from monai_fusion.metrics.caveats import caveats
from monai_fusion.metrics.gate import REFERENCES, gate_section, modalities_section
from monai_fusion.metrics.group_scores import GroupScores
from monai_fusion.metrics.grouping import FOLD, folds_of, strata_of
from monai_fusion.metrics.intervals import DRAWS, LEVEL, SEED, wilson
from monai_fusion.metrics.permutation import cells_of, exchangeable, permutation_p_values
from monai_fusion.metrics.predictions import Prediction, labelled, outcome_of, with_both
from monai_fusion.metrics.scores import Outcome
from monai_fusion.metrics.text import headline, sklearn_report

PATTERN_FIELD = "pattern of recordings"
"""What the permutation test within groups of people who have the same recordings is called."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What an evaluation is of, and how it is made.

    Attributes:
        datalist: The name of the cohort.
        section: The part of the datalist.
        draws: Draws of the bootstrap and permutations of the labels.
        seed: Keys both.
        warnings: What a reader must know beside what the numbers themselves show.
    """

    datalist: str = ""
    section: str = ""
    draws: int = DRAWS
    seed: int = SEED
    warnings: tuple[str, ...] = ()


def summarize(
    predictions: Sequence[Prediction],
    classes: Sequence[str],
    calibration: Calibration | None = None,
    settings: Settings | None = None,
) -> schema.Metrics:
    """Score the participants whose label is known.

    Args:
        predictions: One prediction a participant, calibrated already if ``calibration`` is given.
        classes: The names of all classes, in the order of their indices.
        calibration: What was applied to the predictions, if anything.
        settings: What is evaluated, and how often is drawn.

    Raises:
        ValueError: No participant has a label, or one occurs twice.
    """
    settings = settings or Settings()
    known = labelled(predictions)
    outcome = outcome_of(known)
    group = GroupScores(outcome, classes, settings.draws, settings.seed)
    found = group.whole()
    strata, left_out = strata_of(predictions)  # as in predictions.csv
    patterns = {row.participant_id: row.recordings for row in known}
    several = {PATTERN_FIELD: patterns} if len(set(patterns.values())) > 1 else {}
    permutation = _permutation(known, outcome, {**strata, **several}, settings)
    metrics = schema.Metrics(
        monai_fusion=__version__,
        datalist=settings.datalist,
        section=settings.section,
        classes=list(classes),
        positive_class=classes[1] if len(classes) == 2 else None,
        participants=len(known),
        unlabelled=len(predictions) - len(known),
        class_counts=group.class_counts,
        majority_class=classes[int(np.argmax(group.counts))],
        headline=headline(found, permutation),
        warnings=[],
        confidence_level=LEVEL,
        bootstrap_draws=settings.draws,
        seed=settings.seed,
        scores=found,
        per_class=group.per_class(),
        confusion_matrix=group.confusion,
        classification_report=sklearn_report(outcome, classes, output_dict=True),
        calibration=_calibration(known, outcome, calibration),
        permutation=permutation,
        strata=_strata(known, classes, strata, settings),
        strata_left_out=[schema.LeftOutField(field=name, reason=reason) for name, reason in left_out.items()],
        conditions=_conditions(known, classes, settings),
        patterns=_patterns(known, classes, settings) if several else [],
        gate=gate_section(known, classes),
        modalities=modalities_section(known, min(REFERENCES, len(with_both(predictions)))),
    )
    return metrics.model_copy(update={"warnings": [*settings.warnings, *caveats(metrics)]})


def reliability_bins(outcome: Outcome) -> list[schema.ReliabilityBin]:
    """Return the points of a reliability diagram; a bin that nobody is in is left out."""
    rows = zip(*(values[0].tolist() for values in scores.reliability(outcome, outcome.ones)), strict=True)
    bins = []
    for count, confidence, hits in rows:
        if count > 0:
            interval = wilson(hits, count)
            bins.append(
                schema.ReliabilityBin(
                    participants=int(count),
                    confidence=min(1.0, confidence / count),
                    accuracy=hits / count,
                    interval=(interval.low, interval.high),
                )
            )
    return bins


def _quality(outcome: Outcome) -> schema.ProbabilityQuality:
    names = ("brier", "ece", "cross_entropy", "accuracy", "balanced_accuracy")
    values = {name: float(getattr(scores, name)(outcome, outcome.ones)[0]) for name in names}
    return schema.ProbabilityQuality(**values, reliability=reliability_bins(outcome))


def _calibration(
    predictions: Sequence[Prediction], outcome: Outcome, calibration: Calibration | None
) -> schema.CalibrationSection:
    own = Outcome.of(np.array([row.before for row in predictions]), outcome.labels)
    binary = outcome.classes == 2
    if calibration is None:
        return schema.CalibrationSection(
            applied=False,
            network_prior=None,
            target_prior=None,
            temperature=1.0,
            threshold=0.5 if binary else None,
            operating_point="fixed",
            fitted_on="",
            fitted_participants=0,
            notes=[],
            before=_quality(own),
            after=None,
        )
    return schema.CalibrationSection(
        applied=True,
        network_prior=list(calibration.network_prior),
        target_prior=list(calibration.target_prior),
        temperature=calibration.temperature,
        threshold=calibration.threshold,
        operating_point=calibration.operating_point,
        fitted_on=calibration.fitted_on,
        fitted_participants=calibration.fitted_participants,
        notes=list(calibration.notes),
        before=_quality(own),
        after=_quality(outcome),
    )


def _permutation(
    predictions: Sequence[Prediction], outcome: Outcome, strata: Mapping[str, Mapping[str, str]], settings: Settings
) -> schema.Permutation:
    folds = folds_of(predictions)
    always = [FOLD] if len(set(folds)) > 1 else []
    tests = []
    for field in [None, *(name for name in strata if name != FOLD)]:
        categories = [strata[field][row.participant_id] for row in predictions] if field else [""] * len(predictions)
        cells = cells_of(folds, categories)
        tests.append(
            schema.PermutationTest(
                within=always + ([field] if field else []),
                exchangeable=exchangeable(outcome.labels, cells),
                **permutation_p_values(outcome, cells, settings.draws, settings.seed),
            )
        )
    return schema.Permutation(draws=settings.draws, tests=tests)


def _strata(
    predictions: Sequence[Prediction],
    classes: Sequence[str],
    strata: Mapping[str, Mapping[str, str]],
    settings: Settings,
) -> list[schema.StratumScores]:
    found = []
    for field, categories in strata.items():
        for category in categories_in_order({categories[row.participant_id] for row in predictions}):
            members = [row for row in predictions if categories[row.participant_id] == category]
            found.append(schema.StratumScores(field=field, category=category, **_group(members, classes, settings)))
    return found


def _patterns(
    predictions: Sequence[Prediction], classes: Sequence[str], settings: Settings
) -> list[schema.PatternScores]:
    found = []
    for pattern in AVAILABLE_MODALITIES:
        members = [row for row in predictions if row.recordings == pattern]
        if members:
            found.append(schema.PatternScores(recordings=pattern, **_group(members, classes, settings)))
    return found


def _conditions(
    predictions: Sequence[Prediction], classes: Sequence[str], settings: Settings
) -> list[schema.ConditionScores]:
    found = []
    for name in sorted({name for row in predictions for name in row.by_condition}):
        members = [
            replace(row, probabilities=row.by_condition[name]) for row in predictions if name in row.by_condition
        ]
        found.append(schema.ConditionScores(condition=name, **_group(members, classes, settings)))
    return found


def _group(predictions: Sequence[Prediction], classes: Sequence[str], settings: Settings) -> dict[str, Any]:
    group = GroupScores(outcome_of(predictions), classes, settings.draws, settings.seed, headline_only=True)
    return {
        "participants": group.participants,
        "class_counts": group.class_counts,
        "accuracy": group.accuracy(),
        "balanced_accuracy": group.balanced_accuracy(),
        "auroc": group.auroc(),
    }
