"""Fusion heads: from two embeddings to a decision, and to the weight of each modality in it.

The gated head is the project's own; `monai-fusion compare` compares it with the two others.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.jit import is_scripting  # type: ignore[attr-defined]  # torch does not list it in __all__

from monai_fusion.errors import InputError
from monai_fusion.networks.encoder import at_least_float32, not_one_of


class FusionHead(nn.Module):
    """The common base of all heads: the embeddings that replace those of absent recordings.

    Attributes:
        embedding_dim: Length D of either embedding.
        absent_eeg: Learned embedding [D] in place of an absent EEG; None unless :meth:`learn_absence` was called.
        absent_mri: ... of an absent MRI.
    """

    def __init__(self, embedding_dim: int) -> None:
        super().__init__()
        self.embedding_dim = embedding_dim
        self.absent_eeg: nn.Parameter | None = None
        self.absent_mri: nn.Parameter | None = None

    def learn_absence(self) -> None:
        """Let the head learn an embedding for either recording; they start as zeros, so nothing is drawn for them."""
        self.absent_eeg = nn.Parameter(torch.zeros(self.embedding_dim))
        self.absent_mri = nn.Parameter(torch.zeros(self.embedding_dim))


class GatedFusionHead(FusionHead):
    """Embeddings e, m [B, D] -> logits [B, num_classes] and gate g [B, 1].

    g = sigmoid(MLP([e, m])) with layers 2 D - ``gate_hidden`` - 1; fused = g e + (1 - g) m; logits = MLP([fused, e, m])
    with layers 3 D - ``hidden`` - ``num_classes``. A gate near 1 gives the weight to the EEG, near 0 to the MRI. For a
    participant who lacks a recording, the head does not compute the gate: it is 1 if the EEG exists, 0 if the MRI does.

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
        super().__init__(embedding_dim)
        self.gate = nn.Sequential(nn.Linear(2 * embedding_dim, gate_hidden), nn.ReLU(), nn.Linear(gate_hidden, 1))
        self.classifier = _classifier(3 * embedding_dim, hidden, num_classes, dropout)

    def forward(
        self, eeg_embedding: Tensor, mri_embedding: Tensor, present: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Fuse two embeddings.

        Args:
            eeg_embedding: e, [B, D] float32.
            mri_embedding: m, [B, D] float32.
            present: [B, 2] bool (EEG, MRI), if a recording is absent; each participant has at least one.

        Returns:
            Logits [B, num_classes] and gate [B, 1] in [0, 1], float32 also under autocast.
        """
        if present is not None and not _anybody_has_both(present):
            gate = present[:, :1].to(eeg_embedding)  # the gate's layers get no gradient, and do not change
        else:
            gate = torch.sigmoid(at_least_float32(self.gate(torch.cat([eeg_embedding, mri_embedding], dim=1))))
            gate = _forced(gate, present)
        return self.classify(eeg_embedding, mri_embedding, gate), gate

    def classify(self, eeg_embedding: Tensor, mri_embedding: Tensor, gate: Tensor) -> Tensor:
        """Classify with this gate, [B, 1], which need not be the head's own: logits [B, num_classes], float32."""
        fused = gate * eeg_embedding + (1 - gate) * mri_embedding
        return at_least_float32(self.classifier(torch.cat([fused, eeg_embedding, mri_embedding], dim=1)))


class _UngatedHead(FusionHead):
    """A head of a classifier alone.

    Args:
        embedding_dim: Length D of either embedding.
        num_classes: Number of classes.
        hidden: Width of the hidden layer.
        dropout: Probability before the last layer.
    """

    embeddings_seen = 1

    def __init__(
        self, embedding_dim: int = 512, num_classes: int = 2, hidden: int = 1024, dropout: float = 0.3
    ) -> None:
        super().__init__(embedding_dim)
        self.classifier = _classifier(self.embeddings_seen * embedding_dim, hidden, num_classes, dropout)


class ConcatenationHead(_UngatedHead):
    """Embeddings e, m [B, D] -> logits [B, num_classes] = MLP([e, m]), layers 2 D - ``hidden`` - ``num_classes``."""

    embeddings_seen = 2

    def forward(
        self, eeg_embedding: Tensor, mri_embedding: Tensor, present: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """As :meth:`GatedFusionHead.forward`; without a gate: it is 0.5 for participants who have both recordings."""
        logits = at_least_float32(self.classifier(torch.cat([eeg_embedding, mri_embedding], dim=1)))
        return logits, _forced(_half(logits), present)


class MeanHead(_UngatedHead):
    """Embeddings e, m [B, D] -> logits [B, num_classes] = MLP((e + m) / 2), layers D - ``hidden`` - ``num_classes``.

    This is the gated head with a gate of one half that sees the fused embedding alone.
    """

    def forward(
        self, eeg_embedding: Tensor, mri_embedding: Tensor, present: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """As :meth:`GatedFusionHead.forward`; the gate is 0.5 for every participant with both recordings.

        For a participant who lacks one, the classifier sees the embedding of the other.
        """
        fused = (eeg_embedding + mri_embedding) / 2
        if present is not None:
            here = present.to(fused.device)
            fused = torch.where(here.all(dim=1, keepdim=True), fused, _first(here, eeg_embedding, mri_embedding))
        logits = at_least_float32(self.classifier(fused))
        return logits, _forced(_half(logits), present)


HEADS = {"gated": GatedFusionHead, "concat": ConcatenationHead, "mean": MeanHead}


def head_named(fusion: str) -> str:
    """Return the full name of the class for ``gated``, ``concat`` or ``mean``: a config's ``_target_``.

    Raises:
        InputError: ``fusion`` is anything else.
    """
    if fusion not in HEADS:
        raise InputError(not_one_of("fusion", fusion, tuple(HEADS)))
    return f"{__name__}.{HEADS[fusion].__name__}"


def _classifier(features: int, hidden: int, num_classes: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, num_classes))


def _half(logits: Tensor) -> Tensor:
    return torch.full_like(logits[:, :1], 0.5)


def _anybody_has_both(present: Tensor) -> bool:
    if not is_scripting():  # noqa: SIM102 # of such a branch alone, TorchScript does not compile what is in it
        if torch.compiler.is_compiling():  # an exported graph has no branches: it computes the gate, and forces it
            return True
    return bool(present.all(dim=1).any())


def _first(present: Tensor, eeg_embedding: Tensor, mri_embedding: Tensor) -> Tensor:
    """The EEG's embedding of those who have an EEG, the MRI's of the others."""
    return torch.where(present[:, :1], eeg_embedding, mri_embedding)


def _forced(gate: Tensor, present: Tensor | None) -> Tensor:
    """The gates [B, 1], but 1 for those who have the EEG alone and 0 for those who have the MRI alone."""
    if present is None:
        return gate
    here = present.to(gate.device)
    return torch.where(here.all(dim=1, keepdim=True), gate, here[:, :1].to(gate.dtype))
