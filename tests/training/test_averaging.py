"""The moving average of the weights: its formula, what it does not change, and when it is updated."""

from typing import Any

import pytest
import torch
from ignite.engine import Events
from monai.engines import SupervisedTrainer
from torch import nn

from monai_fusion.data import FusionPrepareBatch
from monai_fusion.errors import InputError
from monai_fusion.losses import AlignedCrossEntropy
from monai_fusion.networks import FusionNet, standard_network
from monai_fusion.training import WeightAverage, WeightAveraging
from tests.support import TinyFusionNet


def vector(network: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten().double() for parameter in network.parameters()])


def train(network: nn.Module, average: WeightAverage, accumulate: int = 1, count: int = 3) -> list[torch.Tensor]:
    """Train over some batches; return the weights after each iteration."""
    generator = torch.Generator().manual_seed(3)
    batch = {
        "eeg": 10 * torch.randn(4, 3, 2, 2, generator=generator),
        "mri": 10 * torch.rand(4, 1, 2, 2, 2, generator=generator),
        "label": torch.tensor([0, 1, 1, 0]),
    }
    weights: list[torch.Tensor] = []
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=1,
        train_data_loader=[batch] * count,
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=0.5),
        loss_function=AlignedCrossEntropy(),
        prepare_batch=FusionPrepareBatch(),
        train_handlers=[WeightAveraging(average)],
        decollate=False,
        accumulation_steps=accumulate,
    )

    @trainer.on(Events.ITERATION_COMPLETED)
    def _note() -> None:
        weights.append(vector(network))

    trainer.run()
    return weights


def test_the_average_is_the_one_by_hand(tiny_net: TinyFusionNet) -> None:
    average = WeightAverage(tiny_net, 0.8)
    first, second, third = train(tiny_net, average)
    expected = 0.8 * (0.8 * first + 0.2 * second) + 0.2 * third
    torch.testing.assert_close(vector(average.network), expected, rtol=0, atol=1e-6)
    assert (expected - third).abs().max() > 1e-3  # or the test would say nothing


def test_it_follows_steps_and_not_batches(tiny_net: TinyFusionNet) -> None:
    average = WeightAverage(tiny_net, 0.8)
    weights = train(tiny_net, average, accumulate=2, count=5)  # steps after batches 2, 4 and 5
    expected = 0.8 * (0.8 * weights[1] + 0.2 * weights[3]) + 0.2 * weights[4]
    torch.testing.assert_close(vector(average.network), expected, rtol=0, atol=1e-6)


def test_the_trained_network_is_not_touched(tiny_net: TinyFusionNet) -> None:
    torch.manual_seed(5)
    alone, averaged = TinyFusionNet(), TinyFusionNet()
    averaged.load_state_dict(alone.state_dict())
    plain = train(alone, WeightAverage(alone, None))
    assert all(torch.equal(a, b) for a, b in zip(plain, train(averaged, WeightAverage(averaged, 0.9)), strict=True))


def test_without_a_decay_it_is_the_network_itself(tiny_net: TinyFusionNet) -> None:
    average = WeightAverage(tiny_net, None)
    average.update()
    assert average.network is tiny_net and average.state_dict() == {}
    average.load_state_dict({})


def test_frozen_parts_keep_every_bit_and_batchnorm_statistics_are_the_networks_own(built_net: FusionNet) -> None:
    """Of 60 million parameters some would drift if equal values were averaged as d * p + (1 - d) * p."""
    network = standard_network(pretrained=False)
    network.load_state_dict(built_net.state_dict())
    network.set_trainable(["stage4"], ["layer4"])
    average = WeightAverage(network, 0.9)
    for number in range(1, 6):
        network.train()
        network.encode_mri(torch.rand(2, 1, 8, 16, 16) * number)  # moves the statistics of layer4
        with torch.no_grad():
            for parameter in network.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.01 * number)
        average.update()
    frozen = {name for name, parameter in network.named_parameters() if not parameter.requires_grad}
    before, averaged, now = built_net.state_dict(), average.network.state_dict(), network.state_dict()
    assert len(frozen) > 50 and all(torch.equal(averaged[name], before[name]) for name in frozen)
    trained = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
    assert not any(torch.equal(averaged[name], now[name]) for name in trained)
    buffers = [name for name, _ in network.named_buffers()]
    moved = [name for name in buffers if not torch.equal(before[name], now[name])]
    assert moved and all("layer4" in name for name in moved)
    assert all(torch.equal(averaged[name], now[name]) for name in buffers)
    shared = {p.data_ptr() for p in network.parameters()} & {p.data_ptr() for p in average.network.parameters()}
    assert not shared


def test_another_average_continues_equally_from_its_state(tiny_net: TinyFusionNet) -> None:
    average, other = WeightAverage(tiny_net, 0.8), WeightAverage(tiny_net, 0.8)
    train(tiny_net, average)
    other.load_state_dict(average.state_dict())
    with torch.no_grad():
        tiny_net.classifier.weight.mul_(2)
    average.update()
    other.update()
    assert torch.equal(vector(average.network), vector(other.network))


@pytest.mark.parametrize("decay", [0, 1, 1.5, -0.1, "0.9", True])
def test_a_wrong_decay_is_refused(tiny_net: TinyFusionNet, decay: Any) -> None:
    with pytest.raises(InputError, match=f"ema_decay: {decay!r}, expected a number between 0 and 1: 0.99 averages"):
        WeightAverage(tiny_net, decay)
