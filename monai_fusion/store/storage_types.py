"""The types in which the store keeps arrays: float32, or one that takes half the disk space."""

from __future__ import annotations

import numpy as np

STORAGE_TYPES = ("float32", "float16", "uint16")
_STEPS = np.float32(65535)


def encode(values: np.ndarray, dtype: str) -> np.ndarray:
    """Return values as they are stored; unchanged if the type cannot hold them.

    Args:
        values: float32, any shape; not changed.
        dtype: ``float32``; ``float16``, which errs by at most 2^-11 of a value (4e-3 for a z-score of 8, which is
            finer than EEG is noisy); or ``uint16``, which holds 0..1 in steps of 1/65535 and errs by at most 8e-6.
    """
    if dtype == "float16" and values.size and float(np.abs(values).max()) < 65504:
        return values.astype(np.float16)
    if dtype == "uint16" and values.size and float(values.min()) >= 0 and float(values.max()) <= 1:
        return np.rint(values * _STEPS).astype(np.uint16)
    return values


def decode(stored: np.ndarray) -> np.ndarray:
    """Return stored values as float32; without a copy if they are float32 already."""
    if stored.dtype == np.uint16:
        return np.multiply(stored, np.float32(1) / _STEPS, dtype=np.float32)
    return stored.astype(np.float32, copy=False)


def rounded(values: np.ndarray, dtype: str) -> np.ndarray:
    """Return values rounded as the type does, so that the numbers are the same with and without a store.

    Args:
        values: float32, any shape; not changed.
        dtype: One of `STORAGE_TYPES`.
    """
    return decode(encode(values, dtype))
