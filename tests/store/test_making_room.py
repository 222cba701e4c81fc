"""Pruning and the status of a store."""

import os
import time
from pathlib import Path

from monai_fusion.store.maintenance import choose_for_pruning, prune, status_of
from tests.store.filled_stores import Records, entries, mri, outcome


def test_pruning_takes_the_least_recently_used_first(records: Records, store: Path) -> None:
    mri(records, store)
    for age, path in enumerate(entries(store)):
        os.utime(path, (time.time() - 86400 * 10 * age,) * 2)
    status = status_of(store)
    size = status.entries[0].size
    by_age = [entry.path for entry in choose_for_pruning(status, older_than_s=86400 * 15)]
    assert by_age == [entries(store)[3], entries(store)[2]]
    by_size = [entry.path for entry in choose_for_pruning(status, max_size=int(3.5 * size))]
    assert by_size == [entries(store)[3]]
    assert choose_for_pruning(status, older_than_s=86400 * 365, max_size=10**9) == []
    assert len(entries(store)) == 4  # choosing removes nothing


def test_pruning_everything_leaves_no_chain_behind_and_the_store_usable(records: Records, store: Path) -> None:
    mri(records, store)
    (entries(store)[0].parent / f".{'0' * 16}.part").write_bytes(b"left behind by a killed process")
    os.utime(entries(store)[0].parent / f".{'0' * 16}.part", (1, 1))
    status = status_of(store)
    assert prune(status, choose_for_pruning(status, max_size=0)) == 4
    assert status_of(store).chains == ()
    assert outcome(mri(records, store)) == "prepared 4, reused 0"


def test_the_status_knows_the_last_run_and_what_each_chain_is(records: Records, store: Path) -> None:
    mri(records, store)
    status = status_of(store)
    assert status.last_run["files"] == 4 and status.last_run["reused"] == 0
    (chain,) = status.chains
    assert chain.description.startswith(
        "LoadVolumed(orientation=RAS) > ScaleIntensityPercentilesd(lower=1.0, upper=99.0) > "
        "ResampleSlabd(depth=4, size=6x6x6) [monai "
    )
    assert chain.size == sum(path.stat().st_size for path in entries(store))
