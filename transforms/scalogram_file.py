"""Read an EEG scalogram from its .npy file."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

from monai.config import KeysCollection
from monai.transforms import MapTransform

from monai_fusion.errors import InputError, Problem
from monai_fusion.file_formats.npy import load_scalogram
from monai_fusion.keys import EEG


class LoadScalogramd(MapTransform):
    """Replace the path under each key by the result of :func:`~monai_fusion.file_formats.npy.load_scalogram`.

    Args:
        keys: Keys of the paths.
        shape: As in :func:`load_scalogram`.
        allow_missing_keys: Skip keys that a sample does not have.
    """

    version: ClassVar[int] = 1  # part of the preprocessed store's key: raise it when the numbers change

    def __init__(
        self,
        keys: KeysCollection = EEG,
        shape: Sequence[int] = (224, 224, 17),
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.shape = tuple(int(length) for length in shape)
        if len(self.shape) != 3 or min(self.shape) < 1:
            wanted = "three positive lengths: (frequency, time, electrode)"
            raise InputError(Problem(type(self).__name__, "shape", str(self.shape), wanted))

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of ``data`` with ``[electrode, frequency, time]`` arrays under the keys."""
        sample = dict(data)
        for key in self.key_iterator(sample):
            sample[key] = load_scalogram(sample[key], self.shape)
        return sample
