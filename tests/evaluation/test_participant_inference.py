"""One participant is one prediction, and the MRI is encoded once for it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.engines import SupervisedEvaluator
from torch import Tensor
from torch.utils.data import DataLoader

from monai_fusion.data import FusionDataset, FusionPrepareBatch, Preprocessing, collate_participants
from monai_fusion.datalist import ParticipantRecord
from monai_fusion.errors import InputError
from monai_fusion.evaluation import ParticipantInferer, ParticipantMetric, PredictionCollector
from monai_fusion.metrics import Prediction
from monai_fusion.networks import FusionNet
from monai_fusion.transforms import LoadScalogramd, LoadVolumed, ResampleSlabd, ZScoreElectrodesd
from tests.support import EEG_SHAPE, TinyFusionNet, write_scalogram


@pytest.fixture
def counting() -> TinyFusionNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return TinyFusionNet().eval()


def segments(count: int) -> Tensor:
    return torch.randn(count, 3, 8, 10, generator=torch.Generator().manual_seed(count))


VOLUME = torch.rand(1, 1, 4, 6, 6, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("count", [1, 5, 96])
def test_the_mri_is_encoded_once_however_many_segments_there_are(counting: TinyFusionNet, count: int) -> None:
    ParticipantInferer(segment_batch_size=4)(segments(count), counting, VOLUME)
    assert counting.mri_batches == [1]
    assert sum(counting.eeg_batches) == count and max(counting.eeg_batches) == min(count, 4)


@pytest.mark.parametrize("at_once", [1, 2, 3, 7, 100])
def test_the_prediction_does_not_depend_on_the_segments_at_once(counting: TinyFusionNet, at_once: int) -> None:
    together = ParticipantInferer(segment_batch_size=7)(segments(7), counting, VOLUME)
    parts = ParticipantInferer(segment_batch_size=at_once)(segments(7), counting, VOLUME)
    for name, value in together.items():
        torch.testing.assert_close(parts[name], value, rtol=0, atol=1e-6)


def test_the_prediction_is_the_mean_over_the_predictions_for_the_segments(built_net: FusionNet) -> None:
    generator = torch.Generator().manual_seed(2)
    eeg, mri = torch.randn(5, 17, 32, 32, generator=generator), torch.rand(1, 1, 8, 16, 16, generator=generator)
    with torch.no_grad():
        found = ParticipantInferer(segment_batch_size=2)(eeg, built_net, mri)
        single = [built_net(segment[None], mri) for segment in eeg]
    shares = torch.cat([pred["logits"].double().softmax(dim=1) for pred in single])
    logits = torch.cat([pred["logits"].double() for pred in single])
    # The mean of the logits must differ, or this test would show nothing.
    assert (logits.mean(dim=0).softmax(dim=0) - shares.mean(dim=0)).abs().max() > 1e-3
    torch.testing.assert_close(found["probabilities"].double(), shares.mean(dim=0, keepdim=True), rtol=0, atol=1e-5)
    gates = torch.cat([pred["gate"] for pred in single])
    torch.testing.assert_close(found["gate"], gates.mean(dim=0, keepdim=True), rtol=0, atol=1e-6)
    torch.testing.assert_close(found["mri_embedding"], single[0]["mri_embedding"], rtol=0, atol=1e-6)
    torch.testing.assert_close(found["logits"].softmax(dim=1), found["probabilities"], rtol=0, atol=1e-6)
    assert {name: list(value.shape) for name, value in found.items()} == {
        "probabilities": [1, 2],
        "logits": [1, 2],
        "gate": [1, 1],
        "eeg_embedding": [1, 512],
        "mri_embedding": [1, 512],
        "fused_embedding": [1, 512],
        "segment_probabilities": [5, 2],
        "segment_eeg_embeddings": [5, 512],
    }
    torch.testing.assert_close(found["segment_probabilities"].double(), shares, rtol=0, atol=1e-5)


def test_a_probability_of_zero_has_a_finite_logit(counting: TinyFusionNet) -> None:
    with torch.no_grad():
        counting.classifier.bias.copy_(torch.tensor([1000.0, -1000.0]))
        found = ParticipantInferer()(segments(2), counting, VOLUME)
    assert found["probabilities"].tolist() == [[1.0, 0.0]] and found["logits"].isfinite().all()


def test_less_than_one_segment_at_once_is_refused() -> None:
    with pytest.raises(InputError, match="segment_batch_size: 0, expected auto or a whole number from 1"):
        ParticipantInferer(segment_batch_size=0)


def test_an_unknown_score_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match=r"auroc, cross_entropy, balanced_cross_entropy, got 'f1'"):
        ParticipantMetric("f1")


def evaluation(
    records: Sequence[ParticipantRecord], folder: Path, network: TinyFusionNet, collector: PredictionCollector
) -> SupervisedEvaluator:
    """An evaluator as the shipped configs build it, over real files."""
    eeg: list[Any] = [LoadScalogramd(shape=EEG_SHAPE), ZScoreElectrodesd()]
    mri: list[Any] = [LoadVolumed(), ResampleSlabd(size=(6, 6, 6), depth=4)]
    dataset = FusionDataset(records, Preprocessing(eeg, mri, folder / "store"), segments="all", progress=False)
    labelled = all(record.label is not None for record in records)
    return SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(dataset, batch_size=1, collate_fn=collate_participants),
        network=network,
        prepare_batch=FusionPrepareBatch(),
        inferer=ParticipantInferer(segment_batch_size=2),
        key_val_metric={"cross_entropy": ParticipantMetric("cross_entropy")} if labelled else None,
        additional_metrics={"accuracy": ParticipantMetric("accuracy")} if labelled else None,
        val_handlers=[collector],
        decollate=False,
    )


def test_an_evaluator_gives_one_row_and_one_score_a_participant(
    tiny_records: tuple[ParticipantRecord, ...], tmp_path: Path, counting: TinyFusionNet
) -> None:
    handed_on: list[Sequence[Prediction]] = []
    collector = PredictionCollector(then=[handed_on.append])
    evaluator = evaluation(tiny_records, tmp_path, counting, collector)
    evaluator.run()
    rows = collector.predictions
    assert [(row.participant_id, row.label, row.segments) for row in rows] == [
        (f"sub-{number:02d}", number % 2, number + 1) for number in range(4)
    ]
    chosen = torch.tensor([row.probabilities[row.label or 0] for row in rows], dtype=torch.float64)
    assert evaluator.state.metrics["cross_entropy"] == pytest.approx(-chosen.log().mean().item(), abs=1e-12)
    assert evaluator.state.metrics["accuracy"] == sum(row.predicted == row.label for row in rows) / 4
    assert handed_on == [rows]


def test_a_second_evaluation_starts_from_zero(
    tiny_records: tuple[ParticipantRecord, ...], tmp_path: Path, counting: TinyFusionNet
) -> None:
    collector = PredictionCollector()
    evaluator = evaluation(tiny_records, tmp_path, counting, collector)
    evaluator.run()
    first, score = collector.predictions, evaluator.state.metrics["cross_entropy"]
    with torch.no_grad():
        counting.classifier.bias.copy_(torch.tensor([3.0, -3.0]))
    evaluator.run(2)
    assert len(collector.predictions) == 4 and collector.predictions != first
    assert evaluator.state.metrics["cross_entropy"] != score
    assert evaluator.state.metrics["accuracy"] == 0.5  # all are predicted as class 0 now, and half of them are


def test_predictions_carry_the_fields_of_the_datalist_and_the_prediction_of_each_eeg_condition(
    tiny_records: tuple[ParticipantRecord, ...], tmp_path: Path, counting: TinyFusionNet
) -> None:
    """Two eyes-open and two eyes-closed segments of each of two participants."""
    records = []
    for record in tiny_records[:2]:
        paths = [tmp_path / f"{record.participant_id}_{name}.npy" for name in ("EC_seg0", "EC_seg1", "EO_seg0")]
        eeg = tuple(write_scalogram(path, place) for place, path in enumerate(paths))
        records.append(replace(record, eeg=eeg, extra={"age": "20-25"}))
    collector = PredictionCollector(records=records)
    evaluation(records, tmp_path, counting, collector).run()
    for record, row in zip(records, collector.predictions, strict=True):
        assert row.fields == {"age": "20-25"} and row.by_condition.keys() == {"EC", "EO"}
        weighted = (2 * np.array(row.by_condition["EC"]) + np.array(row.by_condition["EO"])) / 3
        assert weighted == pytest.approx(np.array(row.probabilities), abs=1e-6)
        alone = PredictionCollector()
        evaluation([replace(record, eeg=record.eeg[2:])], tmp_path, counting, alone).run()
        assert row.by_condition["EO"] == pytest.approx(alone.predictions[0].probabilities, abs=1e-6)
        assert row.by_condition["EO"] != row.by_condition["EC"]


def test_with_the_network_all_participants_are_predicted_without_either_modality(
    tiny_records: tuple[ParticipantRecord, ...], tmp_path: Path, counting: TinyFusionNet
) -> None:
    collector = PredictionCollector(network=counting)
    evaluation(tiny_records, tmp_path, counting, collector).run()
    assert sum(counting.mri_batches) == 4 and sum(counting.eeg_batches) == 10  # nothing is encoded twice
    for place, row in enumerate(collector.predictions):
        assert row.without_eeg is not None and row.without_mri is not None
        assert sum(row.without_eeg) == pytest.approx(1)
        # By hand: this participant's EEG with the MRI of each of the four.
        eeg, mri = [], []
        for other in (tiny_records[place], *tiny_records):
            single = PredictionCollector()
            evaluator = evaluation([other], tmp_path, counting, single)
            evaluator.run()
            eeg.append(evaluator.state.output["pred"]["segment_eeg_embeddings"])
            mri.append(evaluator.state.output["pred"]["mri_embedding"])
        with torch.no_grad():
            borrowed = [counting.fuse(eeg[0], one.expand(len(eeg[0]), -1))["logits"].softmax(dim=1) for one in mri[1:]]
        assert torch.cat(borrowed).mean(dim=0).tolist() == pytest.approx(row.without_mri, abs=1e-6)
    single = PredictionCollector(network=counting)
    evaluation(tiny_records[:1], tmp_path, counting, single).run()
    assert single.predictions[0].without_eeg is None  # there is no reference participant


def test_participants_without_a_label_are_predicted_too(
    tiny_records: tuple[ParticipantRecord, ...], tmp_path: Path, counting: TinyFusionNet
) -> None:
    unlabelled = [
        ParticipantRecord(record.participant_id, None, record.eeg, record.mri, "test") for record in tiny_records
    ]
    collector = PredictionCollector()
    evaluation(unlabelled, tmp_path, counting, collector).run()
    assert [row.label for row in collector.predictions] == [None] * 4
