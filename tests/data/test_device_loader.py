"""`DeviceLoader` against the `DataLoader` that serves the same draws one by one."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.transforms import RandFlipd, RandScaleIntensityd
from torch.utils.data import DataLoader

from monai_fusion.data import (
    DeviceLoader,
    DistributedTrainingSampler,
    EvaluationLoader,
    FusionDataset,
    ParticipantSampler,
    Preprocessing,
    collate_available,
    collate_participants,
)
from monai_fusion.datalist import ModalityPolicy, ParticipantRecord
from monai_fusion.errors import InputError
from monai_fusion.store.storage_types import decode, encode
from monai_fusion.transforms import (
    LoadScalogramd,
    LoadVolumed,
    RandInPlaneRotated,
    RandSpecAugmentd,
    ResampleSlabd,
    ScaleIntensityPercentilesd,
    ZScoreElectrodesd,
)
from tests.support import EEG_SHAPE, write_volume

Records = tuple[ParticipantRecord, ...]


def augmentation() -> dict[str, list[Any]]:
    flips = [RandFlipd("mri", 0.5, axis) for axis in range(3)]
    rotation = RandInPlaneRotated(prob=0.5, max_degrees=30.0)
    return {"eeg": [RandSpecAugmentd(prob=0.7, fraction=0.3)], "mri": [*flips, rotation]}


def dataset(
    records: Sequence[ParticipantRecord],
    store: Path | None,
    drawn: dict[str, list[Any]] | None = None,
    types: tuple[str, str] = ("float32", "float32"),
    **options: Any,
) -> FusionDataset:
    eeg = [LoadScalogramd(shape=EEG_SHAPE), ZScoreElectrodesd()]
    mri = [LoadVolumed(), ScaleIntensityPercentilesd(), ResampleSlabd(size=(6, 8, 8), depth=4)]
    preprocessing = Preprocessing(eeg, mri, store, *types)
    return FusionDataset(records, preprocessing, drawn, seed=5, progress=False, **options)


def epochs(loader: Any, sampler: ParticipantSampler, numbers: Sequence[int] = (1, 2, 3)) -> list[dict[str, Any]]:
    batches = []
    for epoch in numbers:
        sampler.set_epoch(epoch)
        batches += list(loader)
    return batches


def assert_same(ours: Sequence[dict[str, Any]], reference: Sequence[dict[str, Any]]) -> None:
    assert len(ours) == len(reference)
    for one, other in zip(ours, reference, strict=True):
        assert list(one) == list(other)
        for key, value in other.items():
            if isinstance(value, torch.Tensor):
                assert type(one[key]) is torch.Tensor and one[key].dtype == value.dtype
                # A rotated volume may round differently; everything else is a copy.
                assert torch.allclose(one[key], value, rtol=0, atol=1e-6 if key == "mri" else 0)
            elif key == "eeg":  # of several participants
                assert len(one[key]) == len(value) and all(map(torch.equal, one[key], value))
            else:
                assert one[key] == value


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("types", [("float32", "float32"), ("float16", "uint16")])
@pytest.mark.parametrize("with_store", [True, False])
def test_batches_are_those_of_the_data_loader(
    tiny_records: Records, tmp_path: Path, held: bool, types: tuple[str, str], with_store: bool
) -> None:
    store = tmp_path / "store" if with_store else None
    data = dataset(tiny_records, store, augmentation(), types)
    sampler = ParticipantSampler(data.labels, seed=5)
    reference = epochs(DataLoader(data, batch_size=3, sampler=sampler), sampler)
    loader = DeviceLoader(data, "cpu", 3, sampler, held=held, progress=False)
    assert [len(batch["participant_id"]) for batch in reference] == [3, 1] * 3 and len(loader) == 2
    assert_same(epochs(loader, sampler), reference)
    assert_same(epochs(loader, sampler, [3, 1]), reference[4:] + reference[:2])  # not the epoch that was read ahead


@pytest.mark.parametrize("held", [True, False])
def test_absent_and_hidden_recordings_take_no_place_in_a_batch(
    tiny_records: Records, tmp_path: Path, held: bool
) -> None:
    records = [replace(tiny_records[0], mri=None), tiny_records[1], replace(tiny_records[2], eeg=()), tiny_records[3]]
    use = ModalityPolicy(allow_missing=True, dropout=0.4)
    data = dataset(records, tmp_path / "store", augmentation(), use=use)
    sampler = ParticipantSampler(data.labels, seed=5)
    numbers = range(1, 9)
    reference = epochs(DataLoader(data, 2, sampler=sampler, collate_fn=collate_available), sampler, numbers)
    assert {"eeg" in batch for batch in reference} == {True, False}
    assert_same(epochs(DeviceLoader(data, "cpu", 2, sampler, held=held, progress=False), sampler, numbers), reference)


class RandNamedScaled(RandScaleIntensityd):
    """A transform without a batch form that also needs the item's other entries."""

    def __call__(self, data: Any) -> Any:
        assert data["participant_id"].startswith("sub-")
        return super().__call__(data)


