"""The covariates of a cohort by class, and what a network knows beyond them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from monai_fusion.baseline.baseline_file import ConfoundResult, CovariateBalance
from monai_fusion.baseline.paired import score_of
from monai_fusion.baseline.participant_numbers import Covariate
from monai_fusion.metrics.clusters import drawn_together
from monai_fusion.metrics.confounds import (
    FEWEST,
    class_probabilities,
    conditional_p_value,
    explained_within_class,
    logits,
    matched_pairs,
    standardised_difference,
)
from monai_fusion.metrics.scores import Floats, Labels, ScoredCohort

FEW_TESTED = 30
"""Of fewer, the test beyond covariates finds large effects only: of 35, it finds 0.8 SD in half of cohorts."""


def balance_rows(covariates: Sequence[Covariate], labels: Labels, classes: Sequence[str]) -> list[CovariateBalance]:
    """Describe each covariate by class, among all participants who have a value.

    Args:
        covariates: Of everyone.
        labels: [participant].
        classes: The names of the classes.
    """
    return [_balance(each, labels, len(classes)) for each in covariates]


def confound_results(
    covariates: Sequence[Covariate], labels: Labels, rows: np.ndarray, network: ScoredCohort
) -> list[ConfoundResult]:
    """Compare a network with each covariate, and with all of them together if there are several.

    Args:
        covariates: Of everyone.
        labels: [participant] of everyone.
        rows: The places of the tested participants.
        network: Their predictions.
    """
    sets = [[each] for each in covariates]
    sets += [list(covariates)] if len(covariates) > 1 else []
    return [found for each in sets if (found := _confound(each, labels, rows, network)) is not None]


def _confound(
    covariates: Sequence[Covariate], labels: Labels, rows: np.ndarray, network: ScoredCohort
) -> ConfoundResult | None:
    values = np.concatenate([each.values for each in covariates], axis=1)
    known = np.isfinite(values).all(axis=1)
    inside = known[rows]
    if not inside.any():
        return None
    cohort, own = network.subset(inside), values[rows][inside]
    given = class_probabilities(values[known], labels[known], network.classes, own)
    two = network.classes == 2
    logit = logits(given)[:, 0]
    alone = own[:, 0] if values.shape[1] == 1 else logit
    pairs = matched_pairs(cohort.probabilities[:, 1], cohort.labels, alone, groups=cohort.groups) if two else None
    interval = None if pairs is None else pairs.interval
    p_beyond = conditional_p_value(cohort.probabilities, cohort.labels, given, groups=cohort.groups)
    return ConfoundResult(
        fields=[each.name for each in covariates],
        participants=int(inside.sum()),
        reference=int(known.sum()),
        covariates_auroc=_auroc(given, cohort.labels),
        p_beyond=p_beyond,
        method="conditional randomisation" if drawn_together(cohort.groups) is None else "sign flipping of groups",
        matched_pairs=0 if pairs is None else pairs.pairs,
        matched_auroc=None if pairs is None else pairs.auroc,
        matched_interval=None if interval is None else (interval.low, interval.high),
        confounding_index=explained_within_class(cohort.probabilities, cohort.labels, own),
        note=_note(len(cohort.labels), cohort.groups, p_beyond),
    )


def _note(participants: int, groups: Labels | None, p_beyond: float | None) -> str:
    """Why a test has no result, or can only find a large effect."""
    together = drawn_together(groups)
    number, unit = (participants, "participants") if together is None else (int(together.max()) + 1, "groups")
    if p_beyond is None:
        return (
            f"no test: fewer than {FEWEST} {unit}"
            if number < FEWEST
            else "no test: given the covariates, no label is uncertain"
        )
    if number >= FEW_TESTED:
        return ""
    return f"fewer than {FEW_TESTED} {unit}: the test finds large effects only"


def _auroc(given: Floats, labels: Labels) -> float | None:
    cohort = ScoredCohort.of(given, labels)
    if len(np.unique(labels)) < cohort.classes:
        return None
    value = float(score_of("auroc", cohort, cohort.ones)[0])
    return None if np.isnan(value) else value


def _balance(covariate: Covariate, labels: Labels, classes: int) -> CovariateBalance:
    known = np.isfinite(covariate.values).all(axis=1)
    values, own = covariate.values[known], labels[known]
    apart = [standardised_difference(values[:, column], own) for column in range(values.shape[1])]
    defined = [place for place, each in enumerate(apart) if each is not None]
    column = max(defined, key=lambda place: abs(apart[place] or 0.0)) if defined else 0
    groups = [values[own == label, column] if values.shape[1] else values[:0] for label in range(classes)]
    return CovariateBalance(
        field=covariate.name,
        participants=int(known.sum()),
        means=[float(group.mean()) if len(group) else None for group in groups],
        sds=[float(group.std(ddof=1)) if len(group) > 1 else None for group in groups],
        standardised_difference=apart[column] if apart else None,
        category="" if covariate.is_number else covariate.categories[column],
    )
