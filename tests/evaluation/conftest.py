"""One randomly initialised network for this folder, and a small one that counts what it is asked for."""

from __future__ import annotations

import pytest
import torch

from monai_fusion.networks import FusionNet, standard_network


@pytest.fixture(scope="session")
def built_net() -> FusionNet:
    """The real network, in evaluation mode, as sure of itself as a trained one and as different from input to input."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        net = standard_network(pretrained=False)
        for name, parameter in net.eeg_enc.backbone.named_parameters():
            if name.endswith(".gamma"):  # at timm's initial 1e-6 a block is all but the identity
                torch.nn.init.uniform_(parameter, 0.1, 0.5)
        with torch.no_grad():
            net.head.classifier[-1].weight.mul_(300)
    return net.eval()
