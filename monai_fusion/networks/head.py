"""Fusion heads: from two embeddings to a decision, and how much of each modality goes into it.

The gated head is the project's own; the two others are what it is compared with (`monai-fusion compare`).
"""

from __future__ import annotations

import difflib

import torch
from torch import Tensor, nn

from monai_fusion.errors import InputError, Problem
from monai_fusion.networks.encoder import at_least_float32


class GatedFusionHead(nn.Module):
    """Embeddings e, m [B, D] -> logits [B, num_classes] and gate g [B, 1].

    g = sigmoid(MLP([e, m])) with layers 2 D - ``gate_hidden`` - 1; fused = g e + (1 - g) m; logits = MLP([fused, e, m])
    with layers 3 D - ``hidden`` - ``num_classes``. A gate near 1 means that the EEG is listened to, near 0 the MRI.

    Args:
        embedding_dim: Length D of either embedding.
        num_classes: Number of classes.
        gate_hidden: Width of the gate's hidden layer.
        hidden: Width of the classifier's hidden layer.
        dropout: Probability in the classifier, before its last layer.
    """

    def __init__(
        self,
        embedding_dim: int = 512,
        num_classes: int = 2,
        gate_hidden: int = 512,
        hidden: int = 1024,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.gate = nn.Sequential(nn.Linear(2 * embedding_dim, gate_hidden), nn.ReLU(), nn.Linear(gate_hidden, 1))
        self.classifier = _classifier(3 * embedding_dim, hidden, num_classes, dropout)

    def forward(self, eeg_embedding: Tensor, mri_embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Fuse two embeddings.

        Args:
            eeg_embedding: e, [B, D] float32.
            mri_embedding: m, [B, D] float32.

        Returns:
            Logits [B, num_classes] and gate [B, 1] in [0, 1], float32 also under autocast.
        """
        gate = torch.sigmoid(at_least_float32(self.gate(torch.cat([eeg_embedding, mri_embedding], dim=1))))
        fused = gate * eeg_embedding + (1 - gate) * mri_embedding
        logits = self.classifier(torch.cat([fused, eeg_embedding, mri_embedding], dim=1))
        return at_least_float32(logits), gate


class ConcatenationHead(nn.Module):
    """Embeddings e, m [B, D] -> logits [B, num_classes] = MLP([e, m]) with layers 2 D - ``hidden`` - ``num_classes``.

    Args:
        embedding_dim: Length D of either embedding.
        num_classes: Number of classes.
        hidden: Width of the hidden layer.
        dropout: Probability before the last layer.
    """

    def __init__(
        self, embedding_dim: int = 512, num_classes: int = 2, hidden: int = 1024, dropout: float = 0.3
    ) -> None:
        super().__init__()
        self.classifier = _classifier(2 * embedding_dim, hidden, num_classes, dropout)

    def forward(self, eeg_embedding: Tensor, mri_embedding: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`GatedFusionHead.forward`; the gate is 0.5 for everybody, because there is none."""
        logits = at_least_float32(self.classifier(torch.cat([eeg_embedding, mri_embedding], dim=1)))
        return logits, _half(logits)


class MeanHead(nn.Module):
    """Embeddings e, m [B, D] -> logits [B, num_classes] = MLP((e + m) / 2), layers D - ``hidden`` - ``num_classes``.

    This is the gated head with a gate of one half that sees the fused embedding alone.

    Args:
        embedding_dim: Length D of either embedding.
        num_classes: Number of classes.
        hidden: Width of the hidden layer.
        dropout: Probability before the last layer.
    """

    def __init__(
        self, embedding_dim: int = 512, num_classes: int = 2, hidden: int = 1024, dropout: float = 0.3
    ) -> None:
        super().__init__()
        self.classifier = _classifier(embedding_dim, hidden, num_classes, dropout)

    def forward(self, eeg_embedding: Tensor, mri_embedding: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`GatedFusionHead.forward`; the gate is 0.5 for everybody."""
        logits = at_least_float32(self.classifier((eeg_embedding + mri_embedding) / 2))
        return logits, _half(logits)


HEADS = {"gated": GatedFusionHead, "concat": ConcatenationHead, "mean": MeanHead}


def fusion_head(fusion: str, embedding_dim: int, num_classes: int, dropout: float) -> nn.Module:
    """Make the head that is called ``gated``, ``concat`` or ``mean``.

    Raises:
        InputError: ``fusion`` is something else.
    """
    if fusion not in HEADS:
        close = difflib.get_close_matches(str(fusion), HEADS, n=1)
        advice = f"did you mean '{close[0]}'?" if close else ""
        raise InputError(Problem("fusion", seen=repr(fusion), wanted=f"one of {', '.join(HEADS)}", advice=advice))
    return HEADS[fusion](embedding_dim, num_classes, dropout=dropout)


def _classifier(features: int, hidden: int, num_classes: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, num_classes))


def _half(logits: Tensor) -> Tensor:
    return torch.full_like(logits[:, :1], 0.5)