def test_a_transform_without_a_batch_form_is_applied_to_each_sample_with_its_draws(
    tiny_records: Records, tmp_path: Path
) -> None:
    drawn = augmentation()
    drawn["mri"][1:1] = [RandNamedScaled("mri", factors=0.9, prob=0.8)]
    data = dataset(tiny_records, tmp_path / "store", drawn)
    sampler = ParticipantSampler(data.labels, seed=5)
    reference = epochs(DataLoader(data, batch_size=4, sampler=sampler), sampler)
    loader = DeviceLoader(data, "cpu", 4, sampler, progress=False)
    assert loader.singles == ["RandNamedScaled", "RandFlipd", "RandFlipd", "RandInPlaneRotated"]
    assert_same(epochs(loader, sampler), reference)


@pytest.mark.parametrize("held", [True, False])
def test_each_rank_has_its_slice_of_the_same_batches(tiny_records: Records, tmp_path: Path, held: bool) -> None:
    data = dataset(tiny_records, tmp_path / "store", augmentation())
    for rank in (0, 1):
        draws = ParticipantSampler(data.labels, seed=5)
        sampler = DistributedTrainingSampler(draws, batch_size=2, rank=rank, count=2)
        reference = epochs(DataLoader(data, batch_size=1, sampler=sampler), draws)
        assert_same(epochs(DeviceLoader(data, "cpu", 1, sampler, held=held, progress=False), draws), reference)


@pytest.mark.parametrize("max_segments", [None, 2])
@pytest.mark.parametrize("types", [("float32", "float32"), ("float16", "uint16")])
def test_an_evaluation_has_all_segments_of_a_participant(
    tiny_records: Records, tmp_path: Path, max_segments: int | None, types: tuple[str, str]
) -> None:
    records = (*tiny_records[:2], replace(tiny_records[2], eeg=()), replace(tiny_records[3], label=None))
    options: dict[str, Any] = {"segments": "all", "max_segments": max_segments}
    data = dataset(records, tmp_path / "store", None, types, use=ModalityPolicy(allow_missing=True), **options)
    loader = DeviceLoader(data, "cpu", progress=False)
    reference = list(DataLoader(data, batch_size=1, collate_fn=collate_participants))
    assert_same(list(loader), reference)
    assert_same([collate_participants([loader.item(3)])], reference[3:])
    assert_same(list(DeviceLoader(data, "cpu", sampler=[3, 1], progress=False)), [reference[3], reference[1]])


@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_validation_whose_data_stay_on_the_device_has_the_same_batches(
    tiny_records: Records, tmp_path: Path, batch_size: int
) -> None:
    records = (*tiny_records[:2], replace(tiny_records[2], eeg=()), replace(tiny_records[3], mri=None))
    data = dataset(records, tmp_path / "store", None, segments="all", use=ModalityPolicy(allow_missing=True))
    loader = EvaluationLoader(data, batch_size, device_data="auto")
    reference = list(loader)
    assert loader._held is None  # the processor's memory is where they come from
    loader.on_gpu = True
    for _ in range(2):
        assert_same(list(loader), reference)
    assert loader._held is not None


def test_an_evaluation_copies_no_recording_that_is_held_as_float32(tiny_records: Records, tmp_path: Path) -> None:
    loader = DeviceLoader(dataset(tiny_records, tmp_path / "store", segments="all"), "cpu", progress=False)
    first, again = loader.item(3), loader.item(3)
    assert first["eeg"].data_ptr() == again["eeg"].data_ptr() and first["eeg"].is_contiguous()
    assert first["mri"].data_ptr() == again["mri"].data_ptr()


@pytest.mark.parametrize("held", [True, False])
def test_a_recording_that_the_type_of_the_store_cannot_hold_keeps_its_values(
    tiny_records: Records, tmp_path: Path, held: bool
) -> None:
    """Not scaled to 0..1, MRIs do not fit into uint16: the store keeps float32."""
    store = tmp_path / "store"
    mri = [LoadVolumed(), ResampleSlabd(size=(6, 8, 8), depth=4)]
    eeg = [LoadScalogramd(shape=EEG_SHAPE), ZScoreElectrodesd()]
    data = FusionDataset(tiny_records, Preprocessing(eeg, mri, store, mri_dtype="uint16"), progress=False)
    sampler = ParticipantSampler(data.labels)
    reference = epochs(DataLoader(data, batch_size=4, sampler=sampler), sampler, [1])
    assert reference[0]["mri"].max() > 1
    assert_same(epochs(DeviceLoader(data, "cpu", 4, sampler, held=held, progress=False), sampler, [1]), reference)


