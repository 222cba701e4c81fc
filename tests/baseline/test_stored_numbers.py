"""Each recording is read once: the preprocessed store keeps its numbers, and notices what changes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from monai_fusion.baseline.participant_numbers import (
    HEAD_VOLUME,
    NumberSettings,
    covariate_of_texts,
    head_volumes,
    middle,
    participant_numbers,
)
from monai_fusion.baseline.stored_numbers import numbers_of
from monai_fusion.baseline.volume_numbers import VolumeNumbers
from monai_fusion.datalist import read_datalist
from monai_fusion.errors import InputError
from monai_fusion.store.maintenance import status_of
from tests.baseline.cohorts import EEG_SHAPE, Cohort, write_head

_OLD = 1_600_000_000


class Counted(VolumeNumbers):
    """Counts the files that it computes."""

    computed = 0

    def __call__(self, source: str | os.PathLike[str]) -> np.ndarray:
        """Count, and compute."""
        Counted.computed += 1
        return super().__call__(source)


@pytest.fixture
def head(tmp_path: Path) -> Path:
    path = write_head(tmp_path / "a.nii", 8.0)
    os.utime(path, (_OLD, _OLD))
    time.sleep(0.05)  # a file that was written just now is read again
    Counted.computed = 0
    return path


def test_a_file_is_computed_once(head: Path, store: Path) -> None:
    first, again = (numbers_of([head], Counted(), store)[0] for _ in range(2))
    assert (first == again).all()
    assert Counted.computed == 1


def test_a_copy_of_the_file_is_known_by_its_content(head: Path, store: Path, tmp_path: Path) -> None:
    numbers_of([head], Counted(), store)
    copy = tmp_path / "copy.nii"
    copy.write_bytes(head.read_bytes())
    numbers_of([copy], Counted(), store)
    assert Counted.computed == 1


def test_a_changed_file_is_computed_again(head: Path, store: Path) -> None:
    first = numbers_of([head], Counted(), store)[0]
    write_head(head, 6.0)
    assert numbers_of([head], Counted(), store)[0][0] < first[0]
    assert Counted.computed == 2


def test_a_damaged_entry_is_computed_again(head: Path, store: Path) -> None:
    first = numbers_of([head], Counted(), store)[0]
    (entry,) = list(store.rglob("*.npy"))
    entry.write_bytes(entry.read_bytes()[:-1])
    assert (numbers_of([head], Counted(), store)[0] == first).all()
    assert Counted.computed == 2


def test_without_a_store_nothing_is_written(head: Path, tmp_path: Path) -> None:
    numbers_of([head], VolumeNumbers(), None)
    assert [path.name for path in tmp_path.iterdir()] == ["a.nii"]


def test_the_store_s_upkeep_counts_the_numbers(head: Path, store: Path) -> None:
    numbers_of([head], VolumeNumbers(), store)
    (chain,) = status_of(store).chains
    assert len(chain.entries) == 1
    assert "VolumeNumbers" in chain.description


def test_all_wrong_files_are_reported_together(head: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "b.nii"
    wrong.write_bytes(b"nothing")
    with pytest.raises(InputError) as caught:
        numbers_of([head, wrong, tmp_path / "missing.nii"], VolumeNumbers(), None)
    assert len(caught.value.problems) == 2


def test_participants_have_a_row_each(heads: Cohort, store: Path) -> None:
    records = read_datalist(heads.path).records("test")
    found = participant_numbers(records, NumberSettings(store, EEG_SHAPE), ["age", HEAD_VOLUME])
    assert found.mri is not None and found.mri.shape == (40, 518)
    assert found.eeg is not None and found.eeg.shape == (40, 8)  # three electrodes: no regions
    assert [each.name for each in found.covariates] == ["age"]
    volumes = head_volumes(records, NumberSettings(store))
    assert found.head_volume is not None
    assert found.head_volume.values[:, 0] == pytest.approx([volumes[record.participant_id] for record in records])
    sizes = [heads.sizes[record.participant_id] for record in records]
    assert np.corrcoef(found.head_volume.values[:, 0], np.array(sizes) ** 3)[0, 1] > 0.95


def test_a_range_counts_as_its_middle_and_other_texts_as_categories() -> None:
    ages = covariate_of_texts("age", ["20-25", "30", ""])
    assert ages.values[:2, 0].tolist() == [22.5, 30.0]
    assert np.isnan(ages.values[2]).all()
    site = covariate_of_texts("site", ["A", "B", "A", ""])
    assert site.categories == ("A", "B")
    assert site.values[:3].tolist() == [[1, 0], [0, 1], [1, 0]]
    assert middle("1.5e3") == 1500.0
    assert middle("nan") is None
