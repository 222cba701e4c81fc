"""What a network predicted, for a comparison with plain numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from monai_fusion.datalist.records import ParticipantRecord
from monai_fusion.metrics.scores import Labels, ScoredCohort


@dataclass(frozen=True, eq=False)
class NetworkPredictions:
    """What a network predicted, by participant.

    Attributes:
        probabilities: The probability of each class.
        predicted: The predicted class.
    """

    probabilities: Mapping[str, Sequence[float]]
    predicted: Mapping[str, int]

    def cohort(self, records: Sequence[ParticipantRecord], labels: Labels) -> ScoredCohort:
        """The predictions of some participants as arrays."""
        ids = [record.participant_id for record in records]
        probabilities = np.array([self.probabilities[name] for name in ids], dtype=np.float64)
        return ScoredCohort(probabilities, labels, np.array([self.predicted[name] for name in ids], dtype=np.int64))
