"""Faults of files: what happens to sources, entries, the index and what lies beside it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import struct
import tarfile
import time
from pathlib import Path
from typing import Any

import xxhash

from monai_fusion.store import stamps
from monai_fusion.store.claims import claim_path
from tests.support import write_volume

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


SOURCE_FAULTS = [source_cp_p, source_touch_r, source_in_place, source_archive, source_renamed_over, source_copied_over]
ENTRY_FAULTS = [
    *(entry_truncated, entry_zeroed, entry_flipped, entry_flipped_dated_back, entry_text, entry_longer, entry_removed),
    *(entry_linked, entry_of_an_older_format),
]
MISPLACED = [entry_copied_over, entry_of_another_chain, entry_of_a_chain_and_file]
LIVE_FAULTS = [entry_truncated, entry_text, entry_removed, entry_longer, entry_copied_over, entry_linked]
