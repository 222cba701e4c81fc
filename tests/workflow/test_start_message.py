"""The messages of a training at its start."""

import copy
import logging

import pytest
import torch

from monai_fusion.networks import FusionNet, standard_network
from monai_fusion.training import StagePlan
from monai_fusion.workflow import summarize_training
from monai_fusion.workflow.start_message import name_device, parameter_table

BLOCKS = [
    {"eeg": ["stage3", "stage4"], "mri": ["layer4"]},
    {"eeg": ["stage2", "stage3", "stage4"], "mri": ["layer3", "layer4"]},
]


@pytest.fixture(scope="module")
def network() -> FusionNet:
    with torch.random.fork_rng(devices=[]):
        return standard_network(pretrained=False)


def cells(line: str) -> list[str]:
    return [cell.strip().removesuffix(" M") for cell in line.split("  ") if cell.strip()]


def test_the_table_counts_what_trains_in_each_block_and_stage(network: FusionNet) -> None:
    head, *rows = parameter_table(network, StagePlan([15, 10], BLOCKS)).splitlines()
    assert cells(head) == ["parameters that train", "stage A, 15 epochs", "stage B, 10 epochs", "of"]
    table = {title: values for title, *values in map(cells, rows)}
    assert list(table) == [
        *("EEG stem", "EEG stage2", "EEG stage3", "EEG stage4", "EEG projection"),
        *("MRI layer3", "MRI layer4", "MRI projection", "fusion head", "all others", "together"),
    ]
    layer3 = sum(parameter.numel() for parameter in network.mri_enc.backbone.layer3.parameters()) / 1e6
    assert table["MRI layer3"] == ["-", f"{layer3:.2f}", f"{layer3:.2f}"]
    assert table["all others"][:2] == ["-", "-"]
    whole = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    assert table["together"][-1] == f"{whole:.2f}"
    for stage in (0, 1):
        parts = sum(float(values[stage].replace("-", "0")) for name, values in table.items() if name != "together")
        assert parts == pytest.approx(float(table["together"][stage]), abs=0.06)
    assert len({len(row) for row in (head, *rows)}) == 1  # aligned


def test_the_network_is_as_its_first_stage_begins_afterwards(network: FusionNet) -> None:
    other = copy.deepcopy(network)
    other.set_trainable(["stage3", "stage4"], ["layer4"])
    parameter_table(network, StagePlan([15, 10], BLOCKS))
    assert network.trainable_summary() == other.trainable_summary()


def test_a_stage_without_epochs_is_not_shown(network: FusionNet) -> None:
    head = parameter_table(network, StagePlan([0, 1], BLOCKS)).splitlines()[0]
    assert cells(head) == ["parameters that train", "stage B, 1 epoch", "of"]


def test_device_precision_and_batches_are_reported(network: FusionNet, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="monai_fusion"):
        summarize_training(network, StagePlan([1, 0], BLOCKS), "cpu", "float32", batch_size=4, iterations=1)
    lines = [record.getMessage() for record in caplog.records]
    assert lines[1] == f"device: {name_device('cpu')}; precision: float32"
    assert lines[2] == "1 epoch of 1 batch, 4 participants each"
    assert name_device("cpu").startswith("cpu (") and "thread" in name_device("cpu")
