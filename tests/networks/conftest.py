"""One randomly initialised network for all tests of this folder: building it takes a second, copying it does not."""

import copy
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from monai_fusion.networks import FusionNet, standard_network


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1337)
        yield


@pytest.fixture(scope="session")
def built_net() -> FusionNet:
    """The shared network; a test that changes it takes ``net``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        net = standard_network(pretrained=False)
        for name, parameter in net.eeg_enc.backbone.named_parameters():
            if name.endswith(".gamma"):  # as after training: at timm's initial 1e-6 a block is all but the identity
                torch.nn.init.uniform_(parameter, 0.1, 0.5)
    return net.eval()


@pytest.fixture
def net(built_net: FusionNet) -> FusionNet:
    return copy.deepcopy(built_net)


@pytest.fixture
def eeg() -> Tensor:
    return torch.randn(3, 17, 64, 64)


@pytest.fixture
def mri() -> Tensor:
    return torch.rand(3, 1, 16, 32, 32)
