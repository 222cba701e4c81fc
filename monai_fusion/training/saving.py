"""The trained network on disk: ``model.pt`` and ``fusion_convnext_r3d18_gated_align.pth``."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from ignite.engine import Engine, Events

from monai_fusion import ranks
from monai_fusion.errors import InputError, Problem
from monai_fusion.files import write_atomically
from monai_fusion.run_folder import EXPORT_FILE, MODEL_FILE


class ExportableNetwork(Protocol):
    """The methods of a network that saving needs."""

    def state_dict(self) -> dict[str, Any]:
        """The whole network, as `torch.nn.Module` returns it."""

    def export_state(self) -> dict[str, dict[str, torch.Tensor]]:
        """The state dicts ``eeg_enc``, ``mri_enc`` and ``head``."""


class ModelSaver:
    """Save the network after each validation that is the best so far (or after each, with ``keep="last"``).

    It writes both files atomically: a run that is killed leaves the last complete ones.

    Args:
        network: A `FusionNet`.
        folder: Where the files are written; it must exist.
        keep: ``"best"`` keeps the epoch with the best key metric, ``"last"`` the last one.
        also: Functions that write further files of a kept epoch, e.g. its calibration.

    Raises:
        InputError: ``keep`` is neither.
    """

    def __init__(
        self,
        network: ExportableNetwork,
        folder: str | os.PathLike[str],
        keep: Literal["best", "last"] = "best",
        also: Sequence[Callable[[], None]] = (),
    ) -> None:
        if keep not in ("best", "last"):
            raise InputError(Problem("keep_epoch", seen=repr(keep), wanted="'best' or 'last'"))
        self.network = network
        self.folder = Path(folder)
        self.keep = keep
        self.also = list(also)

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator that validates."""
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Save if this validation is the one to keep."""
        if self.keep == "best" and engine.state.best_metric_epoch != engine.state.epoch:
            return
        if not ranks.is_main():
            return
        write_atomically(self.folder / MODEL_FILE, lambda stream: torch.save(self.network.state_dict(), stream))
        write_atomically(self.folder / EXPORT_FILE, lambda stream: torch.save(self.network.export_state(), stream))
        for write in self.also:
            write()


class SaveUnvalidated:
    """Save the network after each epoch of a training that has no validation part, in place of its validations.

    Args:
        saver: Of the run; it keeps the last epoch.
        evaluator: The engine that would validate. Its ``state.epoch`` tells which epoch was saved.
    """

    def __init__(self, saver: ModelSaver, evaluator: Engine) -> None:
        self.saver = saver
        self.evaluator = evaluator

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Save as after a validation that found nothing."""
        self.evaluator.state.epoch = engine.state.epoch
        self.evaluator.state.iteration = max(1, self.evaluator.state.iteration)  # it has run: the manifest asks for it
        self.saver(self.evaluator)


def check_unvalidated(validated: Sequence[object], early_stopping: object) -> None:
    """Refuse what needs a validation part.

    Args:
        validated: The participants of the validation part.
        early_stopping: The knob.

    Raises:
        InputError: Early stopping is asked for, and nothing is validated.
    """
    if not validated and early_stopping is not None:
        seen, wanted = repr(early_stopping), "a validation part to stop by, which this datalist lacks"
        raise InputError(Problem("--early_stopping", seen=seen, wanted=wanted, advice="leave it out"))


def lower_is_better(current: float, best: float) -> bool:
    """Compare key metrics of which lower is better; ties go to the later epoch, and any number beats NaN."""
    return not math.isnan(current) and (math.isnan(best) or current <= best)
