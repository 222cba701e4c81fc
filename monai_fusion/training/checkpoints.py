"""Continue a training that was killed, from the start of the epoch in which it was killed, with the same numbers.

A checkpoint holds no random state: draws and dropout follow from (seed, epoch, position), the stage from the epoch. It
holds the network, the optimiser, the schedule and the best validation so far; and the identity of the training, so that
a run refuses a checkpoint of another training. Rank 0 writes, and chooses the checkpoint that all ranks load.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import torch
from ignite.engine import Engine, Events

from monai_fusion import ranks
from monai_fusion.errors import InputError, Problem
from monai_fusion.files import write_atomically
from monai_fusion.output_folder import remove_all
from monai_fusion.run_folder import CHECKPOINTS_FOLDER, MODEL_FILE, saved_epochs
from monai_fusion.runs.identity_differences import differences
from monai_fusion.saved_tensors import DamagedError, load_saved

logger = logging.getLogger(__name__)

# Adam's state and the network's weights of the last epochs: two, because the newest may not have reached the disk.
_KEPT = 2
_ABANDONED_AFTER_S = 60.0  # an evaluation may be writing into the run's folder just now
_WRITTEN = {"identity", "parts", "scaler", "best_metric", "best_metric_epoch", "validated_epoch"}


class Stateful(Protocol):
    """The parts of a checkpoint: torch's modules, optimisers and schedules, and the epoch log."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state in types that `torch.load(weights_only=True)` reads."""

    def load_state_dict(self, state_dict: Any) -> Any:
        """Load a state."""


