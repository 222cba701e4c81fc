"""The head's gradient is clipped when the optimiser steps, in float32 and under mixed precision."""

from typing import Any

import pytest
import torch
from monai.engines import IterationEvents, SupervisedTrainer, Workflow
from torch import Tensor

from monai_fusion.data import FusionPrepareBatch
from monai_fusion.errors import InputError
from monai_fusion.losses import AlignedCrossEntropy
from monai_fusion.training import HeadGradientClipping
from tests.support import TinyFusionNet

# MONAI requests autocast on CUDA for any device; only the scaler matters here.
pytestmark = pytest.mark.filterwarnings("ignore:CUDA is not available:UserWarning")

SCALE = 2.0**12


class ScalingTrainer(SupervisedTrainer):
    """A trainer with an enabled gradient scaler on the CPU, where MONAI's own is for CUDA only."""

    def run(self) -> None:
        self.scaler = torch.amp.GradScaler("cpu", init_scale=SCALE)
        Workflow.run(self)


def batches(count: int) -> list[dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(3)
    return [
        {
            "eeg": 10 * torch.randn(4, 3, 2, 2, generator=generator),
            "mri": 10 * torch.rand(4, 1, 2, 2, 2, generator=generator),
            "label": torch.tensor([0, 1, 1, 0]),
        }
        for _ in range(count)
    ]


def norm(gradients: dict[str, Tensor], of_head: bool) -> float:
    chosen = [gradient for name, gradient in gradients.items() if name.startswith("head.") == of_head]
    return torch.stack([gradient.norm() for gradient in chosen]).norm().item()


def train(
    max_norm: float | None, trainer_type: type[SupervisedTrainer] = SupervisedTrainer, count: int = 1, **options: Any
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Train one epoch; return the gradients that the last step used and the parameters after it."""
    torch.manual_seed(11)
    net = TinyFusionNet()
    gradients: dict[str, Tensor] = {}
    trainer = trainer_type(
        device=torch.device("cpu"),
        max_epochs=1,
        train_data_loader=batches(count),
        network=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        loss_function=AlignedCrossEntropy(),
        prepare_batch=FusionPrepareBatch(),
        train_handlers=None if max_norm is None else [HeadGradientClipping(net.head.parameters(), max_norm)],
        decollate=False,
        **options,
    )

    @trainer.on(IterationEvents.BACKWARD_COMPLETED)  # runs after the handler above, before the optimiser's step
    def _note() -> None:
        gradients.update({name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None})

    trainer.run()
    return gradients, dict(net.state_dict())


def test_the_heads_gradient_is_clipped_to_the_norm_and_no_other_is_touched() -> None:
    free, _ = train(None)
    clipped, _ = train(0.25)
    assert norm(free, of_head=True) > 0.5  # or the test would say nothing
    assert norm(clipped, of_head=True) == pytest.approx(0.25, rel=1e-5)
    assert all(torch.equal(free[name], clipped[name]) for name in free if not name.startswith("head."))
    share = clipped["head.classifier.weight"] / free["head.classifier.weight"]
    torch.testing.assert_close(share, torch.full_like(share, 0.25 / norm(free, of_head=True)), rtol=1e-4, atol=0)


def test_a_gradient_below_the_norm_is_left_alone() -> None:
    free, after = train(None)
    clipped, clipped_after = train(1e6)
    assert all(torch.equal(free[name], clipped[name]) for name in free)
    assert all(torch.equal(after[name], clipped_after[name]) for name in after)


@pytest.mark.parametrize("max_norm", [0.25, 1e6])
def test_under_a_gradient_scaler_the_step_is_the_float32_one(max_norm: float) -> None:
    plain, plain_after = train(max_norm)
    scaled, scaled_after = train(max_norm, ScalingTrainer, amp=True)
    for name, gradient in plain.items():  # unscaled before they were clipped, all of them, and only once
        torch.testing.assert_close(scaled[name], gradient, rtol=1e-5, atol=1e-8)
    for name, value in plain_after.items():
        torch.testing.assert_close(scaled_after[name], value, rtol=1e-5, atol=1e-7)


def test_without_clipping_the_scaler_scales_what_is_compared_here() -> None:
    plain, _ = train(None)
    scaled, _ = train(None, ScalingTrainer, amp=True)
    assert norm(scaled, of_head=True) == pytest.approx(SCALE * norm(plain, of_head=True), rel=1e-4)


@pytest.mark.parametrize("trainer_type", [SupervisedTrainer, ScalingTrainer])
@pytest.mark.parametrize("count", [2, 3])
def test_accumulated_gradients_are_clipped_as_a_whole(trainer_type: type[SupervisedTrainer], count: int) -> None:
    """Two batches accumulated; with three, the last step uses the last batch alone."""
    options: dict[str, Any] = {"amp": trainer_type is ScalingTrainer, "accumulation_steps": 2, "count": count}
    last, _ = train(0.25, trainer_type, **options)
    assert norm(last, of_head=True) == pytest.approx(0.25, rel=1e-5)
    if count == 2:
        free, _ = train(None, accumulation_steps=2, count=2)
        share = last["head.classifier.weight"] / free["head.classifier.weight"]
        torch.testing.assert_close(share, torch.full_like(share, 0.25 / norm(free, of_head=True)), rtol=1e-3, atol=0)


@pytest.mark.parametrize("max_norm", [0, -1.0, float("nan")])
def test_a_norm_that_is_not_positive_is_refused(max_norm: float) -> None:
    with pytest.raises(InputError, match=f"clip_norm: {max_norm}, expected a number above 0"):
        HeadGradientClipping([], max_norm)
