"""Gradient clipping that is right under mixed precision."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from monai.engines import IterationEvents
from torch import nn


class HeadGradientClipping:
    """Clip the fusion head's gradients to a norm, after they were unscaled under mixed precision.

    Args:
        parameters: The parameters whose joint gradient norm is limited.
        max_norm: The largest L2 norm.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], max_norm: float) -> None:
        if not max_norm > 0:
            raise ValueError(f"max_norm must be positive, got {max_norm}")
        self.parameters = list(parameters)
        self.max_norm = max_norm

    def attach(self, engine: Any) -> None:
        """Attach to a `SupervisedTrainer`, between its backward pass and the optimiser's step."""
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        """Clip the gradients of the iteration."""
        if engine.scaler is not None:
            # GradScaler.step() notices that these gradients are unscaled already and does not divide them again.
            engine.scaler.unscale_(engine.optimizer)
        torch.nn.utils.clip_grad_norm_(self.parameters, self.max_norm)
