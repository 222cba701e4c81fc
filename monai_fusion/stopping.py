"""A command that is asked to end (SIGTERM, as Slurm sends it; a terminal that is closed) ends with one message.

While a network trains, `GracefulStop` listens instead: it ends after an iteration.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

HANGUP = getattr(signal, "SIGHUP", None)  # Windows has none


class StopAsked(BaseException):
    """The process was asked to end. Like `KeyboardInterrupt` it is no `Exception`: who handles errors lets it through.

    Attributes:
        signal: What asked.
        exit_code: 128 + its number, as a shell expects.
    """

    def __init__(self, number: int) -> None:
        self.signal = signal.Signals(number)
        self.exit_code = 128 + number
        super().__init__(self.signal.name)

    def __str__(self) -> str:
        """``stopped by SIGTERM: finished work is kept``."""
        return f"stopped by {self.signal.name}: finished work is kept"


class _Holding:
    """Whether a write must not be interrupted, and what asked to end meanwhile."""

    depth = 0
    asked: int | None = None


def signals_heard() -> list[signal.Signals]:
    """SIGTERM, and SIGHUP unless `nohup` has it ignored."""
    heard = [signal.SIGTERM]
    if HANGUP is not None and signal.getsignal(HANGUP) is not signal.SIG_IGN:
        heard.append(HANGUP)
    return heard


def listen() -> dict[signal.Signals, Any]:
    """Raise `StopAsked` in the main thread, wherever it is, when the process is asked to end.

    Returns:
        What was done about the signals before.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}  # Python delivers signals to the main thread only
    return {number: signal.signal(number, _raise) for number in signals_heard()}


@contextmanager
def listening() -> Iterator[None]:
    """`listen` until the end of the block."""
    before = listen()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def held() -> Iterator[None]:
    """Let files that belong together be written: a process that is asked to end meanwhile ends after the block.

    Raises:
        StopAsked: The process was asked to end.
    """
    _Holding.depth += 1
    try:
        yield
    finally:
        _Holding.depth -= 1
    if _Holding.asked is not None and not _Holding.depth:
        number, _Holding.asked = _Holding.asked, None
        raise StopAsked(number)


@contextmanager
def deaf_to_hangup() -> Iterator[None]:
    """Let a process that is started in the block outlive the terminal: it inherits that it does not hear of its end."""
    if HANGUP is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(HANGUP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(HANGUP, before)


def leave_terminal() -> None:
    """Write to nowhere what would go to a terminal that is no longer there: each line would fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        if os.isatty(stream):
            os.dup2(nowhere, stream)
    os.close(nowhere)


def _raise(number: int, frame: FrameType | None) -> None:
    if number == HANGUP:
        leave_terminal()
    if _Holding.depth:
        _Holding.asked = number
        return
    raise StopAsked(number)
