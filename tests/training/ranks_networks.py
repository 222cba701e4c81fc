"""The networks that `ranks_job` trains."""

from __future__ import annotations

from torch import Tensor, nn

from monai_fusion import ranks
from monai_fusion.networks import FusionNet, standard_network
from tests.support import TinyFusionNet, tiny_absence_net


class NormedNet(TinyFusionNet):
    """The tiny network with a BatchNorm that trains, or one that does not change, as a frozen one."""

    def __init__(self, resting: bool, dropout: float) -> None:
        super().__init__(dropout=dropout)
        self.norm = nn.BatchNorm1d(4)
        self.resting = resting

    def encode_mri(self, mri: Tensor) -> Tensor:
        return self.norm(super().encode_mri(mri))  # type: ignore[no-any-return] # of torch

    def train(self, mode: bool = True) -> NormedNet:
        super().train(mode)
        self.norm.train(mode and not self.resting)
        return self


class SpoiltOnRank1(NormedNet):
    """Rank 1 computes NaN for its slice of the third batch."""

    def __init__(self) -> None:
        super().__init__(resting=False, dropout=0.0)
        self.passes = 0

    def encode_mri(self, mri: Tensor) -> Tensor:
        self.passes += self.training
        return super().encode_mri(mri) * (float("nan") if self.passes == 3 and ranks.rank() == 1 else 1.0)


def resting() -> NormedNet:
    return NormedNet(resting=True, dropout=0.0)


def free() -> NormedNet:
    return NormedNet(resting=False, dropout=0.3)


def real() -> FusionNet:
    return standard_network(pretrained=False)


def real_without_chance() -> FusionNet:
    return standard_network(
        pretrained=False, eeg={"dropout": 0.0}, mri={"dropout": 0.0}, head={"dropout": 0.0}, absence=True
    )


def tiny_absent() -> FusionNet:
    return tiny_absence_net(dropout=0.3)
