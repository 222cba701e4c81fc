"""Processes that load data run out of a resource: the training ends with one message, and never waits forever."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.message_parts import assert_parts

ROOT = Path(__file__).parents[2]
JOB = [sys.executable, "-m", "tests.training.workers_job"]
SMALL_MEMORY = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=4m tmpfs /dev/shm && exec "$@"', "sh"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits and shared memory are Linux's here")


def printed_by(command: list[str]) -> list[str]:
    """What a failing training prints on standard error, by lines."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=120)
    assert done.returncode == 1, done.stderr
    lines = [line.replace("\0", "") for line in done.stderr.splitlines()]  # torch's C prints zeros, in any place
    return [line.lstrip() if "error: " in line else line for line in lines if line.strip()]


@pytest.mark.slow
@pytest.mark.parametrize("limit", ["60", "100", "170"])  # met where a tensor is shared; where a batch is sent; later
def test_too_many_open_files(limit: str) -> None:
    error, advice = printed_by([*JOB, limit])
    assert error == "error: too many open files: the system allows this process no more"
    assert_parts(advice, "--num_workers 0", "ulimit -n 4096")


@pytest.mark.slow
def test_a_bus_error() -> None:
    # torch's C prints its own line for each process, before ours or after it.
    lines = [line for line in printed_by([*JOB, "bus error"]) if "Unexpected bus error" not in line]
    assert not [line for line in lines if "Traceback" in line or "File" in line]
    assert [line for line in lines if line.startswith("error: ")] == [
        "error: out of shared memory (/dev/shm), through which data loading processes hand over their batches"
    ]
    assert_parts(lines[-1], "--num_workers 0", "--shm-size")


def may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*SMALL_MEMORY, "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not may_mount(), reason="a /dev/shm of its own needs root")
def test_a_small_shared_memory() -> None:
    lines = printed_by([*SMALL_MEMORY, *JOB, "none"])
    errors = [line for line in lines if line.startswith("error: ")]
    assert len(errors) == 1 and errors[0].startswith("error: out of shared memory (/dev/shm)")
    assert not [line for line in lines if "Traceback" in line]
    assert "shared memory (/dev/shm) has 4 MB left" in next(line for line in lines if line.startswith("WARNING"))
