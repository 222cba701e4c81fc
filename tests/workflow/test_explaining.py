"""Faults of an explanation are one short message."""

from __future__ import annotations

import errno
from types import SimpleNamespace

import pytest
import torch

from monai_fusion.errors import RunFailed
from monai_fusion.workflow.explaining import run_explanation


class Failing:
    """An explanation that ends with an error."""

    model = SimpleNamespace(device="cpu", segment_batch_size=16)

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def run(self) -> None:
        raise self.error


def message(error: BaseException) -> str:
    with pytest.raises(RunFailed) as caught:
        run_explanation(Failing(error))  # type: ignore[arg-type] # what is used of one
    return str(caught.value)


def test_a_full_disk_says_that_the_same_command_goes_on() -> None:
    found = message(OSError(errno.ENOSPC, "No space left on device"))
    assert "no space left" in found and "run the same command again" in found and "--resume" not in found


def test_too_little_memory_names_the_knobs() -> None:
    found = message(torch.OutOfMemoryError("CUDA out of memory"))
    assert "out of memory while explaining" in found and "--segment_batch_size (now 16)" in found


def test_any_other_error_is_left_alone() -> None:
    with pytest.raises(ZeroDivisionError):
        run_explanation(Failing(ZeroDivisionError()))  # type: ignore[arg-type] # as above
