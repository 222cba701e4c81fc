"""One participant, one prediction: the MRI is encoded once, the EEG segments stream past it."""

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
    """What evaluation needs of a network."""

    def encode_eeg(self, eeg: Tensor) -> Tensor:
        """[B, 17, F, T] -> [B, D]."""

    def encode_mri(self, mri: Tensor) -> Tensor:
        """[B, C, T, H, W] -> [B, D]."""

    def fuse(self, eeg_embedding: Tensor, mri_embedding: Tensor) -> dict[str, Tensor]:
        """[B, D], [B, D] -> logits [B, K], gate [B, 1] and both embeddings."""


class ParticipantInferer(Inferer):
    """Average the class probabilities over all EEG segments of one participant.

    Args:
        segments_at_once: How many segments go through the EEG encoder together; only memory and speed depend on it.
        precision: ``float32``, ``bfloat16`` or ``float16``, in which the network computes.

    Raises:
        InputError: ``segments_at_once`` is less than 1.
    """

    def __init__(self, segments_at_once: int = 16, precision: str = "float32") -> None:
        super().__init__()
        if segments_at_once < 1:
            raise InputError(Problem("segments_at_once", seen=repr(segments_at_once), wanted="a whole number from 1"))
        self.segments_at_once = segments_at_once
        self.precision = precision

    def __call__(self, inputs: Tensor, network: torch.nn.Module, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """Predict one participant.

        Args:
            inputs: All EEG segments, [S, 17, F, T].
            network: A `FusionNet`.
            *args: The MRI, [1, C, T, H, W].
            **kwargs: Not used; part of MONAI's interface.

        Returns:
            float32 ``probabilities`` [1, K] and ``gate`` [1, 1] (means over the segments), ``logits`` [1, K]
            (logarithm of the mean probabilities), ``eeg_embedding`` and ``fused_embedding`` [1, D] (means over the
            segments), ``mri_embedding`` [1, D]; and of each segment ``segment_probabilities`` [S, K] and
            ``segment_eeg_embeddings`` [S, D].
        """
        (mri,) = args
        fusion = cast(FusionNetwork, network)
        parts: list[dict[str, Tensor]] = []
        with autocast(self.precision, inputs.device):
            mri_embedding = fusion.encode_mri(mri)
            for chunk in torch.split(inputs, self.segments_at_once):
                embedding = fusion.encode_eeg(chunk)
                parts.append(fusion.fuse(embedding, mri_embedding.expand(len(embedding), -1)))
        logits, gate, eeg = (torch.cat([part[key] for part in parts]).float() for key in (LOGITS, GATE, EEG_EMBEDDING))
        of_segments = logits.softmax(dim=1)
        probabilities = of_segments.mean(dim=0, keepdim=True)
        return {
            PROBABILITIES: probabilities,
            LOGITS: probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny).log(),
            GATE: gate.mean(dim=0, keepdim=True),
            EEG_EMBEDDING: eeg.mean(dim=0, keepdim=True),
            MRI_EMBEDDING: mri_embedding.float(),
            SEGMENT_PROBABILITIES: of_segments,
            SEGMENT_EEG_EMBEDDINGS: eeg,
            FUSED_EMBEDDING: (gate * eeg + (1 - gate) * mri_embedding.float()).mean(dim=0, keepdim=True),
        }
