"""Small real files, and objects that need an importable name because workers pickle them or their source is read."""

from __future__ import annotations

import importlib.util
import inspect
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from monai.transforms import MapTransform

ELECTRODES, FREQUENCIES, TIMES = 3, 8, 10
EEG_SHAPE = (FREQUENCIES, TIMES, ELECTRODES)


def write_scalogram(path: Path, seed: int, shape: Sequence[int] = EEG_SHAPE) -> Path:
    """A scalogram file of random magnitudes."""
    np.save(path, np.abs(np.random.default_rng(seed).normal(size=shape)).astype(np.float32))
    return path


def write_volume(path: Path, seed: int, shape: Sequence[int] = (9, 10, 11)) -> Path:
    """A NIfTI file of random int16 intensities at 1 mm."""
    voxels = np.random.default_rng(seed).integers(0, 1000, size=shape).astype(np.int16)
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), path)
    return path


def write_datalist(path: Path, sections: Mapping[str, Sequence[Mapping[str, object]]], **fields: object) -> Path:
    """A datalist with the classes M and F beside its files."""
    head = {"name": "test", "target": "gender", "classes": ["M", "F"], "data_root": "."}
    path.write_text(json.dumps({**head, **fields, **sections}), encoding="utf-8")
    return path


class AddOne(MapTransform):
    """A user's own deterministic transform, without a version."""

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Add one to the recordings."""
        return {**data, **{key: data[key] + 1 for key in self.key_iterator(data)}}

    def __init__(self, keys: str = "mri") -> None:
        super().__init__(keys)


def load_second_version(cls: type, folder: Path, old: str, new: str) -> type:
    """Load a copy of a class with its source changed, as if a user had edited it between two runs."""
    source = Path(inspect.getfile(cls)).read_text(encoding="utf-8")
    path = folder / "second_version.py"
    path.write_text(source.replace(old, new), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("second_version", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, cls.__name__)  # type: ignore[no-any-return] # found by name
