"""What all tests share: a tiny cohort with real files.

torch and MONAI are imported where they are needed: pytest-xdist's own process, which runs no test, loads this too, and
starts its workers only then.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from monai_fusion.datalist import ParticipantRecord

# The same examples in every run: a suite that fails today and passes tomorrow is no help.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")


# They share a training, exported networks, or the process of `tests.warm`, whose imports take longer than most tests.
TOGETHER = ("tests/bundle/", "tests/export/", "tests/workflow/test_input_checks.py", "tests/test_warm.py")


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Under ``--dist loadfile``, the files of `TOGETHER` go to one worker: two would train and import twice.

    The slow tests of these files train for themselves, and are shared by files.
    """
    if config.getoption("dist") != "loadfile" or config.getoption("markexpr") == "slow":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "together" if nodeid.startswith(TOGETHER) else super()._split_scope(nodeid)

    return Scheduling(config, log)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a GPU where there is none."""
    if item.get_closest_marker("gpu") is not None:
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")


@pytest.fixture
def tiny_records(tmp_path: Path) -> tuple[ParticipantRecord, ...]:
    """Four participants, two of each class, with 1 to 4 EEG segments and an MRI of a few voxels."""
    from monai_fusion.datalist import ParticipantRecord
    from tests.support import write_scalogram, write_volume

    return tuple(
        ParticipantRecord(
            participant_id=f"sub-{number:02d}",
            label=number % 2,
            eeg=tuple(
                write_scalogram(tmp_path / f"sub-{number:02d}_seg{segment}.npy", 10 * number + segment)
                for segment in range(number + 1)
            ),
            mri=write_volume(tmp_path / f"sub-{number:02d}_T1w.nii.gz", number),
            section="training",
        )
        for number in range(4)
    )
