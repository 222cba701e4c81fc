"""Random faults of the preprocessed store: what is wrong, what crashes, what is prepared again, what is served.

Run from the checkout, on Linux: ``python tests/benchmarks/store_faults.py [--faults 2000] [--seed 0] [--only KIND]``.

Each fault meets a store of its own, filled from four small volumes that are old enough to be trusted. A process of its
own then does what a training does: fill, read every item twice, look at the status, verify, fill and read again. Every
array must equal, bit for bit, what the transforms make of the source without any store. A fault that strikes while the
store is in use may also leave what the source held when the run began. An exception, a signal, 60 s without an end or
more than 500 MB of memory count as a crash. Exit code 1 if anything was wrong or crashed. Files are not forced onto the
disk meanwhile (fsync): nobody pulls the plug here.
"""

from __future__ import annotations

import argparse
import gc
import logging
import multiprocessing
import os
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))

from monai_fusion.data import MRIDataset
from monai_fusion.store.maintenance import status_of, verify
from monai_fusion.store.preparing import PreparationChain
from monai_fusion.store.runners import Threads
from monai_fusion.store.stamps import SETTLED_AFTER_NS
from monai_fusion.store.stored_chain import layout_folder
from monai_fusion.transforms import LoadVolumed, ResampleSlabd, ScaleIntensityPercentilesd
from tests.benchmarks.store_fault_kinds import KINDS, Kind
from tests.support import mri_dataset, write_volume

FILES, CHUNK, LIMIT_S, LIMIT_MB = 4, 50, 60, 500
_FORK = multiprocessing.get_context("fork")


def chain(lower: float = 1.0) -> list[Any]:
    """Two values of ``lower`` are two chains whose arrays have the same shape."""
    return [LoadVolumed(), ScaleIntensityPercentilesd(lower=lower, upper=99.0), ResampleSlabd(size=(6, 6, 6), depth=4)]


@cache
def digest() -> str:
    """The digest of the chain that is used."""
    with tempfile.TemporaryDirectory() as folder:
        return str(mri_dataset([], chain(), folder).chain_digest)


@dataclass
class World:
    """A cohort of its own and its store, which two chains have filled.

    Attributes:
        folder: Where all of it is.
        chance: Draws what the fault needs.
        kind: The fault.
    """

    folder: Path
    chance: random.Random
    kind: Kind

    @property
    def sources(self) -> list[Path]:
        """The volumes."""
        return [self.folder / "data" / f"s{number}_T1w.nii" for number in range(FILES)]

    @property
    def store(self) -> Path:
        """The store's folder, as ``--cache_dir`` names it."""
        return self.folder / "store"

    @property
    def layout(self) -> Path:
        """Where the index and the chains are."""
        return layout_folder(self.store)

    @property
    def entries(self) -> list[Path]:
        """The entries of the chain that is used."""
        return sorted((self.layout / digest()[:16]).glob("*.npy"))

    def dataset(self, lower: float = 1.0) -> MRIDataset:
        """Fill the store and open it."""
        items = [{"mri": str(path), "participant_id": path.name[:2]} for path in self.sources]
        return mri_dataset(items, chain(lower), self.store, runner=Threads(1))

    def truth(self) -> list[np.ndarray]:
        """What the transforms make of the sources as they are, without a store."""
        items = [{"mri": str(path), "participant_id": path.name[:2]} for path in self.sources]
        return read(mri_dataset(items, chain(), None, num_workers=1))


def read(dataset: MRIDataset) -> list[np.ndarray]:
    """All items' arrays."""
    return [dataset[number]["mri"].numpy().copy() for number in range(len(dataset))]


