"""Predictions without one modality, computed from embeddings that are already there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from monai_fusion.keys import LOGITS
from monai_fusion.metrics.gate import REFERENCES
from monai_fusion.spreading import spread

_ROWS_AT_ONCE = 4096


class FusingNetwork(Protocol):
    """The part of a network that is used here: its head."""

    def fuse(self, eeg_embedding: Tensor, mri_embedding: Tensor) -> dict[str, Tensor]:
        """[B, D], [B, D] -> logits [B, K] and more."""


@torch.no_grad()
def without_each_modality(
    network: FusingNetwork, eeg: Sequence[Tensor], mri: Sequence[Tensor], references: int = REFERENCES
) -> tuple[list[tuple[float, ...]], list[tuple[float, ...]]]:
    """Predict every participant without the EEG, and without the MRI.

    To remove a modality, the function replaces it by that of each reference participant in turn and averages the
    probabilities: the prediction from the other modality alone. These embeddings are of the kind that the network has
    learned from; their mean, or zeros, would not be. All participants have the same references, spread evenly over the
    cohort, so the classes of the references carry no information about a participant.

    No recording is encoded again. It costs 2 x 16 passes through the head for each segment: 1 to 2 % of encoding it.

    Args:
        network: A `FusionNet` in evaluation mode.
        eeg: The embeddings of each participant's segments, [S, D] each.
        mri: The embedding of each participant's MRI, [1, D] each.
        references: The maximum number of reference participants.

    Returns:
        Class probabilities of every participant without the EEG, and without the MRI.
    """
    donors = spread(0, len(eeg), references)
    borrowed_eeg, borrowed_mri = (
        torch.cat([eeg[place] for place in donors]),
        torch.cat([mri[place] for place in donors]),
    )
    # Each donor counts once, however many segments it has.
    shares = torch.cat([torch.full((len(eeg[place]),), 1 / (len(eeg[place]) * len(donors))) for place in donors])
    without_eeg = [_mean(network, borrowed_eeg, own.expand(len(borrowed_eeg), -1), shares) for own in mri]
    without_mri = [
        _mean(
            network,
            own.repeat_interleave(len(donors), dim=0),
            borrowed_mri.repeat(len(own), 1),
            torch.full((len(own) * len(donors),), 1 / (len(own) * len(donors))),
        )
        for own in eeg
    ]
    return without_eeg, without_mri


@torch.no_grad()
def with_mean_gate(
    network: FusingNetwork, eeg: Sequence[Tensor], mri: Sequence[Tensor], gate: float
) -> list[tuple[float, ...]] | None:
    """Predict every participant with the same gate: does the gate decide anything by participant?

    Args:
        network: A `FusionNet` in evaluation mode.
        eeg: The embeddings of each participant's segments, [S, D] each.
        mri: The embedding of each participant's MRI, [1, D] each.
        gate: The mean gate of the participants.

    Returns:
        Class probabilities of every participant; None if the network cannot be given a gate.
    """
    fuse = getattr(network, "fuse_with_gate", None)
    if fuse is None:
        return None
    found = (
        fuse(own, other.expand(len(own), -1), gate).double().softmax(dim=1).mean(dim=0)
        for own, other in zip(eeg, mri, strict=True)
    )
    return [tuple(each.tolist()) for each in found]


def _mean(network: FusingNetwork, eeg: Tensor, mri: Tensor, shares: Tensor) -> tuple[float, ...]:
    parts = zip(torch.split(eeg, _ROWS_AT_ONCE), torch.split(mri, _ROWS_AT_ONCE), strict=True)
    probabilities = torch.cat([network.fuse(one, other)[LOGITS].double().softmax(dim=1) for one, other in parts])
    mean: list[float] = (shares.to(probabilities) @ probabilities).tolist()
    return tuple(mean)
