"""A training ends in time, after a complete epoch if possible."""

import logging
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch.distributed as dist
import torch.multiprocessing as mp
from ignite.engine import Engine

from monai_fusion.errors import InputError
from monai_fusion.training import TimeLimit, time_limit


class Clock:
    """A clock that advances by the given minutes in each iteration."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.minutes = 1000.0
        monkeypatch.setattr(time_limit, "time", SimpleNamespace(monotonic=lambda: 60 * self.minutes))


def train(clock: Clock, limit: TimeLimit, minutes: float = 1.0, epochs: int = 5) -> Any:
    """Epochs of three iterations."""

    def step(engine: Engine, batch: int) -> None:
        clock.minutes += minutes

    trainer = Engine(step)
    limit.attach(trainer)
    return trainer.run([0, 1, 2], max_epochs=epochs)


@pytest.mark.parametrize(
    ("limit", "iterations"),
    [
        (100, 15),
        (15, 15),  # it fits exactly
        (14, 12),  # a fifth epoch would not
        (6, 6),
        (5, 3),
        (3, 3),
        (2, 2),  # not even one: it ends in time nevertheless
        (2.5, 3),  # over in the last iteration of an epoch, which is finished
    ],
)
def test_it_ends_after_the_last_epoch_that_fits(monkeypatch: pytest.MonkeyPatch, limit: float, iterations: int) -> None:
    clock = Clock(monkeypatch)
    state = train(clock, TimeLimit(limit))
    assert state.iteration == iterations and state.out_of_time is (iterations < 15)


def test_an_epoch_that_takes_longer_than_expected_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)

    def step(engine: Engine, batch: int) -> None:
        clock.minutes += 1 if engine.state.epoch == 1 else 2

    trainer = Engine(step)
    TimeLimit(7).attach(trainer)
    state: Any = trainer.run([0, 1, 2], max_epochs=3)
    assert (state.epoch, state.iteration) == (2, 5) and state.out_of_time


def test_a_further_run_has_the_whole_time_again(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, limit = Clock(monkeypatch), TimeLimit(7)
    assert train(clock, limit).iteration == 6
    again = train(clock, limit, epochs=2)
    assert again.iteration == 6 and not again.out_of_time


def test_it_reports_why_and_warns_if_no_run_can_make_progress(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock(monkeypatch)
    with caplog.at_level(logging.INFO, logger="monai_fusion"):
        train(clock, TimeLimit(7))
        train(clock, TimeLimit(0.5))
    assert [record.getMessage() for record in caplog.records] == [
        "time_limit_minutes 7: another epoch (3.0 min) would not fit",
        "no epoch was completed in time_limit_minutes 0.5: give a resumed run more",
        "time_limit_minutes 0.5: the time is over",
    ]


@pytest.mark.parametrize("minutes", [0, -1, float("nan"), "ten", True])
def test_a_wrong_time_is_refused(minutes: Any) -> None:
    with pytest.raises(InputError, match=f"time_limit_minutes: {minutes!r}, expected a number above 0"):
        TimeLimit(minutes)


def run_rank(rank: int, folder: str) -> None:
    """Train on one of two ranks, of which only the second is slow enough to run out of time."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    minutes = [0.0]
    time_limit.time = SimpleNamespace(monotonic=lambda: 60 * minutes[0])  # type: ignore[assignment] # a clock by hand

    def step(engine: Engine, batch: int) -> None:
        minutes[0] += 0.1 + rank

    trainer = Engine(step)
    TimeLimit(4).attach(trainer)
    state = trainer.run([0, 1, 2], max_epochs=5)
    with open(f"{folder}/{rank}", "w", encoding="utf-8") as file:  # noqa: PTH123 # in a process of its own
        file.write(str(state.iteration))
    dist.destroy_process_group()


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot fork; spawned ranks would take a minute to import all")
def test_the_ranks_of_a_distributed_run_end_together(tmp_path: Path) -> None:
    mp.start_processes(run_rank, args=(str(tmp_path),), nprocs=2, start_method="fork")
    assert [(tmp_path / str(rank)).read_text() for rank in (0, 1)] == ["3", "3"]
