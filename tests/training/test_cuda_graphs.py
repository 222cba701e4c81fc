"""What only a GPU shows: recorded steps of the real network are the steps themselves."""

import logging
from typing import Any

import pytest
import torch
from ignite.engine import Events
from monai.engines import SupervisedTrainer
from torch import Tensor

from monai_fusion.data import FusionPrepareBatch
from monai_fusion.losses import AlignedCrossEntropy
from monai_fusion.networks import FusionNet, standard_network
from monai_fusion.training import (
    EpochSeeding,
    HeadGradientClipping,
    PrecisionInferer,
    StageHandler,
    StagePlan,
    TrainingStep,
    parameter_groups,
)

pytestmark = pytest.mark.gpu

BLOCKS = [
    {"eeg": ["stage3", "stage4"], "mri": ["layer4"]},
    {"eeg": ["stage2", "stage3", "stage4"], "mri": ["layer3", "layer4"]},
]


class _Sampler:
    def set_epoch(self, epoch: int) -> None:
        pass


def batches(count: int, size: int, last: int) -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(3)
    return [
        {
            "eeg": torch.randn(number, 17, 64, 64, generator=generator),
            "mri": torch.rand(number, 1, 32, 32, 32, generator=generator),
            "label": torch.arange(number) % 2,
            "participant_id": [f"sub-{place}" for place in range(number)],
        }
        for number in [size] * (count - 1) + [last]
    ]


def train(cuda_graphs: bool | None, precision: str, accumulate: int = 1) -> tuple[dict[str, Tensor], list[float]]:
    """Two epochs of stage A and two of B, with a validation's changes of mode in between."""
    torch.manual_seed(0)
    network: FusionNet = standard_network(pretrained=False).cuda()
    plan, losses = StagePlan([2, 2], BLOCKS), []
    step = TrainingStep(cuda_graphs, "cuda", precision)
    optimizer = torch.optim.AdamW(parameter_groups(network, plan, 2e-4, 1e-4), fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=4)
    trainer = SupervisedTrainer(
        device=torch.device("cuda"),
        max_epochs=4,
        train_data_loader=batches(6, 4, 3),
        network=network,
        optimizer=optimizer,
        loss_function=AlignedCrossEntropy(class_weights=[1.0, 2.0]),
        prepare_batch=FusionPrepareBatch(),
        inferer=PrecisionInferer(precision),
        iteration_update=step,
        optim_set_to_none=True,
        train_handlers=[
            EpochSeeding(5, _Sampler()),  # type: ignore[arg-type]  # all of a sampler that it needs
            StageHandler(network, plan),
            HeadGradientClipping(network.head.parameters(), 0.5),
        ],
        decollate=False,
        accumulation_steps=accumulate,
    )
    probe = batches(1, 4, 4)[0]

    def validate(engine: Any) -> None:
        schedule.step()
        network.eval()
        with torch.no_grad(), torch.autocast("cuda", dtype=torch.bfloat16, enabled=precision == "bfloat16"):
            losses.append(network(probe["eeg"].cuda(), probe["mri"].cuda())["logits"].sum().item())

    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda: losses.append(trainer.state.output["loss"].item()))
    trainer.add_event_handler(Events.EPOCH_COMPLETED, validate)
    trainer.run()
    assert step.obstacle is None or cuda_graphs is False
    return {name: value.cpu() for name, value in network.state_dict().items()}, losses


@pytest.fixture
def deterministic(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernels of `monai.utils.set_determinism`, which a training calls."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)


@pytest.mark.usefixtures("deterministic")
@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_recorded_steps_train_the_same_network_to_the_bit(precision: str, accumulate: int) -> None:
    """With dropout, BatchNorm, two stages, a smaller last batch, a schedule, and a look at the network in between."""
    usual, usual_losses = train(False, precision, accumulate)
    again, again_losses = train(False, precision, accumulate)
    recorded, losses = train(None, precision, accumulate)
    assert usual_losses == again_losses, "two trainings without a recording differ"
    assert losses == usual_losses
    for name, value in usual.items():
        assert torch.equal(again[name], value) and torch.equal(recorded[name], value), name


def test_a_network_that_waits_for_the_gpu_trains_as_usual(caplog: pytest.LogCaptureFixture) -> None:
    """And the generator of random numbers works afterwards, which a broken recording could leave behind."""

    class Waits(AlignedCrossEntropy):
        def forward(self, pred: Any, label: Tensor) -> Tensor:
            loss = super().forward(pred, label)
            return loss if loss.item() > 0 else 2 * loss

    torch.manual_seed(0)
    network = standard_network(pretrained=False).cuda()
    step, losses = TrainingStep(None, "cuda", "bfloat16"), []
    trainer = SupervisedTrainer(
        device=torch.device("cuda"),
        max_epochs=1,
        train_data_loader=batches(6, 4, 4),
        network=network,
        optimizer=torch.optim.AdamW(network.parameters(), lr=1e-4),
        loss_function=Waits(),
        prepare_batch=FusionPrepareBatch(),
        inferer=PrecisionInferer("bfloat16"),
        iteration_update=step,
        optim_set_to_none=True,
        decollate=False,
    )
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda: losses.append(trainer.state.output["loss"].item()))
    with caplog.at_level(logging.WARNING, logger="monai_fusion"):
        trainer.run()
    assert len(losses) == 6 and all(0 < loss < 10 for loss in losses)
    assert "off" in str(step) and "CUDA graphs: off" in caplog.text
    torch.manual_seed(1)
    assert torch.rand(2, device="cuda").isfinite().all()
