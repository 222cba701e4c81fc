"""A small store of MRIs, and helpers of its tests."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monai_fusion.data import MRIDataset, VolumeItems
from monai_fusion.datalist import ParticipantRecord
from monai_fusion.transforms import LoadVolumed, ResampleSlabd, ScaleIntensityPercentilesd
from tests.support import mri_dataset

Records = tuple[ParticipantRecord, ...]


def mri_chain(*more: Any) -> list[Any]:
    return [LoadVolumed(), ScaleIntensityPercentilesd(), ResampleSlabd(size=(6, 6, 6), depth=4), *more]


def mri(records: Sequence[ParticipantRecord], store: Path | None, *more: Any, **options: Any) -> MRIDataset:
    return mri_dataset(VolumeItems(records), mri_chain(*more), store, **options)


def volumes(dataset: MRIDataset) -> list[np.ndarray]:
    return [dataset[index]["mri"].numpy().copy() for index in range(len(dataset))]


def settle(records: Records) -> Records:
    """Date the recordings back, so that their modification times can be trusted."""
    for record in records:
        for path in record.files:
            os.utime(path, (time.time() - 60,) * 2)
    return records


def source(record: ParticipantRecord) -> Path:
    assert record.mri is not None
    return record.mri


def outcome(dataset: MRIDataset) -> str:
    return str(dataset.report).rpartition(",")[0]


def entries(store: Path) -> list[Path]:
    return sorted(store.rglob("*.npy"))
