"""All results of an evaluation: the content of ``metrics.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from monai_fusion import __version__
from monai_fusion.datalist import AVAILABLE_MODALITIES
from monai_fusion.datalist.strata import categories_in_order
from monai_fusion.metrics import fields_of_scores as schema
from monai_fusion.metrics.calibration import Calibration
from monai_fusion.metrics.clusters import drawn_together
from monai_fusion.metrics.confounds import conditional_p_value
from monai_fusion.metrics.fields_of_probabilities import CalibrationSection
from monai_fusion.metrics.gate import REFERENCES, gate_section, modalities_section
from monai_fusion.metrics.group_scores import GroupScorer
from monai_fusion.metrics.grouping import (
    FOLD,
    folds_of,
    given_number,
    groups_section,
    kin_taken_as_strangers,
    participant_strata,
)
from monai_fusion.metrics.intervals import DRAWS, LEVEL, SEED
from monai_fusion.metrics.metrics_file import Metrics
from monai_fusion.metrics.operating_points import FIXED
from monai_fusion.metrics.permutation import count_exchangeable, exchange_cells, permutation_p_values
from monai_fusion.metrics.prediction_sets import PredictionSets
from monai_fusion.metrics.predictions import Prediction, from_both_recordings, labelled, scored_cohort
from monai_fusion.metrics.probability_quality import at_target_shares, quality_of
from monai_fusion.metrics.result_warnings import warnings_of_evaluation
from monai_fusion.metrics.scores import Floats, ScoredCohort
from monai_fusion.metrics.set_results import sets_section
from monai_fusion.metrics.terminal_text import headline, sklearn_report

PATTERN_FIELD = "pattern of recordings"
"""The name of the permutation test within groups of participants who have the same recordings."""


@dataclass(frozen=True, slots=True)
class ScoringSettings:
    """What is evaluated, and how.

    Attributes:
        datalist: The name of the cohort.
        section: The part of the datalist.
        draws: The number of bootstrap resamples and of label permutations.
        seed: Seed of both.
        warnings: Warnings in addition to those that the scores give.
        group_by: The fields of the datalist that made the groups of the predictions.
        everyone: Label and further fields of all participants of the datalist: they tell how a number such as age goes
            with the class. Empty: the scored participants.
    """

    datalist: str = ""
    section: str = ""
    draws: int = DRAWS
    seed: int = SEED
    warnings: tuple[str, ...] = ()
    group_by: tuple[str, ...] = ()
    everyone: tuple[tuple[int, Mapping[str, object]], ...] = ()


def summarize(
    predictions: Sequence[Prediction],
    classes: Sequence[str],
    calibration: Calibration | None = None,
    settings: ScoringSettings | None = None,
    sets: PredictionSets | None = None,
) -> Metrics:
    """Score the participants whose label is known.

    Args:
        predictions: One prediction for each participant, already calibrated if ``calibration`` is given.
        classes: The names of all classes, in the order of their indices.
        calibration: The calibration of the predictions, if there is one.
        settings: What is evaluated, and the number of resamples.
        sets: How the predictions got their prediction sets, if they have any.

    Raises:
        ValueError: No participant has a label, or one occurs twice.
    """
    settings = settings or ScoringSettings()
    known = labelled(predictions)
    cohort = scored_cohort(known)
    group = GroupScorer(cohort, classes, settings.draws, settings.seed)
    found = group.overall()
    strata, left_out = participant_strata(predictions, settings.group_by)  # as in predictions.csv
    patterns = {row.participant_id: row.recordings for row in known}
    several = {PATTERN_FIELD: patterns} if len(set(patterns.values())) > 1 else {}
    permutation = _permutation(known, cohort, {**strata, **several}, settings)
    metrics = Metrics(
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
        groups=groups_section(cohort.labels, cohort.groups, cohort.classes, settings.group_by),
        scores=found,
        per_class=group.per_class(),
        confusion_matrix=group.confusion,
        classification_report=sklearn_report(cohort, classes, output_dict=True),
        calibration=_calibration(known, cohort, calibration, group, settings),
        prediction_sets=sets_section(known, cohort.groups, classes, sets, calibration) if sets else None,
        permutation=permutation,
        strata=_strata(known, classes, strata, settings),
        strata_left_out=[schema.LeftOutField(field=name, reason=reason) for name, reason in left_out.items()],
        conditions=_conditions(known, classes, settings),
        patterns=_patterns(known, classes, settings) if several else [],
        gate=gate_section(known, classes),
        modalities=modalities_section(
            known, min(REFERENCES, len(from_both_recordings(predictions))), settings.draws, settings.seed
        ),
    )
    strangers = kin_taken_as_strangers(known, settings.group_by)
    warnings = [*settings.warnings, *warnings_of_evaluation(metrics), *strangers]
    return metrics.model_copy(update={"warnings": warnings})


def _calibration(
    predictions: Sequence[Prediction],
    cohort: ScoredCohort,
    calibration: Calibration | None,
    group: GroupScorer,
    settings: ScoringSettings,
) -> CalibrationSection:
    own = replace(
        ScoredCohort.of(np.array([row.uncalibrated for row in predictions]), cohort.labels), groups=cohort.groups
    )
    binary = cohort.classes == 2
    used = calibration or Calibration((), (), threshold=0.5 if binary else None, operating_point=FIXED)
    return CalibrationSection(
        applied=calibration is not None,
        network_prior=list(used.network_prior) if calibration else None,
        target_prior=list(used.target_prior) if calibration else None,
        fitted=used.fitted,
        slope=used.slope,
        intercepts=list(used.intercepts),
        threshold=used.threshold,
        operating_point=used.operating_point,
        fitted_on=used.fitted_on,
        fitted_participants=used.fitted_participants,
        notes=list(used.notes),
        before=quality_of(own),
        after=quality_of(cohort) if calibration else None,
        at_target_shares=at_target_shares(cohort, used.target_prior) if calibration else None,
        expected_ece=group.expected_ece,
        calibration_slope=group.calibration_slope() if binary else None,
        calibration_intercept=group.calibration_intercept() if binary else None,
    )


def _permutation(
    predictions: Sequence[Prediction],
    cohort: ScoredCohort,
    strata: Mapping[str, Mapping[str, str]],
    settings: ScoringSettings,
) -> schema.Permutation:
    folds = folds_of(predictions)
    always = [FOLD] if len(set(folds)) > 1 else []
    tests = []
    everyone = settings.everyone or tuple((row.label or 0, row.fields) for row in predictions)
    for field in [None, *(name for name in strata if name != FOLD)]:
        given = None if field is None else given_number(field, [row.fields for row in predictions], everyone, cohort)
        if field is not None and given is not None:
            tests.append(_conditional([*always, field], cohort, given, folds, settings))
            continue
        categories = [strata[field][row.participant_id] for row in predictions] if field else [""] * len(predictions)
        cells = exchange_cells(folds, categories)
        p_values = permutation_p_values(cohort, cells, settings.draws, settings.seed)
        tests.append(
            schema.PermutationTest(
                within=always + ([field] if field else []),
                exchangeable=count_exchangeable(cohort.labels, cells, cohort.groups),
                auroc=p_values["auroc"],
                balanced_accuracy=p_values["balanced_accuracy"],
            )
        )
    return schema.Permutation(draws=settings.draws, tests=tests)


def _conditional(
    within: list[str], cohort: ScoredCohort, given: Floats, folds: Sequence[str], settings: ScoringSettings
) -> schema.PermutationTest:
    """Test beyond a number: within ranges of it, participants still differ in it."""
    known = np.asarray(np.isfinite(given).all(axis=1))
    numbers, part = exchange_cells(folds)[known], cohort.subset(known)
    p = conditional_p_value(
        part.probabilities, part.labels, given[known], numbers, settings.draws, settings.seed, part.groups
    )
    return schema.PermutationTest(
        within=within,
        method="conditional randomisation" if drawn_together(part.groups) is None else "sign flipping of groups",
        exchangeable=int(known.sum()),
        auroc=p,
        balanced_accuracy=None,
    )


def _strata(
    predictions: Sequence[Prediction],
    classes: Sequence[str],
    strata: Mapping[str, Mapping[str, str]],
    settings: ScoringSettings,
) -> list[schema.StratumScores]:
    found = []
    for field, categories in strata.items():
        for category in categories_in_order({categories[row.participant_id] for row in predictions}):
            members = [row for row in predictions if categories[row.participant_id] == category]
            found.append(schema.StratumScores(field=field, category=category, **_group(members, classes, settings)))
    return found


def _patterns(
    predictions: Sequence[Prediction], classes: Sequence[str], settings: ScoringSettings
) -> list[schema.PatternScores]:
    found = []
    for pattern in AVAILABLE_MODALITIES:
        members = [row for row in predictions if row.recordings == pattern]
        if members:
            found.append(schema.PatternScores(recordings=pattern, **_group(members, classes, settings)))
    return found


def _conditions(
    predictions: Sequence[Prediction], classes: Sequence[str], settings: ScoringSettings
) -> list[schema.ConditionScores]:
    found = []
    for name in sorted({name for row in predictions for name in row.by_condition}):
        members = [
            replace(row, probabilities=row.by_condition[name]) for row in predictions if name in row.by_condition
        ]
        found.append(schema.ConditionScores(condition=name, **_group(members, classes, settings)))
    return found


def _group(predictions: Sequence[Prediction], classes: Sequence[str], settings: ScoringSettings) -> dict[str, Any]:
    group = GroupScorer(scored_cohort(predictions), classes, settings.draws, settings.seed, headline_only=True)
    return {
        "participants": group.participants,
        "class_counts": group.class_counts,
        "accuracy": group.accuracy(),
        "balanced_accuracy": group.balanced_accuracy(),
        "auroc": group.auroc(),
    }
