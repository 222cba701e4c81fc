import errno
import json
import os
import pickle
import shutil
import stat
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xxhash

from monai_fusion.store import entries
from monai_fusion.store.maintenance import verify
from monai_fusion.store.stored_chain import StoredChain
from monai_fusion.transforms import LoadVolumed, ResampleSlabd
from tests.store.obstacles import make_folder, make_huge, make_pipe

ARRAY = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
CONTENT = xxhash.xxh3_128_hexdigest(b"source")


def chain(folder: Path, size: int = 4) -> StoredChain:
    return StoredChain(folder, [LoadVolumed(), ResampleSlabd(size=(size,) * 3, depth=2)])


@pytest.fixture
def stored(tmp_path: Path) -> StoredChain:
    stored = chain(tmp_path / "store")
    stored.write(CONTENT, ARRAY)
    return stored


def again(stored: StoredChain) -> StoredChain:
    """The same chain as another process sees it, which has checked nothing yet."""
    copy: StoredChain = pickle.loads(pickle.dumps(stored))
    return copy


def test_a_written_entry_is_read_back_and_may_be_edited_without_harm(stored: StoredChain) -> None:
    read = stored.read(CONTENT)
    assert read is not None and read.dtype == np.float32
    read += 1  # memory of its own
    np.testing.assert_array_equal(again(stored).read(CONTENT), ARRAY)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint16, np.float64])
@pytest.mark.parametrize("shape", [(1, 3, 4, 5), (7,), (), (0, 3)])
def test_every_type_and_shape_survives(tmp_path: Path, dtype: type, shape: tuple[int, ...]) -> None:
    array = np.asarray(np.random.default_rng(0).random(shape) * 9).astype(dtype)
    chain(tmp_path).write(CONTENT, array)
    read = chain(tmp_path).read(CONTENT)
    assert read is not None and read.dtype == array.dtype and read.shape == array.shape
    np.testing.assert_array_equal(read, array)


def test_an_entry_can_be_read_without_this_project(stored: StoredChain) -> None:
    np.testing.assert_array_equal(np.load(stored.entry(CONTENT), allow_pickle=False), ARRAY)


def test_another_chain_does_not_find_the_entry(tmp_path: Path) -> None:
    chain(tmp_path, 4).write(CONTENT, ARRAY)
    assert chain(tmp_path, 5).read(CONTENT) is None


def test_storing_as_float32_is_the_same_chain_and_another_type_is_not(tmp_path: Path) -> None:
    transforms = [LoadVolumed(), ResampleSlabd()]
    plain, same, other = (
        StoredChain(tmp_path, transforms, *kept_as).digest for kept_as in ([], ["float32"], ["uint16"])
    )
    assert plain == same != other


def test_a_truncation_at_any_byte_is_found_by_the_seal_alone(stored: StoredChain) -> None:
    entry = stored.entry(CONTENT)
    whole = entry.read_bytes()
    assert len(whole) == 128 + ARRAY.nbytes + 64
    for size in range(len(whole)):
        entry.write_bytes(whole[:size])
        assert stored.state(CONTENT) == "damaged", size
        assert again(stored).read(CONTENT) is None, size
    entry.write_bytes(whole)
    assert stored.state(CONTENT) == "sound"


def test_any_changed_byte_is_found_at_the_first_use_in_a_process(stored: StoredChain) -> None:
    entry = stored.entry(CONTENT)
    whole = entry.read_bytes()
    for place in range(len(whole)):
        entry.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert again(stored).read(CONTENT) is None, place


def test_a_zeroed_middle_is_found_at_the_first_use_in_a_process(tmp_path: Path) -> None:
    stored = chain(tmp_path)
    stored.write(CONTENT, np.random.default_rng(0).random((50, 1000), dtype=np.float32))
    with stored.entry(CONTENT).open("r+b") as stream:
        stream.seek(100_000)
        stream.write(bytes(4096))
    assert stored.state(CONTENT) == "sound"  # the seal is whole: what it promises is looked at when it is used
    assert stored.read(CONTENT) is None


