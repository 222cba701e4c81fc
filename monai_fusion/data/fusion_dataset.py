"""`FusionDataset`: the participants with their recordings, and the batches made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from monai.engines import PrepareBatch
from torch.utils.data import Dataset, default_collate

from monai_fusion.data.items import SegmentItems, VolumeItems
from monai_fusion.data.preprocessing import Preprocessing
from monai_fusion.data.recordings import EEGDataset, MRIDataset
from monai_fusion.data.sampling import EpochSample
from monai_fusion.datalist import ParticipantRecord
from monai_fusion.datalist.availability import BOTH_REQUIRED, ModalityPolicy
from monai_fusion.keys import EEG, LABEL, MRI, PARTICIPANT_ID, PRESENT
from monai_fusion.spreading import spread


class Choice(NamedTuple):
    """What a training draw holds: the places of its recordings in the two datasets, and the seeds of their transforms.

    Attributes:
        segment: The place of the EEG segment; None without one, or if it is hidden.
        volume: The place of the MRI, in the same way.
        eeg_seed: Seeds the random transforms of the segment.
        mri_seed: Seeds those of the MRI.
    """

    segment: int | None
    volume: int | None
    eeg_seed: int
    mri_seed: int


class FusionDataset(Dataset[dict[str, Any]]):
    """One item for each participant who has both recordings, or, if ``use`` allows it, one of them.

    With ``segments="random"`` (training) an item holds one of the participant's EEG segments, a new draw for each
    :class:`~monai_fusion.data.sampling.EpochSample`: ``eeg`` [17, F, T], ``mri`` [1, T, H, W]. With ``segments="all"``
    (evaluation) it holds all of them, ``eeg`` [S, 17, F, T], and the MRI once. The item omits a recording that the
    participant lacks.

    Args:
        data: The participants' records; ``left_out`` has those who do not take part (mostly for lack of a recording).
        preprocessing: The transforms computed once for each recording, and where the results are kept.
        augmentation: ``{"eeg": [...], "mri": [...]}``: the transforms computed in each draw; None for none.
        segments: ``"random"`` or ``"all"``.
        max_segments: With ``"all"``, the largest number of segments, evenly spread over the recording; None: no limit.
        seed: Keys the drawn segment and the random transforms, together with the draw's epoch and position.
        channels: Channels of the MRI, 1 or 3.
        num_workers: Threads that prepare files; None for one per core.
        progress: Whether to show progress bars while files are prepared.
        use: Which recordings are used, which participants take part, and, with ``"random"`` segments, how often one of
            two recordings is hidden.

    Raises:
        InputError: Files that cannot be read or are not what they should be.
    """

    def __init__(
        self,
        data: Sequence[ParticipantRecord],
        preprocessing: Preprocessing,
        augmentation: Mapping[str, Sequence[Callable[..., Any]]] | None = None,
        segments: Literal["random", "all"] = "random",
        max_segments: int | None = None,
        seed: int = 0,
        channels: int = 1,
        num_workers: int | None = None,
        progress: bool = True,
        use: ModalityPolicy = BOTH_REQUIRED,
    ) -> None:
        if segments not in ("random", "all"):
            raise ValueError(f'segments must be "random" or "all", got {segments!r}')
        self.use = use
        self.records, self.left_out = use.select(data)
        self.segments = segments
        self.max_segments = max_segments
        self.seed = seed
        self._items = SegmentItems(self.records)
        self._eeg_places = _places(bool(record.eeg) for record in self.records)
        self._mri_places = _places(record.mri is not None for record in self.records)
        chains, drawn = preprocessing.chains, augmentation or {}
        volumes = VolumeItems(self.records)
        options: dict[str, Any] = {"num_workers": num_workers, "progress": progress}
        self.mri = MRIDataset(volumes, chains[MRI], drawn.get(MRI, ()), channels=channels, **options)
        self.eeg = EEGDataset(self._items, chains[EEG], drawn.get(EEG, ()), **options)

    @property
    def labels(self) -> list[int]:
        """The class index of each participant; only for cohorts in which every participant has a label.

        Raises:
            ValueError: A participant has no label.
        """
        labels = [record.label for record in self.records if record.label is not None]
        if len(labels) < len(self.records):
            raise ValueError(f"{len(self.records) - len(labels)} participants have no label")
        return labels

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, draw: EpochSample | int) -> dict[str, Any]:
        if not isinstance(draw, EpochSample):
            if not -len(self) <= draw < len(self):
                raise IndexError(f"participant {draw} of {len(self)}")
            draw = EpochSample(draw % len(self), epoch=0, position=draw % len(self))
        item = self._drawn(draw) if self.segments == "random" else self._whole(draw.index)
        return item | self.identity(draw.index)

    def choose(self, draw: EpochSample) -> Choice:
        """Return what a draw holds: which recordings, and the seeds of their random transforms; reads no file."""
        generator = draw.generator(self.seed)
        segments = self._segments(draw.index)
        segment = int(generator.integers(segments.start, segments.stop)) if segments else -1
        eeg_seed, mri_seed = (int(value) for value in generator.integers(0, 2**32, size=2, dtype=np.uint32))
        with_eeg, with_mri = bool(segments), self.records[draw.index].mri is not None
        # Last, so that all other draws are the same with and without it.
        if with_eeg and with_mri and self.use.dropout > 0 and generator.random() < self.use.dropout:
            with_eeg = generator.random() < 0.5
            with_mri = not with_eeg
        volume = self._mri_places[draw.index] if with_mri else None
        return Choice(segment if with_eeg else None, volume, eeg_seed, mri_seed)

    def chosen_segments(self, index: int) -> Sequence[int]:
        """The places in the EEG dataset of the segments of a participant that ``segments="all"`` serves."""
        segments = self._segments(index)
        return spread(segments.start, segments.stop, self.max_segments)

    def sizes(self) -> tuple[int, int]:
        """Return the bytes of a prepared EEG segment and the numbers of a volume; 0 for what no participant has."""
        eeg = self.eeg[0][EEG].nbytes if len(self.eeg) else 0
        return eeg, self.mri[0][MRI][0].numel() if len(self.mri) else 0

    def volume_place(self, index: int) -> int | None:
        """The place of a participant's MRI in the MRI dataset; None without one."""
        return None if self.records[index].mri is None else self._mri_places[index]

    def identity(self, index: int) -> dict[str, Any]:
        """The part of an item that is no recording: ``participant_id`` and, where known, ``label``."""
        record = self.records[index]
        # Inference has no labels, and None cannot be collated.
        known = {} if record.label is None else {LABEL: record.label}
        return {PARTICIPANT_ID: record.participant_id, **known}

    def _drawn(self, draw: EpochSample) -> dict[str, Any]:
        choice = self.choose(draw)
        item: dict[str, Any] = {}
        if choice.segment is not None:
            item[EEG] = _plain(self.eeg.draw(choice.segment, choice.eeg_seed)[EEG])
        if choice.volume is not None:
            item[MRI] = _plain(self.mri.draw(choice.volume, choice.mri_seed)[MRI])
        return item

    def _whole(self, index: int) -> dict[str, Any]:
        return self.recordings(index, self.chosen_segments(index))

    def recordings(self, index: int, segments: Sequence[int]) -> dict[str, Any]:
        """Return a participant's recordings with some of the EEG segments, without random transforms.

        Args:
            index: The participant.
            segments: Places in the EEG dataset, such as some of :meth:`chosen_segments`.

        Returns:
            ``eeg`` [S, 17, F, T] and ``mri`` [1, T, H, W], as far as they exist.
        """
        item: dict[str, Any] = {}
        if segments:
            item[EEG] = torch.stack([_plain(self.eeg[segment][EEG]) for segment in segments])
        if (volume := self.volume_place(index)) is not None:
            item[MRI] = _plain(self.mri[volume][MRI])
        return item

    def segment_files(self, index: int, segments: Sequence[int]) -> tuple[Path, ...]:
        """Return the scalogram of each of a participant's segments, which are places as in :meth:`recordings`."""
        first = self._segments(index).start
        return tuple(self.records[index].eeg[segment - first] for segment in segments)

    def _segments(self, index: int) -> range:
        """The places of a participant's segments in the EEG dataset."""
        if not self.records[index].eeg:
            return range(0)
        place = self._eeg_places[index]
        return range(self._items.starts[place], self._items.starts[place + 1])