def main() -> int:
    """Apply the faults in chunks, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=2000, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="the same seed, the same faults")
    parser.add_argument("--only", default="", help="kinds whose name contains this")
    parser.add_argument("--jobs", type=int, default=2, help="how many processes share them")
    options = parser.parse_args()
    torch.set_num_threads(1)
    gc.freeze()  # what is here already is not looked through, and so not copied, in each forked process
    logging.disable(logging.CRITICAL)
    os.fsync = lambda descriptor: None  # type: ignore[assignment]
    kinds = {kind.name: kind for kind in KINDS if options.only in kind.name}
    weights = [kind.weight for kind in kinds.values()]
    chosen = random.Random(options.seed).choices(list(kinds), weights, k=options.faults)
    counts: dict[str, Counter[str]] = {name: Counter() for name in kinds}
    started = time.perf_counter()
    done = 0
    with ProcessPoolExecutor(options.jobs, _FORK) as pool:
        starts = range(0, options.faults, CHUNK)
        parts = [pool.submit(strike_all, chosen[start : start + CHUNK], options.seed, start) for start in starts]
        for part in parts:
            for number, (name, outcome, detail) in enumerate(part.result(), done):
                counts[name][outcome] += 1
                if outcome in ("wrong", "crashed"):
                    print(f"fault {number}, {name}: {outcome}: {detail}", file=sys.stderr)
            done += len(part.result())
            print(f"{done} faults, {time.perf_counter() - started:.0f} s", file=sys.stderr)
    total = show(counts)
    print(f"{options.faults} faults, seed {options.seed}, {time.perf_counter() - started:.0f} s")
    return 1 if total["wrong"] or total["crashed"] else 0


def strike_all(names: list[str], seed: int, first: int) -> list[tuple[str, str, str]]:
    """Return kind, outcome and detail of some faults, the first of which has this number."""
    kinds = {kind.name: kind for kind in KINDS}
    found = []
    with tempfile.TemporaryDirectory(prefix="store_faults") as folder:
        Path(folder).chmod(0o755)  # one kind reads the store as another user
        for world in make_worlds(Path(folder), [kinds[name] for name in names], seed, first):
            found.append((world.kind.name, *strike(world)))
            shutil.rmtree(world.folder, ignore_errors=True)
    return found


def make_worlds(folder: Path, kinds: list[Kind], seed: int, first: int) -> list[World]:
    """Write the sources, let them age, and fill the stores, so that nothing is read again for being young."""
    worlds = []
    for number, kind in enumerate(kinds, first):
        world = World(folder / str(number), random.Random(f"{seed} {number}"), kind)
        (world.folder / "data").mkdir(parents=True)
        fixed = time.time() - world.chance.choice([60.0, 86400.0 * 365])
        for path in world.sources:
            write_volume(path, world.chance.randrange(2**32))
            os.utime(path, (fixed, fixed))
        worlds.append(world)
    time.sleep(SETTLED_AFTER_NS / 1e9 + 0.1)
    for world in worlds:
        if world.kind.filled:
            world.dataset()
            world.dataset(lower=5.0)
    time.sleep(SETTLED_AFTER_NS / 1e9 + 0.1)
    return worlds


def strike(world: World) -> tuple[str, str]:
    """Apply a fault, use the store in a process of its own, and return what came of it."""
    receiver, sender = _FORK.Pipe(duplex=False)
    process = _FORK.Process(target=_use, args=(world, sender))
    process.start()
    sender.close()
    outcome = ("crashed", f"no end within {LIMIT_S} s")
    if receiver.poll(LIMIT_S):
        try:
            outcome = receiver.recv()
        except EOFError:
            process.join()
            outcome = ("crashed", f"exit code {process.exitcode}")
    process.kill()
    process.join()
    receiver.close()
    return outcome


def _use(world: World, sender: Any) -> None:
    """What the child does: the fault, then all that a training and its owner do."""
    os.setpgid(0, 0)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        outcome, detail = _outcome(world)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024
        if grown > LIMIT_MB:
            outcome, detail = "crashed", f"took {grown:.0f} MB"
    except BaseException:
        outcome, detail = "crashed", traceback.format_exc()
    sender.send((outcome, detail))


def _outcome(world: World) -> tuple[str, str]:
    computed = _count_computations()
    with world.kind.fault(world) as live:
        computed.clear()
        # A fault that strikes during the use has a dataset of its own open already.
        dataset, begun = world.dataset(), world.truth()
        for part in ("first", "second"):
            for number in range(FILES):
                if live is not None:
                    live(number)
                found = dataset[number]["mri"].numpy().copy()
                if not _is_one_of(found, begun[number], world if live else None, number):
                    return "wrong", f"{part} reading of file {number}"
        status_of(world.store)
        prepared = bool(computed)
    if wrong := _wrong_now(world, "after the fault"):
        return "wrong", wrong
    verify(world.store, world.sources)
    if wrong := _wrong_now(world, "after verify"):
        return "wrong", wrong
    return ("recomputed" if prepared else "served"), ""


def _count_computations() -> list[Mapping[str, Any]]:
    """Return a list that grows with every file that is prepared for a store in this process."""
    computed: list[Mapping[str, Any]] = []
    compute = PreparationChain.compute

    def counted(self: PreparationChain, item: Mapping[str, Any]) -> np.ndarray:
        computed.extend([item] if self.folder is not None else [])
        return compute(self, item)

    PreparationChain.compute = counted  # type: ignore[method-assign] # in a process of its own
    return computed


def _is_one_of(found: np.ndarray, begun: np.ndarray, world: World | None, number: int) -> bool:
    """Whether a file's array is that of when the run began or, if the fault strikes meanwhile, of now."""
    if np.array_equal(found, begun):
        return True
    return world is not None and np.array_equal(found, world.truth()[number])


def _wrong_now(world: World, moment: str) -> str:
    """Fill and read again: the sources as they are now."""
    for number, (found, true) in enumerate(zip(read(world.dataset()), world.truth(), strict=True)):
        if not np.array_equal(found, true):
            return f"file {number} {moment}"
    return ""


def show(counts: dict[str, Counter[str]]) -> Counter[str]:
    """Print the table and return the sums."""
    total: Counter[str] = Counter()
    table = Table("fault", *(columns := ("faults", "wrong", "crashed", "recomputed", "served")))
    for name, found in counts.items():
        total += found
        table.add_row(name, *(str(found.total() if column == "faults" else found[column]) for column in columns))
    table.add_row("all", *(str(total.total() if column == "faults" else total[column]) for column in columns))
    Console(width=110).print(table)
    return total


if __name__ == "__main__":
    sys.exit(main())
