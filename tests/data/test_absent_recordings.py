"""Participants who lack a recording, and recordings that are hidden, on their way into a batch."""

import pickle
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from monai_fusion.data import (
    EpochSample,
    FusionDataset,
    FusionPrepareBatch,
    ParticipantSampler,
    Preprocessing,
    collate_available,
    collate_participants,
)
from monai_fusion.datalist import ModalityPolicy, ParticipantRecord, check_datalist, read_datalist
from monai_fusion.datalist.availability import count_by_modalities, modalities_never_missing
from monai_fusion.errors import InputError
from monai_fusion.transforms import (
    LoadScalogramd,
    LoadVolumed,
    RandInPlaneRotated,
    RandSpecAugmentd,
    ResampleSlabd,
    ZScoreElectrodesd,
)
from tests.support import EEG_SHAPE, write_datalist

Records = tuple[ParticipantRecord, ...]


def dataset(records: Sequence[ParticipantRecord], store: Path, use: ModalityPolicy, **options: Any) -> FusionDataset:
    eeg = [LoadScalogramd(shape=EEG_SHAPE), ZScoreElectrodesd()]
    mri = [LoadVolumed(), ResampleSlabd(size=(6, 6, 6), depth=4)]
    drawn = {"eeg": [RandSpecAugmentd(fraction=0.3)], "mri": [RandInPlaneRotated(prob=0.9)]}
    return FusionDataset(records, Preprocessing(eeg, mri, store), drawn, seed=5, progress=False, use=use, **options)


@pytest.fixture
def some_lack(tiny_records: Records) -> Records:
    """sub-00 lacks the MRI, sub-02 the EEG."""
    no_mri, no_eeg = replace(tiny_records[0], mri=None), replace(tiny_records[2], eeg=())
    return (no_mri, tiny_records[1], no_eeg, tiny_records[3])


def test_each_item_holds_the_recordings_of_its_participant_and_nothing_for_the_others(
    tiny_records: Records, some_lack: Records, tmp_path: Path
) -> None:
    whole = dataset(tiny_records, tmp_path / "store", ModalityPolicy())
    found = dataset(some_lack, tmp_path / "store", ModalityPolicy(allow_missing=True))
    assert (len(found.eeg), len(found.mri)) == (1 + 2 + 4, 3) and found.labels == [0, 1, 0, 1]
    for place, record in enumerate(some_lack):
        for draw in (EpochSample(place, epoch, position=3) for epoch in (1, 2)):
            item, expected = found[draw], whole[draw]
            there = {name for name, has in (("eeg", record.eeg), ("mri", record.mri)) if has}
            assert item.keys() == there | {"participant_id", "label"}
            assert item["participant_id"] == record.participant_id and item["label"] == record.label
            if place in (1, 3):  # the same draws as if no participant lacked a recording
                assert all(torch.equal(item[name], expected[name]) for name in there)
    assert found.eeg.prepared == found.mri.prepared == 0


def test_nothing_is_drawn_otherwise_where_recordings_may_be_hidden(tiny_records: Records, tmp_path: Path) -> None:
    whole = dataset(tiny_records, tmp_path / "store", ModalityPolicy())
    hiding = dataset(tiny_records, tmp_path / "store", ModalityPolicy(dropout=0.5))
    patterns = Counter()
    for epoch in range(1, 60):
        for place in range(4):
            draw = EpochSample(place, epoch, position=place)
            item, expected = hiding[draw], whole[draw]
            there = tuple(name for name in ("eeg", "mri") if name in item)
            assert there and all(torch.equal(item[name], expected[name]) for name in there)
            patterns[there] += 1
    # 236 draws: half of them hide something, the EEG or the MRI (four standard deviations are 31 and 27).
    assert abs(patterns["eeg", "mri"] - 118) < 31
    assert abs(patterns["eeg",] - 59) < 27 and abs(patterns["mri",] - 59) < 27


def test_a_hidden_recording_is_not_even_read(tiny_records: Records, tmp_path: Path) -> None:
    hiding = dataset(tiny_records, tmp_path / "store", ModalityPolicy(dropout=0.9))
    drawn = [EpochSample(1, epoch, 0) for epoch in range(1, 30)]
    hidden = next(draw for draw in drawn if "mri" not in hiding[draw])
    shown = next(draw for draw in drawn if "mri" in hiding[draw])
    assert tiny_records[1].mri is not None
    tiny_records[1].mri.unlink()
    for entry in (tmp_path / "store").rglob("*.npy"):
        entry.unlink()
    assert "mri" not in hiding[hidden]
    with pytest.raises(InputError):
        hiding[shown]


