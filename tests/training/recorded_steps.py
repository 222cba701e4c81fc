"""A training whose steps are recorded on a CPU, where a `Rerun` stands for a CUDA graph."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines import SupervisedTrainer
from torch import Tensor, nn

from monai_fusion.data import FusionPrepareBatch
from monai_fusion.losses import AlignedCrossEntropy
from monai_fusion.training import (
    Checkpoints,
    EpochSeeding,
    HeadGradientClipping,
    RescalePartialAccumulation,
    StageHandler,
    StagePlan,
    TrainingStep,
)
from tests.support import TinyFusionNet

BLOCKS = [{"eeg": ["stage4"], "mri": ["layer4"]}, {"eeg": ["stage3", "stage4"], "mri": ["layer3", "layer4"]}]


class NetWithStatistics(TinyFusionNet):
    """... and BatchNorm, whose running statistics a step changes, and dropout, which draws random numbers."""

    def __init__(self) -> None:
        super().__init__(dropout=0.3)
        self.norm = nn.BatchNorm1d(4)

    def encode_mri(self, mri: Tensor) -> Tensor:
        return self.norm(super().encode_mri(mri))

    def set_trainable(self, eeg_blocks: Sequence[str], mri_blocks: Sequence[str]) -> None:
        for blocks, names in ((self.eeg_blocks, eeg_blocks), (self.mri_blocks, mri_blocks)):
            for name, block in blocks.items():
                block.requires_grad_(name in names)


class Rerun:
    """Stands for a CUDA graph on a CPU: what it recorded runs again, and writes its gradients to the same place."""

    made = 0

    def __init__(self, network: nn.Module) -> None:
        type(self).made += 1
        self.network = network
        self.replays = 0

    def record(self, work: Callable[[], None]) -> None:
        state, random = copy.deepcopy(self.network.state_dict()), torch.get_rng_state()
        work()
        torch.set_rng_state(random)
        with torch.no_grad():
            for name, buffer in self.network.named_buffers():
                if not torch.equal(buffer, state[name]):
                    buffer.copy_(state[name])
        self.work = work
        self.parameters = [each for each in self.network.parameters() if each.grad is not None]
        self.places = [each.grad for each in self.parameters]

    def replay(self) -> None:
        self.replays += 1
        before = [each.grad for each in self.parameters]
        for each in self.parameters:
            each.grad = None
        self.work()
        for each, place, old in zip(self.parameters, self.places, before, strict=True):
            assert place is not None and each.grad is not None
            place.copy_(each.grad)
            each.grad = old


def batches(sizes: Sequence[int]) -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(3)
    return [
        {
            "eeg": 10 * torch.randn(count, 3, 2, 2, generator=generator),
            "mri": 10 * torch.rand(count, 1, 2, 2, 2, generator=generator),
            "label": torch.arange(count) % 2,
        }
        for count in sizes
    ]


class Seeded:
    """Stands for the sampler, which `EpochSeeding` tells the epoch."""

    def set_epoch(self, epoch: int) -> None:
        pass


def trainer_of(network: nn.Module, step: Any, **options: Any) -> SupervisedTrainer:
    """A training of one epoch of four batches, not yet run; options take the place of its own."""
    own: dict[str, Any] = {"max_epochs": 1, "loss_function": AlignedCrossEntropy(), "optim_set_to_none": True}
    return SupervisedTrainer(
        device=torch.device("cpu"),
        train_data_loader=batches((4, 4, 4, 4)),
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=0.1),
        prepare_batch=FusionPrepareBatch(),
        iteration_update=step,
        decollate=False,
        **own | options,
    )


def train(
    network: TinyFusionNet,
    step: Any,
    accumulate: int = 1,
    sizes: Sequence[int] = (4, 4, 4, 4, 2),
    folder: Path | None = None,
    stop_after: int | None = None,
    **options: Any,
) -> tuple[dict[str, Tensor], list[float]]:
    """Three epochs, the last one in stage B; returns the state and the losses.

    With a folder, the training keeps checkpoints there, and continues from the newest one.
    """
    torch.manual_seed(11)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1)
    kept: list[Any] = []
    if folder is not None:
        validator: Any = Engine(lambda *_: None)
        validator.state.best_metric, validator.state.best_metric_epoch = 0.0, 1
        parts: dict[str, Any] = {"network": network, "optimizer": optimizer}
        kept = [Checkpoints(parts, validator, folder, {}, resume=True)]
    losses: list[float] = []
    plan = StagePlan([2, 1], BLOCKS)
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=3,
        train_data_loader=batches(sizes),
        network=network,
        optimizer=optimizer,
        loss_function=AlignedCrossEntropy(),
        prepare_batch=FusionPrepareBatch(),
        optim_set_to_none=True,
        iteration_update=step,
        train_handlers=[
            EpochSeeding(5, Seeded()),  # type: ignore[arg-type]  # all of a sampler that it needs
            StageHandler(network, plan),  # type: ignore[arg-type]  # blocks are named, as in the real network
            RescalePartialAccumulation(),
            HeadGradientClipping(network.head.parameters(), 0.25),
            *kept,
        ],
        decollate=False,
        accumulation_steps=accumulate,
        **options,
    )
    if stop_after is not None:
        trainer.add_event_handler(Events.EPOCH_COMPLETED(once=stop_after), trainer.terminate)
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda: losses.append(trainer.state.output["loss"].item()))
    trainer.run()
    return dict(network.state_dict()), losses


def recorded(network: nn.Module) -> tuple[TrainingStep, list[Rerun]]:
    made: list[Rerun] = []

    def recorder() -> Rerun:
        made.append(Rerun(network))
        return made[-1]

    return TrainingStep(None, "cpu", recorder=recorder), made