class Checkpoints:
    """Save the state of a training after each epoch and, in a resumed run, load the newest.

    Place it last in the trainer's handlers: it must save the state that the next epoch starts from.

    Args:
        parts: The parts to save, by name: network, optimizer, lr_scheduler, epoch log.
        evaluator: The engine that validates; its best metric so far is saved.
        folder: The run folder; checkpoints go into ``checkpoints/``.
        identity: What the training is (knobs, participants), in JSON's types; a checkpoint whose identity differs is
            refused.
        resume: Whether to load the newest checkpoint.

    Raises:
        InputError: Another file or folder is in the place of the checkpoints. When the trainer starts: the checkpoint
            belongs to another training, not every rank can read it, or all epochs are done and the model is missing.
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
        self.folder = Path(folder) / CHECKPOINTS_FOLDER
        self.identity = dict(identity)
        self.resume = resume
        if ranks.is_main():
            self._refuse_what_is_in_the_way()

    def attach(self, engine: Engine) -> None:
        """Attach to a trainer."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._save)

    def _start(self, engine: Any) -> None:
        epoch, state = self._prepare_folder() if ranks.is_main() else (0, None)
        epoch = ranks.gather(epoch)[0]
        if epoch and state is None:
            state = self._load_on_another_rank(epoch)
        if state is not None:
            self._take_up(engine, epoch, state)
        elif self.resume and ranks.is_main() and saved_epochs(self.folder):
            logger.warning("no checkpoint in %s can be read: starting from the beginning", self.folder)
        elif self.resume:
            logger.info("nothing to resume in %s: starting from the beginning", self.folder)

    def _refuse_what_is_in_the_way(self) -> None:
        """Refuse a folder or a named pipe under a checkpoint's name: it is neither deleted nor written to.

        Raises:
            InputError: One exists.
        """
        advice = "move it away"
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(Problem(str(self.folder), seen="is not a folder", wanted="a folder", advice=advice))
        if other := [path for path in saved_epochs(self.folder).values() if path.exists() and not path.is_file()]:
            raise InputError([Problem(str(path), "", "is not a file", "a checkpoint", advice) for path in other])

    def _prepare_folder(self) -> tuple[int, dict[str, Any] | None]:
        """Remove leftovers of a killed or an earlier training; return the checkpoint to continue from, or epoch 0."""
        self.folder.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(self.folder)
        _remove_leftovers(self.folder.parent, older_than_s=_ABANDONED_AFTER_S)
        found = saved_epochs(self.folder)
        if not self.resume:
            remove_all(found.values())
            return 0, None
        for epoch in sorted(found, reverse=True):
            try:
                return epoch, self._read(found[epoch], epoch)
            except DamagedError as error:  # if this file has any fault, the previous one may still be sound
                logger.warning("using the checkpoint before %s: %s", found[epoch], error)
        return 0, None

    def _read(self, path: Path, epoch: int) -> dict[str, Any]:
        """Read the checkpoint of an epoch.

        Raises:
            DamagedError: It is damaged, or holds anything else, including another epoch.
        """
        state = load_saved(path)
        if not isinstance(state, dict) or not state.keys() >= _WRITTEN:
            raise DamagedError("holds something else than a checkpoint")
        if not (isinstance(state["identity"], dict) and isinstance(state["parts"], dict)):
            raise DamagedError("holds something else than a checkpoint")
        if (held := _epoch_in(state)) not in (None, epoch):
            raise DamagedError(f"it is the checkpoint of epoch {held}")
        return state

    def _load_on_another_rank(self, epoch: int) -> dict[str, Any]:
        path = self.folder / _file_name(epoch)
        try:
            return self._read(path, epoch)
        except DamagedError as error:
            wanted = "a folder that all machines of the training share"
            raise InputError(Problem("--output_dir", str(path), f"not readable here ({error})", wanted)) from error

    def _take_up(self, engine: Any, epoch: int, state: dict[str, Any]) -> None:
        try:
            if problems := differences(state["identity"], self.identity):
                advice = "undo the changes listed here, or start a new training in another --output_dir"
                heading = f"{self.folder} holds a checkpoint of another training; {advice}"
                raise InputError(problems, heading=heading)
            self._load(engine, epoch, state)
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            advice = "remove it to resume from the previous checkpoint, or start a new training in another --output_dir"
            path = self.folder / _file_name(epoch)
            raise InputError(Problem(str(path), seen="does not fit this training's parts", advice=advice)) from error
        if (devices := state.get("devices", 1)) != ranks.world_size():
            logger.warning(
                "the checkpoint was made on %s devices, this run uses %d: the batches stay the same, dropout and the"
                " BatchNorm of trained blocks do not, so the numbers will not be identical to the bit",
                *(devices, ranks.world_size()),
            )
        if epoch >= engine.state.max_epochs:
            model = self.folder.parent / MODEL_FILE
            if not model.is_file():
                advice = "copy the run folder again, or train again in another --output_dir"
                raise InputError(Problem(str(model), seen="is missing, although all epochs are done", advice=advice))
            logger.info("this training is finished: all %d epochs are done", epoch)
        else:
            logger.info("resuming after epoch %d of %d", epoch, engine.state.max_epochs)

    def _load(self, engine: Any, epoch: int, state: dict[str, Any]) -> None:
        for name, part in self.parts.items():
            part.load_state_dict(state["parts"][name])
        if engine.scaler is not None and state["scaler"] is not None:
            engine.scaler.load_state_dict(state["scaler"])
        self.evaluator.state.best_metric = float(state["best_metric"])
        self.evaluator.state.best_metric_epoch = int(state["best_metric_epoch"])
        self.evaluator.state.epoch = int(state["validated_epoch"])
        engine.state.epoch = epoch
        engine.state.iteration = epoch * engine.state.epoch_length

    def _save(self, engine: Any) -> None:
        if not ranks.is_main():
            return
        epoch = engine.state.epoch
        state = {
            "identity": self.identity,
            "epoch": epoch,  # the user may have renamed the file
            "devices": ranks.world_size(),
            "parts": {name: part.state_dict() for name, part in self.parts.items()},
            "scaler": None if engine.scaler is None else engine.scaler.state_dict(),
            "best_metric": float(self.evaluator.state.best_metric),
            "best_metric_epoch": int(self.evaluator.state.best_metric_epoch),
            "validated_epoch": int(self.evaluator.state.epoch),
        }
        write_atomically(self.folder / _file_name(epoch), lambda stream: torch.save(state, stream))
        for _, path in sorted(saved_epochs(self.folder).items())[:-_KEPT]:
            with suppress(OSError):  # open in another program: a later epoch removes it
                path.unlink()


def _file_name(epoch: int) -> str:
    return f"epoch_{epoch:04d}.pt"


def _epoch_in(state: Mapping[str, Any]) -> object:
    """The epoch after which a checkpoint was made; None if it does not record it."""
    if "epoch" in state:
        return state["epoch"]
    # Older checkpoints do not record the epoch, but the schedule does: it steps once per epoch.
    schedule = state["parts"].get("lr_scheduler")
    return schedule.get("last_epoch") if isinstance(schedule, dict) else None


def _remove_leftovers(folder: Path, older_than_s: float | None = None) -> None:
    """Remove what runs left that were killed while they wrote: half a model has up to 260 MB."""
    for leftover in folder.glob(".*.part"):
        with suppress(OSError):  # no part of the program reads it
            if older_than_s is None or time.time() - leftover.stat().st_mtime > older_than_s:
                leftover.unlink(missing_ok=True)
