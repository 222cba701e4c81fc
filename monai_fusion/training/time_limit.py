"""The time limit of a training: it ends in time and can be resumed."""

from __future__ import annotations

import logging
import time

from ignite.engine import Engine, Events

from monai_fusion import ranks
from monai_fusion.errors import InputError, Problem

logger = logging.getLogger(__name__)


class TimeLimit:
    """End a training before it exceeds a number of minutes; the last epoch's checkpoint stays.

    It ends after an epoch if another one as long as the longest so far would not fit, and otherwise after the iteration
    in which the time is over. A resumed run has the whole time again. The ranks of a distributed run end together.

    Place it last in the trainer's handlers: an epoch's time includes its validation and checkpoint.

    Args:
        minutes: The time from the start of the training; preparing the files is not counted.

    Raises:
        InputError: ``minutes`` is not a positive number.
    """

    def __init__(self, minutes: float) -> None:
        if not isinstance(minutes, int | float) or isinstance(minutes, bool) or not minutes > 0:
            raise InputError(Problem("time_limit_minutes", seen=repr(minutes), wanted="a number above 0"))
        self.minutes = minutes
        self._started = self._epoch_started = 0.0
        self._longest = 0.0

    def attach(self, engine: Engine) -> None:
        """Attach to a trainer; ``state.out_of_time`` shows afterwards whether the time was over."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.EPOCH_STARTED, self._start_epoch)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._end_iteration)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._end_epoch)

    def _start(self, engine: Engine) -> None:
        engine.state.out_of_time = False
        self._started, self._longest = time.monotonic(), 0.0

    def _start_epoch(self, engine: Engine) -> None:
        self._epoch_started = time.monotonic()

    def _end_iteration(self, engine: Engine) -> None:
        last_of_epoch = engine.state.iteration % (engine.state.epoch_length or 1) == 0
        if last_of_epoch or not _any_rank(self._left() <= 0):  # at the end of an epoch there is no reason to lose it
            return
        if not self._longest:
            logger.warning("no epoch was completed in time_limit_minutes %g: give a resumed run more", self.minutes)
        self._stop(engine, "the time is over")

    def _end_epoch(self, engine: Engine) -> None:
        self._longest = max(self._longest, time.monotonic() - self._epoch_started)
        if engine.state.epoch < (engine.state.max_epochs or 0) and _any_rank(self._left() < self._longest):
            self._stop(engine, f"another epoch ({self._longest / 60:.1f} min) would not fit")

    def _left(self) -> float:
        return self._started + 60 * self.minutes - time.monotonic()

    def _stop(self, engine: Engine, reason: str) -> None:
        logger.info("time_limit_minutes %g: %s", self.minutes, reason)
        engine.state.out_of_time = True
        engine.terminate()


def _any_rank(over: bool) -> bool:
    """Whether it is true on any rank: a rank that stopped alone would leave the others waiting for it."""
    return bool(ranks.max_over_ranks(int(over)))