def test_validation_hides_nothing(tiny_records: Records, tmp_path: Path) -> None:
    hiding = dataset(tiny_records, tmp_path / "store", ModalityPolicy(dropout=0.9), segments="all")
    assert all({"eeg", "mri"} <= hiding[place].keys() for place in range(4))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_batch_holds_the_existing_recordings_and_whose_they_are(
    some_lack: Records, tmp_path: Path, workers: int
) -> None:
    found = dataset(some_lack, tmp_path / "store", ModalityPolicy(allow_missing=True))
    sampler = ParticipantSampler(found.labels, balanced=False)
    loader = DataLoader(
        found,
        sampler=sampler,
        batch_size=4,
        num_workers=workers,
        collate_fn=collate_available,
        multiprocessing_context="spawn" if workers else None,
    )
    (batch,) = loader
    order = [int(name[-1]) for name in batch["participant_id"]]
    assert batch["present"].tolist() == [[place != 2, place != 0] for place in order]
    assert batch["label"].tolist() == [place % 2 for place in order]
    assert batch["eeg"].shape == (3, 3, 8, 10) and batch["mri"].shape == (3, 1, 4, 6, 6)
    with_eeg = [place for place in order if place != 2]
    for row, place in enumerate(with_eeg):
        assert torch.equal(batch["eeg"][row], found[EpochSample(place, 1, order.index(place))]["eeg"])
    eeg, label, (mri,), further = FusionPrepareBatch()(batch, "cpu")
    assert eeg is batch["eeg"] and mri is batch["mri"] and label is batch["label"]
    assert further == {"present": batch["present"]}


def test_a_batch_may_have_no_eeg_or_no_mri_at_all(some_lack: Records, tmp_path: Path) -> None:
    found = dataset(some_lack, tmp_path / "store", ModalityPolicy(allow_missing=True))
    collate = pickle.loads(pickle.dumps(collate_available))
    eeg, _, (mri,), further = FusionPrepareBatch()(collate([found[0], found[0]]), "cpu")
    assert eeg is not None and mri is None and further["present"].tolist() == [[True, False]] * 2
    eeg, _, (mri,), further = FusionPrepareBatch()(collate([found[2]]), "cpu")
    assert eeg is None and mri is not None and further["present"].tolist() == [[False, True]]


def test_an_evaluation_batch_lacks_what_its_participant_lacks(some_lack: Records, tmp_path: Path) -> None:
    found = dataset(some_lack, tmp_path / "store", ModalityPolicy(allow_missing=True), segments="all")
    batches = [collate_participants([found[place]]) for place in range(4)]
    there = [("eeg" in batch, "mri" in batch) for batch in batches]
    assert there == [(True, False), (True, True), (False, True), (True, True)]
    assert batches[3]["eeg"].shape == (4, 3, 8, 10) and batches[2]["mri"].shape == (1, 1, 4, 6, 6)


@pytest.mark.parametrize(("modalities", "other"), [("eeg", "mri"), ("mri", "eeg")])
def test_one_modality_alone_is_used_with_the_same_participants(
    some_lack: Records, tmp_path: Path, modalities: Any, other: str
) -> None:
    comparable = dataset(some_lack, tmp_path / "store", ModalityPolicy(modalities))
    assert [record.participant_id for record in comparable.records] == ["sub-01", "sub-03"]
    assert all(modalities in comparable[place] and other not in comparable[place] for place in range(2))
    assert len(getattr(comparable, other)) == 0 and getattr(comparable, other).prepared == 0
    allowing = dataset(some_lack, tmp_path / "store", ModalityPolicy(modalities, allow_missing=True))
    left_out = {"eeg": "sub-02", "mri": "sub-00"}[modalities]
    assert [record.participant_id for record in allowing.left_out] == [left_out]


@pytest.mark.parametrize("modalities", ["eeg", "mri"])
def test_files_of_a_recording_that_is_not_used_need_not_be_there(tmp_path: Path, modalities: str) -> None:
    row = {"participant_id": "a", "label": "M", "eeg": "a_seg*.npy", "mri": "a_T1w.nii.gz"}
    (tmp_path / {"eeg": "a_seg0.npy", "mri": "a_T1w.nii.gz"}[modalities]).touch()
    path = write_datalist(
        tmp_path / "list.json", {"training": [row, {**row, "participant_id": "b", "mri": None, "eeg": None}]}
    )
    problems = check_datalist(path, modalities=modalities, require_labels=False)
    assert len(problems) == 1 and problems[0].where == "b"  # neither recording
    path = write_datalist(tmp_path / "list.json", {"training": [row]})
    assert not check_datalist(path, modalities=modalities, require_labels=False)
    assert len(check_datalist(path, require_labels=False)) == 1
    records = read_datalist(path, modalities=modalities, require_labels=False).records("training")
    assert len(ModalityPolicy(modalities).select(records)[0]) == 1  # type: ignore[arg-type] # of the parameters


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"modalities": "egg"}, "modalities: 'egg', expected one of both, eeg, mri: did you mean 'eeg'?"),
        ({"dropout": 1.0}, "modality_dropout: 1.0, expected a number from 0 to less than 1"),
        ({"dropout": -0.1}, "modality_dropout: -0.1, expected"),
        ({"dropout": "0.2"}, "modality_dropout: '0.2', expected"),
        ({"dropout": True}, "modality_dropout: True, expected"),
    ],
)
def test_impossible_arguments_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        ModalityPolicy(**options)
    assert message in str(caught.value)


def test_absences_that_a_training_never_had_are_recorded(some_lack: Records) -> None:
    assert count_by_modalities(some_lack) == {"both": 2, "eeg": 1, "mri": 1}
    assert modalities_never_missing(ModalityPolicy(), some_lack) == ["eeg", "mri"]
    assert modalities_never_missing(ModalityPolicy(dropout=0.1), some_lack) == []
    assert modalities_never_missing(ModalityPolicy(allow_missing=True), some_lack) == []
    assert modalities_never_missing(ModalityPolicy(allow_missing=True), some_lack[:2]) == ["eeg"]
    assert modalities_never_missing(ModalityPolicy("mri", dropout=0.5), some_lack) == ["mri"]
