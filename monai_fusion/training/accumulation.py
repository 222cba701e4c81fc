"""Gradient accumulation: the iterations in which the optimiser steps, and the number of batches for each step."""

from __future__ import annotations

from typing import Any

from monai.engines import IterationEvents


def batches_in_step(engine: Any) -> int:
    """Return the number of batches whose gradients the optimiser uses in this iteration; 0 if it does not step.

    It steps after every ``accumulation_steps`` batches and at the end of an epoch, as `SupervisedTrainer` does.

    Args:
        engine: A `SupervisedTrainer`, during or just after an iteration.
    """
    length, together = engine.state.epoch_length, engine.accumulation_steps
    done = engine.state.iteration if length is None else (engine.state.iteration - 1) % length + 1
    if done % together == 0:
        return int(together)
    return int(done % together) if done == length else 0


class RescalePartialAccumulation:
    """Let an epoch's last step use the mean over the remaining batches.

    `SupervisedTrainer` divides each batch's loss by ``accumulation_steps``: if fewer batches remain, their sum is less
    than a mean. Place it before the clipping in the list of handlers. Without accumulation it does nothing.
    """

    def attach(self, engine: Any) -> None:
        """Attach to a `SupervisedTrainer`, between its backward pass and the optimiser's step."""
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        """Scale the gradients of a step that has fewer batches."""
        batches = batches_in_step(engine)
        if batches in (0, engine.accumulation_steps):
            return
        for group in engine.optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.mul_(engine.accumulation_steps / batches)
