"""Training on many devices: what each rank's trainer does in addition to its own part of the batch."""

from __future__ import annotations

import gc
import inspect
import logging
import warnings
from typing import Any

import torch
from ignite.engine import Events
from monai.engines import IterationEvents
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from monai_fusion import ranks
from monai_fusion.data.distributed_sampling import DistributedTrainingSampler
from monai_fusion.keys import GATE

logger = logging.getLogger(__name__)

# This module averages the statistics. Copying rank 0's before each forward pass would also make frozen blocks look
# changed, and their inference form would be made again. Newer versions of torch have another name for it.
_PARAMETERS = inspect.signature(DistributedDataParallel.__init__).parameters
_BUFFERS_LEFT_ALONE: dict[str, Any] = {
    "forward_sync_buffers" if "forward_sync_buffers" in _PARAMETERS else "broadcast_buffers": False
}


class DistributedGradients:
    """Average the gradients over the ranks, and keep all other state identical on them, to the bit.

    Place it after the `StageHandler`. Only the trainer sees the network wrapped in `DistributedDataParallel`: handlers
    that save, clip, evaluate or change stage work with the network itself.

    * The wrapper registers the parameters that train when it is made; each rank would silently train parameters that
      are unfrozen later on its own. So the handler makes a new one whenever other parameters train, in each stage.
    * The mean loss over the ranks is that of the whole batch, also of a short one: see
      `DistributedTrainingSampler.weight`. It and the batch's mean gate replace the rank's own in the trainer's
      output, so that logs and decisions agree.
    * BatchNorm of the blocks that train: on GPUs `SyncBatchNorm` normalises over the whole batch. It does not exist for
      CPUs: there each rank normalises over its slice, and the running statistics are averaged after each iteration. A
      running mean is linear in its inputs, so the result is that of all slices together. Frozen BatchNorm does not
      change in either case.
    * If recordings may be absent, a rank's slice can lack them all: the wrapper then searches in each iteration for
      parameters without a gradient on this rank, and BatchNorm is treated on GPUs as on CPUs, because a rank that does
      not run it would leave the others waiting.

    Args:
        share: The sampler of this rank's training data.
        allows_missing: Whether participants may lack a recording.
    """

    def __init__(self, share: DistributedTrainingSampler, allows_missing: bool = False) -> None:
        self.share = share
        self.allows_missing = allows_missing
        self._network: Any = None
        self._wrapped: list[nn.Parameter] = []

    def attach(self, engine: Any) -> None:
        """Attach to a `SupervisedTrainer` that runs with ``decollate=False``."""
        if ranks.world_size() == 1:
            return
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.EPOCH_STARTED, self._wrap)
        engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self._weigh)
        engine.add_event_handler(IterationEvents.MODEL_COMPLETED, self._agree)
        engine.add_event_handler(Events.COMPLETED, self._unwrap)

    def _start(self, engine: Any) -> None:
        # Some convolutions' gradients have other strides than their weights: this costs a copy of 150 kB in ConvNeXt.
        warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
        self._network = engine.network
        if torch.device(engine.state.device).type == "cuda" and not self.allows_missing:
            synchronize_batchnorm(self._network)
        logger.info(
            "%d devices: each processes %d of the %d participants in a batch",
            *(ranks.world_size(), self.share.batch_size // ranks.world_size(), self.share.batch_size),
        )

    def _wrap(self, engine: Any) -> None:
        training = [parameter for parameter in self._network.parameters() if parameter.requires_grad]
        if len(training) == len(self._wrapped) and all(map(_same, training, self._wrapped)):
            return
        self._unwrap(engine)
        engine.network = DistributedDataParallel(
            self._network,
            gradient_as_bucket_view=True,
            find_unused_parameters=self.allows_missing,
            **_BUFFERS_LEFT_ALONE,
        )
        self._wrapped = training

    def _unwrap(self, engine: Any) -> None:
        """Give the trainer its network back, and release the wrapper with its hooks in the parameters."""
        engine.network, self._wrapped = self._network, []
        gc.collect()  # the wrapper is part of a reference cycle

    def _weigh(self, engine: Any) -> None:
        weight = self._weight(engine)
        if weight != 1:
            engine.state.output["loss"] = engine.state.output["loss"] * weight

    def _weight(self, engine: Any) -> float:
        return self.share.weight((engine.state.iteration - 1) % engine.state.epoch_length)

    def _agree(self, engine: Any) -> None:
        output = engine.state.output
        pred = output["pred"]
        loss = output["loss"].detach().clone()  # weighted already
        gate = pred[GATE].detach().float().mean() * self._weight(engine)
        ranks.average_([loss, gate, *_local_statistics(self._network)])
        engine.state.output = {**output, "loss": loss, "pred": {**pred, GATE: gate.expand_as(pred[GATE])}}


def synchronize_batchnorm(network: nn.Module) -> None:
    """Replace every BatchNorm in a network by a `SyncBatchNorm` with the same parameters, statistics and names."""
    nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call] # of torch


def _local_statistics(network: nn.Module) -> list[Tensor]:
    """The running statistics that this iteration changed, on each rank by its own slice of the batch."""
    return [
        statistic
        for module in network.modules()
        if isinstance(module, _BatchNorm) and not isinstance(module, nn.SyncBatchNorm) and module.training
        for statistic in (module.running_mean, module.running_var)
        if statistic is not None
    ]


def _same(one: nn.Parameter, other: nn.Parameter) -> bool:
    return one is other
