"""Python programs that start warm: a process that has imported torch and MONAI forks for each, which saves the imports.

``run`` is `subprocess.run` for ``python -m MODULE WORDS``: a process of its own, with its own streams, folder and exit
status. Only the imports are shared. Where a process cannot fork safely (Windows, macOS), it starts an ordinary one.
A program that puts another ``python -m MODULE`` in its own place, as ``monai-fusion predict`` does, has that start warm
too.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import runpy
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
# What a training, an evaluation and a report import; a module that starts threads must not be among them.
IMPORTED = (
    *("torch", "monai.bundle", "monai.engines", "monai.handlers", "torch.utils.tensorboard", "timm", "torchvision"),
    *("sklearn.linear_model", "sklearn.metrics", "scipy.stats", "scipy.optimize", "nibabel"),
    *("monai_fusion.cli", "monai_fusion.workflow", "monai_fusion.training", "monai_fusion.evaluation.result_writer"),
    *("monai_fusion.networks", "monai_fusion.data", "monai_fusion.runs", "monai_fusion.losses"),
    *("monai_fusion.transforms", "monai_fusion.metrics.summary", "monai_fusion.report.page"),
)


def run(module: str, words: Sequence[object], cwd: Path, timeout: float) -> subprocess.CompletedProcess[str]:
    """Run ``python -m module words`` and return its status and output.

    Raises:
        subprocess.TimeoutExpired: It took longer than ``timeout`` seconds; it was killed.
    """
    argv = list(map(str, words))
    if sys.platform != "linux":
        command = [sys.executable, "-m", module, *argv]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=cwd, timeout=timeout, encoding="utf-8"
        )
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        asked = {"module": module, "argv": argv, "cwd": str(cwd), "warnings": [], "folder": folder}
        code = _server().ask({**asked, "environment": dict(os.environ)}, timeout)
        texts = [path.read_text(encoding="utf-8") for path in (out, err)]
    return subprocess.CompletedProcess([sys.executable, "-m", module, *argv], code, *texts)


class _Server:
    """The process that has imported everything; it runs one program at a time."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
            start_new_session=True,  # with the programs that it runs: a timeout ends them all
        )
        atexit.register(self.close)
        assert self.process.stdout is not None
        self.process.stdout.readline()  # its imports are no program's time

    def ask(self, asked: dict[str, Any], timeout: float) -> int:
        """Run a program; return its exit status, negative if a signal ended it."""
        assert self.process.stdin is not None and self.process.stdout is not None
        late = threading.Timer(timeout, self.close)
        late.start()
        try:
            self.process.stdin.write(json.dumps(asked) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        finally:
            late.cancel()
        if not answer:
            self.close()
            raise subprocess.TimeoutExpired(asked["argv"], timeout)
        return int(answer)

    def close(self) -> None:
        """End it and what it runs."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, 9)
        self.process.wait()


_started: list[_Server] = []


def _server() -> _Server:
    if not _started or _started[0].process.poll() is not None:
        _started[:] = [_Server()]
    return _started[0]


def _serve() -> None:
    """Import, then fork for each line of standard input, and answer with the status."""
    asks, answers = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    for name in IMPORTED:
        importlib.import_module(name)
    answers.write("ready\n")
    answers.flush()
    for line in asks:
        asked, status = json.loads(line), 0
        while asked is not None:
            pid = os.fork()
            if not pid:
                _become(asked)
            _, status = os.waitpid(pid, 0)
            successor = _successor(asked)
            asked = json.loads(successor.read_text(encoding="utf-8")) if successor.exists() else None
            successor.unlink(missing_ok=True)
        answers.write(f"{os.waitstatus_to_exitcode(status)}\n")
        answers.flush()


def _successor(asked: dict[str, Any]) -> Path:
    """Where a program leaves what is to run in its place."""
    return Path(asked["folder"], "successor")


def _become(asked: dict[str, Any]) -> None:
    """Be the program, from its first line to the exit handlers; never returns."""

    def execute(path: str, command: Sequence[str]) -> None:
        """`os.execv`: the process ends as it is, without exit handlers, and the server forks the other program."""
        words, given = list(command[1:]), []
        while words[0] == "-W":
            given.append(words[1])
            del words[:2]
        if path != sys.executable or words[:1] != ["-m"]:
            execv(path, list(command))
        now = {"cwd": str(Path.cwd()), "environment": dict(os.environ), "warnings": given}
        program = {**asked, **now, "module": words[1], "argv": words[2:]}
        _successor(asked).write_text(json.dumps(program), encoding="utf-8")
        os._exit(0)

    execv, os.execv = os.execv, execute  # type: ignore[assignment]  # the sequences that the programs here give
    for stream, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(Path(asked["folder"], name), os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.warnoptions += asked["warnings"]
    for option in asked["warnings"]:
        warnings._setoption(option)  # type: ignore[attr-defined]  # what the interpreter does with -W
    sys.argv = ["", *asked["argv"]]
    sys.path[0] = asked["cwd"]  # as -m does
    code = 1
    try:
        runpy.run_module(asked["module"], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            sys.stderr.write(end.code + "\n")
    except BaseException:
        try:
            sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]  # there is one
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    finally:
        threading._shutdown()  # type: ignore[attr-defined]  # of the interpreter's own end
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
