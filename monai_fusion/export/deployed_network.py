"""The network as it is handed on: recordings in, logits, calibrated probabilities and gate out, by tensors alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from monai_fusion.metrics.calibration import Calibration
from monai_fusion.networks import EnsembleNet, FusionNet
from monai_fusion.networks.onnx_parts import OUTPUTS

PRESENT = "present"


class CalibratedProbabilities(nn.Module):
    """Logits [B, K] -> probabilities [B, K], corrected as `Calibration.probabilities` corrects them.

    Args:
        calibration: Its numbers become constants of the graph.
    """

    def __init__(self, calibration: Calibration) -> None:
        super().__init__()
        learned, wanted = (np.array(prior) for prior in (calibration.network_prior, calibration.target_prior))
        known = (learned > 0) & (wanted > 0)
        before, after = (np.log(np.where(known, prior, 1.0)) for prior in (learned, wanted))
        intercepts = np.array(calibration.intercepts or np.zeros(len(learned)))
        shift = intercepts + after - calibration.slope * before
        self.slope = float(calibration.slope)
        self.register_buffer("shift", torch.tensor(shift, dtype=torch.float32))
        self.shift: Tensor

    def forward(self, logits: Tensor) -> Tensor:
        """Correct the probabilities of these logits."""
        return (self.slope * logits.log_softmax(dim=1) + self.shift).softmax(dim=1)


class DeployedNetwork(nn.Module):
    """Recordings of one or more participants -> ``logits`` [B, K], ``probabilities`` [B, K] and ``gate`` [B, 1].

    Its inputs are those of the model: ``eeg`` [B, electrodes, F, T] and ``mri`` [B, 1, T, H, W], or one of them; and
    ``present`` [B, 2] bool (EEG, MRI) of a model that was trained for missing recordings. A recording that is not
    present has a row all the same, of any finite numbers (zeros, for instance), which change nothing.

    Args:
        network: The trained network, in evaluation mode.
        calibration: Corrects the probabilities.
        modalities: ``eeg``, ``mri`` or both.
    """

    def __init__(
        self, network: FusionNet | EnsembleNet, calibration: Calibration, modalities: Sequence[str] = ("eeg", "mri")
    ) -> None:
        super().__init__()
        self.network = network
        self.calibrated = CalibratedProbabilities(calibration)
        self.modalities = tuple(modalities)

    def forward(
        self, eeg: Tensor | None = None, mri: Tensor | None = None, present: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Classify a batch."""
        return self.with_embeddings(eeg, mri, present)[: len(OUTPUTS)]

    def with_embeddings(
        self, eeg: Tensor | None = None, mri: Tensor | None = None, present: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """The outputs of :meth:`forward`, then the embeddings of the recordings that the model takes."""
        recordings = {"eeg": eeg, "mri": mri}
        encode = {"eeg": self.network.encode_eeg, "mri": self.network.encode_mri}
        embeddings = {name: encode[name](cast(Tensor, recordings[name])) for name in self.modalities}
        logits, gate = _fused(self.network, embeddings, present)
        return logits, self.calibrated(logits), gate, *embeddings.values()


class WithEmbeddings(nn.Module):
    """A `DeployedNetwork` that also returns the embeddings, at which an exported graph can be cut."""

    def __init__(self, network: DeployedNetwork) -> None:
        super().__init__()
        self.deployed = network

    def forward(
        self, eeg: Tensor | None = None, mri: Tensor | None = None, present: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """See `DeployedNetwork.with_embeddings`."""
        return self.deployed.with_embeddings(eeg, mri, present)


def _fused(
    network: FusionNet | EnsembleNet, embeddings: Mapping[str, Tensor], present: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Logits and gate from embeddings; without branches and indices that depend on values, unlike `FusionNet.fuse`."""
    if isinstance(network, FusionNet):
        return _of_one(network, embeddings, present)
    members = [cast(FusionNet, member) for member in network.members]
    shares = {name: each.chunk(len(members), dim=1) for name, each in embeddings.items()}
    answers = [
        _of_one(member, {name: each[place] for name, each in shares.items()}, present)
        for place, member in enumerate(members)
    ]
    probabilities = torch.stack([logits.softmax(dim=1) for logits, _ in answers]).mean(dim=0)
    gate = torch.stack([gate for _, gate in answers]).mean(dim=0)
    return probabilities.clamp_min(torch.finfo(torch.float32).tiny).log(), gate


def _of_one(network: FusionNet, embeddings: Mapping[str, Tensor], present: Tensor | None) -> tuple[Tensor, Tensor]:
    absent = {"eeg": network.head.absent_eeg, "mri": network.head.absent_mri}
    if len(embeddings) == 1:
        (found,) = embeddings.values()
        # In this form, the graph of the head takes the number of participants from the embeddings.
        embeddings = {name: embeddings.get(name, cast(Tensor, absent[name]) + 0 * found) for name in absent}
        return cast(tuple[Tensor, Tensor], network.head(*embeddings.values(), _only(found, network.modalities)))
    if present is not None:
        embeddings = {
            name: torch.where(present[:, column : column + 1], each, cast(Tensor, absent[name]))
            for column, (name, each) in enumerate(embeddings.items())
        }
    return cast(tuple[Tensor, Tensor], network.head(*embeddings.values(), present))


def _only(embedding: Tensor, modality: str) -> Tensor:
    """[B, 2] bool: each participant has this recording alone."""
    here = torch.ones_like(embedding[:, :1], dtype=torch.bool)
    return torch.cat([here, ~here] if modality == "eeg" else [~here, here], dim=1)
