"""Absent recordings in the engine: a training that meets them goes on from a checkpoint with the same bits."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from monai_fusion.data import Draw, FusionDataset, ParticipantSampler
from monai_fusion.datalist import ParticipantRecord, RecordingUse
from monai_fusion.errors import InputError
from monai_fusion.networks import FusionNet
from monai_fusion.training import FeatureReuse, PrecisionInferer, StagePlan, parameter_groups
from monai_fusion.transforms import LoadScalogramd, LoadVolumed, ResampleSlabd, ZScoreElectrodesd
from tests.support import EEG_SHAPE, tiny_absence_net
from tests.training import ranks_job

BLOCKS: list[dict[str, Any]] = [{"eeg": ["stage4"], "mri": ["layer4"]}]


@pytest.fixture
def make_dataset(tiny_records: tuple[ParticipantRecord, ...], tmp_path: Path) -> Callable[..., FusionDataset]:
    chains = {
        "eeg": [LoadScalogramd(shape=EEG_SHAPE), ZScoreElectrodesd()],
        "mri": [LoadVolumed(), ResampleSlabd(size=(24, 24, 24), depth=16)],
    }

    def make(use: RecordingUse, records: Sequence[ParticipantRecord] = tiny_records) -> FusionDataset:
        return FusionDataset(records, chains, tmp_path / "store", progress=False, use=use)

    return make


def test_a_resumed_training_that_meets_absence_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole, resumed = ranks_job.absence_goes_on(tmp_path)
    present = {tuple(pattern) for batch in whole["present"] for pattern in batch}
    assert present == {(True, True), (True, False), (False, True)}
    assert resumed["present"] == whole["present"][-len(resumed["present"]) :]
    assert resumed["digests"] == whole["digests"][-len(resumed["digests"]) :] and len(resumed["digests"]) == 4
    assert any(whole["weights"]["head.absent_eeg"]) and any(whole["weights"]["head.absent_mri"])  # they were trained


def test_the_learned_embeddings_train_with_the_head_in_every_stage() -> None:
    network = tiny_absence_net()
    groups = parameter_groups(network, StagePlan([1, 1], BLOCKS * 2), 0.2, 0.1)
    (head,) = [group for group in groups if group["name"] == "fusion_head"]
    for token in (network.head.absent_eeg, network.head.absent_mri):
        assert any(parameter is token for parameter in head["params"])


@pytest.mark.parametrize(("modalities", "other"), [("eeg", "mri"), ("mri", "eeg")])
def test_with_one_modality_the_other_encoder_is_in_no_stage_and_no_group(modalities: str, other: str) -> None:
    network = FusionNet(pretrained=False, modalities=modalities)
    plan = StagePlan([1], BLOCKS, modalities=modalities)
    assert getattr(plan.stages[0], f"{other}_blocks") == () and getattr(plan.stages[0], f"{modalities}_blocks") != ()
    encoders = parameter_groups(network, plan, 0.2, 0.1)[1]["params"]
    unused = {id(parameter) for parameter in network.get_submodule(f"{other}_enc").parameters()}
    assert encoders and not unused & {id(parameter) for parameter in encoders}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_batch_without_any_eeg_is_computed_in_the_precision_asked_for(precision: str) -> None:
    network, seen = tiny_absence_net(), []
    network.mri_enc.layer.register_forward_hook(lambda module, x, y: seen.append(y.dtype))  # type: ignore[operator] # a layer
    pred = PrecisionInferer(precision)(
        None, network, torch.rand(2, 1, 4, 4, 4), present=torch.tensor([[False, True]] * 2)
    )
    assert seen == [getattr(torch, precision)] and pred["logits"].dtype == torch.float32


def test_features_are_those_of_the_people_who_have_an_mri(
    make_dataset: Callable[..., FusionDataset], tiny_records: tuple[ParticipantRecord, ...]
) -> None:
    records = [replace(tiny_records[0], mri=None), *tiny_records[1:]]
    dataset = make_dataset(RecordingUse(allow_missing=True), records)
    network = FusionNet(pretrained=False, absence=True)
    plan = StagePlan([1], BLOCKS)
    network.set_trainable(["stage4"], ["layer4"])
    handler = FeatureReuse(network, dataset, ParticipantSampler(dataset.labels), plan, 1)
    dataset.features = handler._provide(torch.device("cpu"))
    assert "mri_features" not in dataset[Draw(0, 1, 0, features=True)]
    for place in (1, 2, 3):
        volume = dataset[Draw(place, 1, 0)]["mri"][None]  # no augmentation here: every variant is the volume
        with torch.no_grad():
            expected = network.mri_enc.frozen_features(volume)[0].half()
        found = dataset[Draw(place, 1, 0, features=True)]["mri_features"]
        torch.testing.assert_close(found, expected, rtol=2e-3, atol=1e-3)


def test_features_without_mris_are_refused(make_dataset: Callable[..., FusionDataset]) -> None:
    dataset = make_dataset(RecordingUse("eeg"))
    with pytest.raises(InputError, match="--feature_reuse: with --modalities eeg: leave it out"):
        FeatureReuse(nn.Identity(), dataset, ParticipantSampler(dataset.labels), StagePlan([1], BLOCKS), 2)
