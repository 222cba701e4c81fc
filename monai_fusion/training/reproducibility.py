"""The same numbers in every run with the same seed."""

from __future__ import annotations

import numpy as np
import torch
from ignite.engine import Engine, Events

from monai_fusion.data import ParticipantSampler


class EpochSeeding:
    """Key an epoch's draws and its dropout by (seed, epoch), whatever ran before.

    The order of the participants, their segments and their augmentation follow from the sampler's draws; dropout uses
    torch's global generator, which is seeded here.

    Args:
        seed: The run's seed.
        sampler: The sampler of the training data.
    """

    def __init__(self, seed: int, sampler: ParticipantSampler) -> None:
        self.seed = seed
        self.sampler = sampler

    def attach(self, engine: Engine) -> None:
        """Attach to a trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Seed the epoch that starts."""
        epoch = engine.state.epoch
        self.sampler.set_epoch(epoch)
        # SeedSequence mixes the pair: seed 1 in epoch 2 is unrelated to seed 2 in epoch 1.
        torch.manual_seed(int(np.random.SeedSequence((self.seed, epoch)).generate_state(1, np.uint64)[0] >> 1))
