"""The numbers of an iteration in a trainer's state, for the handlers that show or record them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from ignite.engine import Engine

from monai_fusion.keys import GATE


def loss_and_gate(engine: Engine) -> torch.Tensor:
    """Return the loss and the mean gate of the iteration, [2] float32, still on the device.

    To read a value, the host has to wait for the GPU: collect them and read many at once.
    """
    output: dict[str, Any] = engine.state.output
    return torch.stack([output["loss"].detach().float(), output["pred"][GATE].detach().float().mean()])


def means(values: Sequence[torch.Tensor]) -> tuple[float, float]:
    """Read the means over several iterations of what `loss_and_gate` returned, at once."""
    columns = torch.stack(list(values)).unbind(dim=1)
    loss, gate = torch.stack([column.contiguous().mean() for column in columns]).tolist()
    return loss, gate


def learning_rates(engine: Any) -> dict[str, float]:
    """Return the learning rate of each of the optimiser's groups by its name; empty without an optimiser."""
    groups = getattr(getattr(engine, "optimizer", None), "param_groups", ())
    return {str(group.get("name", place)): float(group["lr"]) for place, group in enumerate(groups)}
