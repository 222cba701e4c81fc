"""Which participants an epoch draws, and with which random numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch.utils.data import Sampler


@dataclass(frozen=True, slots=True)
class EpochSample:
    """One place in an epoch: the participant that the dataset serves there, and the key of its random numbers.

    Attributes:
        index: The participant's index in the dataset.
        epoch: The epoch, from 1.
        position: The place in the epoch, over all ranks, from 0.
    """

    index: int
    epoch: int
    position: int

    def generator(self, seed: int) -> np.random.Generator:
        """Random numbers that depend on (seed, epoch, position) alone: not on workers, ranks or earlier draws."""
        return np.random.default_rng((seed, self.epoch, self.position))


class ParticipantSampler(Sampler[EpochSample]):
    """Draws the participants of an epoch: every class equally often (``balanced``) or each participant once.

    Balanced, each class has the same number of draws, without repetition until the class is used up; so a participant
    of a class half as large as another is drawn about twice as often. The order depends on (seed, epoch) alone.

    Args:
        labels: The class index of each participant of the dataset.
        seed: The run's seed.
        balanced: Whether to balance the classes.
    """

    def __init__(self, labels: Sequence[int], seed: int = 0, balanced: bool = True) -> None:
        if not labels:
            raise ValueError("no participants to draw from")
        self.labels = np.asarray(labels)
        self.seed = seed
        self.balanced = balanced
        self.epoch = 1

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch (from 1) that the next iteration draws."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[EpochSample]:
        return self.of_epoch(self.epoch)

    def of_epoch(self, epoch: int) -> Iterator[EpochSample]:
        """Draw an epoch, whatever `set_epoch` chose."""
        generator = np.random.default_rng((self.seed, epoch))
        chosen = self._balanced(generator) if self.balanced else np.arange(len(self.labels))
        order = generator.permutation(chosen)
        return (EpochSample(int(index), epoch, position) for position, index in enumerate(order))

    def _balanced(self, generator: np.random.Generator) -> np.ndarray:
        classes = np.unique(self.labels)
        share, remainder = divmod(len(self.labels), len(classes))
        # If the number does not divide, each epoch draws again which classes get one more.
        extra = set(generator.permutation(len(classes))[:remainder].tolist())
        chosen = []
        for place, label in enumerate(classes):
            members = np.flatnonzero(self.labels == label)
            wanted = share + (place in extra)
            rounds = -(-wanted // len(members))
            chosen.append(np.concatenate([generator.permutation(members) for _ in range(rounds)])[:wanted])
        return np.concatenate(chosen)
