"""What all tests share: a tiny cohort with real files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import settings

from monai_fusion.datalist import ParticipantRecord
from tests.support import write_scalogram, write_volume

# The same examples in every run: a suite that fails today and passes tomorrow is no help.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a GPU where there is none."""
    if item.get_closest_marker("gpu") is not None and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")


@pytest.fixture
def tiny_records(tmp_path: Path) -> tuple[ParticipantRecord, ...]:
    """Four participants, two of each class, with 1 to 4 EEG segments and an MRI of a few voxels."""
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
