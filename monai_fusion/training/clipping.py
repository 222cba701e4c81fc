"""Gradient clipping that is right under mixed precision."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from monai.engines import IterationEvents
from torch import nn

from monai_fusion.errors import InputError, Problem
from monai_fusion.training.accumulation import batches_in_step


class HeadGradientClipping:
    """Clip the fusion head's gradients to a norm, after unscaling them under mixed precision.

    With gradient accumulation the sum is clipped, in the iteration in which the optimiser steps.

    Args:
        parameters: The parameters whose joint gradient norm is limited.
        max_norm: The largest L2 norm.

    Raises:
        InputError: ``max_norm`` is not positive.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], max_norm: float) -> None:
        if not max_norm > 0:
            raise InputError(Problem("clip_norm", seen=repr(max_norm), wanted="a number above 0"))
        self.parameters = list(parameters)
        self.max_norm = max_norm

    def attach(self, engine: Any) -> None:
        """Attach to a `SupervisedTrainer`, between its backward pass and the optimiser's step."""
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        """Clip the gradients that the optimiser is about to use."""
        if not batches_in_step(engine):
            return
        if engine.scaler is not None:
            # GradScaler.step() notices that these gradients are unscaled already and does not divide them again.
            engine.scaler.unscale_(engine.optimizer)
        torch.nn.utils.clip_grad_norm_(self.parameters, self.max_norm)
