"""A training works on its device, from the loader to the handlers, shown on the meta device in the place of a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
import torch
from ignite.engine import Engine
from monai.engines import SupervisedTrainer
from monai.transforms import RandFlipd, RandScaleIntensityd

from monai_fusion.data import DeviceLoader, FusionDataset, FusionPrepareBatch, ParticipantSampler, Preprocessing
from monai_fusion.datalist import ModalityPolicy, ParticipantRecord
from monai_fusion.losses import AlignedCrossEntropy
from monai_fusion.networks import ConcatenationHead, FusionNet, GatedFusionHead, MeanHead
from monai_fusion.training import (
    EpochLog,
    EpochProgress,
    EpochSeeding,
    FiniteCheck,
    HeadGradientClipping,
    PrecisionInferer,
    RescalePartialAccumulation,
    StageHandler,
    StagePlan,
    TensorBoardCurves,
    TrainingStep,
    WeightAverage,
    WeightAveraging,
    parameter_groups,
)
from monai_fusion.transforms import (
    LoadScalogramd,
    LoadVolumed,
    RandInPlaneRotated,
    RandSpecAugmentd,
    ResampleSlabd,
    ZScoreElectrodesd,
)
from tests.devices import META, as_on_a_gpu
from tests.support import EEG_SHAPE, ELECTRODES, TinyEncoder

HEADS = {"gated": GatedFusionHead, "concat": ConcatenationHead, "mean": MeanHead}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(("held", "types"), [(True, ("float32", "float32")), (False, ("float16", "uint16"))])
def test_a_training_mixes_no_tensors_of_device_and_processor(
    tiny_records: Sequence[ParticipantRecord],
    tmp_path: Path,
    head: str,
    held: bool,
    types: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of participants who lack recordings, with a transform without a batch form, a moving average and accumulation."""
    eeg = [LoadScalogramd(shape=EEG_SHAPE), ZScoreElectrodesd()]
    mri = [LoadVolumed(), ResampleSlabd(size=(4, 6, 6), depth=4)]
    chain = [RandFlipd("mri", 0.5, 1), RandInPlaneRotated(prob=0.5), RandScaleIntensityd("mri", 0.9, prob=1.0)]
    some = [replace(tiny_records[0], mri=None), tiny_records[1], replace(tiny_records[2], eeg=()), tiny_records[3]]
    data = FusionDataset(
        some, Preprocessing(eeg, mri, tmp_path / "store", *types), {"eeg": [RandSpecAugmentd(prob=0.7)], "mri": chain},
        seed=5, progress=False, use=ModalityPolicy(allow_missing=True, dropout=0.3),
    )  # fmt: skip
    sampler, plan = ParticipantSampler(data.labels, seed=5), StagePlan([1, 1], [{"eeg": [], "mri": []}] * 2)
    network = FusionNet(TinyEncoder(ELECTRODES, 8), TinyEncoder(1, 8), HEADS[head](8, hidden=8), absence=True).to(META)
    average = WeightAverage(network, 0.9)
    validator = Engine(lambda *_: None)
    with as_on_a_gpu(monkeypatch):
        loader = DeviceLoader(data, META, 3, sampler, held=held, progress=False)
        assert loader.singles == ["RandScaleIntensityd"]
        trainer = SupervisedTrainer(
            device=META,
            max_epochs=2,
            train_data_loader=loader,
            network=network,
            optimizer=torch.optim.AdamW(parameter_groups(network, plan, 2e-4, 1e-4), foreach=False),
            loss_function=AlignedCrossEntropy(label_smoothing=0.1, class_weights=[1.0, 2.0]),
            optim_set_to_none=True,
            prepare_batch=FusionPrepareBatch(),
            inferer=PrecisionInferer(),
            iteration_update=TrainingStep(None, META),
            train_handlers=[
                EpochSeeding(5, sampler),
                StageHandler(network, plan),
                RescalePartialAccumulation(),
                HeadGradientClipping(network.head.parameters(), 5.0),
                WeightAveraging(average),
                FiniteCheck(network, validator, every=1),
                EpochLog(plan, validator, tmp_path, []),
                EpochProgress(0.0, StringIO()),
                TensorBoardCurves(str(tmp_path / "tensorboard"), interval=0.0),
            ],
            decollate=False,
            accumulation_steps=2,
        )
        trainer.run()
    assert trainer.state.iteration == 4 and all(each.device == META for each in average.network.parameters())
