"""Which part of an epoch's draws, and of the participants to evaluate, each rank takes."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from itertools import islice

from torch.utils.data import Sampler

from monai_fusion import ranks
from monai_fusion.data.sampling import EpochSample, ParticipantSampler


class DistributedTrainingSampler(Sampler[EpochSample]):
    """This rank's part of every batch of an epoch.

    A batch is ``batch_size`` consecutive draws, on any number of ranks; each rank takes one of equally long slices of
    it. Draws keep their position in the epoch, and with it their random numbers: one rank and many ranks form the same
    batches. The last batch of an epoch may be short: its slices then differ by at most one draw, and a rank without a
    draw repeats the last one, so that all ranks have the same number of batches. :meth:`weight` returns the weight of
    a slice.

    Args:
        draws: The epoch's draws over all ranks.
        batch_size: Participants in a batch over all ranks, a multiple of their number.
        rank: Which rank this is; None for this process's.
        count: How many there are; None for this process's group.
    """

    def __init__(
        self, draws: ParticipantSampler, batch_size: int, rank: int | None = None, count: int | None = None
    ) -> None:
        self.draws = draws
        self.batch_size = batch_size
        self.rank = ranks.rank() if rank is None else rank
        self.count = ranks.world_size() if count is None else count
        if batch_size < 1 or batch_size % self.count:
            raise ValueError(f"batch_size must be a multiple of the {self.count} ranks, got {batch_size}")

    def __len__(self) -> int:
        return sum(max(1, end - start) for start, end in map(self._slice, range(self._batches)))

    def __iter__(self) -> Iterator[EpochSample]:
        return self._shared(iter(self.draws))

    def of_epoch(self, epoch: int) -> Iterator[EpochSample]:
        """Return this rank's draws of an epoch, whatever the sampler of all ranks was set to."""
        return self._shared(self.draws.of_epoch(epoch))

    def _shared(self, draws: Iterator[EpochSample]) -> Iterator[EpochSample]:
        for number in range(self._batches):
            batch = list(islice(draws, self.batch_size))
            start, end = self._slice(number)
            yield from batch[start:end] or batch[-1:]

    def weight(self, number: int) -> float:
        """Return the factor of this rank's mean loss over its slice that makes the mean over the ranks the batch's.

        Args:
            number: The batch in the epoch, from 0.
        """
        start, end = self._slice(number)
        return (end - start) * self.count / self._size(number)

    @property
    def _batches(self) -> int:
        return -(-len(self.draws) // self.batch_size)

    def _size(self, number: int) -> int:
        return min(self.batch_size, len(self.draws) - number * self.batch_size)

    def _slice(self, number: int) -> tuple[int, int]:
        each, more = divmod(self._size(number), self.count)
        start = self.rank * each + min(self.rank, more)
        return start, start + each + (self.rank < more)


class DistributedEvaluationSampler(Sampler[int]):
    """The participants that this rank evaluates: every W-th, starting with its own number.

    With fewer participants than ranks, some ranks repeat one, because an engine without data raises an error; the ids
    show it, and the code that gathers the predictions counts each participant once.

    Args:
        dataset: One item a participant.
        rank: Which rank this is; None for this process's.
        count: How many there are; None for this process's group.
    """

    def __init__(self, dataset: Sized, rank: int | None = None, count: int | None = None) -> None:
        self.rank = ranks.rank() if rank is None else rank
        self.count = ranks.world_size() if count is None else count
        own = range(self.rank, len(dataset), self.count)
        self.indices = own or range(self.rank % len(dataset), self.rank % len(dataset) + 1)

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[int]:
        return iter(self.indices)
