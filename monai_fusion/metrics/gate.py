"""How the gate behaves, and what each modality contributes to the predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from monai_fusion.metrics import scores
from monai_fusion.metrics.metrics_file import ClassGates, Distribution, GateSection, ModalitiesSection, WithoutModality
from monai_fusion.metrics.predictions import Prediction, decide, from_both_recordings, probability_change

REFERENCES = 16
"""The maximum number of reference participants when the contribution of a modality is measured."""
COLLAPSED_BELOW = 0.05
COLLAPSED_ABOVE = 0.95
CHANGES_NOTHING_BELOW = 0.02
"""A mean change of the probabilities below this, without a changed prediction, counts as none."""


def gate_section(predictions: Sequence[Prediction], classes: Sequence[str]) -> GateSection | None:
    """Describe the gates of participants with labels: of all, of each class, of correct and of wrong predictions.

    Only participants with both recordings count: the gate decides nothing for the others.

    Returns:
        None if no participant has both.
    """
    predictions = from_both_recordings(predictions)
    if not predictions:
        return None
    right = [row.gate for row in predictions if row.predicted == row.label]
    wrong = [row.gate for row in predictions if row.predicted != row.label]
    by_class = [
        ClassGates(class_name=name, gate=distribution([row.gate for row in predictions if row.label == index]))
        for index, name in enumerate(classes)
        if any(row.label == index for row in predictions)
    ]
    return GateSection(
        overall=distribution([row.gate for row in predictions]),
        by_class=by_class,
        right=distribution(right) if right else None,
        wrong=distribution(wrong) if wrong else None,
        collapsed=collapsed_to([row.gate for row in predictions]),
    )


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


def modalities_section(predictions: Sequence[Prediction], reference_participants: int) -> ModalitiesSection | None:
    """Compare predictions from both recordings with those made without one of them, for participants with labels.

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
        without_eeg=_without(predictions, without_eeg),
        without_mri=_without(predictions, without_mri),
    )


def _without(predictions: Sequence[Prediction], others: Sequence[tuple[float, ...]]) -> WithoutModality:
    cohort = scores.ScoredCohort(
        np.array(others),
        np.array([row.label for row in predictions], dtype=np.int64),
        np.array(
            [decide(other, row.threshold) for row, other in zip(predictions, others, strict=True)], dtype=np.int64
        ),
    )
    changes = [probability_change(row.probabilities, other) for row, other in zip(predictions, others, strict=True)]
    changed = sum(row.predicted != now for row, now in zip(predictions, cohort.predicted, strict=True))
    auroc = float(scores.auroc(cohort, cohort.ones)[0])
    return WithoutModality(
        auroc=None if np.isnan(auroc) else auroc,
        balanced_accuracy=float(scores.balanced_accuracy(cohort, cohort.ones)[0]),
        mean_change=float(np.mean(changes)),
        changed_predictions=changed,
        changes_nothing=changed == 0 and float(np.mean(changes)) < CHANGES_NOTHING_BELOW,
    )
