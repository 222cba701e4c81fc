"""Say in which type a recording's preprocessed array is kept: float32, or one that takes half the disk."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform

from monai_fusion.errors import InputError, Problem
from monai_fusion.keys import MRI
from monai_fusion.transforms.arrays import plain_tensor

STORAGE_TYPES = ("float32", "float16", "uint16")
_STEPS = np.float32(65535)


def encode(values: np.ndarray, dtype: str) -> np.ndarray:
    """Return values as they are stored; as they were given where the type cannot hold them.

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
    """Return stored values as float32; without a copy where they are float32."""
    if stored.dtype == np.uint16:
        return np.multiply(stored, np.float32(1) / _STEPS, dtype=np.float32)
    return stored.astype(np.float32, copy=False)


class StoreAsd(MapTransform):
    """Choose the type in which the preprocessed store keeps the array under each key; last of a deterministic chain.

    The transform itself rounds as the type does, so that the numbers are the same with and without a store.

    Args:
        keys: Keys of the arrays.
        dtype: ``float32``, ``float16`` or ``uint16`` (for values in 0..1), see :func:`encode`.
        allow_missing_keys: Skip keys that a sample does not have.
    """

    version: ClassVar[int] = 1  # part of the preprocessed store's key: to be raised when the numbers change

    def __init__(self, keys: KeysCollection = MRI, dtype: str = "float32", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        if dtype not in STORAGE_TYPES:
            raise InputError(Problem(type(self).__name__, "dtype", repr(dtype), " or ".join(STORAGE_TYPES)))
        self.dtype = dtype

    @property
    def changes_nothing(self) -> bool:
        """Whether a chain with this transform gives what it gives without it; such ones are not part of its key."""
        return self.dtype == "float32"

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of ``data`` with float32 tensors under the keys, rounded to what the type can hold."""
        sample = dict(data)
        for key in self.key_iterator(sample):
            values = plain_tensor(sample[key])
            if not self.changes_nothing:
                values = torch.from_numpy(decode(encode(values.numpy(), self.dtype)))
            sample[key] = values
        return sample
