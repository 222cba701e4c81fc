"""Ctrl-C, SIGTERM (Slurm's preemption) and closing the terminal end a training after the current iteration."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import FrameType
from typing import Any

from ignite.engine import Engine, Events

from monai_fusion import ranks, stopping
from monai_fusion.causes import causes_of

logger = logging.getLogger(__name__)

# A signal to all processes may reach this one so long after it has ended another one.
_PATIENCE_S = 1.0


class GracefulStop:
    """Stop at the next iteration after a signal to end; the last epoch's checkpoint stays.

    A second Ctrl-C ends the training at once. All ranks stop after the same iteration, even if only one received the
    signal. A signal to the whole group, as Slurm sends it, also ends the processes that load data: the iteration that
    waits for them then fails, and `run_engine` treats that as the stop that it is. Closing the terminal stops a
    training unless it runs under `nohup`.

    Attributes:
        received: The signal that stopped the training, or None.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}
        self._unblocked: set[int | signal.Signals] | None = None

    def attach(self, engine: Engine) -> None:
        """Attach to a trainer."""
        engine.add_event_handler(Events.STARTED, self._listen)
        engine.add_event_handler(Events.EPOCH_STARTED, self._keep_from_new_processes)
        engine.add_event_handler(Events.GET_BATCH_STARTED, self._hear_again)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._stop_if_asked)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._stop_if_asked)
        engine.add_event_handler(Events.COMPLETED, self._restore)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self._restore_and_raise)

    def _listen(self, engine: Engine) -> None:
        self.received = None
        if threading.current_thread() is not threading.main_thread():
            return  # Python delivers signals to the main thread alone
        for number in (signal.SIGINT, *stopping.signals_heard()):
            self._before[number] = signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if number == stopping.HANGUP:
            stopping.leave_terminal()
        logger.info("%s: stopping after this iteration (Ctrl-C again stops at once)", self.received.name)

    def _keep_from_new_processes(self, engine: Engine) -> None:
        """Block Ctrl-C while data loading processes start: they inherit the block, so a terminal cannot end them."""
        if self._before and hasattr(signal, "pthread_sigmask"):
            _start_helpers(engine.state.dataloader)
            self._unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})

    def _hear_again(self, engine: Engine | None = None) -> None:
        if self._unblocked is not None:
            before, self._unblocked = self._unblocked, None
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _stop_if_asked(self, engine: Engine) -> None:
        received = ranks.max_over_ranks(self.received or 0)
        if received and not engine.should_terminate:
            engine.state.stopped_by = signal.Signals(received)
            engine.terminate()

    def _restore(self, engine: Engine) -> None:
        self._hear_again()
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _restore_and_raise(self, engine: Engine, error: BaseException) -> None:
        self._hear_again()
        if self._before and is_killed_worker(error):
            ends = time.monotonic() + _PATIENCE_S
            while self.received is None and time.monotonic() < ends:
                time.sleep(0.01)
            if self.received is not None:
                engine.state.stopped_by = self.received
        self._restore(engine)
        raise error


def _start_helpers(loader: Any) -> None:
    """Start the helper that Python starts with the first spawned process: afterwards it lets Ctrl-C through again."""
    if getattr(loader, "num_workers", 0) == 0:
        return
    context = loader.multiprocessing_context or multiprocessing.get_context()
    if context.get_start_method() != "fork":
        resource_tracker.ensure_running()


def is_killed_worker(error: BaseException) -> bool:
    """Whether a training failed because a process that loads data received SIGTERM or SIGHUP."""
    return any(
        isinstance(cause, RuntimeError)
        and str(cause).startswith("DataLoader worker")
        and any(text in str(cause) for text in ("signal: Terminated", "signal: Hangup", "exited unexpectedly"))
        for cause in causes_of(error)
    )


@contextmanager
def signals_ignored() -> Iterator[None]:
    """Ignore Ctrl-C until a short piece of work is done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
