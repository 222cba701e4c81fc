"""A stage that no longer improves the validation ends early."""

from __future__ import annotations

import logging
from typing import Any

from ignite.engine import Engine, Events
from torch.optim.lr_scheduler import LRScheduler

from monai_fusion.errors import InputError, Problem
from monai_fusion.training.stages import StagePlan

logger = logging.getLogger(__name__)


class EarlyStopping:
    """Skip the rest of a stage after so many validations in a row that did not beat the best one so far.

    A stage that is followed by another gives way to it; the last one ends the training. In each stage the count begins
    anew. Skipped epochs are counted as done: the next stage has the epoch numbers, draws and learning rates that it was
    planned with. The count follows from the best epoch, so a resumed run needs no further state.

    Place it after the handlers that log and validate an epoch, and before `Checkpoints`.

    Args:
        patience: The number of validations.
        plan: The stages.
        evaluator: The engine that validates.
        lr_scheduler: The schedule, which is stepped once an epoch.

    Raises:
        InputError: ``patience`` is not a whole number of at least 1.
    """

    def __init__(self, patience: int, plan: StagePlan, evaluator: Engine, lr_scheduler: LRScheduler) -> None:
        if not isinstance(patience, int) or isinstance(patience, bool) or patience < 1:
            raise InputError(Problem("early_stopping", seen=repr(patience), wanted="a whole number, at least 1"))
        self.patience = patience
        self.plan = plan
        self.evaluator: Any = evaluator
        self.lr_scheduler = lr_scheduler

    def attach(self, engine: Engine) -> None:
        """Attach to a trainer."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Skip the rest of the stage if it is time."""
        epoch = engine.state.epoch
        before, last = self.plan.bounds(epoch)
        since = max(before, self.evaluator.state.best_metric_epoch)
        # Validations lie at the multiples of the interval.
        fruitless = epoch // self.plan.val_interval - since // self.plan.val_interval
        if fruitless < self.patience or epoch >= last:
            return
        logger.info(
            "stage %s: %d validation%s in a row without improvement: epochs %d to %d are skipped%s",
            self.plan.at(epoch).name,
            fruitless,
            "s" * (fruitless > 1),
            epoch + 1,
            last,
            "; the training ends" if last == self.plan.total_epochs else "",
        )
        for _ in range(epoch, last):
            self.lr_scheduler.step()
        engine.state.epoch = last
        engine.state.iteration = last * engine.state.epoch_length
