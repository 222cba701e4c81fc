"""The faults that ``store_faults.py`` draws from: what happens to sources, entries, the index and the machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.store_file_faults import (
    ENTRY_FAULTS,
    LIVE_FAULTS,
    MISPLACED,
    SOURCE_FAULTS,
    claims_left,
    entry_flipped,
    entry_flipped_dated_back,
    entry_swapped,
    entry_zeroed,
    folders_swapped,
    index_damaged,
    index_no_file,
    index_older,
    no_file,
    notes_damaged,
    place_taken,
    source_newer,
    source_no_ctime,
    source_swapped,
    source_touched,
)
from tests.benchmarks.store_machine_faults import (
    another_user,
    few_open_files,
    filled_meanwhile,
    killed,
    pruned_meanwhile,
    small_files,
)

Live = Callable[[int], None]


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Attributes:
        name: For the table.
        fault: A context manager around the use of the store; it yields what is to be done before each item is read, or
            None for a fault that is over before.
        weight: How often it is drawn.
        filled: Whether the store is full before.
    """

    name: str
    fault: Callable[[Any], AbstractContextManager[Live | None]]
    weight: float = 1.0
    filled: bool = True


def before_use(fault: Callable[[Any], None]) -> Callable[[Any], AbstractContextManager[None]]:
    """A fault of the store as a whole, between two runs."""

    @contextmanager
    def applied(world: Any) -> Iterator[None]:
        os.chdir(world.folder)
        fault(world)
        yield None

    return applied


def some(faults: list[Callable[[Any, Path], None]], of: str) -> Callable[[Any], AbstractContextManager[None]]:
    """Faults of one to three sources or entries, between two runs."""

    def struck(world: Any) -> None:
        for path in world.chance.sample(getattr(world, of), world.chance.randrange(1, 4)):
            if path.is_file():
                world.chance.choice(faults)(world, path)

    return before_use(struck)


def during_use(faults: list[Callable[[Any, Path], None]], of: str) -> Callable[[Any], AbstractContextManager[Live]]:
    """Faults that strike between the readings of a dataset that is open."""

    @contextmanager
    def applied(world: Any) -> Iterator[Live]:
        os.chdir(world.folder)
        kept = []

        def live(number: int) -> None:
            kept.append(float(np.sum(opened[number]["mri"].numpy())))
            paths = [path for path in getattr(world, of) if path.is_file() and not path.is_symlink()]
            if paths and world.chance.random() < 0.5:
                held = [opened[other]["mri"] for other in range(len(opened))]
                world.chance.choice(faults)(world, world.chance.choice(paths))
                kept.extend(float(tensor.sum()) for tensor in held)  # a mapped file would end the process here

        opened = world.dataset()
        yield live

    return applied


KINDS = (
    Kind("source replaced, same size and time", some(SOURCE_FAULTS, "sources"), 6),
    Kind("source swapped with another", some([source_swapped], "sources"), 2),
    Kind("source replaced, no change time", some([source_no_ctime], "sources"), 2),
    Kind("source newer or touched", some([source_newer, source_touched], "sources")),
    Kind("source replaced during use", during_use([*SOURCE_FAULTS, source_newer], "sources"), 2),
    Kind("entry damaged or removed", some(ENTRY_FAULTS, "entries"), 5),
    Kind("entries swapped", some([entry_swapped], "entries"), 2),
    Kind("entry of another file or chain", some(MISPLACED, "entries"), 4),
    Kind("chain folders swapped", before_use(folders_swapped)),
    Kind("no file in an entry's place", some([no_file], "entries"), 2),
    Kind("entry damaged during use", during_use(LIVE_FAULTS, "entries"), 3),
    Kind("entry flipped during use", during_use([entry_flipped, entry_flipped_dated_back, entry_zeroed], "entries"), 2),
    Kind("index damaged or removed", before_use(index_damaged), 2),
    Kind("index older than it was", before_use(index_older), 3),
    Kind("no file in the index's place", before_use(index_no_file)),
    Kind("chain.json, last_run.json damaged", before_use(notes_damaged)),
    Kind("claims left behind", before_use(claims_left)),
    Kind("something in the store's place", before_use(place_taken)),
    Kind("limited file size while filling", small_files, 2, filled=False),
    Kind("few open files", few_open_files),
    Kind("read-only and damaged", another_user),
    Kind("pruned meanwhile", pruned_meanwhile, 2),
    Kind("filled meanwhile", filled_meanwhile, filled=False),
    Kind("filling killed", killed, filled=False),
)
