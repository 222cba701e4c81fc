"""What the network gives for a participant, and the prediction that is made of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from monai_fusion.data.collation import presence_of, segments_of
from monai_fusion.datalist import AvailableModalities, ParticipantRecord
from monai_fusion.keys import GATE, PARTICIPANT_ID, PROBABILITIES, SEGMENT_PROBABILITIES
from monai_fusion.metrics.conditions import conditions_of, mean_by_condition
from monai_fusion.metrics.predictions import Prediction

_RECORDINGS: Mapping[tuple[bool, bool], AvailableModalities] = {
    (True, True): "both",
    (True, False): "eeg",
    (False, True): "mri",
}


@dataclass(frozen=True, slots=True)
class NetworkOutput:
    """The network's own numbers of one participant, before any calibration.

    Attributes:
        participant_id: The participant.
        probabilities: One for each class, averaged over the EEG segments.
        gate: The weight of the EEG embedding, averaged over the segments.
        segments: The probabilities of each segment, [segment, class] float64; no rows without an EEG.
        recordings: The recordings that the network was given.
    """

    participant_id: str
    probabilities: tuple[float, ...]
    gate: float
    segments: npt.NDArray[np.float64] = field(compare=False)
    recordings: AvailableModalities = "both"

    @property
    def is_finite(self) -> bool:
        """Whether every number is one."""
        return bool(np.isfinite([*self.probabilities, self.gate]).all() and np.isfinite(self.segments).all())


def outputs_of(batch: Mapping[str, Any], predicted: Mapping[str, torch.Tensor]) -> list[NetworkOutput]:
    """Return the numbers of each participant of an evaluation batch, in its order.

    Args:
        batch: From `collate_participants`.
        predicted: What a `ParticipantInferer` returned for it; empty for a batch without participants.
    """
    if not batch[PARTICIPANT_ID]:
        return []
    probabilities = predicted[PROBABILITIES].double().cpu()
    gates = predicted[GATE].flatten().cpu()
    of_segments = torch.split(predicted[SEGMENT_PROBABILITIES].double().cpu(), segments_of(batch))
    return [
        NetworkOutput(
            participant_id=participant,
            probabilities=tuple(probabilities[row].tolist()),
            gate=float(gates[row]),
            segments=of_segments[row].numpy(),
            recordings=_RECORDINGS[present],
        )
        for row, (participant, present) in enumerate(zip(batch[PARTICIPANT_ID], presence_of(batch), strict=True))
    ]


class PredictionMaker:
    """Makes predictions of network outputs, with what the datalist records of the participants.

    Args:
        records: The participants, for their other fields and the conditions of their EEG segments; without them, the
            predictions have neither.

    Attributes:
        records: ... by id.
        conditions: The condition of each EEG segment of a participant, by id; see `conditions_of`.
    """

    def __init__(self, records: Sequence[ParticipantRecord]) -> None:
        self.records = {record.participant_id: record for record in records}
        self.conditions = conditions_of(records)

    @property
    def condition_names(self) -> list[str]:
        """The conditions that any participant has, in alphabetical order."""
        return sorted({name for names in self.conditions.values() for name in names if name is not None})

    def prediction(self, output: NetworkOutput, label: int | None, refused: Collection[Path] = ()) -> Prediction:
        """Return the prediction of a participant, with the network's own probabilities.

        Args:
            output: What the network gave.
            label: The true class; None if it is not known.
            refused: EEG segments of the participant that the network was not given.
        """
        record = self.records.get(output.participant_id)
        return Prediction(
            participant_id=output.participant_id,
            label=label,
            probabilities=output.probabilities,
            gate=output.gate,
            segments=len(output.segments),
            by_condition=self._by_condition(output, refused),
            fields={} if record is None else record.extra,
            recordings=output.recordings,
            segment_probabilities=output.segments if len(output.segments) else None,
        )

    def _by_condition(self, output: NetworkOutput, refused: Collection[Path]) -> Mapping[str, tuple[float, ...]]:
        conditions = self.conditions.get(output.participant_id, ())
        if conditions and refused:
            files = self.records[output.participant_id].eeg
            conditions = tuple(name for path, name in zip(files, conditions, strict=True) if path not in refused)
        if not conditions or len(conditions) != len(output.segments):
            return {}  # not all segments were predicted, and it is not known which
        return mean_by_condition(output.segments.tolist(), conditions)
