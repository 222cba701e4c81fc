"""How an evaluation gets its participants: several in a batch, and read ahead of a GPU."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, Protocol

import psutil
import torch
from torch.utils.data import BatchSampler, DataLoader, Sampler

from monai_fusion import ranks
from monai_fusion.data.collation import collate_participants
from monai_fusion.data.device_loader import DeviceLoader
from monai_fusion.data.fusion_dataset import FusionDataset
from monai_fusion.data.held_recordings import bytes_of
from monai_fusion.data.loading import this_machine
from monai_fusion.datalist import ParticipantRecord
from monai_fusion.errors import InputError, Problem
from monai_fusion.keys import EEG, MRI
from monai_fusion.options.knob_values import AUTO
from monai_fusion.options.overrides import as_auto
from monai_fusion.wording import counted

logger = logging.getLogger(__name__)

_MOST_PARTICIPANTS = 8  # more of them together gain nothing: eight MRIs keep a GPU busy
_MOST_THREADS = 8
# The memory of an encoded volume, in volumes of float32: four tensors as large as the stem's output, which has 64
# channels at half the height and width.
_VOLUMES_AT_WORK = 64
_SHARE_OF_GPU = 0.25
_SHARE_OF_HOST, _MOST_BYTES = 1 / 16, 2**30


class EvaluationLoader(DataLoader[dict[str, Any]]):
    """Whole participants in batches, in the dataset's order.

    On a CPU it is a `DataLoader` without processes, and ``auto`` is one participant a batch. For a GPU, threads read
    the participants of the next batch while the GPU computes, and pin their memory. Threads and not processes: an
    evaluation reads much and computes little, /dev/shm may be small, and Windows starts processes slowly.

    A validation meets the same participants in every epoch: with ``device_data`` they stay on a GPU that has room left
    when the first one begins.

    Args:
        dataset: With ``segments="all"``.
        batch_size: Participants in a batch, or ``auto``: as many as fit into a share of the memory, at most 8.
        device: Where the network runs.
        sampler: The participants to evaluate; None for all.
        threads: How many threads read; None: none on a CPU, one for each core
            of this process's share, at most 8, for a GPU.
        device_data: Whether the recordings stay on a GPU: ``false``, or ``auto`` and ``true`` for wherever they fit.

    Raises:
        InputError: ``batch_size`` is neither ``auto`` nor a whole number from 1.
    """

    def __init__(
        self,
        dataset: FusionDataset,
        batch_size: int | str = AUTO,
        device: str | torch.device = "cpu",
        sampler: Sampler[int] | None = None,
        threads: int | None = None,
        device_data: object = False,
    ) -> None:
        self.device = torch.device(device)
        self._stays = as_auto(device_data, "--device_data") is not False
        self._held: DeviceLoader | None = None
        self.on_gpu = torch.device(device).type == "cuda"
        if threads is None:
            threads = min(_MOST_THREADS, ranks.own_cores()) if self.on_gpu else 0
        self.threads = threads
        self.ahead = 2
        size = participants_at_once(batch_size, dataset, device)
        super().__init__(dataset, batch_size=size, sampler=sampler, collate_fn=collate_participants, num_workers=0)

    def __iter__(self) -> Any:
        """Iterate over the batches."""
        if self.on_gpu and self._stays and self._held is None:
            self._held = self._kept_on_gpu()
            self._stays = self._held is not None
        if self._held is not None:
            return self._from_gpu(self._held)
        return self._read_ahead() if self.threads else super().__iter__()

    def _kept_on_gpu(self) -> DeviceLoader | None:
        """All recordings on the GPU; None if they take more than a quarter of what is free."""
        data = self.dataset
        assert isinstance(data, FusionDataset)  # noqa: S101 # the constructor's
        segments = sum(len(data.chosen_segments(index)) for index in range(len(data)))
        needed = bytes_of(data.eeg, segments) + bytes_of(data.mri, len(data.mri))
        if needed > _SHARE_OF_GPU * this_machine(self.device).free:
            return None
        try:
            held = DeviceLoader(data, self.device)
        except (torch.OutOfMemoryError, InputError):
            # Another program has taken it since, or recordings differ in shape, which one by one they may. A file that
            # cannot be read is reported when its participant comes.
            return None
        logger.info("validation data: on the GPU (%.1f GB)", needed / 1e9)
        return held

    def _from_gpu(self, held: DeviceLoader) -> Iterator[dict[str, Any]]:
        for group in self._groups():
            yield collate_participants([held.item(index) for index in group])

    def _groups(self) -> Iterator[list[int]]:
        return iter(BatchSampler(self.sampler, self.batch_size or 1, drop_last=False))

    def _read_ahead(self) -> Iterator[dict[str, Any]]:
        """The batches, with the next ones being read while one is used.

        An error in a thread is raised here. If the evaluation ends early, what was not begun is dropped.
        """
        groups = self._groups()
        readers = ThreadPoolExecutor(self.threads, "evaluation-reader", initializer=_compute_alone)
        # A thread of its own, which waits for the readers: none of them waits for another.
        assembler = ThreadPoolExecutor(1, "evaluation-batch", initializer=_compute_alone)

        def submit(group: Sequence[int]) -> Future[dict[str, Any]]:
            return assembler.submit(self._assemble, [readers.submit(self._read, index) for index in group])

        try:
            waiting = deque(submit(group) for group in islice(groups, self.ahead))
            while waiting:
                batch = waiting.popleft().result()
                waiting.extend(submit(group) for group in islice(groups, 1))
                yield batch
        finally:
            for pool in (readers, assembler):
                pool.shutdown(wait=False, cancel_futures=True)

    def _read(self, index: int) -> dict[str, Any]:
        return self._pinned(self.dataset[index])

    def _pinned(self, item: dict[str, Any]) -> dict[str, Any]:
        # The segments here, by several threads: they are most of the bytes. The MRIs are copied in the batch anyway.
        return {**item, EEG: item[EEG].pin_memory()} if self.on_gpu and EEG in item else item

    def _assemble(self, items: Sequence[Future[dict[str, Any]]]) -> dict[str, Any]:
        batch = self._collate([item.result() for item in items])
        return {**batch, MRI: batch[MRI].pin_memory()} if self.on_gpu and MRI in batch else batch

    def _collate(self, items: Sequence[dict[str, Any]]) -> dict[str, Any]:
        return collate_participants(items)


class Sized(Protocol):
    """Whole participants, of whom it is known how much memory they take."""

    @property
    def records(self) -> Sequence[ParticipantRecord]:
        """The participants."""

    @property
    def max_segments(self) -> int | None:
        """The largest number of segments of one that is used; None: no limit."""

    def sizes(self) -> tuple[int, int]:
        """The bytes of a prepared EEG segment and the numbers of a volume; 0 for what no participant has."""


def participants_at_once(asked: int | str, dataset: Sized, device: str | torch.device) -> int:
    """Return how many participants an evaluation takes together.

    Args:
        asked: The number, or ``auto``: one on a CPU, which keeps all digits of earlier results; on a GPU up to 8, fewer
            if their segments would take more than a sixteenth of the machine's memory or 1 GiB, or the encoding of
            their MRIs more than a quarter of the GPU's.
        dataset: With ``segments="all"``.
        device: Where the network runs.

    Raises:
        InputError: ``asked`` is something else.
    """
    if asked != AUTO:
        if not isinstance(asked, int) or isinstance(asked, bool) or asked < 1:
            raise InputError(Problem("eval_batch_size", seen=repr(asked), wanted="auto or a whole number from 1"))
        return asked
    chosen = torch.device(device)
    if chosen.type != "cuda":
        return 1
    on_gpu = torch.cuda.get_device_properties(chosen).total_memory
    size = min(_MOST_PARTICIPANTS, len(dataset.records), most_in(dataset, psutil.virtual_memory().total, on_gpu))
    logger.info("evaluation: %s a batch, read ahead by threads", counted(max(1, size), "participant"))
    return max(1, size)


def most_in(dataset: Sized, host: int, gpu: int) -> int:
    """Return how many participants fit into the shares of the memories that ``auto`` takes; at least 1.

    Args:
        dataset: With ``segments="all"``.
        host: The machine's memory in bytes.
        gpu: The GPU's memory in bytes.
    """
    most = _MOST_PARTICIPANTS
    segment_bytes, volume = dataset.sizes()
    if segment_bytes:
        limit = dataset.max_segments or max(len(record.eeg) for record in dataset.records)
        segments = max(min(len(record.eeg), limit) for record in dataset.records)
        most = min(most, int(min(_MOST_BYTES, _SHARE_OF_HOST * host) // (segments * segment_bytes)))
    if volume:
        most = min(most, int(_SHARE_OF_GPU * gpu // (_VOLUMES_AT_WORK * volume * 4)))
    return max(1, most)


def _compute_alone() -> None:
    """One thread of arithmetic in each thread that reads, as torch has it in the one that pins memory."""
    torch.set_num_threads(1)
