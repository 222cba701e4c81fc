import os
import stat
import time
from pathlib import Path

import numpy as np
import pytest

from monai_fusion.data import SourceIndex, StoredChain
from monai_fusion.transforms import LoadVolumed, ResampleSlabd

ARRAY = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def chain(folder: Path, size: int = 4) -> StoredChain:
    return StoredChain(folder, [LoadVolumed(), ResampleSlabd(size=(size,) * 3, depth=2)])


def settle(path: Path) -> Path:
    """Date a file back, so that its modification time can be trusted."""
    past = time.time() - 60
    os.utime(path, (past, past))
    return path


def test_what_was_written_is_read_back_and_may_be_edited_without_harm(tmp_path: Path) -> None:
    stored = chain(tmp_path)
    assert stored.write("c0", ARRAY)
    read = stored.read("c0")
    assert read is not None and read.dtype == np.float32
    read += 1  # a view of the mapped file, copied on write
    np.testing.assert_array_equal(chain(tmp_path).read("c0"), ARRAY)


def test_another_chain_does_not_find_the_entry(tmp_path: Path) -> None:
    chain(tmp_path, 4).write("c0", ARRAY)
    assert chain(tmp_path, 5).read("c0") is None


@pytest.mark.parametrize("size", [0, 10, 100, 150, 223])
def test_a_truncated_entry_counts_as_missing(tmp_path: Path, size: int) -> None:
    stored = chain(tmp_path)
    stored.write("c0", ARRAY)
    entry = stored.entry("c0")
    assert entry.stat().st_size == 224
    os.truncate(entry, size)
    assert stored.read("c0") is None
    stored.write("c0", ARRAY)
    np.testing.assert_array_equal(stored.read("c0"), ARRAY)


def test_an_entry_replaced_by_text_or_a_pickle_counts_as_missing(tmp_path: Path) -> None:
    stored = chain(tmp_path)
    stored.write("c0", ARRAY)
    stored.entry("c0").write_text("not an array")
    assert stored.read("c0") is None
    np.save(stored.entry("c0"), np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert stored.read("c0") is None


@pytest.mark.skipif(os.name == "nt", reason="Windows has no POSIX modes")
def test_entries_are_private(tmp_path: Path) -> None:
    stored = chain(tmp_path / "store")
    stored.write("c0", ARRAY)
    assert stat.S_IMODE(stored.entry("c0").stat().st_mode) == 0o600
    assert stat.S_IMODE(stored.folder.stat().st_mode) == 0o700


def test_a_store_that_cannot_be_written_is_done_without(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "store").write_text("a file where the folder should be")
    stored = chain(tmp_path / "store")
    assert not stored.write("c0", ARRAY)
    assert not stored.write("c1", ARRAY)
    assert stored.read("c0") is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]  # said once


def test_a_known_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"abc")
    settle(source)
    index = SourceIndex(tmp_path)
    content = index.content_of(source)
    index.save()
    monkeypatch.setattr("monai_fusion.data.store.content_hash", lambda path: pytest.fail("read again"))
    assert SourceIndex(tmp_path).content_of(source) == content


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"abc")
    settle(source)
    index = SourceIndex(tmp_path)
    before = index.content_of(source)
    source.write_bytes(b"abd")  # same size, newer
    assert index.content_of(source) != before


def test_a_file_written_this_moment_is_never_trusted(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"abc")
    index = SourceIndex(tmp_path)
    before = index.content_of(source)
    status = source.stat()
    source.write_bytes(b"abd")
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))  # same size, same time
    assert index.content_of(source) != before


@pytest.mark.parametrize("damage", [b"", b"{", b"[1, 2]"])
def test_a_damaged_index_only_costs_time(tmp_path: Path, damage: bytes) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"abc")
    settle(source)
    index = SourceIndex(tmp_path)
    content = index.content_of(source)
    index.save()
    (tmp_path / "v1" / "index.json").write_bytes(damage)
    assert SourceIndex(tmp_path).content_of(source) == content


def test_the_index_holds_no_paths(tmp_path: Path) -> None:
    source = tmp_path / "sub-010002_John_Doe.npy"
    source.write_bytes(b"abc")
    settle(source)
    index = SourceIndex(tmp_path)
    index.content_of(source)
    index.save()
    assert "Doe" not in (tmp_path / "v1" / "index.json").read_text()
