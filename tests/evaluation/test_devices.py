"""An evaluation works where the network is, shown on the meta device in the place of a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.engines import SupervisedEvaluator
from torch import nn

from monai_fusion.data import DeviceLoader, EvaluationLoader, EvaluationPrepareBatch, FusionDataset, Preprocessing
from monai_fusion.datalist import ModalityPolicy, ParticipantRecord
from monai_fusion.evaluation import ParticipantInferer, ParticipantMetric, PredictionCollector, ReportPrinter
from monai_fusion.evaluation.artifacts import EmbeddingWriter, ThumbnailWriter
from monai_fusion.metrics.scores import SCORES
from monai_fusion.networks import ConcatenationHead, EnsembleNet, FusionNet, GatedFusionHead, MeanHead
from monai_fusion.networks.packed_net import PackedNet
from monai_fusion.training import ModelSaver
from monai_fusion.transforms import LoadScalogramd, LoadVolumed, ResampleSlabd, ZScoreElectrodesd
from tests.devices import META, GPURules, as_on_a_gpu
from tests.support import EEG_SHAPE, ELECTRODES, TinyEncoder

HEADS = {
    "gated": GatedFusionHead(8, gate_hidden=8, hidden=8),
    "concat": ConcatenationHead(8, hidden=8),
    "mean": MeanHead(8, hidden=8),
}


def network(head: str) -> nn.Module:
    nets = [
        FusionNet(TinyEncoder(ELECTRODES, 8), TinyEncoder(1, 8), HEADS[name], absence=True)
        for name in (["gated", "gated"] if head == "ensemble" else [head])
    ]
    return (EnsembleNet(nets) if head == "ensemble" else nets[0]).to(META).eval()


def dataset(records: Sequence[ParticipantRecord]) -> FusionDataset:
    eeg = [LoadScalogramd(shape=EEG_SHAPE), ZScoreElectrodesd()]
    mri = [LoadVolumed(), ResampleSlabd(size=(4, 4, 4), depth=4)]
    use = ModalityPolicy(allow_missing=True)
    return FusionDataset(records, Preprocessing(eeg, mri), segments="all", progress=False, use=use)


@pytest.mark.parametrize("head", [*HEADS, "ensemble"])
@pytest.mark.parametrize("held", [False, True])
def test_every_handler_of_an_evaluation_reads_from_the_device(
    tiny_records: Sequence[ParticipantRecord], tmp_path: Path, head: str, held: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of participants with both recordings and with one, whose recordings are sent or lie on the device."""
    some = [replace(tiny_records[0], mri=None), tiny_records[1], replace(tiny_records[2], eeg=()), tiny_records[3]]
    data, net = dataset(some), network(head)
    collector = PredictionCollector([ReportPrinter(["M", "F"], "test")], some, net)  # type: ignore[arg-type] # has fuse
    loader: Any = EvaluationLoader(data, 3)
    handlers = [collector, EmbeddingWriter(tmp_path, enabled=head != "ensemble"), ThumbnailWriter(tmp_path, "RAS")]
    if head != "ensemble":
        handlers.append(ModelSaver(net, tmp_path))  # type: ignore[arg-type] # a FusionNet
    with as_on_a_gpu(monkeypatch, GPURules(truth=False)):  # no label is below 0
        if held:
            loader._held = DeviceLoader(data, META, progress=False)
        evaluator = SupervisedEvaluator(
            device=META,
            val_data_loader=loader,
            network=net,
            prepare_batch=EvaluationPrepareBatch(),
            inferer=ParticipantInferer(2),
            key_val_metric={"accuracy": ParticipantMetric("accuracy")},
            additional_metrics={name: ParticipantMetric(name) for name in SCORES if name != "accuracy"},
            val_handlers=handlers,
            decollate=False,
        )
        evaluator.run()
    assert [row.recordings for row in collector.predictions] == ["eeg", "both", "mri", "both"]
    assert [row.without_eeg is not None for row in collector.predictions] == [False, True, False, True]
    assert set(evaluator.state.metrics) == set(SCORES)


def test_one_tensor_is_taken_apart_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = PackedNet(network("gated"), EEG_SHAPE, (4, 4, 4))
    with as_on_a_gpu(monkeypatch):
        found = packed(torch.empty(3, 1, packed.values, device=META))
    assert found.device == META and found.shape == (3, 3)
