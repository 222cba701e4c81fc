"""The faults that ``store_faults.py`` draws from: what happens to sources, entries, the index and the machine."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import shutil
import signal
import socket
import struct
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from monai_fusion.store import stamps
from monai_fusion.store.claims import claim_path
from monai_fusion.store.maintenance import choose_for_pruning, prune, status_of
from tests.support import write_volume

Live = Callable[[int], None]
_FORK = multiprocessing.get_context("fork")


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


# ---- sources --------------------------------------------------------------------------------------------------------


def _other(world: Any, path: Path) -> Path:
    """Another volume of the same size and modification time as a source."""
    other = world.folder / "other.nii"
    write_volume(other, world.chance.randrange(2**32))
    _date(other, path.stat())
    return other


def _date(path: Path, status: os.stat_result) -> None:
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def source_cp_p(world: Any, path: Path) -> None:
    other = _other(world, path)
    path.unlink()
    shutil.copy2(other, path)


def source_touch_r(world: Any, path: Path) -> None:
    status = path.stat()
    path.write_bytes(_other(world, path).read_bytes())
    _date(path, status)


def source_in_place(world: Any, path: Path) -> None:
    status = path.stat()
    with path.open("r+b") as stream:
        stream.seek(world.chance.randrange(352, status.st_size - 200))
        stream.write(world.chance.randbytes(world.chance.randrange(2, 200) // 2 * 2))
    _date(path, status)


def source_archive(world: Any, path: Path) -> None:
    other = _other(world, path)
    with tarfile.open(world.folder / "fixed.tar", "w") as archive:
        archive.add(other, arcname=path.name)
    with tarfile.open(world.folder / "fixed.tar") as archive:
        archive.extractall(path.parent, filter="data")
    _date(path, other.stat())  # tar keeps whole seconds; archives with fixed times are dated alike


def source_renamed_over(world: Any, path: Path) -> None:
    _other(world, path).replace(path)


def source_swapped(world: Any, path: Path) -> None:
    second = next(other for other in world.sources if other != path)
    away = world.folder / "away"
    path.rename(away)
    second.rename(path)
    away.rename(second)


def source_copied_over(world: Any, path: Path) -> None:
    shutil.copy2(next(other for other in world.sources if other != path), path)


def source_touched(world: Any, path: Path) -> None:
    path.touch()


def source_newer(world: Any, path: Path) -> None:
    write_volume(path, world.chance.randrange(2**32))


def source_no_ctime(world: Any, path: Path) -> None:
    stamps.CTIME_IS_CREATION = True  # in a process of its own
    world.chance.choice([source_touch_r, source_cp_p, source_in_place, source_renamed_over])(world, path)


# ---- entries --------------------------------------------------------------------------------------------------------


def entry_truncated(world: Any, path: Path) -> None:
    os.truncate(path, world.chance.randrange(path.stat().st_size))


def entry_zeroed(world: Any, path: Path) -> None:
    size = path.stat().st_size
    _write_at(path, world.chance.randrange(size), bytes(world.chance.randrange(1, size)))


def entry_flipped(world: Any, path: Path) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(world.chance.choice([1, 1, 20])):
        content[world.chance.randrange(len(content))] ^= 1 << world.chance.randrange(8)
    _write_at(path, 0, bytes(content))


def entry_flipped_dated_back(world: Any, path: Path) -> None:
    status = path.stat()
    entry_flipped(world, path)
    _date(path, status)


def entry_text(world: Any, path: Path) -> None:
    path.write_bytes(b"t" * world.chance.choice([0, 5, path.stat().st_size]))


def entry_longer(world: Any, path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(world.chance.randbytes(world.chance.randrange(1, 300)))


def entry_removed(world: Any, path: Path) -> None:
    path.unlink()


def entry_swapped(world: Any, path: Path) -> None:
    second = _second(world, path)
    away = path.with_suffix(".away")
    path.rename(away)
    second.rename(path)
    away.rename(second)


def entry_copied_over(world: Any, path: Path) -> None:
    world.chance.choice([shutil.copy, shutil.copy2])(_second(world, path), path)


def entry_linked(world: Any, path: Path) -> None:
    second = _second(world, path)
    path.unlink()
    world.chance.choice([os.link, os.symlink])(second, path)


def entry_of_another_chain(world: Any, path: Path) -> None:
    (other,) = [found for found in world.layout.glob(f"*/{path.name}") if found != path]
    world.chance.choice([shutil.copy2, shutil.move])(other, path)


def entry_of_a_chain_and_file(world: Any, path: Path) -> None:
    others = [found for found in world.layout.glob("*/*.npy") if found.parent != path.parent]
    shutil.copy2(world.chance.choice(sorted(others)), path)


def entry_of_an_older_format(world: Any, path: Path) -> None:
    """What version 2 wrote: another chain's numbers would do as well, nothing says whose they are."""
    content = _second(world, path).read_bytes()[:-64]
    seal = struct.pack("<8sQ16s", b"mf-seal2", len(content) + 32, xxhash.xxh3_128_digest(content))
    path.write_bytes(content + seal)


