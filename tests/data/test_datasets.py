import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import CacheDataset
from monai.transforms import RandFlipd

from monai_fusion.data import FusionDataset, Preprocessing, SegmentItems, VolumeItems
from monai_fusion.data.sampling import EpochSample
from monai_fusion.datalist import ParticipantRecord
from monai_fusion.errors import InputError
from monai_fusion.store.preparing import PreparationChain
from monai_fusion.transforms import (
    LoadScalogramd,
    LoadVolumed,
    RandSpecAugmentd,
    ResampleSlabd,
    ScaleIntensityPercentilesd,
    ZScoreElectrodesd,
    load_scalogram,
    zscore_electrodes,
)
from tests.support import EEG_SHAPE, AddOne, eeg_dataset, mri_dataset, write_scalogram, write_volume

Records = tuple[ParticipantRecord, ...]


def eeg_chain() -> list[Any]:
    return [LoadScalogramd(shape=EEG_SHAPE), ZScoreElectrodesd()]


def mri_chain(size: int = 6) -> list[Any]:
    return [LoadVolumed(), ScaleIntensityPercentilesd(), ResampleSlabd(size=(size,) * 3, depth=4)]


def fusion(
    records: Sequence[ParticipantRecord], cache: Path | None, augment: bool = False, **options: Any
) -> FusionDataset:
    drawn = {"eeg": [RandSpecAugmentd(fraction=0.3)], "mri": [RandFlipd("mri", prob=0.5, spatial_axis=0)]}
    preprocessing = Preprocessing(eeg_chain(), mri_chain(), cache)
    return FusionDataset(records, preprocessing, drawn if augment else None, progress=False, **options)


def test_eeg_and_mri_datasets_are_monai_cache_datasets(tiny_records: Records, tmp_path: Path) -> None:
    eeg = eeg_dataset(SegmentItems(tiny_records), eeg_chain(), tmp_path / "store")
    mri = mri_dataset(VolumeItems(tiny_records), mri_chain(), tmp_path / "store")
    assert isinstance(eeg, CacheDataset) and isinstance(mri, CacheDataset)
    assert len(eeg) == 1 + 2 + 3 + 4 and len(mri) == 4
    assert eeg[0].keys() == {"eeg", "label", "participant_id"} and mri[0].keys() == {"mri", "label", "participant_id"}
    assert eeg[0]["eeg"].shape == (3, 8, 10) and mri[0]["mri"].shape == (1, 4, 6, 6)
    assert eeg[0]["eeg"].dtype == mri[0]["mri"].dtype == torch.float32


@pytest.mark.parametrize("stored", [True, False])
def test_items_equal_the_transforms_applied_directly(tiny_records: Records, tmp_path: Path, stored: bool) -> None:
    store = tmp_path / "store" if stored else None
    eeg = eeg_dataset(SegmentItems(tiny_records), eeg_chain(), store)
    paths = [path for record in tiny_records for path in record.eeg]
    for index, path in enumerate(paths):
        expected = zscore_electrodes(load_scalogram(path, EEG_SHAPE))
        torch.testing.assert_close(eeg[index]["eeg"], expected, rtol=0, atol=0)


