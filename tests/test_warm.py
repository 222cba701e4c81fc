"""A program that starts warm is the program that starts cold."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests import warm

PROGRAMS = {
    "ends well": "print('out', *sys.argv[1:]); print('err', file=sys.stderr); print(Path.cwd())",
    "a status": "print('out'); sys.exit(3)",
    "a message": "sys.exit('too late')",
    "an error": "raise KeyError('x')",
    "an error that a hook reports": "sys.excepthook = lambda *_: (print('hooked'), sys.exit(2)); raise KeyError",
    "exit handlers and threads": "import atexit, threading; atexit.register(print, 'bye'); "
    "threading.Timer(0.1, lambda: print('thread')).start(); print('main')",
    "a signal": "import os; print('out', flush=True); os.kill(os.getpid(), 9)",
    "its environment": "import os; print(os.environ['GIVEN'], __name__, sys.path[0])",
    "its input": "print(repr(sys.stdin.read()))",
    "another in its place": """
import os, warnings
if sys.argv[1:] == ["again"]:
    warnings.warn("silenced")
    print(os.environ["GIVEN"], Path.cwd())
else:
    warnings.warn("heard")
    print("first", flush=True)
    print("lost with the process")
    os.environ["GIVEN"] = "for the other"
    os.execv(sys.executable, [sys.executable, "-W", "ignore::UserWarning", "-m", "a_program", "again"])
""",
}


@pytest.mark.parametrize("what", PROGRAMS)
def test_status_and_output_are_those_of_the_cold_program(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a_program.py").write_text(f"import sys\nfrom pathlib import Path\n{PROGRAMS[what]}\n")
    monkeypatch.setenv("GIVEN", "for this one")
    words = ["a b", "--é"]
    found = warm.run("a_program", words, cwd=tmp_path, timeout=300)
    cold = subprocess.run(
        [sys.executable, "-m", "a_program", *words],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=300,
    )  # fmt: skip
    assert (found.returncode, found.stdout) == (cold.returncode, cold.stdout)
    if "an error" not in what:  # the last lines of a traceback alone are the same
        assert found.stderr == cold.stderr
    assert found.stderr.splitlines()[-1:] == cold.stderr.splitlines()[-1:]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it starts cold")
def test_one_that_takes_too_long_is_ended_and_the_next_one_runs(tmp_path: Path) -> None:
    (tmp_path / "sleeps.py").write_text("import sys, time\ntime.sleep(float(sys.argv[1]))\nprint('done')\n")
    warm.run("sleeps", [0], cwd=tmp_path, timeout=100)
    with pytest.raises(subprocess.TimeoutExpired):
        warm.run("sleeps", [60], cwd=tmp_path, timeout=0.5)
    assert warm.run("sleeps", [0], cwd=tmp_path, timeout=100).stdout == "done\n"
