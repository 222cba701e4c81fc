"""How good probabilities are: scores before and after calibration, at the target shares, and against chance itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest

from monai_fusion.metrics import fields_of_probabilities as schema
from monai_fusion.metrics import scores
from monai_fusion.metrics.clusters import design_effect, drawn_together
from monai_fusion.metrics.intervals import LEVEL, wilson_of_groups
from monai_fusion.metrics.scores import Floats, ScoredCohort

UNLIKELY = 0.05
"""Below this p, the tested participants do not have the class shares that the probabilities assume."""


def reliability_bins(cohort: ScoredCohort) -> list[schema.ReliabilityBin]:
    """Return the points of a reliability diagram; empty bins are left out."""
    rows = zip(*(values[0].tolist() for values in scores.reliability(cohort, cohort.ones)), strict=True)
    places = scores.reliability_bin_of_each(cohort.probabilities)
    right = (cohort.probabilities.argmax(axis=1) == cohort.labels).astype(np.float64)
    groups = drawn_together(cohort.groups)
    bins = []
    for place, (count, confidence, hits) in enumerate(rows):
        if count > 0:
            inside = places == place
            interval = wilson_of_groups(right[inside], None if groups is None else groups[inside])
            bins.append(
                schema.ReliabilityBin(
                    participants=int(count),
                    confidence=min(1.0, confidence / count),
                    accuracy=hits / count,
                    interval=(interval.low, interval.high),
                )
            )
    return bins


def quality_of(cohort: ScoredCohort) -> schema.ProbabilityQuality:
    """Score probabilities, every participant once."""
    names = ("brier", "ece", "cross_entropy", "accuracy", "balanced_accuracy")
    values = {name: float(getattr(scores, name)(cohort, cohort.ones)[0]) for name in names}
    return schema.ProbabilityQuality(**values, reliability=reliability_bins(cohort))


def at_target_shares(cohort: ScoredCohort, target: Sequence[float]) -> schema.AtTargetShares | None:
    """Score probabilities with the participants weighted so that their classes have the target shares.

    Returns:
        None if a class with a target share has no participant: no weight can stand in for it.
    """
    counts, wanted = np.bincount(cohort.labels, minlength=cohort.classes), np.asarray(target)
    if (counts[wanted > 0] == 0).any():
        return None
    weights = (wanted[cohort.labels] / counts[cohort.labels])[None]
    names = ("brier", "ece", "cross_entropy", "accuracy")
    return schema.AtTargetShares(
        tested_shares=(counts / counts.sum()).tolist(),
        p=_share_mismatch(counts.tolist(), target, _effects_on_shares(cohort, target)),
        **{name: float(getattr(scores, name)(cohort, weights)[0]) for name in names},
    )


def _share_mismatch(counts: Sequence[int], target: Sequence[float], effects: Sequence[float] = ()) -> float:
    """Return the p-value that participants with these class counts were drawn at these class shares.

    Two classes: the exact binomial test. Beyond: the smallest p of a class, times the number of classes (Bonferroni).

    Args:
        counts: Participants of each class.
        target: The class shares.
        effects: For each class the design effect of its share, by which the counts are divided; none: 1.
    """
    total = sum(counts)
    p_values = [
        float(binomtest(round(count / effect), round(total / effect), share).pvalue)
        for count, share, effect in zip(counts, target, effects or [1.0] * len(counts), strict=True)
    ]
    return min(p_values) if len(counts) == 2 else min(1.0, len(counts) * min(p_values))


def _effects_on_shares(cohort: ScoredCohort, target: Sequence[float]) -> list[float]:
    """How much less participants in groups tell of the share of each class."""
    groups = drawn_together(cohort.groups)
    if groups is None:
        return []
    values = [(cohort.labels == label).astype(np.float64) for label in range(cohort.classes)]
    return [design_effect(value, groups, share) for value, share in zip(values, target, strict=True)]


def expected_ece(probabilities: Floats, draws: int, seed: int) -> schema.ExpectedEce:
    """Return the ECE that these probabilities would have if they were true: labels are drawn from them.

    Broecker & Smith, Weather and Forecasting 22:651, 2007.

    Args:
        probabilities: [participant, class].
        draws: How often labels are drawn.
        seed: Same seed, same labels.
    """
    confidence = probabilities.max(axis=1)
    # The bins follow from the probabilities alone, and of the labels only a hit or a miss counts.
    bins = np.eye(scores.calibration_bins(len(confidence)))[scores.reliability_bin_of_each(probabilities)]
    hits = np.random.default_rng(seed).random((draws, len(confidence))) < confidence
    values = np.abs(hits @ bins - confidence @ bins).sum(axis=1) / len(confidence)
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return schema.ExpectedEce(mean=float(values.mean()), low=float(low), high=float(high))
