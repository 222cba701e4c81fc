import os
import pickle
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import xxhash

from monai_fusion.data.sources import RECORD_SIZE, SourceIndex, Stamp, read_source


def settle(path: Path) -> Path:
    """Date a file back, so that its modification time can be trusted."""
    past = time.time() - 60
    os.utime(path, (past, past))
    return path


def note(index: SourceIndex, path: Path) -> str:
    _, content, stamp = read_source(path)
    index.remember(path, stamp, content)
    return content


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "sub-010002_John_Doe.npy"
    path.write_bytes(b"abc")
    return settle(path)


def test_a_source_is_read_once_with_its_hash_and_stamp(source: Path) -> None:
    content, digest, stamp = read_source(source)
    assert content.tobytes() == b"abc" and digest == xxhash.xxh3_128_hexdigest(b"abc")
    assert stamp == Stamp.of(source.stat())


def test_what_was_noted_is_known_to_the_next_process(tmp_path: Path, source: Path) -> None:
    content = note(SourceIndex(tmp_path), source)
    assert SourceIndex(tmp_path).look_up(source) == (content, True)
    assert SourceIndex(tmp_path).look_up(str(source)) == (content, True)


def test_a_file_nobody_noted_is_not_known_and_a_missing_one_is_an_error(tmp_path: Path, source: Path) -> None:
    assert SourceIndex(tmp_path).look_up(source) is None
    with pytest.raises(FileNotFoundError):
        SourceIndex(tmp_path).look_up(tmp_path / "nowhere")


def newer(path: Path) -> None:
    path.write_bytes(b"abd")


def longer(path: Path) -> None:
    status = path.stat()
    path.write_bytes(b"abcd")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def other_inode(path: Path) -> None:
    status = path.stat()
    other = path.with_suffix(".new")
    other.write_bytes(b"abd")
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize("change", [newer, longer, other_inode])
def test_any_difference_of_time_size_or_inode_makes_it_stale(tmp_path: Path, source: Path, change: object) -> None:
    index = SourceIndex(tmp_path)
    content = note(index, source)
    assert callable(change)
    change(source)
    assert index.look_up(source) == (content, False)


def test_a_file_written_this_moment_is_not_trusted(tmp_path: Path, source: Path) -> None:
    index = SourceIndex(tmp_path)
    source.write_bytes(b"abd")
    note(index, source)
    assert index.look_up(source) is None
    almost = time.time() - 1.5
    os.utime(source, (almost, almost))
    note(index, source)
    assert index.look_up(source) is None


def test_records_of_several_writers_all_arrive(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}" for number in range(200)]
    for number, path in enumerate(files):
        path.write_bytes(bytes([number]))
        settle(path)
    indices = [SourceIndex(tmp_path) for _ in range(4)]
    threads = [
        threading.Thread(target=lambda part, index: [note(index, path) for path in part], args=(files[i::4], index))
        for i, index in enumerate(indices)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    indices[0].refresh()
    assert len(indices[0]) == 200 and len(SourceIndex(tmp_path)) == 200
    assert all(indices[0].look_up(path) == (xxhash.xxh3_128_hexdigest(path.read_bytes()), True) for path in files)


def test_damage_only_costs_the_records_it_hit(tmp_path: Path) -> None:
    files = []
    for number in range(3):
        (tmp_path / f"{number}").write_bytes(bytes([number]))
        files.append(settle(tmp_path / f"{number}"))
    index = SourceIndex(tmp_path)
    for path in files:
        note(index, path)
    file = tmp_path / "v2" / "sources.bin"
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
    os.truncate(tmp_path / "v2" / "sources.bin", left)
    note(SourceIndex(tmp_path), other)
    known = SourceIndex(tmp_path).look_up(other)
    assert known is not None and known.fresh


@pytest.mark.parametrize("damage", [b"", b"{", b"text " * 100])
def test_an_index_of_something_else_only_costs_time(tmp_path: Path, source: Path, damage: bytes) -> None:
    (tmp_path / "v2").mkdir()
    (tmp_path / "v2" / "sources.bin").write_bytes(damage)
    assert SourceIndex(tmp_path).look_up(source) is None
    content = note(SourceIndex(tmp_path), source)
    assert SourceIndex(tmp_path).look_up(source) == (content, True)


def test_the_index_holds_no_paths(tmp_path: Path, source: Path) -> None:
    note(SourceIndex(tmp_path), source)
    assert b"Doe" not in (tmp_path / "v2" / "sources.bin").read_bytes()


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
        index.remember(f"/data/{number}", Stamp(number, 1, 2), rng.bytes(16).hex())
    started = time.process_time()
    assert len(SourceIndex(tmp_path)) == 3000
    assert time.process_time() - started < 0.5