def no_file(world: Any, path: Path) -> None:
    """A folder, a pipe, a huge sparse file or a link in a file's place."""
    path.unlink(missing_ok=True)
    chosen = world.chance.randrange(5)
    if chosen == 0:
        path.mkdir()
    elif chosen == 1:
        os.mkfifo(path)
    elif chosen == 2:
        with path.open("wb") as stream:
            stream.truncate(3 << 30)
    elif chosen == 3:
        path.symlink_to(path.with_name("nowhere"))
    else:
        socket.socket(socket.AF_UNIX).bind(os.path.relpath(path))


def _second(world: Any, path: Path) -> Path:
    others = [found for found in path.parent.glob("*.npy") if found != path and found.is_file()]
    return Path(world.chance.choice(sorted(others)))


def _write_at(path: Path, place: int, content: bytes) -> None:
    size = path.stat().st_size
    with path.open("r+b") as stream:
        stream.seek(place)
        stream.write(content[: size - place])


# ---- the index and what lies beside it ------------------------------------------------------------------------------


def index_damaged(world: Any) -> None:
    path = world.layout / "sources.bin"
    world.chance.choice([entry_truncated, entry_zeroed, entry_flipped, entry_text, entry_longer, entry_removed])(
        world, path
    )


def index_no_file(world: Any) -> None:
    no_file(world, world.layout / "sources.bin")


def index_older(world: Any) -> None:
    """An older copy of the index over the newer, after sources were replaced and prepared."""
    path = world.layout / "sources.bin"
    older = path.read_bytes()
    for source in world.chance.sample(world.sources, 2):
        world.chance.choice(SOURCE_FAULTS)(world, source)
    world.dataset()
    newer = path.read_bytes()
    path.write_bytes(world.chance.choice([older, newer + older, older[: len(older) // 2]]))
    for source in world.chance.sample(world.sources, world.chance.randrange(3)):
        world.chance.choice(SOURCE_FAULTS)(world, source)


def folders_swapped(world: Any) -> None:
    first, second = sorted(path for path in world.layout.iterdir() if path.is_dir())
    away = world.layout / "away"
    first.rename(away)
    second.rename(first)
    if world.chance.random() < 0.7:
        away.rename(second)


def notes_damaged(world: Any) -> None:
    """``chain.json`` and ``last_run.json``."""
    path = world.chance.choice([next(iter(world.entries)).with_name("chain.json"), world.layout / "last_run.json"])
    if world.chance.random() < 0.4:
        no_file(world, path)
    else:
        path.write_bytes(world.chance.choice([b"", b"{", b"[1]", b"[" * 10**5, b'{"files": "x", "reused": []}']))


def place_taken(world: Any) -> None:
    """Something else where the store or its folders should be."""
    path = world.chance.choice([world.store, world.layout, world.entries[0].parent])
    shutil.rmtree(path)
    no_file(world, path)


def claims_left(world: Any) -> None:
    """Claims of nobody, of the dead, from the future, and what is no claim; their entries are gone."""
    folder = world.entries[0].parent
    for path in world.entries:
        path.unlink()
    (world.layout / "sources.bin").unlink()
    me = {"host": socket.gethostname(), "pid": 2**22 + 1}
    for source in world.sources:
        path = claim_path(folder, str(source))
        if world.chance.random() < 0.4:
            no_file(world, path)
            continue
        holders = [me, [1], {**me, "pid": "x"}, {**me, "pid": -1}, {**me, "pid": 2**70}]
        path.write_text(world.chance.choice([*map(json.dumps, holders), "{", "[" * 4000]))
        when = time.time() + world.chance.choice([-(10**6), -60, 10**6])
        os.utime(path, (when, when))


# ---- the machine ----------------------------------------------------------------------------------------------------


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


# ---- how a fault is applied -----------------------------------------------------------------------------------------


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


SOURCE_FAULTS = [source_cp_p, source_touch_r, source_in_place, source_archive, source_renamed_over, source_copied_over]
ENTRY_FAULTS = [
    *(entry_truncated, entry_zeroed, entry_flipped, entry_flipped_dated_back, entry_text, entry_longer, entry_removed),
    *(entry_linked, entry_of_an_older_format),
]
MISPLACED = [entry_copied_over, entry_of_another_chain, entry_of_a_chain_and_file]
LIVE_FAULTS = [entry_truncated, entry_text, entry_removed, entry_longer, entry_copied_over, entry_linked]

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
