"""Faults of the machine: full disks, few open files, other users, and processes that interfere or are killed."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from monai_fusion.store.maintenance import choose_for_pruning, prune, status_of
from tests.benchmarks.store_file_faults import ENTRY_FAULTS

_FORK = multiprocessing.get_context("fork")


@contextmanager
def small_files(world: Any) -> Iterator[None]:
    """A limited disk: no file may be larger, wherever it is being written."""
    limit = world.chance.choice([0, 10, 64, 100, 500, 700, 1000, 1200, 5000])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    yield None
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def few_open_files(world: Any) -> Iterator[None]:
    """As many files as are open already, and some: each reading may hold one or two, none may be kept."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + world.chance.randrange(4, 12), before[1]))
    held = [world.dataset() for _ in range(5)]
    kept = [dataset[number] for _ in range(20) for dataset in held for number in range(len(dataset))]
    yield None
    assert len(kept) == 400
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@contextmanager
def another_user(world: Any) -> Iterator[None]:
    """A store that is read-only, and in part damaged."""
    world.chance.choice(ENTRY_FAULTS)(world, world.chance.choice(world.entries))
    for path in [world.store, *world.store.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o555 if path.is_dir() else 0o444)
    if os.geteuid() == 0:
        os.seteuid(65534)
    yield None
    if os.geteuid() == 65534:
        os.seteuid(0)


@contextmanager
def pruned_meanwhile(world: Any) -> Iterator[None]:
    """Another process removes all entries, again and again."""

    def prune_for_ever() -> None:
        while True:
            status = status_of(world.store)
            prune(status, choose_for_pruning(status, max_size=0))

    with _beside(prune_for_ever):
        yield None


@contextmanager
def filled_meanwhile(world: Any) -> Iterator[None]:
    """Another process fills the same store."""
    with _beside(lambda: [world.dataset() for _ in range(3)]):
        yield None


@contextmanager
def killed(world: Any) -> Iterator[None]:
    """A process that fills the store is killed."""
    process = _FORK.Process(target=world.dataset)
    process.start()
    time.sleep(world.chance.uniform(0, 0.08))
    process.kill()
    process.join()
    yield None


@contextmanager
def _beside(work: Callable[[], Any]) -> Iterator[None]:
    process = _FORK.Process(target=work, daemon=True)
    process.start()
    try:
        yield
    finally:
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
