"""Ctrl-C and SIGTERM (Slurm's preemption) end a training after the current iteration."""

from __future__ import annotations

import logging
import signal
import threading
from types import FrameType
from typing import Any

from ignite.engine import Engine, Events

from monai_fusion import ranks

logger = logging.getLogger(__name__)


class GracefulStop:
    """Stop at the next iteration when the process is asked to end; the last epoch's checkpoint stays.

    A second Ctrl-C ends at once. Of several ranks all stop after the same iteration, even if one alone was asked.

    Attributes:
        received: The signal that stopped the training, or None.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}

    def attach(self, engine: Engine) -> None:
        """Attach to a trainer."""
        engine.add_event_handler(Events.STARTED, self._listen)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._stop_if_asked)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._stop_if_asked)
        engine.add_event_handler(Events.COMPLETED, self._restore)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self._restore_and_raise)

    def _listen(self, engine: Engine) -> None:
        self.received = None
        if threading.current_thread() is not threading.main_thread():
            return  # Python delivers signals to the main thread only
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        logger.info("%s: stopping after this iteration (Ctrl-C again stops at once)", self.received.name)

    def _stop_if_asked(self, engine: Engine) -> None:
        received = ranks.largest(self.received or 0)
        if received and not engine.should_terminate:
            engine.state.stopped_by = signal.Signals(received)
            engine.terminate()

    def _restore(self, engine: Engine) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _restore_and_raise(self, engine: Engine, error: BaseException) -> None:
        self._restore(engine)
        raise error


def leave_interrupts_to_the_main_process(worker: int) -> None:
    """Let a worker of a DataLoader ignore Ctrl-C, which a terminal sends to all processes (``worker_init_fn``)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
