"""Damage, foreign files and odd places: a store repairs itself, or the run continues without it, and reports why."""

import os
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from monai_fusion.data import SegmentItems
from monai_fusion.errors import InputError
from monai_fusion.store.claims import claim_path
from monai_fusion.store.maintenance import choose_for_pruning, prune, status_of, verify
from monai_fusion.store.runners import Processes
from monai_fusion.store.stamps import Stamp, probe_file
from monai_fusion.store.stored_chain import LAYOUT
from monai_fusion.transforms import (
    LoadScalogramd,
    ZScoreElectrodesd,
)
from tests.store.filled_stores import Records, entries, mri, outcome, settle, source, volumes
from tests.support import EEG_SHAPE, AddOne, eeg_dataset


def damage_truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def damage_zero(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:200] + bytes(100) + content[300:])


def damage_text(path: Path) -> None:
    path.write_text("hello")


@pytest.mark.parametrize("damage", [damage_truncate, damage_zero, damage_text])
@pytest.mark.parametrize("moment", ["between runs", "during a run"])
def test_a_damaged_entry_is_prepared_again_and_repaired(
    records: Records, store: Path, damage: Any, moment: str
) -> None:
    dataset = mri(records, store)
    expected = volumes(mri(records, None))
    for path in entries(store):
        damage(path)
    if moment == "between runs":
        dataset = mri(records, store)
    np.testing.assert_array_equal(volumes(dataset), expected)
    assert verify(store).sound and len(entries(store)) == 4


def uncompressed(records: Records) -> tuple[Records, Path]:
    """The first one's MRI as a plain file, whose bytes can be changed one by one."""
    path = source(records[0])
    plain = path.with_suffix("")
    nib.save(nib.load(path), plain)
    return settle((replace(records[0], mri=plain), *records[1:])), plain


def overwrite(path: Path) -> None:
    """Put other voxels into a file; its size, modification time and inode stay."""
    status = path.stat()
    with path.open("r+b") as stream:
        stream.seek(-400, os.SEEK_END)
        stream.write(np.random.default_rng(1).bytes(400))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (status.st_size, status.st_mtime_ns, status.st_ino)


