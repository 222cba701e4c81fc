"""`FusionDataset`: the participants who have both recordings, and the batches made of them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from monai.engines import PrepareBatch
from monai.transforms import Compose
from torch.utils.data import Dataset

from monai_fusion.data.features import FeatureVariants
from monai_fusion.data.items import SegmentItems, VolumeItems
from monai_fusion.data.recordings import EEGDataset, MRIDataset
from monai_fusion.data.sampling import Draw
from monai_fusion.datalist import ParticipantRecord
from monai_fusion.keys import EEG, LABEL, MRI, MRI_FEATURES, PARTICIPANT_ID


class FusionDataset(Dataset[dict[str, Any]]):
    """One item for each participant who has both recordings.

    With ``segments="random"`` (training) an item holds one of the participant's EEG segments, drawn anew for each
    :class:`~monai_fusion.data.sampling.Draw`: ``eeg`` [17, F, T], ``mri`` [1, T, H, W]. With ``segments="all"``
    (evaluation) it holds all of them, ``eeg`` [S, 17, F, T], and the MRI once.

    Args:
        data: The participants' records; those with one recording only are left out (see ``left_out``).
        transform: ``{"eeg": ..., "mri": ...}``: deterministic transforms, then random ones.
        cache_dir: Folder of the preprocessed store; None keeps what is prepared in memory.
        segments: ``"random"`` or ``"all"``.
        max_segments: With ``"all"``, at most so many segments, evenly spread over the recording; None for no limit.
        seed: Keys the drawn segment and the random transforms, together with the draw's epoch and position.
        channels: Channels of the MRI, 1 or 3.
        num_workers: Threads that prepare files; None for one a core.
        progress: Whether to show progress bars while files are prepared.

    Attributes:
        features: Where features of frozen blocks lie, if a training reuses them (`training.FeatureReuse` sets it); a
            draw that asks for them gets ``mri_features`` [C, t, h, w] in place of ``mri``.

    Raises:
        InputError: Files that cannot be read or are not what they should be.
    """

    def __init__(
        self,
        data: Sequence[ParticipantRecord],
        transform: Mapping[str, Compose | Sequence[Any]],
        cache_dir: str | os.PathLike[str] | None = None,
        segments: Literal["random", "all"] = "random",
        max_segments: int | None = None,
        seed: int = 0,
        channels: int = 1,
        num_workers: int | None = None,
        progress: bool = True,
    ) -> None:
        if segments not in ("random", "all"):
            raise ValueError(f'segments must be "random" or "all", got {segments!r}')
        self.records = tuple(record for record in data if record.eeg and record.mri is not None)
        self.left_out = tuple(record for record in data if not (record.eeg and record.mri is not None))
        self.segments = segments
        self.max_segments = max_segments
        self.seed = seed
        self.features: FeatureVariants | None = None
        self._items = SegmentItems(self.records)
        volumes = VolumeItems(self.records)
        self.mri = MRIDataset(
            volumes, transform[MRI], cache_dir, num_workers=num_workers, progress=progress, channels=channels
        )
        self.eeg = EEGDataset(self._items, transform[EEG], cache_dir, num_workers=num_workers, progress=progress)

    @property
    def labels(self) -> list[int]:
        """The class index of each participant; only for cohorts in which every participant has a label."""
        labels = [record.label for record in self.records if record.label is not None]
        if len(labels) < len(self.records):
            raise ValueError(f"{len(self.records) - len(labels)} participants have no label")
        return labels

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, draw: Draw | int) -> dict[str, Any]:
        if not isinstance(draw, Draw):
            if not -len(self) <= draw < len(self):
                raise IndexError(f"participant {draw} of {len(self)}")
            draw = Draw(draw % len(self), epoch=0, position=draw % len(self))
        first, end = self._items.starts[draw.index], self._items.starts[draw.index + 1]
        generator = draw.generator(self.seed)
        if self.segments == "random":
            segment = int(generator.integers(first, end))
            eeg_seed, mri_seed = (int(value) for value in generator.integers(0, 2**32, size=2, dtype=np.uint32))
            eeg = _plain(self.eeg.draw(segment, eeg_seed)[EEG])
            if draw.features:
                return self._with_features(draw.index, eeg, mri_seed)
            item = self.mri.draw(draw.index, mri_seed)
        else:
            eeg = torch.stack([_plain(self.eeg[index][EEG]) for index in spread(first, end, self.max_segments)])
            item = self.mri[draw.index]
        chosen = {EEG: eeg, MRI: _plain(item[MRI]), PARTICIPANT_ID: item[PARTICIPANT_ID]}
        return chosen | ({LABEL: item[LABEL]} if LABEL in item else {})

    def _with_features(self, index: int, eeg: torch.Tensor, seed: int) -> dict[str, Any]:
        assert self.features is not None  # noqa: S101 # who asks for features has provided them
        record = self.records[index]
        features = self.features.load(index, seed % self.features.count)
        chosen = {EEG: eeg, MRI_FEATURES: features, PARTICIPANT_ID: record.participant_id}
        return chosen | ({} if record.label is None else {LABEL: record.label})


class FusionPrepareBatch(PrepareBatch):
    """Turn a batch into the arguments of ``FusionNet(eeg, mri, mri_features)`` and the target, on the device."""

    def __call__(
        self,
        batchdata: dict[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None, tuple[torch.Tensor, ...], dict[str, Any]]:
        """Return ``(eeg, label, (mri,), {})``, or with the keyword ``mri_features``; an absent label is None."""
        moved = {
            key: batchdata[key].to(device=device, non_blocking=non_blocking, **kwargs)
            for key in (EEG, MRI, MRI_FEATURES)
            if key in batchdata
        }
        label = batchdata.get(LABEL)
        target = None if label is None else label.to(device=device, non_blocking=non_blocking)
        if MRI_FEATURES in moved:
            return moved[EEG], target, (), {MRI_FEATURES: moved[MRI_FEATURES]}
        return moved[EEG], target, (moved[MRI],), {}


def collate_participant(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Make an evaluation batch of one participant: ``eeg`` stays [S, 17, F, T], without a copy.

    Returns:
        ``eeg`` [S, 17, F, T], ``mri`` [1, C, T, H, W], ``participant_id`` [1] and, where known, ``label`` [1] int64.
    """
    (item,) = items  # participants differ in their number of segments: they cannot share a batch
    batch = {EEG: item[EEG], MRI: item[MRI][None], PARTICIPANT_ID: [item[PARTICIPANT_ID]]}
    return batch | ({LABEL: torch.tensor([item[LABEL]])} if LABEL in item else {})


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    """Strip MONAI's metadata: it costs time in collation and carries nothing that training needs."""
    return tensor.as_subclass(torch.Tensor)


def spread(first: int, end: int, at_most: int | None) -> Sequence[int]:
    """Indices ``first`` to ``end``, or ``at_most`` of them at even distances."""
    if at_most is None or end - first <= at_most:
        return range(first, end)
    return [first + (place * (end - first)) // at_most for place in range(at_most)]
