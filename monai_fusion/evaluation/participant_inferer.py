"""One prediction for each participant: the MRI is encoded once and fused with every EEG segment."""

from __future__ import annotations

from typing import Any, Protocol, cast

import torch
from monai.inferers import Inferer
from torch import Tensor

from monai_fusion.errors import InputError, Problem
from monai_fusion.keys import (
    EEG_EMBEDDING,
    FUSED_EMBEDDING,
    GATE,
    LOGITS,
    MRI_EMBEDDING,
    PROBABILITIES,
    SEGMENT_EEG_EMBEDDINGS,
    SEGMENT_PROBABILITIES,
)
from monai_fusion.precision import autocast


class FusionNetwork(Protocol):
    """The methods of a network that an evaluation uses."""

    def encode_eeg(self, eeg: Tensor) -> Tensor:
        """[B, 17, F, T] -> [B, D]."""

    def encode_mri(self, mri: Tensor) -> Tensor:
        """[B, C, T, H, W] -> [B, D]."""

    def fuse(
        self, eeg_embedding: Tensor | None, mri_embedding: Tensor | None, present: Tensor | None = None
    ) -> dict[str, Tensor]:
        """[B, D], [B, D] -> logits [B, K], gate [B, 1] and both embeddings; ``present`` if one of them is None."""


class ParticipantInferer(Inferer):
    """Average the class probabilities over all EEG segments of one participant.

    A participant without an EEG takes one pass, with the embedding that the network has learned in its place; a
    participant without an MRI takes one pass for each segment.

    Args:
        segment_batch_size: The number of segments in one pass of the EEG encoder; it affects only memory and speed.
        precision: The network's precision: ``float32``, ``bfloat16`` or ``float16``.

    Raises:
        InputError: ``segment_batch_size`` is less than 1.
    """

    def __init__(self, segment_batch_size: int = 16, precision: str = "float32") -> None:
        super().__init__()
        if segment_batch_size < 1:
            seen = repr(segment_batch_size)
            raise InputError(Problem("segment_batch_size", seen=seen, wanted="a whole number from 1"))
        self.segment_batch_size = segment_batch_size
        self.precision = precision

    def __call__(self, inputs: Tensor | None, network: torch.nn.Module, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """Predict one participant.

        Args:
            inputs: All EEG segments, [S, 17, F, T]; None if there is no EEG.
            network: A `FusionNet`; with learned embeddings for missing recordings if one is missing.
            *args: The MRI, [1, C, T, H, W]; None if there is none.
            **kwargs: Not used; part of MONAI's interface.

        Returns:
            float32 ``probabilities`` [1, K] and ``gate`` [1, 1] (means over the segments), ``logits`` [1, K]
            (logarithm of the mean probabilities), ``eeg_embedding`` and ``fused_embedding`` [1, D] (means over the
            segments), ``mri_embedding`` [1, D]; and of each segment ``segment_probabilities`` [S, K] and
            ``segment_eeg_embeddings`` [S, D]. The embedding of a missing recording is NaN.
        """
        (mri,) = args
        parts = self._parts(inputs, mri, cast(FusionNetwork, network))
        keys = (LOGITS, GATE, EEG_EMBEDDING, MRI_EMBEDDING)
        logits, gate, eeg, of_mri = (torch.cat([part[key] for part in parts]).float() for key in keys)
        of_segments = logits.softmax(dim=1)
        probabilities = of_segments.mean(dim=0, keepdim=True)
        fused = (gate * eeg + (1 - gate) * of_mri).mean(dim=0, keepdim=True)
        segments = 0 if inputs is None else len(inputs)
        unknown = torch.full_like(of_mri[:1], torch.nan)
        return {
            PROBABILITIES: probabilities,
            LOGITS: probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny).log(),
            GATE: gate.mean(dim=0, keepdim=True),
            EEG_EMBEDDING: unknown if inputs is None else eeg.mean(dim=0, keepdim=True),
            MRI_EMBEDDING: unknown if mri is None else of_mri[:1],
            SEGMENT_PROBABILITIES: of_segments[:segments],
            SEGMENT_EEG_EMBEDDINGS: eeg[:segments],
            FUSED_EMBEDDING: fused,
        }

    def _parts(self, eeg: Tensor | None, mri: Tensor | None, network: FusionNetwork) -> list[dict[str, Tensor]]:
        """The network's outputs for the segments, in groups of ``segment_batch_size``."""
        with autocast(self.precision, _device_of(eeg, mri)):
            mri_embedding = None if mri is None else network.encode_mri(mri)
            if eeg is None:
                return [network.fuse(None, mri_embedding, torch.tensor([[False, True]]))]
            parts = []
            for chunk in torch.split(eeg, self.segment_batch_size):
                embedding = network.encode_eeg(chunk)
                if mri_embedding is None:
                    parts.append(network.fuse(embedding, None, torch.tensor([[True, False]]).expand(len(chunk), -1)))
                else:
                    parts.append(network.fuse(embedding, mri_embedding.expand(len(embedding), -1)))
        return parts


def _device_of(eeg: Tensor | None, mri: Tensor | None) -> torch.device:
    some = mri if eeg is None else eeg
    if some is None:
        raise ValueError("neither an EEG nor an MRI")
    return some.device
