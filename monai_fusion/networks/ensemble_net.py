"""Several trained networks that answer together: the mean of their probabilities."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from monai_fusion import keys
from monai_fusion.errors import InputError, Problem
from monai_fusion.networks.fusion import FusionNet

MOST_MEMBERS = 100
"""A recipe that asks for more is refused: each member takes about 0.25 GB of memory."""


class EnsembleNet(nn.Module):
    """The fold models of a cross-validation as one network with `FusionNet`'s interface.

    Its embeddings are those of the members, concatenated, which only :meth:`fuse` can use. Class probabilities and gate
    are means over the members. Because the mean over EEG segments and the mean over members may be taken in either
    order, a participant's probabilities are the mean of the members' predictions for the participant.

    Args:
        members: Networks of the same structure.
    """

    def __init__(self, members: Sequence[FusionNet]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, eeg: Tensor, mri: Tensor) -> dict[str, Tensor]:
        """Classify a batch: [B, electrodes, F, T] and [B, 1 or 3, T, H, W] -> the dictionary of :meth:`fuse`."""
        return self.fuse(self.encode_eeg(eeg), self.encode_mri(mri))

    def encode_eeg(self, eeg: Tensor) -> Tensor:
        """The members' embeddings of scalograms, [B, members x D]."""
        return torch.cat([member.encode_eeg(eeg) for member in self._networks], dim=1)

    def encode_mri(self, mri: Tensor) -> Tensor:
        """The members' embeddings of volumes, [B, members x D]."""
        return torch.cat([member.encode_mri(mri) for member in self._networks], dim=1)

    def fuse(
        self, eeg_embedding: Tensor | None, mri_embedding: Tensor | None, present: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Classify from embeddings.

        Args:
            eeg_embedding: [B, members x D] from :meth:`encode_eeg`.
            mri_embedding: [B, members x D] from :meth:`encode_mri`, or [1, members x D] for all.
            present: [B, 2] bool (EEG, MRI), as `FusionNet.fuse` takes it; the embeddings are then of those who have the
                recording, None if no participant has it.

        Returns:
            ``logits`` [B, num_classes] (logarithm of the mean probabilities), ``gate`` [B, 1] (mean), both embeddings
            [B, members x D], and ``present`` if it was given.
        """
        parts = zip(self._networks, self._shares(eeg_embedding), self._shares(mri_embedding), strict=True)
        predicted = [member.fuse(eeg, mri, present) for member, eeg, mri in parts]
        probabilities = torch.stack([each[keys.LOGITS].softmax(dim=1) for each in predicted]).mean(dim=0)
        answer = {
            keys.LOGITS: probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny).log(),
            keys.GATE: torch.stack([each[keys.GATE] for each in predicted]).mean(dim=0),
            keys.EEG_EMBEDDING: torch.cat([each[keys.EEG_EMBEDDING] for each in predicted], dim=1),
            keys.MRI_EMBEDDING: torch.cat([each[keys.MRI_EMBEDDING] for each in predicted], dim=1),
        }
        if present is not None:
            answer[keys.PRESENT] = present
        return answer

    def fuse_with_gate(self, eeg_embedding: Tensor, mri_embedding: Tensor, gate: float) -> Tensor:
        """The logits of :meth:`fuse` with this gate in every member: [B, num_classes]."""
        count = len(self.members)
        parts = zip(self._networks, eeg_embedding.chunk(count, dim=1), mri_embedding.chunk(count, dim=1), strict=True)
        logits = [member.fuse_with_gate(eeg, mri, gate) for member, eeg, mri in parts]
        return torch.stack([each.softmax(dim=1) for each in logits]).mean(dim=0).log()

    def _shares(self, embedding: Tensor | None) -> Sequence[Tensor | None]:
        """Each member's part of the embeddings."""
        count = len(self.members)
        return [None] * count if embedding is None else embedding.chunk(count, dim=1)

    @property
    def _networks(self) -> list[FusionNet]:
        return cast(list[FusionNet], list(self.members))


def with_members(network: FusionNet, members: object) -> FusionNet | EnsembleNet:
    """Return the network that a recipe describes: the network itself, or an ensemble of several like it.

    Args:
        network: One network; its weights are replaced when the model is loaded.
        members: The recipe's ``members``; None for a single network.

    Raises:
        InputError: ``members`` is not a number of members.
    """
    if members is None:
        return network
    if not isinstance(members, int) or isinstance(members, bool) or not 1 <= members <= MOST_MEMBERS:
        raise InputError(Problem("recipe.json", "members", repr(members), f"a whole number from 1 to {MOST_MEMBERS}"))
    return EnsembleNet([network, *(copy.deepcopy(network) for _ in range(members - 1))])


def joined_states(states: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the state dict of an `EnsembleNet` made of its members' state dicts."""
    return {f"members.{place}.{name}": value for place, state in enumerate(states) for name, value in state.items()}