class FusionPrepareBatch(PrepareBatch):
    """Turn a batch into the arguments of ``FusionNet(eeg, mri, present)`` and the target, on the device.

    ``present``, which only lists the rows that exist, stays on the CPU: reading it then needs no wait for the device.
    """

    def __call__(
        self,
        batchdata: dict[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[torch.Tensor | None, torch.Tensor | None, tuple[torch.Tensor | None], dict[str, Any]]:
        """Return ``(eeg, label, (mri,), {})``, or with the keyword ``present``.

        What is absent (a label, or the EEG or MRI of all participants) is None.
        """
        moved = {
            key: batchdata[key].to(device=device, non_blocking=non_blocking, **kwargs)
            for key in (EEG, MRI)
            if key in batchdata
        }
        label = batchdata.get(LABEL)
        target = None if label is None else label.to(device=device, non_blocking=non_blocking)
        further = {key: found for key, found in ((PRESENT, batchdata.get(PRESENT)),) if found is not None}
        return moved.get(EEG), target, (moved.get(MRI),), further


def collate_available(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Make a training batch of participants who may lack a recording; an absent recording takes no place in it.

    Returns:
        ``eeg`` [n_e, 17, F, T] and ``mri`` [n_m, C, T, H, W], each of the participants who have it, and only if any
        does; ``present`` [B, 2] bool (EEG, MRI), ``participant_id`` [B] and, where known, ``label`` [B] int64.
    """
    found = {key: [item[key] for item in items if key in item] for key in (EEG, MRI)}
    batch: dict[str, Any] = {key: default_collate(values) for key, values in found.items() if values}
    batch[PRESENT] = torch.tensor([[EEG in item, MRI in item] for item in items])
    known = [{key: item[key] for key in (PARTICIPANT_ID, LABEL) if key in item} for item in items]
    return batch | default_collate(known)


def _places(there: Iterable[bool]) -> list[int]:
    """The place of each participant among those who have a recording; meaningless for the others."""
    return [count - 1 for count in accumulate(map(int, there))]


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    """Strip MONAI's metadata: it costs time in collation and contains nothing that training needs."""
    return tensor.as_subclass(torch.Tensor)
