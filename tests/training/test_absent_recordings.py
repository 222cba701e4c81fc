"""Absent recordings in the engine: a training with them continues from a checkpoint with the same bits."""

from pathlib import Path
from typing import Any

import pytest
import torch

from monai_fusion.networks import standard_network
from monai_fusion.training import PrecisionInferer, StagePlan, parameter_groups
from tests.support import tiny_absence_net
from tests.training import ranks_job

BLOCKS: list[dict[str, Any]] = [{"eeg": ["stage4"], "mri": ["layer4"]}]


def test_a_resumed_training_that_meets_absence_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole, resumed = ranks_job.absence_is_resumed(tmp_path)
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
    network = standard_network(pretrained=False, modalities=modalities)
    plan = StagePlan([1], BLOCKS, modalities=modalities)
    assert getattr(plan.stages[0], f"{other}_blocks") == () and getattr(plan.stages[0], f"{modalities}_blocks") != ()
    encoders = parameter_groups(network, plan, 0.2, 0.1)[1]["params"]
    unused = {id(parameter) for parameter in network.get_submodule(f"{other}_enc").parameters()}
    assert encoders and not unused & {id(parameter) for parameter in encoders}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_batch_without_any_eeg_is_computed_in_the_precision_asked_for(precision: str) -> None:
    network, seen = tiny_absence_net(), []
    network.mri_enc.projection.register_forward_hook(lambda module, x, y: seen.append(y.dtype))
    pred = PrecisionInferer(precision)(
        None, network, torch.rand(2, 1, 4, 4, 4), present=torch.tensor([[False, True]] * 2)
    )
    assert seen == [getattr(torch, precision)] and pred["logits"].dtype == torch.float32
