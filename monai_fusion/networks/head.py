"""The gated fusion head: how much of each modality goes into the decision."""

from __future__ import annotations

import torch
from torch import Tensor, nn

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
        self.classifier = nn.Sequential(
            nn.Linear(3 * embedding_dim, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, num_classes)
        )

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
