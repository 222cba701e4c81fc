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
    MatchedPairs,
    class_probabilities,
    conditional_p_value_of_mean,
    explained_within_class,
    logits,
    matched_pairs,
    standardised_difference,
)
from monai_fusion.metrics.intervals import wilson
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
    found = []
    for each in sets_of(covariates):
        values, known = values_of(each)
        inside = known[rows]
        if not inside.any():
            continue
        tested = network.subset(inside)
        given = class_probabilities(values[known], labels[known], network.classes, values[rows][inside])
        alone = _auroc(given, tested.labels)
        reference = int(known.sum())
        found.append(
            confound_result(each, values[rows][inside], given, [(tested, None)], reference, alone, tested.groups)
        )
    return found


def sets_of(covariates: Sequence[Covariate]) -> list[list[Covariate]]:
    """Each covariate, then all of them together if there are several."""
    return [[each] for each in covariates] + ([list(covariates)] if len(covariates) > 1 else [])


def values_of(covariates: Sequence[Covariate]) -> tuple[Floats, np.ndarray]:
    """Return [participant, column], and [participant] whether all of them are known."""
    values = np.concatenate([each.values for each in covariates], axis=1)
    return values, np.isfinite(values).all(axis=1)


def confound_result(
    covariates: Sequence[Covariate],
    values: Floats,
    given: Floats,
    predictions: Sequence[tuple[ScoredCohort, Labels | None]],
    reference: int,
    alone: float | None,
    groups: Labels | None = None,
) -> ConfoundResult:
    """Compare the predictions of a network with covariates.

    Args:
        covariates: Taken together.
        values: [participant, column] their values of the tested participants, all known.
        given: [participant, class] of the same, from `class_probabilities`.
        predictions: Of the same, with their folds if they are out-of-fold; of several (seeds, repeats) the mean counts.
        reference: How many participants gave the class probabilities.
        alone: The AUROC of the covariates alone.
        groups: [participant] of the same; None if each is alone.
    """
    labels = predictions[0][0].labels
    pairs = _mean_pairs(predictions, values[:, 0] if values.shape[1] == 1 else logits(given)[:, 0], groups)
    interval = None if pairs is None else pairs.interval
    indices = [explained_within_class(each.probabilities, labels, values, folds) for each, folds in predictions]
    known = [each for each in indices if each is not None]
    p_beyond = conditional_p_value_of_mean(
        [(each.probabilities, folds) for each, folds in predictions],
        labels,
        given,
        out_of_fold=predictions[0][1] is not None,
        groups=groups,
    )
    return ConfoundResult(
        fields=[each.name for each in covariates],
        participants=len(labels),
        reference=reference,
        covariates_auroc=alone,
        p_beyond=p_beyond,
        method="conditional randomisation" if drawn_together(groups) is None else "sign flipping of groups",
        matched_pairs=0 if pairs is None else pairs.pairs,
        matched_auroc=None if pairs is None else pairs.auroc,
        matched_interval=None if interval is None else (interval.low, interval.high),
        confounding_index=float(np.mean(known)) if len(known) == len(indices) else None,
        note=_note(len(labels), groups, p_beyond),
    )


def _mean_pairs(
    predictions: Sequence[tuple[ScoredCohort, Labels | None]], covariate: Floats, groups: Labels | None
) -> MatchedPairs | None:
    """The pairs of one prediction; of several as many as on average: they are the same participants."""
    if predictions[0][0].classes != 2:
        return None
    found = [
        matched_pairs(each.probabilities[:, 1], each.labels, covariate, groups=groups, folds=folds)
        for each, folds in predictions
    ]
    if len(found) == 1:
        return found[0]
    pairs = sum(each.pairs for each in found)
    if pairs == 0:
        return found[0]
    number, share = round(pairs / len(found)), sum(each.right for each in found) / pairs
    independent = number * (sum(each.independent for each in found) / pairs)
    interval = wilson(share * independent, independent) if number else None
    return MatchedPairs(number, share * number, interval, independent)


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
