"""Read an MRI from its NIfTI file, its axes in a known order and direction."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, ClassVar

from monai.config import KeysCollection
from monai.transforms import MapTransform

from monai_fusion.file_formats.nifti import check_axis_codes, load_volume
from monai_fusion.keys import MRI


class LoadVolumed(MapTransform):
    """Replace the path under each key by the result of :func:`~monai_fusion.file_formats.nifti.load_volume`.

    Args:
        keys: Keys of the paths.
        orientation: As in :func:`load_volume`.
        assume_orientation: As in :func:`load_volume`.
        allow_missing_keys: Skip keys that a sample does not have.
    """

    version: ClassVar[int] = 1  # part of the preprocessed store's key: raise it when the numbers change

    def __init__(
        self,
        keys: KeysCollection = MRI,
        orientation: str = "RAS",
        assume_orientation: str | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        check_axis_codes(orientation, "orientation", type(self).__name__)
        if assume_orientation is not None:
            check_axis_codes(assume_orientation, "assume_orientation", type(self).__name__)
        self.orientation = orientation
        self.assume_orientation = assume_orientation

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of ``data`` with ``[1, X, Y, Z]`` arrays under the keys."""
        sample = dict(data)
        for key in self.key_iterator(sample):
            sample[key] = load_volume(sample[key], self.orientation, self.assume_orientation)
        return sample
