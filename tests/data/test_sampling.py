from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from monai_fusion.data import (
    EpochSample,
    EvaluationPrepareBatch,
    FusionDataset,
    ParticipantSampler,
    Preprocessing,
    collate_participants,
)
from monai_fusion.datalist import ParticipantRecord
from monai_fusion.transforms import (
    LoadScalogramd,
    LoadVolumed,
    RandInPlaneRotated,
    RandSpecAugmentd,
    ResampleSlabd,
    ZScoreElectrodesd,
)
from tests.support import EEG_SHAPE

LABELS = [0] * 30 + [1] * 10


def drawn(sampler: ParticipantSampler, epoch: int) -> list[int]:
    sampler.set_epoch(epoch)
    return [draw.index for draw in sampler]


@pytest.mark.parametrize("epoch", range(1, 6))
def test_balanced_classes_are_drawn_equally_often(epoch: int) -> None:
    indices = drawn(ParticipantSampler(LABELS, seed=1), epoch)
    assert Counter(LABELS[index] for index in indices) == {0: 20, 1: 20}


def test_balanced_repeats_no_participant_before_the_class_is_used_up() -> None:
    counts = Counter(drawn(ParticipantSampler(LABELS, seed=1), 1))
    assert all(counts[index] <= 1 for index in range(30))
    assert all(counts[index] == 2 for index in range(30, 40))


def test_balanced_draws_every_participant_within_a_few_epochs() -> None:
    sampler = ParticipantSampler(LABELS, seed=1)
    assert {index for epoch in range(1, 12) for index in drawn(sampler, epoch)} == set(range(40))


def test_an_odd_number_is_shared_fairly_over_the_epochs() -> None:
    sampler = ParticipantSampler([0, 0, 1, 1, 1], seed=3)
    more = Counter(sum(index >= 2 for index in drawn(sampler, epoch)) for epoch in range(1, 41))
    assert set(more) == {2, 3}


def test_unbalanced_every_participant_is_drawn_once() -> None:
    assert sorted(drawn(ParticipantSampler(LABELS, seed=1, balanced=False), 3)) == list(range(40))


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    sampler = ParticipantSampler(LABELS, seed=1)
    third = drawn(sampler, 3)
    assert drawn(ParticipantSampler(LABELS, seed=1), 3) == third
    assert drawn(sampler, 4) != third
    assert drawn(ParticipantSampler(LABELS, seed=2), 3) != third


def test_draws_carry_their_epoch_and_position() -> None:
    sampler = ParticipantSampler(LABELS)
    sampler.set_epoch(7)
    assert [(draw.epoch, draw.position) for draw in sampler] == [(7, position) for position in range(40)]


def preprocessing(store: Path) -> Preprocessing:
    eeg = [LoadScalogramd(shape=EEG_SHAPE), ZScoreElectrodesd()]
    return Preprocessing(eeg, [LoadVolumed(), ResampleSlabd(size=(6, 6, 6), depth=4)], store)


def batches(dataset: FusionDataset, workers: int, context: str | None = None) -> list[dict[str, Any]]:
    sampler = ParticipantSampler(dataset.labels, seed=5)
    sampler.set_epoch(2)
    loader = DataLoader(dataset, batch_size=2, sampler=sampler, num_workers=workers, multiprocessing_context=context)
    return list(loader)


def test_batches_are_the_same_for_any_number_of_spawned_workers(
    tiny_records: tuple[ParticipantRecord, ...], tmp_path: Path
) -> None:
    drawn = {"eeg": [RandSpecAugmentd(fraction=0.3)], "mri": [RandInPlaneRotated(prob=0.9)]}
    dataset = FusionDataset(tiny_records, preprocessing(tmp_path / "store"), drawn, seed=5, progress=False)
    alone, spawned = batches(dataset, 0), batches(dataset, 2, "spawn")
    assert len(alone) == len(spawned) == 2
    for one, other in zip(alone, spawned, strict=True):
        assert one["participant_id"] == other["participant_id"]
        assert all(torch.equal(one[key], other[key]) for key in ("eeg", "mri", "label"))


def test_an_evaluation_batch_is_one_participant_with_all_segments(
    tiny_records: tuple[ParticipantRecord, ...], tmp_path: Path
) -> None:
    records = (*tiny_records[:3], replace(tiny_records[3], label=None))
    dataset = FusionDataset(records, preprocessing(tmp_path / "store"), segments="all", progress=False)
    loader = DataLoader(dataset, batch_size=1, collate_fn=collate_participants)
    shapes = [(batch["eeg"].shape, batch["mri"].shape, batch["participant_id"]) for batch in loader]
    assert shapes == [((n + 1, 3, 8, 10), (1, 1, 4, 6, 6), [f"sub-{n:02d}"]) for n in range(4)]
    inputs, label, (volume,), rest = EvaluationPrepareBatch()(collate_participants([dataset[2]]), "cpu")
    assert label is not None and label.tolist() == [0] and volume is not None and volume.shape == (1, 1, 4, 6, 6)
    assert isinstance(inputs, torch.Tensor) and inputs.shape == (3, 3, 8, 10)
    assert rest["segments"] == [3] and rest["present"].tolist() == [[True, True]]
    assert EvaluationPrepareBatch()(collate_participants([dataset[3]]), "cpu")[1] is None


def test_a_draw_keys_its_random_numbers_by_all_three() -> None:
    base = EpochSample(index=4, epoch=1, position=2)
    numbers = {
        float(draw.generator(seed).random())
        for draw, seed in [(base, 0), (base, 1), (EpochSample(4, 2, 2), 0), (EpochSample(4, 1, 3), 0)]
    }
    assert len(numbers) == 4
    assert EpochSample(9, 1, 2).generator(0).random() == base.generator(0).random()