def test_every_file_is_prepared_once_for_all_datasets_built_on_it(
    tiny_records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fusion(tiny_records, tmp_path / "store")
    monkeypatch.setattr(PreparationChain, "compute", lambda self, item: pytest.fail(f"{self.recording} again"))
    relabelled = [replace(record, label=1 - (record.label or 0), section="test") for record in tiny_records]
    again = fusion(relabelled[::-1], tmp_path / "store", augment=True, segments="all")
    assert len(again) == 4 and again[0]["label"] == 0


def test_a_changed_mri_size_prepares_mris_only(tiny_records: Records, tmp_path: Path) -> None:
    fusion(tiny_records, tmp_path / "store")
    again = FusionDataset(tiny_records, Preprocessing(eeg_chain(), mri_chain(7), tmp_path / "store"), progress=False)
    assert again[0]["mri"].shape == (1, 4, 7, 7)
    assert (again.eeg.prepared, again.mri.prepared) == (0, 4)


def test_a_replaced_file_is_prepared_again(tiny_records: Records, tmp_path: Path) -> None:
    before = mri_dataset(VolumeItems(tiny_records), mri_chain(), tmp_path / "store")[0]["mri"]
    assert tiny_records[0].mri is not None
    write_volume(tiny_records[0].mri, seed=99)
    after = mri_dataset(VolumeItems(tiny_records), mri_chain(), tmp_path / "store")[0]["mri"]
    assert not torch.equal(before, after)


def test_an_entry_that_vanishes_after_the_start_is_prepared_again(tiny_records: Records, tmp_path: Path) -> None:
    dataset = mri_dataset(VolumeItems(tiny_records), mri_chain(), tmp_path / "store")
    expected = dataset[2]["mri"].clone()
    for entry in (tmp_path / "store").rglob("*.npy"):
        entry.unlink()
    torch.testing.assert_close(dataset[2]["mri"], expected, rtol=0, atol=0)


def test_a_users_own_transform_may_stand_in_the_chain(tiny_records: Records, tmp_path: Path) -> None:
    plain = mri_dataset(VolumeItems(tiny_records), mri_chain(), tmp_path / "store")
    more = mri_dataset(VolumeItems(tiny_records), [*mri_chain(), AddOne()], tmp_path / "store")
    torch.testing.assert_close(more[1]["mri"], plain[1]["mri"] + 1)


def test_three_channels_are_a_view_of_one(tiny_records: Records, tmp_path: Path) -> None:
    dataset = mri_dataset(VolumeItems(tiny_records), mri_chain(), tmp_path / "store", channels=3)
    volume = dataset[0]["mri"]
    assert volume.shape == (3, 4, 6, 6) and volume.stride(0) == 0


def test_what_workers_are_sent_is_paths_not_arrays(tiny_records: Records, tmp_path: Path) -> None:
    many = [replace(tiny_records[3], participant_id=f"sub-{number:04d}") for number in range(1000)]
    dataset = fusion(many, tmp_path / "store")
    assert len(pickle.dumps(dataset)) < 1_000_000
    copy = pickle.loads(pickle.dumps(dataset))
    torch.testing.assert_close(copy[7]["mri"], dataset[7]["mri"])


def test_all_wrong_files_are_reported_together_with_their_participants(tiny_records: Records, tmp_path: Path) -> None:
    write_scalogram(tiny_records[1].eeg[0], seed=0, shape=(8, 10, 2))
    broken = np.load(tiny_records[2].eeg[1])
    broken[0, 0, 0] = np.nan
    np.save(tiny_records[2].eeg[1], broken)
    with pytest.raises(InputError) as raised:
        eeg_dataset(SegmentItems(tiny_records), eeg_chain(), tmp_path / "store")
    message = str(raised.value)
    assert "2 problems" in message
    assert "sub-01" in message and "(8, 10, 2)" in message
    assert "sub-02" in message and "NaN" in message


def test_only_participants_with_both_recordings_take_part(tiny_records: Records) -> None:
    records = [replace(tiny_records[0], mri=None), replace(tiny_records[1], eeg=()), *tiny_records[2:]]
    dataset = fusion(records, None)
    assert [record.participant_id for record in dataset.records] == ["sub-02", "sub-03"]
    assert [record.participant_id for record in dataset.left_out] == ["sub-00", "sub-01"]
    assert dataset[0]["participant_id"] == "sub-02" and dataset.labels == [0, 1]


def test_both_recordings_of_an_item_belong_to_its_participant(tiny_records: Records, tmp_path: Path) -> None:
    eeg = eeg_dataset(SegmentItems(tiny_records), eeg_chain(), None)
    mri = mri_dataset(VolumeItems(tiny_records), mri_chain(), None)
    dataset = fusion(tiny_records, tmp_path / "store", segments="all")
    start = 0
    for index, record in enumerate(tiny_records):
        item = dataset[index]
        assert item["participant_id"] == record.participant_id and item["label"] == record.label
        segments = range(start, start + len(record.eeg))
        torch.testing.assert_close(item["eeg"], torch.stack([eeg[segment]["eeg"] for segment in segments]))
        torch.testing.assert_close(item["mri"], mri[index]["mri"])
        start += len(record.eeg)


def test_training_draws_every_segment_sooner_or_later(tiny_records: Records, tmp_path: Path) -> None:
    dataset = fusion(tiny_records, tmp_path / "store")
    seen = {dataset[EpochSample(3, epoch, 0)]["eeg"].numpy().tobytes() for epoch in range(40)}
    assert len(seen) == 4


def test_a_draw_does_not_depend_on_earlier_draws(tiny_records: Records, tmp_path: Path) -> None:
    draw = EpochSample(index=3, epoch=5, position=2)
    first = fusion(tiny_records, tmp_path / "store", augment=True, seed=1)
    second = fusion(tiny_records, tmp_path / "store", augment=True, seed=1)
    for other in range(3):
        second[EpochSample(other, 1, other)]
    assert torch.equal(first[draw]["eeg"], second[draw]["eeg"]) and torch.equal(first[draw]["mri"], second[draw]["mri"])


def test_augmentation_differs_by_epoch_position_and_seed(tiny_records: Records, tmp_path: Path) -> None:
    dataset = fusion(tiny_records[:1], tmp_path / "store", augment=True)
    other_seed = fusion(tiny_records[:1], tmp_path / "store", augment=True, seed=7)
    draws = [EpochSample(0, epoch, position) for epoch in range(6) for position in range(2)]
    augmented = [dataset[draw]["eeg"].numpy().tobytes() for draw in draws]
    augmented += [other_seed[draw]["eeg"].numpy().tobytes() for draw in draws]
    assert len(set(augmented)) > len(augmented) // 2  # one segment only: all that differs is the masks


def test_augmentation_leaves_the_store_untouched(tiny_records: Records, tmp_path: Path) -> None:
    plain = fusion(tiny_records, tmp_path / "store", segments="all")[1]
    augmented = fusion(tiny_records, tmp_path / "store", augment=True)
    for epoch in range(10):
        augmented[EpochSample(1, epoch, 0)]
    again = fusion(tiny_records, tmp_path / "store", segments="all")[1]
    assert torch.equal(plain["eeg"], again["eeg"]) and torch.equal(plain["mri"], again["mri"])


def test_a_cap_spreads_the_segments_over_the_recording(tiny_records: Records, tmp_path: Path) -> None:
    whole = fusion(tiny_records, tmp_path / "store", segments="all")[3]["eeg"]
    capped = fusion(tiny_records, tmp_path / "store", segments="all", max_segments=2)[3]["eeg"]
    torch.testing.assert_close(capped, whole[[0, 2]])


def test_items_are_plain_tensors(tiny_records: Records, tmp_path: Path) -> None:
    item = fusion(tiny_records, tmp_path / "store", augment=True)[0]
    assert type(item["eeg"]) is torch.Tensor and type(item["mri"]) is torch.Tensor


@pytest.mark.parametrize("kept_as", ["float32", "float16"])
def test_a_recording_kept_in_memory_has_the_numbers_of_one_in_the_store(
    tiny_records: Records, tmp_path: Path, kept_as: str
) -> None:
    in_memory = eeg_dataset(SegmentItems(tiny_records), eeg_chain(), None, dtype=kept_as)
    stored = eeg_dataset(SegmentItems(tiny_records), eeg_chain(), tmp_path / "store", dtype=kept_as)
    for one, other in zip(in_memory, stored, strict=True):
        assert torch.equal(one["eeg"], other["eeg"]) and one["eeg"].dtype == torch.float32


@pytest.mark.parametrize(
    ("eeg", "mri", "options", "field", "advice"),
    [
        ([RandSpecAugmentd()], [], {}, "eeg_preprocessing#0", "eeg_augmentation"),
        ([], [*mri_chain(), RandFlipd("mri")], {}, "mri_preprocessing#3", "mri_augmentation"),
        ([], [print], {}, "mri_preprocessing#0", "monai.transforms.Transform"),
        ([], [], {"eeg_dtype": "float64"}, "eeg_store_dtype", "float16"),
    ],
)
def test_transforms_whose_results_cannot_be_kept_are_refused(
    eeg: list[Any], mri: list[Any], options: dict[str, str], field: str, advice: str
) -> None:
    with pytest.raises(InputError) as refused:
        Preprocessing(eeg, mri, **options)
    (problem,) = refused.value.problems
    assert problem.where == field and advice in str(problem)
