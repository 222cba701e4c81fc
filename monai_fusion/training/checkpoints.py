"""Continue a training that was killed, from the start of the epoch in which it was killed, with the same numbers.

Nothing random is stored: draws and dropout follow from (seed, epoch, position), the stage from the epoch. What is
stored is the network, the optimiser, the schedule and the best validation so far; and what the training was, so that a
checkpoint of another training is refused.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from ignite.engine import Engine, Events

from monai_fusion.errors import InputError
from monai_fusion.files import write_atomically
from monai_fusion.training.differing import differences

logger = logging.getLogger(__name__)

FOLDER = "checkpoints"
_NAME = re.compile(r"epoch_(\d+)\.pt")
# Adam's state and the network's weights of the last epochs: two, because the newest may be on a disk that lied.
_KEPT = 2


class Stateful(Protocol):
    """What a checkpoint holds: torch's modules, optimisers and schedules, and the epoch log."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state in types that `torch.load(weights_only=True)` reads."""

    def load_state_dict(self, state_dict: Any) -> Any:
        """Take up a state."""


class Checkpoints:
    """Save the state of a training after each epoch and, on a resumed run, take up the newest.

    Place it last in the trainer's handlers: what it saves must be what the next epoch starts from.

    Args:
        parts: What is saved, by name: network, optimizer, lr_scheduler, epoch log.
        evaluator: The engine that validates; its best metric so far is saved.
        folder: The run folder; checkpoints go into ``checkpoints/``.
        identity: What the training is (knobs, participants), in JSON's types; a checkpoint whose identity differs is
            refused.
        resume: Whether to take up the newest checkpoint.

    Raises:
        InputError: When the trainer starts: the checkpoint is of another training.
    """

    def __init__(
        self,
        parts: Mapping[str, Stateful],
        evaluator: Engine,
        folder: str | os.PathLike[str],
        identity: Mapping[str, Any],
        resume: bool = False,
    ) -> None:
        self.parts = dict(parts)
        self.evaluator = evaluator
        self.folder = Path(folder) / FOLDER
        self.identity = dict(identity)
        self.resume = resume

    def attach(self, engine: Engine) -> None:
        """Attach to a trainer."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._save)

    def _start(self, engine: Any) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for leftover in self.folder.glob(".*.part"):  # of a run that was killed while it wrote
            leftover.unlink(missing_ok=True)
        found = saved_epochs(self.folder)
        if not self.resume:
            for path in found.values():
                path.unlink()
            return
        for epoch in sorted(found, reverse=True):
            try:
                state = torch.load(found[epoch], map_location="cpu", weights_only=True)
            except Exception as error:  # whatever is wrong with the file, the one before may be right
                logger.warning("%s is unreadable (%s): trying the one before", found[epoch], error)
                continue
            self._take_up(engine, epoch, state)
            return
        logger.info("nothing to resume in %s: starting from the beginning", self.folder)

    def _take_up(self, engine: Any, epoch: int, state: dict[str, Any]) -> None:
        if problems := differences(state["identity"], self.identity):
            advice = "put back what is named here, or start anew in another --output_dir"
            heading = f"{self.folder} holds a checkpoint of another training; {advice}"
            raise InputError(problems, heading=heading)
        for name, part in self.parts.items():
            part.load_state_dict(state["parts"][name])
        if engine.scaler is not None and state["scaler"] is not None:
            engine.scaler.load_state_dict(state["scaler"])
        self.evaluator.state.best_metric = state["best_metric"]
        self.evaluator.state.best_metric_epoch = state["best_metric_epoch"]
        self.evaluator.state.epoch = state["validated_epoch"]
        engine.state.epoch = epoch
        engine.state.iteration = epoch * engine.state.epoch_length
        if epoch >= engine.state.max_epochs:
            logger.info("this training is finished: all %d epochs are done", epoch)
        else:
            logger.info("resuming after epoch %d of %d", epoch, engine.state.max_epochs)

    def _save(self, engine: Any) -> None:
        epoch = engine.state.epoch
        state = {
            "identity": self.identity,
            "parts": {name: part.state_dict() for name, part in self.parts.items()},
            "scaler": None if engine.scaler is None else engine.scaler.state_dict(),
            "best_metric": float(self.evaluator.state.best_metric),
            "best_metric_epoch": int(self.evaluator.state.best_metric_epoch),
            "validated_epoch": int(self.evaluator.state.epoch),
        }
        write_atomically(self.folder / f"epoch_{epoch:04d}.pt", lambda stream: torch.save(state, stream))
        for _, path in sorted(saved_epochs(self.folder).items())[:-_KEPT]:
            path.unlink()


def saved_epochs(folder: Path) -> dict[int, Path]:
    """Return the checkpoints in a folder by their epoch."""
    found = ((_NAME.fullmatch(path.name), path) for path in folder.glob("epoch_*.pt"))
    return {int(match[1]): path for match, path in found if match}
