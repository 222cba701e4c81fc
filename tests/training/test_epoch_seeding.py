"""The same draws and the same dropout in an epoch, after any earlier run and for any way of loading the data."""

from typing import NamedTuple

import pytest
import torch
from ignite.engine import Engine
from torch import Tensor
from torch.utils.data import DataLoader

from monai_fusion.data import ParticipantSampler
from monai_fusion.training import EpochSeeding
from tests.support import EchoDraws

LABELS = [0, 0, 0, 0, 1, 1, 1]
EPOCHS = 3


class Seen(NamedTuple):
    """What an epoch saw: its draws [index, epoch, position] in order and a dropout mask of each iteration."""

    draws: list[list[int]]
    dropout: list[list[bool]]


def watch(workers: int = 0, first: int = 1, seed: int = 4, disturb: int = 0) -> dict[int, Seen]:
    """Run epochs ``first`` .. 3 through an ignite engine and a DataLoader, as a trainer does."""
    sampler = ParticipantSampler(LABELS, seed=seed)
    loader = DataLoader(EchoDraws(), batch_size=2, sampler=sampler, num_workers=workers, persistent_workers=workers > 0)
    seen: dict[int, Seen] = {}

    def step(engine: Engine, batch: Tensor) -> None:
        epoch = seen.setdefault(engine.state.epoch, Seen([], []))
        epoch.draws.extend(batch.tolist())
        epoch.dropout.append(torch.nn.functional.dropout(torch.ones(32)).bool().tolist())
        torch.rand(disturb)  # what a validation or a user's handler may use up

    engine = Engine(step)
    EpochSeeding(seed, sampler).attach(engine)
    if first == 1:
        engine.run(loader, max_epochs=EPOCHS)
    else:
        engine.load_state_dict({"epoch": first - 1, "max_epochs": EPOCHS, "epoch_length": len(loader)})
        engine.run(loader)
    return seen


@pytest.fixture(scope="module")
def alone() -> dict[int, Seen]:
    return watch()


def test_the_loader_of_an_epoch_yields_the_samplers_draws_of_that_epoch(alone: dict[int, Seen]) -> None:
    sampler = ParticipantSampler(LABELS, seed=4)
    assert list(alone) == [1, 2, 3]
    for epoch, seen in alone.items():
        sampler.set_epoch(epoch)
        assert seen.draws == [[draw.index, epoch, place] for place, draw in enumerate(sampler)]
    assert alone[1].draws != alone[2].draws


def test_persistent_workers_see_the_same_draws_and_dropout_over_all_epochs(alone: dict[int, Seen]) -> None:
    assert watch(workers=2) == alone


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_after_a_resume_is_the_epoch_without_one(alone: dict[int, Seen], workers: int) -> None:
    assert watch(workers, first=3) == {3: alone[3]}


def test_random_numbers_used_by_others_change_nothing(alone: dict[int, Seen]) -> None:
    torch.rand(100)
    assert watch(disturb=17) == alone


def test_another_seed_and_every_epoch_and_iteration_have_their_own_numbers(alone: dict[int, Seen]) -> None:
    other = watch(seed=5)
    masks = [tuple(mask) for seen in (*alone.values(), *other.values()) for mask in seen.dropout]
    assert len(set(masks)) == len(masks) == 2 * EPOCHS * 4
    assert other[1].draws != alone[1].draws
