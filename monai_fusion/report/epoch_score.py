"""The score that chooses the epoch, in words; runs of earlier versions chose by another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EPOCH_SCORES = {
    "balanced_cross_entropy": "validation cross-entropy (each class weighted equally)",
    "cross_entropy": "validation cross-entropy",
}
"""The columns of ``history.csv`` that may choose the epoch, the present one first, and what they are."""


def epoch_score(identity: Mapping[str, Any]) -> str:
    """Say by which score a training with ``keep_epoch: best`` chose its epoch.

    Args:
        identity: From the run's manifest. If it names no score, an earlier version chose by the plain cross-entropy.
    """
    name = identity.get("epoch_score", "cross_entropy")
    return EPOCH_SCORES.get(name, str(name)) if isinstance(name, str) else "a score that the manifest does not name"
