"""How the gate behaves, and what each modality contributes to the predictions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from monai_fusion.metrics import scores
from monai_fusion.metrics.clusters import as_groups, drawn_together, groups_per_class
from monai_fusion.metrics.fields_of_recordings import (
    ClassGates,
    Distribution,
    GateSection,
    ModalitiesSection,
    WithoutModality,
)
from monai_fusion.metrics.fields_of_scores import Score
from monai_fusion.metrics.interval_rules import FEWEST_ERRORS, FEWEST_TRIALS, expected_errors, why_too_few
from monai_fusion.metrics.intervals import DRAWS, FEWEST_GROUPS, SEED, bootstrap_t, resample, too_few_groups
from monai_fusion.metrics.predictions import Prediction, from_both_recordings, probability_change

REFERENCES = 16
"""The maximum number of reference participants when the contribution of a modality is measured."""
COLLAPSED_BELOW = 0.05
COLLAPSED_ABOVE = 0.95
SAME_BELOW = 0.02
"""A standard deviation of the gates below this, or a largest change of a probability with the mean gate, is none."""
CHANGES_NOTHING_BELOW = 0.02
"""A mean change of the probabilities below this, without a changed prediction, counts as none; so does a lost score."""


def gate_section(predictions: Sequence[Prediction], classes: Sequence[str]) -> GateSection | None:
    """Describe the gates of participants with labels: of all, of each class, of correct and of wrong predictions.

    Only participants with both recordings count: the gate decides nothing for the others.

    Returns:
        None if no participant has both.
    """
    predictions = from_both_recordings(predictions)
    if not predictions:
        return None
    gates = [row.gate for row in predictions]
    changes = [probability_change(row.probabilities, row.mean_gate) for row in predictions if row.mean_gate is not None]
    largest = max(changes) if len(changes) == len(predictions) else None
    right = [row.gate for row in predictions if row.predicted == row.label]
    wrong = [row.gate for row in predictions if row.predicted != row.label]
    by_class = [
        ClassGates(class_name=name, gate=distribution([row.gate for row in predictions if row.label == index]))
        for index, name in enumerate(classes)
        if any(row.label == index for row in predictions)
    ]
    return GateSection(
        overall=distribution(gates),
        by_class=by_class,
        right=distribution(right) if right else None,
        wrong=distribution(wrong) if wrong else None,
        collapsed=collapsed_to(gates),
        largest_change_with_mean_gate=largest,
        same_for_all_participants=same_for_all_participants(gates, largest),
    )


def same_for_all_participants(gates: Sequence[float], largest_change: float | None = None) -> bool:
    """Whether the gate weighs all participants alike, so that a constant would do.

    Args:
        gates: One for each participant who has both recordings.
        largest_change: The largest change of a probability if all had the mean gate; None if it is not known.
    """
    # A head without a gate reports exactly 0.5 for all participants: there is nothing to warn of.
    if len(gates) < 2 or all(gate == 0.5 for gate in gates):
        return False
    return float(np.std(gates, ddof=1)) < SAME_BELOW or (largest_change is not None and largest_change < SAME_BELOW)


def distribution(values: Sequence[float]) -> Distribution:
    """Summarise some numbers, at least one."""
    low, lower, median, upper, high = np.quantile(values, [0, 0.25, 0.5, 0.75, 1]).tolist()
    return Distribution(
        participants=len(values),
        mean=float(np.mean(values)),
        sd=float(np.std(values, ddof=1)) if len(values) > 1 else None,
        minimum=low,
        lower_quartile=lower,
        median=median,
        upper_quartile=upper,
        maximum=high,
    )


def collapsed_to(gates: Sequence[float]) -> Literal["eeg", "mri"] | None:
    """Return the modality that alone passes the gate, for all participants alike; None if neither does."""
    if not gates:
        return None
    if min(gates) > COLLAPSED_ABOVE:
        return "eeg"
    return "mri" if max(gates) < COLLAPSED_BELOW else None


def modalities_section(
    predictions: Sequence[Prediction], reference_participants: int, draws: int = DRAWS, seed: int = SEED
) -> ModalitiesSection | None:
    """Compare predictions from both recordings with those made without one of them, for participants with labels.

    Args:
        predictions: With labels.
        reference_participants: How many participants' recordings replaced the removed one.
        draws: The number of bootstrap resamples.
        seed: Seed of the resamples.

    Returns:
        None unless each of these predictions was also made without each modality.
    """
    predictions = from_both_recordings(predictions)
    without_eeg = [row.without_eeg for row in predictions if row.without_eeg is not None]
    without_mri = [row.without_mri for row in predictions if row.without_mri is not None]
    if not len(without_eeg) == len(without_mri) == len(predictions) > 0:
        return None
    return ModalitiesSection(
        reference_participants=reference_participants,
        without_eeg=_without(predictions, without_eeg, draws, seed),
        without_mri=_without(predictions, without_mri, draws, seed),
    )


def _without(
    predictions: Sequence[Prediction], others: Sequence[tuple[float, ...]], draws: int, seed: int
) -> WithoutModality:
    labels = np.array([row.label for row in predictions], dtype=np.int64)
    groups = as_groups([row.group for row in predictions])
    whole, rest = (
        scores.ScoredCohort(
            np.array(values),
            labels,
            np.array([row.decided(one) for row, one in zip(predictions, values, strict=True)], dtype=np.int64),
            groups,
        )
        for values in ([row.probabilities for row in predictions], others)
    )
    changes = [probability_change(row.probabilities, other) for row, other in zip(predictions, others, strict=True)]
    changed = int((whole.predicted != rest.predicted).sum())
    auroc = float(scores.auroc(rest, rest.ones)[0])
    lost = lost_scores(whole, rest, draws, seed)
    return WithoutModality(
        auroc=None if np.isnan(auroc) else auroc,
        balanced_accuracy=float(scores.balanced_accuracy(rest, rest.ones)[0]),
        lost_auroc=lost["auroc"],
        lost_balanced_accuracy=lost["balanced_accuracy"],
        mean_change=float(np.mean(changes)),
        changed_predictions=changed,
        changes_nothing=changes_nothing(changed, float(np.mean(changes)), lost.values()),
    )


def changes_nothing(changed_predictions: int, mean_change: float, lost: Iterable[Score]) -> bool:
    """Whether a modality has no effect: neither on a predicted class, nor on the probabilities, nor on a score.

    Small changes of the probabilities may turn the order of many participants: the AUROC tells.

    Args:
        changed_predictions: How many participants' predicted class changes without the modality.
        mean_change: Of the probabilities.
        lost: Scores with the modality less those without it; one that is not defined tells nothing.
    """
    if changed_predictions or mean_change >= CHANGES_NOTHING_BELOW:
        return False
    return not any(
        abs(score.value) >= CHANGES_NOTHING_BELOW
        or (score.interval and not score.interval[0] <= 0 <= score.interval[1])
        for score in lost
        if score.value is not None
    )


def lost_scores(
    whole: scores.ScoredCohort, rest: scores.ScoredCohort, draws: int = DRAWS, seed: int = SEED
) -> dict[str, Score]:
    """Return what two sets of predictions for the same participants lose in AUROC and balanced accuracy.

    The bootstrap resamples participants within their class (or whole groups of them), the same for both, so that the
    differences are paired.

    Args:
        whole: Predictions from both recordings.
        rest: ... without one of them.
        draws: The number of resamples.
        seed: Seed of the resamples.
    """

    def losses(weights: scores.Floats) -> dict[str, scores.Floats]:
        names: dict[str, scores.Score] = {"auroc": scores.auroc, "balanced_accuracy": scores.balanced_accuracy}
        return {name: score(whole, weights) - score(rest, weights) for name, score in names.items()}

    values, few = losses(whole.ones), _why_too_few(whole)
    drawn, strata = {}, whole.labels
    if not few:
        weights, strata = resample(whole.labels, whole.groups, draws, seed)
        drawn = losses(weights)
    found = {}
    for name, each in values.items():
        value = float(each[0])
        interval = bootstrap_t(value, drawn[name], strata) if name in drawn else None
        if np.isnan(value):
            found[name] = Score(value=None, note="no participant of a class")
        elif interval is None:
            found[name] = Score(value=value, note=few or "no interval: the difference is the same in every resample")
        else:
            found[name] = Score(value=value, interval=(interval.low, interval.high), method=interval.method)
    return found


def _why_too_few(whole: scores.ScoredCohort) -> str:
    groups = drawn_together(whole.groups)
    errors, unit = expected_errors(whole.probabilities), "participants"
    if too_few_groups(groups):
        return f"no interval: fewer than {FEWEST_GROUPS} groups"
    if groups is not None:
        errors, unit = errors * (int(groups.max()) + 1) / len(groups), "groups"
    counts = groups_per_class(whole.labels, groups, whole.classes)
    return why_too_few(counts, errors, FEWEST_ERRORS, FEWEST_TRIALS, unit)
