"""Bundle runs as child processes: their last message, and how they end."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from monai_fusion.comparison.children import ChildFailed, Stopped, run_child, stoppable
from tests.message_parts import assert_parts


def program(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_the_whole_output_of_a_run_is_appended_to_its_log(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    for number in (1, 2):
        run_child(program(f"import sys; print({number}); print('and', file=sys.stderr)"), log)
    assert sorted(log.read_text(encoding="utf-8").split()) == ["1", "2", "and", "and"]


def test_a_run_that_fails_is_quoted_from_its_error_on(tmp_path: Path) -> None:
    text = "import sys; print('epoch 1\\rerror: list.json: 2 problems\\n  sub-01\\n  sub-02'); sys.exit(2)"
    with pytest.raises(ChildFailed) as caught:
        run_child(program(text), tmp_path / "log")
    assert (caught.value.code, caught.value.log) == (2, tmp_path / "log")
    assert caught.value.message == "list.json: 2 problems\n  sub-01\n  sub-02"


def test_a_run_without_a_message_is_quoted_by_its_last_lines(tmp_path: Path) -> None:
    with pytest.raises(ChildFailed) as caught:
        run_child(program("print('\\n'.join(map(str, range(50)))); raise SystemExit(1)"), tmp_path / "log")
    assert caught.value.message.splitlines() == [str(number) for number in range(35, 50)]


@pytest.mark.parametrize("code", [130, 143, 124])
def test_a_run_that_was_stopped_stops_the_comparison(code: int, tmp_path: Path) -> None:
    with pytest.raises(Stopped) as caught:
        run_child(program(f"raise SystemExit({code})"), tmp_path / "log")
    assert caught.value.code == code


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C works: below a background job of a shell it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.skipif(os.name == "nt", reason="signals between processes are POSIX's")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_run_end_in_its_own_way(number: signal.Signals, tmp_path: Path) -> None:
    started, ended = tmp_path / "started", tmp_path / "ended"
    text = (
        "import pathlib, signal, sys, time\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path({str(ended)!r}).touch(), sys.exit()))\n"
        f"pathlib.Path({str(started)!r}).touch()\n"
        "time.sleep(60)\n"
    )

    def send() -> None:
        while not started.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    threading.Thread(target=send).start()
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Stopped) as caught, stoppable():
        run_child(program(text), tmp_path / "log")
    assert caught.value.code == 128 + number
    assert ended.exists()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_run_that_fails_is_not_quoted_from_the_output_of_an_earlier_one(tmp_path: Path) -> None:
    for text in ("print('error: --device: cuda:7'); raise SystemExit(2)", "print('é epoch 3'); raise SystemExit(1)"):
        with pytest.raises(ChildFailed) as caught:
            run_child([*program(text)], tmp_path / "log")
    assert caught.value.message == "é epoch 3"


@pytest.mark.skipif(os.name == "nt", reason="signals between processes are POSIX's")
def test_a_run_that_was_killed_is_reported_as_killed(tmp_path: Path) -> None:
    text = "import os; print('epoch 3', flush=True); os.kill(os.getpid(), 9)"
    with pytest.raises(ChildFailed) as caught:
        run_child(program(text), tmp_path / "log")
    assert_parts(caught.value.message, "killed by signal 9", "memory", "\nepoch 3")
    assert caught.value.message.endswith("\nepoch 3")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGHUP")
def test_below_nohup_a_terminal_may_be_closed() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stoppable():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
