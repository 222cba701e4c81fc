"""How long an epoch takes, how much of it is waiting for data, and how long the rest will take."""

from __future__ import annotations

import time
from collections.abc import Callable

from ignite.engine import Engine, Events


class EpochClock:
    """Measure a trainer's epochs; attach one to each handler that shows such a number.

    The times are those of the main process. With a GPU, that process runs ahead of the device, so a wait for data costs
    the device less time than is measured here.

    Args:
        now: The time in seconds, from any origin.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self.now = now
        self._started = self._stepped = self._asked = now()
        self._waited = 0.0
        self._iterations = 0
        self._seconds_per_iteration: float | None = None
        self._between = 0.0

    def attach(self, engine: Engine) -> None:
        """Attach to a trainer, before the handler that reads this clock."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._start)
        engine.add_event_handler(Events.GET_BATCH_STARTED, self._ask)
        engine.add_event_handler(Events.GET_BATCH_COMPLETED, self._receive)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._step)

    @property
    def seconds(self) -> float:
        """Seconds since the epoch started."""
        return self.now() - self._started

    @property
    def data_wait(self) -> float:
        """The share of the epoch's training time (without validation) spent waiting for a batch, 0 to 1."""
        trained = self._stepped - self._started
        return min(1.0, self._waited / trained) if trained > 0 else 0.0

    def seconds_left(self, engine: Engine) -> float | None:
        """Estimate the remaining time of the training from this epoch's iterations and the time between epochs.

        Epochs of a later stage take longer, which is unknown before the first of them.

        Returns:
            Seconds, or None before the first iteration.
        """
        length, epochs = engine.state.epoch_length, engine.state.max_epochs
        if self._seconds_per_iteration is None or not length or not epochs:
            return None
        remaining = epochs * length - engine.state.iteration
        # After its last iteration, an epoch's validation is running or done.
        since = self.now() - self._stepped if self._iterations == length else 0.0
        between = max(self._between, since)
        later = (epochs - engine.state.epoch) * between + (between - since)
        return remaining * self._seconds_per_iteration + later

    def _start(self, engine: Engine) -> None:
        now = self.now()
        if self._iterations:
            self._between = now - self._stepped
        self._started = self._stepped = now
        self._waited, self._iterations = 0.0, 0

    def _ask(self, engine: Engine) -> None:
        self._asked = self.now()

    def _receive(self, engine: Engine) -> None:
        self._waited += self.now() - self._asked

    def _step(self, engine: Engine) -> None:
        self._stepped = self.now()
        self._iterations += 1
        self._seconds_per_iteration = (self._stepped - self._started) / self._iterations
