import multiprocessing
import os
import pickle
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xxhash

from monai_fusion.store.file_index import RECORD_SIZE, Reading, SourceIndex, read_source
from monai_fusion.store.stamps import Stamp
from monai_fusion.store.stored_chain import LAYOUT
from tests.store.obstacles import make_folder, make_huge, make_pipe


@pytest.fixture(autouse=True)
def _a_while_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file is too young to be trusted: change times cannot be set."""
    monkeypatch.setattr("monai_fusion.store.stamps.SETTLED_AFTER_NS", -(10**12))


def settle(path: Path) -> Path:
    """Date a file back, as one that was copied with its time."""
    past = time.time() - 60
    os.utime(path, (past, past))
    return path


def note(index: SourceIndex, path: Path) -> str:
    reading = read_source(path)
    index.remember(path, reading)
    return reading.content


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "sub-010002_John_Doe.npy"
    path.write_bytes(b"abc")
    return settle(path)


def test_a_source_is_read_once_with_its_hash_and_stamp(source: Path) -> None:
    reading = read_source(source)
    assert reading.buffer.tobytes() == b"abc" and reading.content == xxhash.xxh3_128_hexdigest(b"abc")
    assert reading.stamp == Stamp.of(source.stat()) and reading.settled


def test_the_next_process_knows_what_was_recorded(tmp_path: Path, source: Path) -> None:
    content = note(SourceIndex(tmp_path), source)
    assert SourceIndex(tmp_path).look_up(source) == (content, True)
    assert SourceIndex(tmp_path).look_up(str(source)) == (content, True)


def test_an_unrecorded_file_is_unknown_and_a_missing_one_is_an_error(tmp_path: Path, source: Path) -> None:
    assert SourceIndex(tmp_path).look_up(source) is None
    with pytest.raises(FileNotFoundError):
        SourceIndex(tmp_path).look_up(tmp_path / "nowhere")


def newer(path: Path) -> None:
    path.write_bytes(b"abd")


def longer(path: Path) -> None:
    keeping_its_time(path, lambda: path.write_bytes(b"abcd"))


def rewritten(path: Path) -> None:
    keeping_its_time(path, lambda: path.write_bytes(b"abd"))


def other_inode(path: Path) -> None:
    other = path.with_suffix(".new")
    other.write_bytes(b"abd")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)


def removed_and_copied(path: Path) -> None:
    """``rm``, then ``cp -p``: ext4 gives the same inode again."""
    other = path.with_suffix(".new")
    other.write_bytes(b"abd")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    path.unlink()
    shutil.copy2(other, path)


def keeping_its_time(path: Path, change: Callable[[], object]) -> None:
    status = path.stat()
    change()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("change", [newer, longer, rewritten, other_inode, removed_and_copied])
@pytest.mark.parametrize("change_times", ["kept", "not kept"])
def test_any_difference_of_time_size_inode_or_change_time_makes_it_stale(
    tmp_path: Path, source: Path, change: Callable[[Path], None], change_times: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monai_fusion.store.stamps.CTIME_IS_CREATION", change_times == "not kept")
    index = SourceIndex(tmp_path)
    content = note(index, source)
    assert index.look_up(source) == (content, True)
    time.sleep(0.02)  # the system's clock ticks every 4 ms or so
    change(source)
    assert index.look_up(source) == (content, False)
    assert note(index, source) == xxhash.xxh3_128_hexdigest(source.read_bytes())
    assert index.look_up(source) == (xxhash.xxh3_128_hexdigest(source.read_bytes()), True)


TIMES = 1_700_000_000_123_456_789


@pytest.mark.parametrize(
    ("mtime", "ctime", "shows"),
    [
        (TIMES, TIMES, True),  # written and left alone, ext4
        (TIMES, TIMES + 5, True),  # copied with its time
        (TIMES, 0, False),  # no change time at all
        (TIMES, TIMES - 5, False),  # the time when it was made
        (1_700_000_000_000_000_000, 1_700_000_000_000_000_000, False),  # FAT, SFTP: the modification time again
        (1_700_000_000_120_000_000, 1_700_000_000_120_000_000, False),  # exFAT, cloud storage
        (1_700_000_000_000_000_000, 1_700_000_001_000_000_000, True),
    ],
)
def test_a_change_time_that_does_not_move_is_not_relied_on(
    mtime: int, ctime: int, shows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monai_fusion.store.stamps.CTIME_IS_CREATION", False)
    assert Stamp(3, mtime, ctime, 7).shows_changes is shows


@pytest.mark.parametrize(("place", "found"), [(0, True), (50_000, True), (99_999, True), (25_000, False)])
def test_without_a_change_time_the_first_middle_and_last_bytes_are_compared(
    tmp_path: Path, place: int, found: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "volume.nii"
    content = bytearray(np.random.default_rng(0).bytes(100_000))
    path.write_bytes(content)
    index = SourceIndex(tmp_path)
    note(index, path)
    content[place] ^= 255
    keeping_its_time(path, lambda: path.write_bytes(content))
    # A file system that records no changes: the stamp is the same.
    stamp = Stamp.of(path.stat())._replace(ctime_ns=0)
    monkeypatch.setattr(Stamp, "of", lambda status: stamp)
    index = SourceIndex(tmp_path / "other")
    content[place] ^= 255
    path.write_bytes(content)
    noted = note(index, path)
    content[place] ^= 255
    path.write_bytes(content)
    assert index.look_up(path) == (noted, not found)


def test_a_file_written_this_moment_is_not_trusted(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monai_fusion.store.stamps.SETTLED_AFTER_NS", 2_000_000_000)
    index = SourceIndex(tmp_path)
    source.write_bytes(b"abd")
    assert index.look_up(source) is None
    assert (note(index, source), False) == index.look_up(source)
    settle(source)  # its modification time is old, its change time is now
    assert (note(index, source), False) == index.look_up(source)
    now, stamp = time.time_ns(), Stamp.of(source.stat())
    assert [stamp.settled(now + more * 10**9) for more in (0, 1, 3)] == [False, False, True]


def test_the_record_of_a_file_is_not_trusted_if_the_file_was_young(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = SourceIndex(tmp_path)
    content = note(index, source)
    assert index.look_up(source) == (content, True)
    monkeypatch.setattr("monai_fusion.store.stamps.SETTLED_AFTER_NS", 2_000_000_000)
    note(index, source)
    assert index.look_up(source) == SourceIndex(tmp_path).look_up(source) == (content, False)


def _note_many(folder: Path, start: int) -> None:
    """Append 1,500 records, without a file for each."""
    index = SourceIndex(folder)
    stamp = Stamp.of(folder.stat())
    for number in range(start, 6_000, 4):
        content = np.frombuffer(number.to_bytes(4, "little"), np.uint8)
        index.remember(folder / str(number), Reading(content, f"{number:032x}", stamp, settled=True))


def test_records_of_several_processes_all_arrive(tmp_path: Path) -> None:
    """One of 200 was lost now and then while records crossed from one page of the file into the next."""
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_note_many, args=(tmp_path, start)) for start in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 4
    assert (tmp_path / LAYOUT / "sources.bin").stat().st_size == 6_000 * RECORD_SIZE
    assert len(SourceIndex(tmp_path)) == 6_000


def test_an_index_reads_what_other_processes_wrote(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}" for number in range(20)]
    indices = [SourceIndex(tmp_path) for _ in range(4)]
    for number, path in enumerate(files):
        path.write_bytes(bytes([number]))
        note(indices[number % 4], settle(path))
    indices[0].refresh()
    assert all(indices[0].look_up(path) == (xxhash.xxh3_128_hexdigest(path.read_bytes()), True) for path in files)


def test_damage_only_costs_the_records_it_hit(tmp_path: Path) -> None:
    files = []
    for number in range(3):
        (tmp_path / f"{number}").write_bytes(bytes([number]))
        files.append(settle(tmp_path / f"{number}"))
    index = SourceIndex(tmp_path)
    for path in files:
        note(index, path)
    file = tmp_path / LAYOUT / "sources.bin"
    whole = file.read_bytes()
    for place in range(RECORD_SIZE, 2 * RECORD_SIZE):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        damaged = SourceIndex(tmp_path)
        assert [damaged.look_up(path) is None for path in files] == [False, True, False], place


@pytest.mark.parametrize("left", range(1, 2 * RECORD_SIZE, 7))
def test_a_torn_record_does_not_spoil_those_written_after_it(tmp_path: Path, source: Path, left: int) -> None:
    other = settle(tmp_path / "other") if (tmp_path / "other").write_bytes(b"x") else source
    index = SourceIndex(tmp_path)
    note(index, source)
    note(index, source)
    os.truncate(tmp_path / LAYOUT / "sources.bin", left)
    note(SourceIndex(tmp_path), other)
    known = SourceIndex(tmp_path).look_up(other)
    assert known is not None and known.fresh


def make_link(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


@pytest.mark.parametrize("obstacle", [make_folder, make_pipe, make_huge, make_link])
def test_a_file_that_is_not_an_index_neither_hangs_nor_fills_the_memory(
    tmp_path: Path, source: Path, obstacle: Callable[[Path], None]
) -> None:
    (tmp_path / LAYOUT).mkdir()
    place = tmp_path / LAYOUT / "sources.bin"
    try:
        obstacle(place)
    except OSError:
        pytest.skip("this user may not make one here")
    started = time.process_time()  # of this process: neighbours may keep the cores busy
    index = SourceIndex(tmp_path)
    assert index.look_up(source) is None
    content = note(index, source)
    assert time.process_time() - started < 1
    assert index.look_up(source) == (content, True)
    known = SourceIndex(tmp_path).look_up(source)
    if obstacle in (make_pipe, make_huge):  # replaced by an index
        assert known == (content, True) and place.stat().st_size == RECORD_SIZE
    else:  # not ours to remove
        assert known is None and not (tmp_path / LAYOUT / "nowhere").exists()


def test_an_index_that_another_process_wrote_again_is_read_from_its_beginning(tmp_path: Path, source: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"x")
    index = SourceIndex(tmp_path)
    for path in (source, other, source):
        note(index, path)
    second = SourceIndex(tmp_path)
    kept = note(SourceIndex(tmp_path), other)
    SourceIndex(tmp_path).compact([kept])
    third = tmp_path / "third"
    third.write_bytes(b"y")
    content = note(SourceIndex(tmp_path), third)
    second.refresh()
    assert second.look_up(third) == (content, True)


@pytest.mark.parametrize("damage", [b"", b"{", b"text " * 100])
def test_an_index_of_something_else_only_costs_time(tmp_path: Path, source: Path, damage: bytes) -> None:
    (tmp_path / LAYOUT).mkdir()
    (tmp_path / LAYOUT / "sources.bin").write_bytes(damage)
    assert SourceIndex(tmp_path).look_up(source) is None
    content = note(SourceIndex(tmp_path), source)
    assert SourceIndex(tmp_path).look_up(source) == (content, True)


def test_the_index_holds_no_paths(tmp_path: Path, source: Path) -> None:
    note(SourceIndex(tmp_path), source)
    assert b"Doe" not in (tmp_path / LAYOUT / "sources.bin").read_bytes()


def test_workers_are_sent_its_place_not_its_content(tmp_path: Path, source: Path) -> None:
    index = SourceIndex(tmp_path)
    note(index, source)
    copy = pickle.loads(pickle.dumps(index))
    assert len(copy) == 0 and len(pickle.dumps(index)) < 500
    copy.refresh()
    assert len(copy) == 1


def test_a_large_index_is_read_in_a_moment(tmp_path: Path) -> None:
    index = SourceIndex(tmp_path)
    rng = np.random.default_rng(0)
    for number in range(3000):
        reading = Reading(np.zeros(9, np.uint8), rng.bytes(16).hex(), Stamp(number, 1, 2, 3), settled=True)
        index.remember(f"/data/{number}", reading)
    started = time.process_time()
    assert len(SourceIndex(tmp_path)) == 3000
    assert time.process_time() - started < 0.5
