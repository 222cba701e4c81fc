"""Bundle runs as child processes, one after the other; Ctrl-C lets the current run end in its own way."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

_POSIX = os.name == "posix"
_STOPPED = {128 + signal.SIGINT, 128 + signal.SIGTERM, 124}
_LAST_LINES = 15


class Stopped(Exception):  # noqa: N818 # an event, not an error
    """The user, or a time limit, ended the comparison; ``code`` is its exit code."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(code)


class ChildFailed(Exception):  # noqa: N818 # likewise
    """A bundle run ended with an exit code other than 0.

    Attributes:
        code: Its exit code.
        message: Its last message.
        log: The file with its whole output.
    """

    def __init__(self, code: int, message: str, log: Path) -> None:
        self.code, self.message, self.log = code, message, log
        super().__init__(code, message, log)


@contextmanager
def stoppable() -> Iterator[None]:
    """Let SIGTERM, and a closed terminal, end a comparison as Ctrl-C does; under `nohup` the terminal may close."""
    numbers = [getattr(signal, name) for name in (("SIGTERM", "SIGHUP") if _POSIX else ("SIGTERM",))]
    heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, _interrupt) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise Stopped(128 + number)


def run_child(command: Sequence[str], log: Path) -> None:
    """Run a command to its end, and append its output to a file.

    Raises:
        Stopped: Ctrl-C, SIGTERM or the run's own time limit; the run has ended in its own way.
        ChildFailed: The run failed.
    """
    with log.open("ab") as stream:
        begins = stream.seek(0, os.SEEK_END)
        # A session of its own: Ctrl-C in the terminal reaches the run once, from here; a second Ctrl-C kills it.
        # A list of checked options, without a shell.
        process = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONIOENCODING": "utf-8"},  # the encoding in which the file is read
            start_new_session=_POSIX,
        )
        try:
            code = process.wait()
        except (KeyboardInterrupt, Stopped) as error:
            _end(process)
            raise Stopped(error.code if isinstance(error, Stopped) else 128 + signal.SIGINT) from None
    if code in _STOPPED:
        raise Stopped(code)
    if code:
        raise ChildFailed(code, _killed(code) + _last_message(log, begins), log)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask a run to end; kill it on a second Ctrl-C."""
    try:
        if _POSIX:  # a Windows console signals all its processes itself
            process.terminate()  # not SIGINT, which a background job of a shell ignores
        process.wait()
    except (KeyboardInterrupt, Stopped):
        if _POSIX:
            os.killpg(process.pid, signal.SIGKILL)  # with its workers
        else:
            process.kill()
        process.wait()


def _killed(code: int) -> str:
    """Explain a negative exit code: a signal killed the run."""
    if code >= 0:
        return ""
    return f"killed by signal {-code}; if you did not send it, memory may have run out. Its last output:\n"


def _last_message(log: Path, begins: int = 0) -> str:
    """The error message of a run, or else the last lines of its output.

    Args:
        log: The output of all runs in the folder.
        begins: The start of this run's output, in bytes.
    """
    text = log.read_bytes()[begins:].decode("utf-8", errors="replace")
    lines = [line.rpartition("\r")[2] for line in text.splitlines()]
    starts = [place for place, line in enumerate(lines) if line.startswith("error: ")]
    found = lines[starts[-1] :] if starts else lines[-_LAST_LINES:]
    return "\n".join(found[:_LAST_LINES]).removeprefix("error: ")
