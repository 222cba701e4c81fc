"""Two-stage training: which blocks train in which epochs, and the handler that changes stage."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ignite.engine import Engine, Events
from torch import nn

from monai_fusion.errors import InputError, Problem
from monai_fusion.wording import counted

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stage:
    """A number of epochs in which the same blocks train.

    Attributes:
        name: Its name in the log, e.g. ``A``.
        epochs: Its length; 0 omits it.
        eeg_blocks: Blocks of the EEG encoder, e.g. ``("stage3", "stage4")``.
        mri_blocks: Blocks of the MRI encoder, e.g. ``("layer4",)``.
    """

    name: str
    epochs: int
    eeg_blocks: tuple[str, ...]
    mri_blocks: tuple[str, ...]


class StagedNetwork(Protocol):
    """The methods of a network that the stages need."""

    def set_trainable(self, eeg_blocks: Sequence[str], mri_blocks: Sequence[str]) -> None:
        """Let exactly these blocks, the heads and (if configured) the EEG stem train."""

    def parameters(self) -> Iterable[nn.Parameter]:
        """All parameters."""


class StagePlan:
    """The stages of a training in order.

    Args:
        num_epochs: The number of epochs of each stage.
        blocks: For each stage ``{"eeg": [...], "mri": [...]}``, the blocks that train in it.
        val_interval: The number of epochs between two validations; the last epoch must be validated.
        modalities: ``eeg`` or ``mri`` if only that encoder is used: no stage trains blocks of the other.

    Raises:
        InputError: The two lists differ in length, no epoch trains, or the last epoch is not validated.
    """

    def __init__(
        self,
        num_epochs: Sequence[int],
        blocks: Sequence[dict[str, Sequence[str]]],
        val_interval: int = 1,
        modalities: str = "both",
    ) -> None:
        epochs = list(num_epochs) if isinstance(num_epochs, Sequence) else [num_epochs]
        if len(epochs) != len(blocks):
            wanted = f"{len(blocks)} numbers, one per stage"
            raise InputError(Problem("num_epochs", seen=repr(num_epochs), wanted=wanted, advice='e.g. "[15, 10]"'))
        if any(not isinstance(count, int) or count < 0 for count in epochs) or sum(epochs) < 1:
            raise InputError(Problem("num_epochs", seen=repr(num_epochs), wanted="whole numbers, not all 0"))
        self.stages = tuple(
            Stage(
                chr(ord("A") + place),
                count,
                () if modalities == "mri" else tuple(part.get("eeg", ())),
                () if modalities == "eeg" else tuple(part.get("mri", ())),
            )
            for place, (count, part) in enumerate(zip(epochs, blocks, strict=True))
        )
        if val_interval < 1 or self.total_epochs % val_interval:
            wanted = f"a divisor of the {self.total_epochs} epochs: the last one must be validated"
            raise InputError(Problem("val_interval", seen=repr(val_interval), wanted=wanted))
        self.val_interval = val_interval

    @property
    def total_epochs(self) -> int:
        """The number of epochs over all stages."""
        return sum(stage.epochs for stage in self.stages)

    def at(self, epoch: int) -> Stage:
        """Return the stage of an epoch (from 1); past the end, the last one."""
        end = 0
        for stage in self.stages:
            end += stage.epochs
            if epoch <= end:
                return stage
        return self.stages[-1]

    def bounds(self, epoch: int) -> tuple[int, int]:
        """Return the epoch before an epoch's stage and the stage's last one."""
        end = 0
        for stage in self.stages:
            end += stage.epochs
            if epoch <= end:
                break
        return end - stage.epochs, end


class StageHandler:
    """Unfreeze the blocks of an epoch's stage at the start of the epoch.

    The stage follows from the epoch alone, so a resumed run needs no further state.

    Args:
        network: A `FusionNet`.
        plan: The stages.
    """

    def __init__(self, network: StagedNetwork, plan: StagePlan) -> None:
        self.network = network
        self.plan = plan
        self._current: Stage | None = None

    def attach(self, engine: Engine) -> None:
        """Attach to a trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Enter the stage of the epoch that starts."""
        stage = self.plan.at(engine.state.epoch)
        if stage == self._current:
            return
        self._current = stage
        self.network.set_trainable(stage.eeg_blocks, stage.mri_blocks)
        trained = sum(parameter.numel() for parameter in self.network.parameters() if parameter.requires_grad)
        logger.info(
            "stage %s (%s): EEG %s, MRI %s, and the heads; %.1f M parameters train",
            stage.name,
            counted(stage.epochs, "epoch"),
            ", ".join(stage.eeg_blocks) or "nothing",
            ", ".join(stage.mri_blocks) or "nothing",
            trained / 1e6,
        )


def parameter_groups(network: Any, plan: StagePlan, head_lr: float, encoder_lr: float) -> list[dict[str, Any]]:
    """Collect every parameter that any stage trains, once, for the optimiser.

    The optimiser has all groups from the start: it skips a parameter without a gradient (also in weight decay), so
    parameters that only stage B trains do not change in stage A, and no group ever has to be added.

    Args:
        network: A `FusionNet`; afterwards it is set to the plan's first stage.
        plan: The stages.
        head_lr: Learning rate of the fusion head.
        encoder_lr: Learning rate of the encoders with their projection heads.

    Returns:
        Two groups, ``fusion_head`` and ``encoders``, as `torch.optim` takes them.
    """
    head = list(network.head.parameters())
    of_head = {id(parameter) for parameter in head}
    encoders: dict[int, nn.Parameter] = {}
    for stage in reversed([stage for stage in plan.stages if stage.epochs]):
        network.set_trainable(stage.eeg_blocks, stage.mri_blocks)
        for parameter in network.parameters():
            if parameter.requires_grad and id(parameter) not in of_head:
                encoders.setdefault(id(parameter), parameter)
    in_order = [parameter for parameter in network.parameters() if id(parameter) in encoders]
    return [
        {"params": head, "lr": head_lr, "name": "fusion_head"},
        {"params": in_order, "lr": encoder_lr, "name": "encoders"},
    ]
