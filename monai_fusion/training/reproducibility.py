"""The same numbers in every run with the same seed."""

from __future__ import annotations

import numpy as np
import torch
from ignite.engine import Engine, Events

from monai_fusion import ranks
from monai_fusion.data import ParticipantSampler


class EpochSeeding:
    """Key an epoch's draws by (seed, epoch) and an iteration's dropout by (seed, epoch, iteration).

    So they do not depend on earlier epochs or runs. The order of the participants, their segments and their
    augmentation follow from the sampler's draws; dropout uses torch's global generator. The handler seeds it when the
    batch has arrived and not before the epoch, because a `DataLoader` draws from it whenever it makes an iterator: in
    every epoch, or with persistent workers only in the first one. Each rank drops other units, because it holds another
    part of the batch.

    Args:
        seed: The run's seed.
        sampler: The sampler of the training data.
    """

    def __init__(self, seed: int, sampler: ParticipantSampler) -> None:
        self.seed = seed
        self.sampler = sampler

    def attach(self, engine: Engine) -> None:
        """Attach to a trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._choose_draws)
        engine.add_event_handler(Events.ITERATION_STARTED, self._seed_dropout)

    def _choose_draws(self, engine: Engine) -> None:
        self.sampler.set_epoch(engine.state.epoch)

    def _seed_dropout(self, engine: Engine) -> None:
        # SeedSequence mixes the numbers: seed 1 in epoch 2 is unrelated to seed 2 in epoch 1.
        numbers = (self.seed, engine.state.epoch, engine.state.iteration)
        key = np.random.SeedSequence(numbers if ranks.is_main() else (*numbers, ranks.rank()))
        torch.manual_seed(int(key.generate_state(1, np.uint64)[0] >> 1))
