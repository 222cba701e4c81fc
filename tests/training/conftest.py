"""Small networks for tests of the engine, the real one for tests of freezing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from monai_fusion.networks import FusionNet, standard_network
from tests.support import TinyFusionNet


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1337)
        yield


@pytest.fixture
def tiny_net() -> TinyFusionNet:
    return TinyFusionNet()


@pytest.fixture(scope="session")
def built_net() -> FusionNet:
    """The shared real network; a test that changes it copies it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        return standard_network(pretrained=False)
