"""What filling the store does and reports, and the faults that it survives."""

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from monai_fusion.data import SegmentItems, VolumeItems
from monai_fusion.errors import InputError
from monai_fusion.fingerprint import content_hash
from monai_fusion.store.preparing import PreparationChain
from monai_fusion.store.runners import Processes, Threads
from monai_fusion.transforms import (
    LoadScalogramd,
    LoadVolumed,
    ZScoreElectrodesd,
)
from tests.store.filled_stores import Records, entries, mri, mri_chain, outcome, settle, source, volumes
from tests.support import EEG_SHAPE, AddOne, eeg_dataset, mri_dataset, write_volume


def test_it_reports_what_it_did(records: Records, store: Path) -> None:
    assert outcome(mri(records, store)) == "prepared 4, reused 0"
    assert outcome(mri(records, store)) == "prepared 0, reused 4"
    write_volume(source(records[1]), seed=77)
    (damaged,) = store.rglob(f"{content_hash(source(records[3]))}.npy")
    os.truncate(damaged, 50)
    expected = "prepared 2, reused 2 (1 recomputed: file changed; 1 recomputed: entry damaged)"
    assert outcome(mri(settle(records), store)) == expected


def test_touched_moved_and_copied_recordings_are_hits(records: Records, store: Path, tmp_path: Path) -> None:
    expected = volumes(mri(records, store))
    os.utime(source(records[0]))
    moved = tmp_path / "elsewhere.nii.gz"
    source(records[1]).rename(moved)
    copy = tmp_path / "copy.nii.gz"
    shutil.copy(source(records[2]), copy)
    again = [records[0], replace(records[1], mri=moved), replace(records[2], mri=copy), records[3]]
    dataset = mri(again, store)
    assert outcome(dataset) == "prepared 0, reused 4"
    np.testing.assert_array_equal(volumes(dataset), expected)


def test_an_interrupted_filling_continues_where_it_was(
    records: Records, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = PreparationChain.compute

    def interrupted(self: PreparationChain, item: dict[str, Any]) -> np.ndarray:
        if len(entries(store)) == 2:
            raise KeyboardInterrupt
        return compute(self, item)

    with monkeypatch.context() as patched:
        patched.setattr(PreparationChain, "compute", interrupted)
        with pytest.raises(KeyboardInterrupt):
            mri(records, store, runner=Threads(1))
    assert outcome(mri(records, store)) == "prepared 2, reused 2"


def test_processes_and_threads_and_no_store_give_the_same_numbers(records: Records, tmp_path: Path) -> None:
    expected = volumes(mri(records, None))
    for name, runner in (("threads", Threads(2)), ("processes", Processes(2))):
        dataset = mri(records, tmp_path / name, runner=runner)
        assert dataset.prepared == 4
        np.testing.assert_array_equal(volumes(dataset), expected)


def test_fused_and_plain_transforms_share_their_entries(
    records: Records, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fused = mri(records, store)
    expected = volumes(fused)
    monkeypatch.setattr("monai_fusion.data.preprocessing.shortcut_for", lambda transforms, key: None)
    assert outcome(mri(records, store)) == "prepared 0, reused 4"
    plain = mri(records, store.with_name("other"))
    assert plain.chain_digest == fused.chain_digest and plain.prepared == 4
    np.testing.assert_allclose(volumes(plain), expected, rtol=0, atol=1e-6)


def test_wrong_files_are_refused_from_worker_processes_too(records: Records, store: Path) -> None:
    source(records[2]).write_bytes(b"no volume")
    with pytest.raises(InputError, match=r"sub-02 .*a text"):
        mri(records, store, runner=Processes(2))
    assert len(entries(store)) == 3  # the others were prepared


# ---- what is decoded is what was hashed ---------------------------------------------------------------------------


def test_a_file_replaced_between_hashing_and_decoding_does_not_matter(
    records: Records, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = volumes(mri(records, None))
    compute = PreparationChain.compute

    def after_replacement(self: PreparationChain, item: dict[str, Any]) -> np.ndarray:
        write_volume(Path(os.fspath(item["mri"])), seed=123)
        return compute(self, item)

    monkeypatch.setattr(PreparationChain, "compute", after_replacement)
    dataset = mri(records, store)
    monkeypatch.undo()
    np.testing.assert_array_equal(volumes(dataset), expected)
    settle(records)
    again = mri(records, store, runner=Threads(1))  # and the next run sees the new file
    assert again.prepared == 1  # one content now
    assert not np.array_equal(volumes(again)[0], expected[0])


class LoadPathOnly(LoadVolumed):
    """A user's own loader, which opens the path."""

    def __call__(self, data: Any) -> Any:
        return super().__call__({**data, "mri": os.fspath(Path(data["mri"]))})


def test_a_loader_that_reads_the_file_itself_works_unless_the_file_changes_at_the_same_time(
    records: Records, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = [LoadPathOnly(), *mri_chain()[1:]]
    dataset = mri_dataset(VolumeItems(records), chain, store)
    np.testing.assert_allclose(volumes(dataset), volumes(mri(records, None)), rtol=0, atol=1e-6)
    compute = PreparationChain.compute

    def with_replacement(self: PreparationChain, item: dict[str, Any]) -> np.ndarray:
        array = compute(self, item)
        write_volume(Path(item["mri"]), seed=55)
        return array

    monkeypatch.setattr(PreparationChain, "compute", with_replacement)
    with pytest.raises(InputError, match="changed while it was being read"):
        mri_dataset(VolumeItems(records[:1]), [*chain, AddOne()], store)


# ---- half the disk ------------------------------------------------------------------------------------------------


def test_uint16_halves_the_disk_and_errs_by_less_than_a_hundred_thousandth(records: Records, tmp_path: Path) -> None:
    exact, halved = mri(records, tmp_path / "a"), mri(records, tmp_path / "b", dtype="uint16")
    assert halved[0]["mri"].dtype == torch.float32
    difference = np.abs(np.array(volumes(halved)) - np.array(volumes(exact))).max()
    assert 0 < difference <= 1e-5
    sizes = [sum(np.load(path).nbytes for path in entries(tmp_path / name)) for name in "ab"]
    assert sizes[1] * 2 == sizes[0]
    np.testing.assert_array_equal(volumes(mri(records, None, dtype="uint16")), volumes(halved))


def test_float16_errs_by_less_than_two_to_the_minus_eleven_of_an_eeg(records: Records, tmp_path: Path) -> None:
    chain = [LoadScalogramd(shape=EEG_SHAPE), ZScoreElectrodesd()]
    exact = eeg_dataset(SegmentItems(records), chain, tmp_path / "a")
    halved = eeg_dataset(SegmentItems(records), chain, tmp_path / "b", dtype="float16")
    for index in range(len(exact)):
        one, other = exact[index]["eeg"], halved[index]["eeg"]
        assert other.dtype == torch.float32
        assert bool(((one - other).abs() <= one.abs() * 2**-11 + 1e-7).all()) and not torch.equal(one, other)


def test_values_that_a_type_cannot_hold_are_kept_unchanged(records: Records, tmp_path: Path) -> None:
    shifted = mri(records, tmp_path / "b", AddOne(), dtype="uint16")
    np.testing.assert_allclose(volumes(shifted), np.array(volumes(mri(records, None))) + 1, rtol=0, atol=1e-6)
