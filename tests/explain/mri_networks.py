"""Small networks whose explanations of an MRI can be computed by hand."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from monai_fusion.explain.method import Explained
from monai_fusion.networks import BackboneEncoder, FusionNet, GatedFusionHead
from tests.support import ELECTRODES, TinyEncoder

SHAPE = (6, 8, 9)
WIDTH = 8


class Linear(nn.Module):
    """The logits of two classes are 0 and the EEG's mean plus a weighted sum of the voxels; it notes its batches."""

    def __init__(self, shape: tuple[int, int, int] = SHAPE) -> None:
        super().__init__()
        draws = torch.Generator().manual_seed(4)
        self.weight = nn.Parameter(torch.randn(shape, generator=draws))
        self.batches: list[int] = []

    def encode_eeg(self, eeg: Tensor) -> Tensor:
        return eeg.mean(dim=(1, 2, 3))[:, None]

    def encode_mri(self, mri: Tensor) -> Tensor:
        self.batches.append(len(mri))
        return (mri * self.weight).sum(dim=(1, 2, 3, 4))[:, None]

    def fuse(self, eeg: Tensor | None, mri: Tensor | None, present: Tensor | None = None) -> dict[str, Tensor]:
        total = sum(part for part in (eeg, mri) if part is not None)
        assert isinstance(total, Tensor)
        return {"logits": torch.cat([torch.zeros_like(total), total], dim=1)}


class Squared(Linear):
    """The same of the squared voxels: the gradient is not the same everywhere."""

    def encode_mri(self, mri: Tensor) -> Tensor:
        return super().encode_mri(mri**2)


class Convolved(nn.Module):
    """Two convolutions with a nonlinearity; features are means over the volume."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv3d(1, 4, 3, stride=2, padding=1), nn.BatchNorm3d(4), nn.Tanh())
        self.second = nn.Sequential(nn.Conv3d(4, 5, 3, padding=1), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x)).mean(dim=(2, 3, 4))


def convolving_net(seed: int = 0) -> FusionNet:
    """A `FusionNet` with a convolving MRI encoder of the blocks ``first`` and ``second``; participants may lack one."""
    torch.manual_seed(seed)
    blocks = {"first": ["first"], "second": ["second"]}
    encoder = BackboneEncoder(Convolved(), features=5, blocks=blocks, embedding_dim=WIDTH)
    head = GatedFusionHead(WIDTH, gate_hidden=WIDTH, hidden=WIDTH)
    net = FusionNet(TinyEncoder(ELECTRODES, WIDTH), encoder, head, absence=True)
    for parameter in net.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.7)
    for norm in net.modules():
        if isinstance(norm, nn.BatchNorm3d):
            norm.running_mean = torch.randn(norm.num_features)
            norm.running_var = 0.5 + torch.rand(norm.num_features)
    return net.eval()


def participant(shape: tuple[int, int, int] = SHAPE, seed: int = 1, segments: int = 3) -> Explained:
    """A participant with random recordings; no EEG if ``segments`` is 0."""
    draws = torch.Generator().manual_seed(seed)
    eeg = torch.randn(segments, ELECTRODES, 4, 5, generator=draws) if segments else None
    return Explained("sub-1", eeg, torch.rand(1, 1, *shape, generator=draws), label=1)


def ignored(done: int) -> None:
    """A progress bar that is not there."""
