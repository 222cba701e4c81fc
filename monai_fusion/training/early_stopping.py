"""Early stopping: a stage that no longer improves the validation ends early."""

from __future__ import annotations

import logging
from typing import Any

from ignite.engine import Engine, Events
from torch.optim.lr_scheduler import LRScheduler

from monai_fusion.errors import InputError, Problem
from monai_fusion.training.stages import StagePlan

logger = logging.getLogger(__name__)


class EarlyStopping:
    """Skip the rest of a stage after a number of consecutive validations that did not improve on the best one.

    The next stage then starts; after the last stage, the training ends. The count restarts with each stage. Skipped
    epochs count as done: the next stage keeps its planned epoch numbers, draws and learning rates. The count follows
    from the best epoch, so a resumed run needs no further state.

    Place it after the handlers that log and validate an epoch, and before `Checkpoints`.

    Args:
        patience: The number of validations.
        plan: The stages.
        evaluator: The engine that validates.
        lr_scheduler: The schedule, which steps once per epoch.

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
        """Skip the rest of the stage if the patience is exhausted."""
        epoch = engine.state.epoch
        before, last = self.plan.bounds(epoch)
        since = max(before, self.evaluator.state.best_metric_epoch)
        # Validations are at the multiples of the interval.
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
