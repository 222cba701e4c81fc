"""The number that an explanation explains: the log-odds of a class, averaged over a participant's EEG segments."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from monai_fusion.keys import LOGITS
from monai_fusion.precision import autocast


class ExplainableNetwork(Protocol):
    """The methods of a network that an explanation uses: those of `FusionNet` and of `EnsembleNet`."""

    def encode_eeg(self, eeg: Tensor) -> Tensor:
        """[N, 17, F, T] -> [N, D]."""

    def encode_mri(self, mri: Tensor) -> Tensor:
        """[N, C, T, H, W] -> [N, D]."""

    def fuse(
        self, eeg_embedding: Tensor | None, mri_embedding: Tensor | None, present: Tensor | None = None
    ) -> dict[str, Tensor]:
        """[N, D], [N or 1, D] -> ``logits`` [N, K]; ``present`` [N, 2] if one of them is None."""


@dataclass(frozen=True)
class Embeddings:
    """The embeddings of one participant's recordings.

    Attributes:
        eeg: [S, D] float32, one row for each segment; None without an EEG.
        mri: [1, D] float32; None without an MRI.
    """

    eeg: Tensor | None
    mri: Tensor | None


class Scorer:
    """Scores of one class, in units of logit: log p - log (1 - p).

    With two classes, this is the difference of the logits. The score of a participant is the mean over the EEG
    segments, so that attributions of segments add up; the prediction is a mean of probabilities instead, and may differ
    a little. Scores are differentiable with respect to the recordings where gradients are enabled.

    Args:
        network: A `FusionNet` or an `EnsembleNet` in evaluation mode. The scorer does not change it.
        target: Index of the class.
        device: Where the network is.
        precision: ``float32``, ``bfloat16`` or ``float16``; gradients are best in float32.
    """

    def __init__(
        self, network: nn.Module, target: int, device: str | torch.device = "cpu", precision: str = "float32"
    ) -> None:
        self.module = network
        self.network = cast(ExplainableNetwork, network)
        self.target = target
        self.device = torch.device(device)
        self.precision = precision

    def of(self, network: nn.Module) -> Scorer:
        """The same scores of another network, such as one with random weights."""
        return Scorer(network, self.target, self.device, self.precision)

    def at(self, precision: str) -> Scorer:
        """The same scores in another precision."""
        return Scorer(self.module, self.target, self.device, precision)

    def log_odds(self, logits: Tensor) -> Tensor:
        """[N, K] -> [N] float32: log-odds of the class."""
        values = logits.float()
        others = torch.cat([values[:, : self.target], values[:, self.target + 1 :]], dim=1)
        return values[:, self.target] - others.logsumexp(dim=1)

    def autocast(self) -> AbstractContextManager[Any]:
        """The network's precision, for whoever calls its encoders."""
        return autocast(self.precision, self.device)

    @torch.no_grad()
    def embed(self, eeg: Tensor | None, mri: Tensor | None, at_once: int = 16) -> Embeddings:
        """Encode the recordings of one participant: [S, 17, F, T] and [1, C, T, H, W], on any device."""
        with self.autocast():
            parts = (
                None if eeg is None else [self.network.encode_eeg(x.to(self.device)) for x in torch.split(eeg, at_once)]
            )
            volume = None if mri is None else self.network.encode_mri(mri.to(self.device))
        return Embeddings(
            None if parts is None else torch.cat(parts).float(), None if volume is None else volume.float()
        )

    def fused(self, embeddings: Embeddings) -> Tensor:
        """Score embeddings of N rows.

        Args:
            embeddings: [N, D] each; one MRI [1, D] serves all segments. A None stands for a recording that is absent.

        Returns:
            [N] float32.
        """
        eeg, mri = embeddings.eeg, embeddings.mri
        present = None
        if eeg is None or mri is None:
            rows = len(eeg) if eeg is not None else 0 if mri is None else len(mri)
            present = torch.tensor([[eeg is not None, mri is not None]]).expand(rows, 2)
        with self.autocast():
            return self.log_odds(self.network.fuse(eeg, mri, present)[LOGITS])

    def of_segments(self, segments: Tensor, embeddings: Embeddings) -> Tensor:
        """Score EEG segments beside the participant's own MRI.

        Args:
            segments: [N, 17, F, T] on the device.
            embeddings: Only its ``mri`` is used.

        Returns:
            [N] float32, one for each segment.
        """
        with self.autocast():
            encoded = self.network.encode_eeg(segments)
        return self.fused(replace(embeddings, eeg=encoded.float()))

    def of_volumes(self, volumes: Tensor, embeddings: Embeddings) -> Tensor:
        """Score MRIs beside the participant's own EEG.

        Args:
            volumes: [N, C, T, H, W] on the device.
            embeddings: Only its ``eeg`` is used.

        Returns:
            [N] float32: the mean over the EEG segments for each volume.
        """
        with self.autocast():
            encoded = self.network.encode_mri(volumes).float()
        return self.of_mri_embeddings(encoded, embeddings)

    def of_mri_embeddings(self, encoded: Tensor, embeddings: Embeddings) -> Tensor:
        """As :meth:`of_volumes`, from the embeddings [N, D] of the MRIs."""
        if embeddings.eeg is None:
            return self.fused(Embeddings(None, encoded))
        count, segments = len(encoded), len(embeddings.eeg)
        pairs = Embeddings(embeddings.eeg.repeat(count, 1), encoded.repeat_interleave(segments, dim=0))
        return self.fused(pairs).view(count, segments).mean(dim=1)

    def of_participant(self, embeddings: Embeddings) -> float:
        """The score of the participant: the mean over the segments."""
        with torch.no_grad():
            return float(self.fused(embeddings).mean())