def test_an_entry_replaced_by_text_or_a_pickle_counts_as_damaged(stored: StoredChain) -> None:
    size = stored.entry(CONTENT).stat().st_size
    for content in (b"", b"not an array", b"t" * size):
        stored.entry(CONTENT).write_bytes(content)
        assert stored.state(CONTENT) == "damaged" and again(stored).read(CONTENT) is None
    np.save(stored.entry(CONTENT), np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert again(stored).read(CONTENT) is None


def test_a_damaged_entry_is_written_again_and_a_sound_one_never(stored: StoredChain) -> None:
    stored.write(CONTENT, ARRAY + 1)
    np.testing.assert_array_equal(again(stored).read(CONTENT), ARRAY)  # write-once
    os.truncate(stored.entry(CONTENT), 100)
    stored.write(CONTENT, ARRAY + 1)
    np.testing.assert_array_equal(again(stored).read(CONTENT), ARRAY + 1)


def test_an_entry_in_use_stays_whole_when_it_is_replaced(stored: StoredChain) -> None:
    read = stored.read(CONTENT)
    stored.entry(CONTENT).unlink()
    stored.write(CONTENT, ARRAY + 1)
    np.testing.assert_array_equal(read, ARRAY)


# ---- an entry records its source and chain -----------------------------------------------------------------------

OTHER = xxhash.xxh3_128_hexdigest(b"other source")


@pytest.fixture
def neighbours(stored: StoredChain) -> StoredChain:
    """Another entry of the same shape in the same chain, and one of the same source in another chain."""
    stored.write(OTHER, ARRAY + 1)
    chain(stored.store.parent, 5).write(CONTENT, ARRAY + 2)
    return stored


def swapped(stored: StoredChain) -> None:
    away = stored.entry("away")
    stored.entry(CONTENT).rename(away)
    stored.entry(OTHER).rename(stored.entry(CONTENT))
    away.rename(stored.entry(OTHER))


def copied_over(stored: StoredChain) -> None:
    shutil.copy2(stored.entry(OTHER), stored.entry(CONTENT))


def of_another_chain(stored: StoredChain) -> None:
    shutil.copy2(chain(stored.store.parent, 5).entry(CONTENT), stored.entry(CONTENT))


def folder_of_another_chain(stored: StoredChain) -> None:
    shutil.rmtree(stored.folder)
    chain(stored.store.parent, 5).folder.rename(stored.folder)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("fault", [swapped, copied_over, of_another_chain, folder_of_another_chain])
def test_an_entry_in_anothers_place_is_never_served(
    neighbours: StoredChain, fault: Callable[[StoredChain], None], moment: str
) -> None:
    reader = again(neighbours)
    if moment == "after":
        np.testing.assert_array_equal(reader.read(CONTENT), ARRAY)
    fault(neighbours)
    assert reader.state(CONTENT) == "misplaced" and reader.read(CONTENT) is None
    found = verify(neighbours.store.parent)
    assert "the entry of another" in found.damaged[neighbours.entry(CONTENT)]
    reader.write(CONTENT, ARRAY)
    np.testing.assert_array_equal(again(neighbours).read(CONTENT), ARRAY)
    assert verify(neighbours.store.parent).sound


def test_an_entry_of_the_older_format_is_recognised(stored: StoredChain) -> None:
    content = stored.entry(CONTENT).read_bytes()[:-64]
    seal = struct.pack("<8sQ16s", b"mf-seal2", len(content) + 32, xxhash.xxh3_128_digest(content))
    stored.entry(CONTENT).write_bytes(content + seal)
    assert stored.state(CONTENT) == "outdated" and stored.read(CONTENT) is None


def test_a_changed_key_in_the_seal_does_not_pass(stored: StoredChain) -> None:
    """An edit of the key without the checksum is detected."""
    stored.write(OTHER, ARRAY + 1)
    content = bytearray(stored.entry(OTHER).read_bytes())
    content[-48:-32] = bytes.fromhex(CONTENT)
    stored.entry(CONTENT).write_bytes(content)
    assert stored.state(CONTENT) == "sound" and stored.read(CONTENT) is None


# ---- something else in an entry's place, and entries that change while they are used -----------------------------


@pytest.mark.parametrize("obstacle", [make_folder, make_pipe, make_huge])
def test_a_file_that_is_not_an_entry_neither_hangs_nor_fills_the_memory(
    stored: StoredChain, obstacle: Callable[[Path], None]
) -> None:
    entry = stored.entry(CONTENT)
    entry.unlink()
    obstacle(entry)
    started = time.process_time()  # of this process: neighbours may keep the cores busy
    assert stored.state(CONTENT) == "damaged" and stored.read(CONTENT) is None
    assert list(verify(stored.store.parent).damaged) == [entry]
    assert time.process_time() - started < 1
    if obstacle is make_folder:  # not ours to remove
        with pytest.raises(OSError):
            stored.write(CONTENT, ARRAY)
        assert [path.name for path in stored.folder.iterdir() if path.suffix == ".part"] == []
    else:
        stored.write(CONTENT, ARRAY)
        np.testing.assert_array_equal(stored.read(CONTENT), ARRAY)


@pytest.mark.parametrize("pause", [0, 1])
def test_a_byte_that_is_changed_after_the_first_reading_is_found_too(
    stored: StoredChain, pause: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if pause:
        monkeypatch.setattr("monai_fusion.store.stamps.SETTLED_AFTER_NS", -(10**12))
    np.testing.assert_array_equal(stored.read(CONTENT), ARRAY)
    time.sleep(0.02)  # the system's clock ticks every 4 ms or so
    status = stored.entry(CONTENT).stat()
    with stored.entry(CONTENT).open("r+b") as stream:
        stream.seek(150)
        stream.write(b"\xff")
    os.utime(stored.entry(CONTENT), ns=(status.st_atime_ns, status.st_mtime_ns))
    assert stored.read(CONTENT) is None


def test_an_entry_that_stays_as_it_is_is_checked_once(stored: StoredChain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monai_fusion.store.stamps.SETTLED_AFTER_NS", -(10**12))
    checked: list[int] = []
    checksum = entries._checksum
    monkeypatch.setattr(entries, "_checksum", lambda content: (checked.append(1), checksum(content))[1])
    for _ in range(3):
        np.testing.assert_array_equal(stored.read(CONTENT), ARRAY)
    assert len(checked) == 1


def test_a_chain_folder_that_is_pruned_while_an_entry_is_written_is_created_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = chain(tmp_path)
    state = StoredChain.state

    def pruned(self: StoredChain, content: str) -> str:
        monkeypatch.setattr(StoredChain, "state", state)
        shutil.rmtree(self.folder)
        return state(self, content)

    monkeypatch.setattr(StoredChain, "state", pruned)
    stored.write(CONTENT, ARRAY)
    np.testing.assert_array_equal(stored.read(CONTENT), ARRAY)


def test_too_many_open_files_are_waited_for(stored: StoredChain, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, failures = os.open, iter(range(3))

    def scarce(*arguments: Any, **options: Any) -> int:
        if next(failures, None) is not None:
            raise OSError(errno.EMFILE, "Too many open files")
        return opened(*arguments, **options)

    monkeypatch.setattr(os, "open", scarce)
    np.testing.assert_array_equal(stored.read(CONTENT), ARRAY)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no POSIX modes")
def test_the_store_is_private_and_what_lies_above_it_is_not(tmp_path: Path) -> None:
    stored = chain(tmp_path / "runs" / "store")
    stored.write(CONTENT, ARRAY)
    files = [path for path in (tmp_path / "runs" / "store").rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600} and len(files) == 2
    for folder in (stored.folder, stored.store, tmp_path / "runs" / "store"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "runs").stat().st_mode) == 0o777 & ~umask


def test_a_place_that_cannot_be_a_store_is_an_operating_system_error(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file where the folder should be")
    stored = chain(tmp_path / "store")
    with pytest.raises(OSError):
        stored.write(CONTENT, ARRAY)
    assert stored.read(CONTENT) is None and stored.state(CONTENT) == "missing"
    assert (tmp_path / "store").read_text() == "a file where the folder should be"


def test_a_symbolic_link_in_an_entrys_place_is_not_followed(stored: StoredChain, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.npy"
    stored.entry(CONTENT).rename(foreign)
    try:
        stored.entry(CONTENT).symlink_to(foreign)
    except OSError:
        pytest.skip("this user may not create symbolic links")
    if not hasattr(os, "O_NOFOLLOW"):
        pytest.skip("this system cannot refuse to follow a link")
    before = foreign.read_bytes()
    assert stored.state(CONTENT) == "damaged" and again(stored).read(CONTENT) is None
    stored.write(CONTENT, ARRAY + 1)
    assert foreign.read_bytes() == before and not stored.entry(CONTENT).is_symlink()


def test_the_chain_is_described_beside_its_entries(stored: StoredChain) -> None:
    described = json.loads((stored.folder / "chain.json").read_text())
    names = [transform["class"].rpartition(".")[2] for transform in described["transforms"]]
    assert names == ["LoadVolumed", "ResampleSlabd"]