@pytest.mark.parametrize("held", [True, False])
def test_recordings_of_different_shapes_are_refused(tiny_records: Records, tmp_path: Path, held: bool) -> None:
    other = replace(tiny_records[2], mri=write_volume(tmp_path / "other.nii.gz", 1, (5, 6, 7)))
    eeg = [LoadScalogramd(shape=EEG_SHAPE), ZScoreElectrodesd()]
    data = FusionDataset([*tiny_records[:2], other], Preprocessing(eeg, [LoadVolumed()]), progress=False)
    with pytest.raises(InputError, match=r"other\.nii\.gz.*its shape is \(1, 5, 6, 7\)"):
        list(DeviceLoader(data, "cpu", held=held, progress=False))


def test_a_validation_of_different_shapes_is_read_ahead_instead(
    tiny_records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One participant at a time; with the CPU in the place of the GPU."""
    other = replace(tiny_records[2], mri=write_volume(tmp_path / "other.nii.gz", 1, (5, 6, 7)))
    eeg = [LoadScalogramd(shape=EEG_SHAPE), ZScoreElectrodesd()]
    preprocessing = Preprocessing(eeg, [LoadVolumed()])
    data = FusionDataset([*tiny_records[:2], other], preprocessing, segments="all", progress=False)
    loader = EvaluationLoader(data, 1, device_data="auto")
    assert [tuple(batch["mri"].shape[2:]) for batch in loader][2] == (5, 6, 7)
    monkeypatch.setattr(loader, "on_gpu", True)
    monkeypatch.setattr("torch.Tensor.pin_memory", lambda tensor: tensor)
    loader.threads = 1
    assert [tuple(batch["mri"].shape[2:]) for batch in loader][2] == (5, 6, 7)


def test_every_value_of_uint16_becomes_the_same_float() -> None:
    from monai_fusion.data.held_recordings import _as_held, as_floats

    kept = np.arange(65536).astype(np.uint16)
    floats = as_floats(_as_held(kept, "uint16"), "uint16")
    assert np.array_equal(floats.numpy(), decode(kept)) and np.array_equal(encode(floats.numpy(), "uint16"), kept)


@pytest.mark.gpu
@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("types", [("float32", "float32"), ("float16", "uint16")])
def test_a_gpu_makes_the_batches_of_the_processor_and_never_waits(
    tiny_records: Records, tmp_path: Path, held: bool, types: tuple[str, str]
) -> None:
    data = dataset(tiny_records, tmp_path / "store", augmentation(), types)
    sampler = ParticipantSampler(data.labels, seed=5)
    reference = epochs(DataLoader(data, batch_size=3, sampler=sampler), sampler)
    loader = DeviceLoader(data, "cuda", 3, sampler, held=held, readers=2, progress=False)
    epochs(loader, sampler)  # the first call of a kernel may wait
    torch.cuda.set_sync_debug_mode("error")
    try:
        ours = epochs(loader, sampler)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(batch[key].is_cuda for batch in ours for key in ("eeg", "mri", "label"))
    for one, other in zip(ours, reference, strict=True):
        assert one["participant_id"] == other["participant_id"] and torch.equal(one["label"].cpu(), other["label"])
        assert torch.equal(one["eeg"].cpu(), other["eeg"])
        assert torch.allclose(one["mri"].cpu(), other["mri"], rtol=0, atol=1e-4)


def test_the_next_epoch_is_read_before_it_begins_and_only_once(
    tiny_records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = dataset(tiny_records, tmp_path / "store")
    sampler = ParticipantSampler(data.labels, seed=5)
    loader = DeviceLoader(data, "cpu", 1, sampler, held=False, progress=False)
    kept, places = data.mri.kept, []
    monkeypatch.setattr(data.mri, "kept", lambda place: places.append(place) or kept(place))
    list(loader)
    ends = time.monotonic() + 30
    while len(places) < 6 and time.monotonic() < ends:
        time.sleep(0.01)
    following = [data.choose(draw).volume for draw in sampler.of_epoch(2)]
    assert places[4:] == following[:2]
    sampler.set_epoch(2)
    list(loader)
    assert places[4:8] == following
