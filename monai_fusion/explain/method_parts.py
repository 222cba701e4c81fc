"""What several methods share: their recordings, their arguments, and what integrated gradients need."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray
from torch import Tensor

from monai_fusion.errors import InputError, Problem
from monai_fusion.explain.method import Explained

GRADIENT_PASSES = 2
"""What a pass with the gradient of its input counts as, for the progress bar; measured, the weights have none."""


def eeg_of(participant: Explained) -> Tensor:
    """The participant's segments.

    Raises:
        InputError: There is no EEG.
    """
    if participant.eeg is None:
        raise InputError(Problem(participant.participant_id, "eeg", "none", "an EEG", "this method explains the EEG"))
    return participant.eeg


def mri_of(participant: Explained) -> Tensor:
    """[1, C, T, H, W].

    Raises:
        ValueError: The participant has no MRI: the caller asks about others only.
    """
    if participant.mri is None:
        raise ValueError(f"{participant.participant_id} has no MRI")
    return participant.mri


def recording_digest(recording: Tensor) -> str:
    """A digest of a preprocessed recording's numbers, on the CPU."""
    return xxhash.xxh3_128_hexdigest(np.ascontiguousarray(recording.numpy()).data)


def is_count(value: object) -> bool:
    """Whether it is a whole number from 1."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def require_counts(method: str, **fields: object) -> None:
    """Refuse arguments of a method that are no whole numbers from 1.

    Raises:
        InputError: One is not.
    """
    wrong = [
        Problem(method, field, repr(value), "a whole number from 1")
        for field, value in fields.items()
        if not is_count(value)
    ]
    if wrong:
        raise InputError(wrong)


def completeness_error(sums: NDArray[np.float64], differences: NDArray[np.float64]) -> NDArray[np.float32]:
    """[segment] abs(sum - difference) / abs(difference): 0 for a perfect one, infinite where only the sum is not 0."""
    missed = np.abs(sums - differences)
    wrong = np.where(missed > 0, np.inf, 0.0)
    return np.divide(missed, np.abs(differences), out=wrong, where=differences != 0).astype(np.float32)


def captum_attr(method: str) -> Any:
    """Import ``captum.attr``, which takes a second and is an extra.

    Raises:
        InputError: captum is not installed.
    """
    try:
        return importlib.import_module("captum.attr")
    except ImportError:
        advice = 'pip install "monai-fusion[explain]"'
        raise InputError(Problem(method, seen="captum is not installed", advice=advice)) from None
