"""A large batch in several small ones gives the same steps."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from ignite.engine import Events
from monai.engines import SupervisedTrainer
from torch import Tensor

from monai_fusion.data import FusionPrepareBatch
from monai_fusion.losses import AlignedCrossEntropy
from monai_fusion.training import HeadGradientClipping, RescalePartialAccumulation, batches_in_step
from tests.support import TinyFusionNet


def samples(count: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {
        "eeg": 10 * torch.randn(count, 3, 2, 2, generator=generator),
        "mri": 10 * torch.rand(count, 1, 2, 2, 2, generator=generator),
        "label": torch.arange(count) % 2,
    }


def train(batch_size: int, accumulate: int, handlers: Sequence[str] = ("full", "clip")) -> dict[str, Tensor]:
    """Two epochs over ten samples; returns the parameters."""
    torch.manual_seed(11)
    net = TinyFusionNet()
    whole = samples(10)
    made = {"full": RescalePartialAccumulation(), "clip": HeadGradientClipping(net.head.parameters(), 0.25)}
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=2,
        train_data_loader=[
            {name: value[start : start + batch_size] for name, value in whole.items()}
            for start in range(0, 10, batch_size)
        ],
        network=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9),
        loss_function=AlignedCrossEntropy(),
        prepare_batch=FusionPrepareBatch(),
        optim_set_to_none=True,
        train_handlers=[made[name] for name in handlers],
        decollate=False,
        accumulation_steps=accumulate,
    )
    trainer.run()
    return dict(net.state_dict())


def largest_difference(first: dict[str, Tensor], second: dict[str, Tensor]) -> float:
    return max((first[name] - second[name]).abs().max().item() for name in first)


@pytest.mark.parametrize(("batch_size", "accumulate"), [(2, 2), (1, 4)])
def test_batches_of_4_and_as_many_accumulated_give_the_same_network(batch_size: int, accumulate: int) -> None:
    """Ten samples: the last step of an epoch has two of them only."""
    large = train(4, 1)
    assert largest_difference(large, train(batch_size, accumulate)) < 1e-6
    assert largest_difference(large, train(batch_size, 1)) > 1e-3  # or the test would say nothing


def test_monais_own_scaling_would_make_the_last_step_of_an_epoch_too_short() -> None:
    assert largest_difference(train(4, 1), train(2, 2, handlers=["clip"])) > 1e-4


def test_without_accumulation_no_bit_changes() -> None:
    with_it, without = train(4, 1), train(4, 1, handlers=["clip"])
    assert all(torch.equal(with_it[name], without[name]) for name in without)


@pytest.mark.parametrize(("accumulate", "expected"), [(1, "11111"), (2, "02021"), (3, "00302"), (7, "00005")])
def test_the_optimiser_steps_when_the_batches_are_complete_and_at_the_end(accumulate: int, expected: str) -> None:
    net = TinyFusionNet()
    steps: list[int] = []
    seen: list[int] = []

    class Counting(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:
            seen.append(len(steps))

    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=2,
        train_data_loader=[samples(1)] * 5,
        network=net,
        optimizer=Counting(net.parameters(), lr=0.1),
        loss_function=AlignedCrossEntropy(),
        prepare_batch=FusionPrepareBatch(),
        decollate=False,
        accumulation_steps=accumulate,
    )
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: steps.append(batches_in_step(engine)))
    trainer.run()
    assert "".join(map(str, steps)) == 2 * expected
    assert seen == [place for place, batches in enumerate(steps) if batches]  # as MONAI's trainer really stepped
