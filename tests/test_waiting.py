"""Threads that wait soon fall asleep, in every process that the program starts, unless the user decides otherwise."""

import os
import subprocess
import sys

import pytest

from monai_fusion.waiting import VARIABLES, wait_asleep


def test_linux_threads_are_told_to_fall_asleep_soon() -> None:
    environment = {"OMP_NUM_THREADS": "2"}
    wait_asleep(environment, "linux")
    assert environment == {"OMP_NUM_THREADS": "2", "GOMP_SPINCOUNT": "10000"}


@pytest.mark.parametrize("chosen", [{"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT": "5000"}])
def test_a_user_who_has_chosen_is_not_overruled(chosen: dict[str, str]) -> None:
    environment = dict(chosen)
    wait_asleep(environment, "linux")
    assert environment == chosen


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_other_systems_stay_as_they_are(platform: str) -> None:
    environment: dict[str, str] = {}
    wait_asleep(environment, platform)
    assert environment == {}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux's OpenMP is told")
@pytest.mark.parametrize(("given", "found"), [({}, "10000"), ({"GOMP_SPINCOUNT": "7"}, "7")])
def test_the_program_chooses_before_torch_is_there_and_its_children_inherit_it(
    given: dict[str, str], found: str
) -> None:
    """A process as `monai-fusion` is, and one that it starts, as it starts bundle runs."""
    text = (
        "import subprocess, sys\n"
        "from monai_fusion.cli import main\n"
        "try:\n    main(['--version'])\nexcept SystemExit:\n    pass\n"
        "assert 'torch' not in sys.modules\n"
        "print(subprocess.run([sys.executable, '-c', 'import os; print(os.environ[\"GOMP_SPINCOUNT\"])'],"
        " capture_output=True, text=True, check=True).stdout)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES} | given
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split()[-1] == found
