"""The exponential moving average of the weights (EMA), which is validated and saved instead of the weights."""

from __future__ import annotations

from typing import Any

from ignite.engine import Events
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from monai_fusion.errors import InputError, Problem
from monai_fusion.training.accumulation import batches_in_step


class WeightAverage:
    """The network that is validated and saved: a moving average of the weights, or the trained network itself.

    After the optimiser's first step the average equals the weights; after each further one it is
    ``decay * average + (1 - decay) * weights`` (`torch.optim.swa_utils.AveragedModel`). Frozen weights stay identical,
    bit by bit. BatchNorm's running statistics, which are averages already, are the trained network's own.

    Args:
        network: The network that is trained, on its device.
        decay: In (0, 1); None for no average.

    Attributes:
        network: The network to validate and to save.

    Raises:
        InputError: ``decay`` is not a number between 0 and 1.
    """

    def __init__(self, network: nn.Module, decay: float | None = None) -> None:
        self._trained = network
        self._average: AveragedModel | None = None
        self.network = network
        if decay is None:
            return
        if not isinstance(decay, int | float) or not 0 < decay < 1:
            advice = "0.99 averages over about the last 100 steps"
            raise InputError(Problem("ema_decay", seen=repr(decay), wanted="a number between 0 and 1", advice=advice))
        self._average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay))  # type: ignore[no-untyped-call] # torch's
        self.network = self._average.module

    def update(self) -> None:
        """Add the weights of another step to the average."""
        if self._average is not None:
            self._average.update_parameters(self._trained)

    def state_dict(self) -> dict[str, Any]:
        """The average and its number of steps; empty without an average."""
        return {} if self._average is None else self._average.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load what :meth:`state_dict` returned."""
        if self._average is not None:
            self._average.load_state_dict(state_dict)


class WeightAveraging:
    """Keep a `WeightAverage` up to date.

    Args:
        average: The average.
    """

    def __init__(self, average: WeightAverage) -> None:
        self.average = average

    def attach(self, engine: Any) -> None:
        """Attach to a `SupervisedTrainer`."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        """Update after an iteration in which the optimiser stepped."""
        if batches_in_step(engine):
            self.average.update()
