"""`DeviceLoader`: batches on the device of the training, without processes that load data."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import torch

from monai_fusion.data.batch_augmentation import BatchAugmentation, Parcel
from monai_fusion.data.collation import collate_participants
from monai_fusion.data.distributed_sampling import DistributedTrainingSampler
from monai_fusion.data.fusion_dataset import Choice, FusionDataset
from monai_fusion.data.held_recordings import HeldRecordings, Request, Source, StreamedRecordings
from monai_fusion.data.recordings import RecordingDataset
from monai_fusion.data.sampling import EpochSample, ParticipantSampler
from monai_fusion.keys import EEG, LABEL, MRI, PARTICIPANT_ID, PRESENT

_AHEAD = 2  # batches that are read while one computes


@dataclass
class _Part:
    """One kind of recording: where it comes from, and what is drawn for it."""

    dataset: RecordingDataset
    source: Source
    augmentation: BatchAugmentation


@dataclass
class _Wanted:
    """The recordings of one kind in a batch."""

    places: list[int]
    seeds: list[int]
    request: Request


@dataclass
class _Pending:
    """A batch before it is made."""

    draws: list[EpochSample]
    choices: list[Choice]
    wanted: dict[str, _Wanted]


class DeviceLoader:
    """The batches of a `DataLoader` over a `FusionDataset`, with the same draws, made on a device.

    Prepared recordings wait on the device, or threads read them ahead of the training, also across the end of an epoch.
    Augmentation runs there for the whole batch: the same random numbers as one by one in the processor; a rotated
    volume differs by rounding. An iteration does not wait for the device.

    With ``segments="all"`` a batch is one participant with all segments, as from `collate_participants`; recordings
    that are held as float32 are not copied. With ``"random"`` it is a training batch, as from `default_collate`, or
    from `collate_available` where participants may lack a recording; ``present`` stays on the CPU.

    Args:
        dataset: The participants.
        device: Where batches are made.
        batch_size: Participants in a batch; 1 with ``segments="all"``.
        sampler: The draws of an epoch; None for each participant once, in order.
        held: Whether the recordings wait on the device; they are read when the loader is made. If not, they are read
            for each batch.
        readers: With ``held=False``, the number of threads that read; 0 reads in the training's own.
        progress: Whether to show a progress bar while recordings are read.

    Attributes:
        num_workers: 0: the loader starts no processes.

    Raises:
        InputError: The recordings differ in shape, or one cannot be read.
        ValueError: The arguments do not fit together.
    """

    num_workers = 0

    def __init__(
        self,
        dataset: FusionDataset,
        device: str | torch.device,
        batch_size: int = 1,
        sampler: ParticipantSampler | DistributedTrainingSampler | Sequence[int] | None = None,
        *,
        held: bool = True,
        readers: int = 1,
        progress: bool = True,
    ) -> None:
        self.dataset, self.batch_size, self.held = dataset, batch_size, held
        self.device = torch.device(device)
        self.sampler = range(len(dataset)) if sampler is None else sampler
        whole = dataset.segments == "all"
        if whole and (batch_size != 1 or not held or dataset.eeg.augmentation or dataset.mri.augmentation):
            raise ValueError('segments="all": one participant in a batch, held on the device, without augmentation')
        self._pool = None if held or readers == 0 else ThreadPoolExecutor(readers, "reader")
        chosen = [dataset.chosen_segments(index) if whole else () for index in range(len(dataset))]
        self._starts = [0, *accumulate(map(len, chosen))]
        segments = [place for places in chosen for place in places] if whole else None
        self._parts: dict[str, _Part] = {}
        for key, part, places in ((EEG, dataset.eeg, segments), (MRI, dataset.mri, None)):
            if len(part):
                source = self._source(part, places, progress)
                self._parts[key] = _Part(part, source, BatchAugmentation(part.transform, part.augmentation, key))
        self._ahead: deque[_Pending] = deque()

    def __len__(self) -> int:
        return -(-len(self.sampler) // self.batch_size)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        if self.dataset.segments == "all":
            for index in self.sampler:
                yield collate_participants([self.item(index.index if isinstance(index, EpochSample) else index)])
            return
        draws = list(self.sampler)
        batches = deque(self._batches(draws))
        # What was read ahead during the last epoch, unless another epoch follows than expected.
        waiting = self._ahead
        self._ahead = deque()
        if [pending.draws for pending in waiting] == list(batches)[: len(waiting)]:
            for _ in waiting:
                batches.popleft()
        else:
            waiting = deque()
        while batches or waiting:
            while batches and len(waiting) <= self._window:
                waiting.append(self._begin(batches.popleft()))
            if not batches:
                self._begin_next(draws, self._window - len(waiting) + 1)
            yield self._finish(waiting.popleft())

    def item(self, index: int) -> dict[str, Any]:
        """Return a participant as the dataset does, by the index there, with all chosen segments.

        Returns:
            ``eeg`` [S, 17, F, T] and ``mri`` [C, T, H, W] float32 on the device, each if it exists, ``participant_id``
            and, where known, ``label``.

        Raises:
            ValueError: The dataset draws segments.
        """
        if self.dataset.segments != "all":
            raise ValueError('participants are whole only with segments="all"')
        item: dict[str, Any] = self.dataset.identity(index)
        first, end = self._starts[index], self._starts[index + 1]
        if first < end:
            item[EEG] = self._held(EEG).between(first, end)
        if (place := self.dataset.volume_place(index)) is not None:
            item[MRI] = self._with_channels(self._held(MRI).between(place, place + 1))[0]
        return item

    def memory(self) -> list[torch.Tensor]:
        """The tensors on the device that hold the recordings; empty if they are read for each batch."""
        sources = [part.source for part in self._parts.values()]
        return [source.values for source in sources if isinstance(source, HeldRecordings)]

    @property
    def singles(self) -> list[str]:
        """The names of the transforms that are applied to each sample alone."""
        return [name for part in self._parts.values() for name in part.augmentation.singles]

    @property
    def _window(self) -> int:
        """How many batches are begun before the one that is needed; none where there is nothing to wait for."""
        return 0 if self._pool is None else _AHEAD

    def _source(self, part: RecordingDataset, places: Sequence[int] | None, progress: bool) -> Source:
        if self.held:
            return HeldRecordings(part, places, self.device, progress)
        return StreamedRecordings(part, self.device, self._pool)

    def _held(self, key: str) -> HeldRecordings:
        source = self._parts[key].source
        assert isinstance(source, HeldRecordings)  # noqa: S101 # segments="all" requires it
        return source

    def _batches(self, draws: Sequence[Any]) -> Iterator[list[EpochSample]]:
        samples = [
            draw if isinstance(draw, EpochSample) else EpochSample(int(draw), epoch=0, position=int(draw))
            for draw in draws
        ]
        return (samples[first : first + self.batch_size] for first in range(0, len(samples), self.batch_size))

    def _begin_next(self, draws: Sequence[Any], batches: int) -> None:
        """Begin the first batches of the next epoch, so that they are read during the validation."""
        sampler = self.sampler
        if not isinstance(sampler, ParticipantSampler | DistributedTrainingSampler) or batches <= len(self._ahead):
            return
        following = list(self._batches(list(sampler.of_epoch(draws[0].epoch + 1))))
        while len(self._ahead) < min(batches, len(following)):
            self._ahead.append(self._begin(following[len(self._ahead)]))

    def _begin(self, draws: list[EpochSample]) -> _Pending:
        choices = [self.dataset.choose(draw) for draw in draws]
        segments = {row: choice.segment for row, choice in enumerate(choices) if choice.segment is not None}
        volumes = {row: choice.volume for row, choice in enumerate(choices) if choice.volume is not None}
        wanted = {}
        for key, places in ((EEG, segments), (MRI, volumes)):
            if places:
                seeds = [choices[row].eeg_seed if key == EEG else choices[row].mri_seed for row in places]
                found = list(places.values())
                wanted[key] = _Wanted(found, seeds, self._parts[key].source.request(found))
        return _Pending(draws, choices, wanted)

    def _finish(self, pending: _Pending) -> dict[str, Any]:
        identities = [self.dataset.identity(draw.index) for draw in pending.draws]
        parcel = Parcel()
        labels = [identity[LABEL] for identity in identities if LABEL in identity]
        labels_at = parcel.add(np.array(labels, dtype=np.int64)) if len(labels) == len(identities) else None
        at: dict[str, tuple[int | None, list[int | None]]] = {}
        for key, wanted in pending.wanted.items():
            part = self._parts[key]
            rows_at = parcel.add(wanted.request.rows)
            at[key] = rows_at, part.augmentation.draw(wanted.seeds, part.source.shape, parcel)
        parcel.send(self.device)
        batch: dict[str, Any] = {}
        for key, wanted in pending.wanted.items():
            part, (rows_at, numbers_at) = self._parts[key], at[key]
            values = part.source.take(wanted.request, parcel.get(rows_at))
            items = [part.dataset.data[place] for place in wanted.places] if part.augmentation.singles else ()
            numbers = [parcel.get(place) for place in numbers_at]
            batch[key] = part.augmentation.apply(values, numbers, wanted.seeds, items)
        if MRI in batch:
            batch[MRI] = self._with_channels(batch[MRI])
        if self.dataset.use.allows_missing:
            there = [[choice.segment is not None, choice.volume is not None] for choice in pending.choices]
            batch[PRESENT] = torch.tensor(there)
        batch[PARTICIPANT_ID] = [identity[PARTICIPANT_ID] for identity in identities]
        return batch | ({} if labels_at is None else {LABEL: parcel.get(labels_at)})

    def _with_channels(self, volumes: torch.Tensor) -> torch.Tensor:
        return volumes.expand(-1, self.dataset.mri.channels, *volumes.shape[2:])