@pytest.mark.parametrize("change_times", ["kept", "not kept"])
def test_a_file_replaced_with_the_same_size_time_and_inode_is_prepared_again(
    records: Records, store: Path, change_times: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monai_fusion.store.stamps.SETTLED_AFTER_NS", -(10**12))
    monkeypatch.setattr("monai_fusion.store.stamps.CTIME_IS_CREATION", change_times == "not kept")
    records, plain = uncompressed(records)
    before = volumes(mri(records, store))
    time.sleep(0.02)  # the system's clock ticks every 4 ms or so
    overwrite(plain)
    after = mri(records, store)
    assert outcome(after) == "prepared 1, reused 3 (1 recomputed: file changed)"
    np.testing.assert_array_equal(volumes(after), volumes(mri(records, None)))
    assert not np.array_equal(volumes(after)[0], before[0])


@pytest.mark.parametrize("age", ["settled", "of this moment"])
def test_verify_finds_changes_that_no_stamp_shows(
    records: Records, store: Path, age: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monai_fusion.store.stamps.SETTLED_AFTER_NS", -(10**12))
    monkeypatch.setattr("monai_fusion.store.stamps.CTIME_IS_CREATION", True)
    monkeypatch.setattr("monai_fusion.store.file_index.probe_file", lambda path: _probes[Path(path)])
    records, plain = uncompressed(records)
    _probes = {source(record): probe_file(source(record)) for record in records}
    before = volumes(mri(records, store))
    of = Stamp.of
    stamps = {path.stat().st_ino: of(path.stat()) for path in _probes}
    overwrite(plain)
    monkeypatch.setattr(Stamp, "of", lambda status: stamps.get(status.st_ino) or of(status))
    assert outcome(mri(records, store)) == "prepared 0, reused 4"  # only reading it shows the change
    if age == "of this moment":
        monkeypatch.setattr("monai_fusion.store.stamps.SETTLED_AFTER_NS", 10**18)
    found = verify(store, [source(record) for record in records])
    assert found.replaced == [plain] and found.sources == 4 and not found.sound
    after = mri(records, store)
    assert outcome(after) == "prepared 1, reused 3"  # known since `verify`
    assert not np.array_equal(volumes(after)[0], before[0])
    np.testing.assert_array_equal(volumes(after), volumes(mri(records, None)))


def test_a_store_of_another_version_is_left_alone(records: Records, store: Path) -> None:
    old = store / "v1" / "0123456789abcdef"
    old.mkdir(parents=True)
    (old / "00.npy").write_bytes(b"old")
    mri(records, store)
    status = status_of(store)
    assert status.other_layouts == ("v1",) and len(status.entries) == 4
    prune(status, choose_for_pruning(status, older_than_s=-10))
    assert (old / "00.npy").read_bytes() == b"old"


def test_a_store_of_the_previous_version_is_prepared_again_and_the_reason_is_reported(
    records: Records, store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mri(records, store)
    (store / LAYOUT).rename(store / "v2")
    for _ in range(2):
        mri(records, store)
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warned) == 1 and "older format" in warned[0] and str(store / "v2") in warned[0]


def test_swapped_entries_are_prepared_again_and_the_reason_is_reported(records: Records, store: Path) -> None:
    expected = volumes(mri(records, store))
    first, second = entries(store)[:2]
    first.rename(store / "away")
    second.rename(first)
    (store / "away").rename(second)
    dataset = mri(records, store)
    assert outcome(dataset) == "prepared 2, reused 2 (2 recomputed: entry of another file or chain in its place)"
    np.testing.assert_array_equal(volumes(dataset), expected)


def test_the_description_of_another_chain_is_not_shown(records: Records, store: Path) -> None:
    mri(records, store)
    mri(records, store, AddOne())
    first, second = sorted(store.rglob("chain.json"))
    second.write_bytes(first.read_bytes())
    assert [chain.description == "unknown" for chain in status_of(store).chains] == [False, True]


@pytest.mark.parametrize("content", ["[1]", '{"pid": "x", "host": "HOST"}', '{"pid": -1, "host": "HOST"}', "[" * 4000])
def test_a_file_that_is_not_a_claim_delays_no_process(records: Records, store: Path, content: str) -> None:
    folder = mri(records[:1], store)._chain.stored.folder  # type: ignore[union-attr] # it has a store
    for record in records:
        path = claim_path(folder, str(source(record)))
        path.write_text(content.replace("HOST", socket.gethostname()))
    assert mri(records, store).report.prepared == 3


def test_a_claim_from_the_future_and_a_pipe_in_a_claims_place_delay_no_process(records: Records, store: Path) -> None:
    folder = mri(records[:1], store)._chain.stored.folder  # type: ignore[union-attr] # as above
    future = claim_path(folder, str(source(records[1])))
    future.write_text("")
    os.utime(future, (time.time() + 10**6,) * 2)
    if hasattr(os, "mkfifo"):
        os.mkfifo(claim_path(folder, str(source(records[2]))))
    assert mri(records, store).report.prepared == 3


def test_where_processes_get_no_semaphores_threads_prepare_the_files(
    records: Records, store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("joblib.parallel.mp", None)
    assert outcome(mri(records, store, runner=Processes(2))) == "prepared 4, reused 0"
    assert "preparing in threads" in caplog.text


def test_foreign_files_in_the_store_are_never_touched(records: Records, store: Path) -> None:
    mri(records, store)
    chain = entries(store)[0].parent
    foreign = [
        store / "notes.txt",
        store / LAYOUT / "thesis.docx",
        chain / "mine.npy",
        chain / "deep" / ("0" * 32 + ".npy"),
    ]
    for path in foreign:
        path.parent.mkdir(exist_ok=True)
        path.write_text("precious")
        os.utime(path, (1, 1))
    mri(records, store)
    verify(store)
    status = status_of(store)
    assert prune(status, choose_for_pruning(status, max_size=0)) == 4
    assert [path.read_text() for path in foreign] == ["precious"] * 4


def test_a_link_to_a_folder_in_the_stores_place_is_used(records: Records, store: Path, tmp_path: Path) -> None:
    (tmp_path / "big disk").mkdir()
    try:
        store.symlink_to(tmp_path / "big disk", target_is_directory=True)
    except OSError:
        pytest.skip("this user may not create symbolic links")
    mri(records, store)
    assert mri(records, store).prepared == 0 and store.is_symlink()


def dangling_link(store: Path) -> None:
    store.symlink_to(store.with_name("nowhere") / "at all")


def a_file(store: Path) -> None:
    store.write_text("a file")


@pytest.mark.parametrize("obstacle", [dangling_link, a_file])
def test_without_a_possible_store_the_run_continues_and_reports_it_once(
    records: Records, store: Path, caplog: pytest.LogCaptureFixture, obstacle: Any
) -> None:
    try:
        obstacle(store)
    except OSError:
        pytest.skip("this user may not create symbolic links")
    dataset = mri(records, store)
    np.testing.assert_array_equal(volumes(dataset), volumes(mri(records, None)))
    assert dataset.report.unstored == 4
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warned) == 1 and "without the store" in warned[0]


def test_nothing_of_a_header_or_a_participant_is_in_the_store(records: Records, store: Path) -> None:
    image = nib.load(source(records[0]))
    image.header["descrip"] = b"Jane Doe 1970"
    nib.save(image, source(records[0]))
    mri(settle(records), store)
    eeg_dataset(SegmentItems(records), [LoadScalogramd(shape=EEG_SHAPE), ZScoreElectrodesd()], store)
    for path in store.rglob("*"):
        assert "sub-0" not in path.name
        if path.is_file():
            content = path.read_bytes()
            assert b"Doe" not in content and b"sub-0" not in content


def test_volumes_that_would_become_zeros_are_refused_with_their_participant(records: Records, store: Path) -> None:
    nib.save(nib.Nifti1Image(np.full((9, 9, 9), 5, np.int16), np.eye(4)), source(records[3]))
    with pytest.raises(InputError, match=r"sub-03 .*T1w.nii.gz\) mri: percentiles 1 and 99 of the voxels are both 5"):
        mri(records, store, runner=Processes(1))
