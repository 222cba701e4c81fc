"""People with one recording in an evaluation: their prediction, the scores by pattern, and what is kept of them."""

import csv
import json
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
from monai_fusion.datalist import ModalityPolicy, ParticipantRecord
from monai_fusion.evaluation import ParticipantInferer, PredictionCollector
from monai_fusion.evaluation.artifacts import EmbeddingWriter, ThumbnailWriter
from monai_fusion.evaluation.result_writer import ResultWriter
from monai_fusion.metrics import Prediction
from monai_fusion.metrics.metrics_file import Metrics
from monai_fusion.metrics.summary import ScoringSettings, summarize
from monai_fusion.networks import FusionNet
from monai_fusion.report import write_report
from monai_fusion.transforms import LoadScalogramd, LoadVolumed, ResampleSlabd, ZScoreElectrodesd
from tests.message_parts import with_parts
from tests.report.page_reader import Page
from tests.support import EEG_SHAPE, tiny_absence_net, write_scalogram

Records = tuple[ParticipantRecord, ...]


@pytest.fixture
def network() -> FusionNet:
    """A network that has learned something for absent recordings."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = tiny_absence_net()
        for token in (network.head.absent_eeg, network.head.absent_mri):
            assert token is not None
            torch.nn.init.normal_(token)
        with torch.no_grad():
            network.head.classifier[-1].weight.mul_(10)  # type: ignore[operator] # a layer
    return network.eval()


@pytest.fixture
def some_lack(tiny_records: Records, tmp_path: Path) -> Records:
    """sub-00 lacks the MRI, sub-02 the EEG; all file names give a condition."""

    def named(record: ParticipantRecord) -> ParticipantRecord:
        number = int(record.participant_id[-1])
        paths = [tmp_path / f"{record.participant_id}_{condition}_seg0.npy" for condition in ("EO", "EC")]
        eeg = tuple(write_scalogram(path, 50 + 2 * number + place) for place, path in enumerate(paths))
        return replace(record, eeg=eeg, extra={"site": "AB"[number % 2]})

    whole = [named(record) for record in tiny_records]
    return (replace(whole[0], mri=None), whole[1], replace(whole[2], eeg=()), whole[3])


def evaluate(records: Records, network: FusionNet, folder: Path) -> list[Prediction]:
    eeg = [LoadScalogramd(shape=EEG_SHAPE), ZScoreElectrodesd()]
    preprocessing = Preprocessing(eeg, [LoadVolumed(), ResampleSlabd(size=(6, 6, 6), depth=4)], folder / "store")
    use = ModalityPolicy(allow_missing=True)
    dataset = FusionDataset(records, preprocessing, segments="all", progress=False, use=use)
    writer = ResultWriter(folder / "out", ["M", "F"], None, "cohort", "test")
    collector = PredictionCollector([writer], records, network)
    SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(dataset, collate_fn=collate_participants),
        network=network,
        prepare_batch=FusionPrepareBatch(),
        inferer=ParticipantInferer(segment_batch_size=1),
        val_handlers=[collector, EmbeddingWriter(folder / "out"), ThumbnailWriter(folder / "out")],
        decollate=False,
    ).run()
    return collector.predictions


def segments(count: int) -> Tensor:
    return torch.randn(count, 3, 8, 10, generator=torch.Generator().manual_seed(count))


VOLUME = torch.rand(1, 1, 4, 6, 6, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("at_once", [1, 16])
def test_without_an_mri_every_segment_meets_what_was_learned_for_it(network: FusionNet, at_once: int) -> None:
    eeg = segments(5)
    with torch.no_grad():
        found = ParticipantInferer(at_once)(eeg, network, None)
        assert network.head.absent_mri is not None
        here = torch.tensor([[True, False]])
        logits = torch.cat(
            [network.head(e[None], network.head.absent_mri[None], here)[0] for e in network.encode_eeg(eeg)]
        )
    torch.testing.assert_close(found["probabilities"], logits.softmax(dim=1).mean(dim=0, keepdim=True))
    assert found["gate"].tolist() == [[1.0]] and len(found["segment_probabilities"]) == 5
    assert found["mri_embedding"].isnan().all() and found["mri_embedding"].shape == (1, 8)
    torch.testing.assert_close(found["fused_embedding"], found["eeg_embedding"])


def test_without_an_eeg_there_is_one_pass_and_no_segment(network: FusionNet) -> None:
    with torch.no_grad():
        found = ParticipantInferer()(None, network, VOLUME)
        assert network.head.absent_eeg is not None
        m = network.encode_mri(VOLUME)
        logits, _ = network.head(network.head.absent_eeg[None], m, torch.tensor([[False, True]]))
    torch.testing.assert_close(found["probabilities"], logits.softmax(dim=1))
    assert found["gate"].tolist() == [[0.0]] and len(found["segment_probabilities"]) == 0
    assert found["eeg_embedding"].isnan().all() and len(found["segment_eeg_embeddings"]) == 0
    torch.testing.assert_close(found["fused_embedding"], m)


def test_an_evaluation_of_all_patterns_writes_everything_and_makes_a_report(
    some_lack: Records, network: FusionNet, tmp_path: Path
) -> None:
    predictions = evaluate(some_lack, network, tmp_path)
    out = tmp_path / "out"
    assert [(row.recordings, row.segments) for row in predictions] == [("eeg", 2), ("both", 2), ("mri", 0), ("both", 2)]
    assert [row.gate for row in predictions][::2] == [1.0, 0.0]
    assert [row.without_eeg is not None for row in predictions] == [False, True, False, True]
    assert [sorted(row.by_condition) for row in predictions] == [["EC", "EO"], ["EC", "EO"], [], ["EC", "EO"]]

    with (out / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["recordings"] for row in rows] == ["eeg", "both", "mri", "both"]
    assert [row["change_without_eeg"] != "" for row in rows] == [False, True, False, True]
    metrics = Metrics.model_validate(json.loads((out / "metrics.json").read_text(encoding="utf-8")))
    assert [(each.recordings, each.participants) for each in metrics.patterns] == [("both", 2), ("eeg", 1), ("mri", 1)]
    assert metrics.gate is not None and metrics.gate.overall.participants == 2
    assert metrics.gate.overall.maximum < 1 and metrics.gate.overall.minimum > 0
    assert metrics.modalities is not None and metrics.modalities.reference_participants == 2
    assert with_parts(metrics.warnings, "2 with both recordings, 1 with EEG only, 1 with MRI only")
    with np.load(out / "embeddings.npz", allow_pickle=False) as stored:
        assert np.isnan(stored["mri"]).all(axis=1).tolist() == [True, False, False, False]
        assert np.isnan(stored["eeg"]).all(axis=1).tolist() == [False, False, True, False]
        assert np.isfinite(stored["fused"]).all()
    with np.load(out / "thumbnails.npz", allow_pickle=False) as stored:
        assert stored["mri"].any(axis=(1, 2, 3)).tolist() == [False, True, True, True]
        assert stored["eeg"].any(axis=(1, 2)).tolist() == [True, True, False, True]

    # All predictions are wrong, so that the table of errors shows each participant.
    wrong = [replace(row, label=1 - row.predicted) for row in predictions]
    ResultWriter(out, ["M", "F"], None, "cohort", "test")(wrong)
    page = Page(write_report(out))
    for title in ("both recordings", "EEG only", "MRI only"):
        assert f">{title}</th>" in page.source
    assert 'alt="MRI of sub-00' not in page.source and 'alt="Mean scalogram of sub-00"' in page.source
    assert 'alt="MRI of sub-02' in page.source and 'alt="Mean scalogram of sub-02"' not in page.source
    assert "Only participants with both" in page.source


def test_participants_with_both_are_predicted_as_without_the_others(
    tiny_records: Records, some_lack: Records, network: FusionNet, tmp_path: Path
) -> None:
    together = evaluate(some_lack, network, tmp_path / "all")
    alone = evaluate((some_lack[1], some_lack[3]), network, tmp_path / "both")
    assert [row for row in together if row.recordings == "both"] == alone
    head = (tmp_path / "both" / "out" / "predictions.csv").read_text(encoding="utf-8").splitlines()[0]
    assert "recordings" not in head.split(",")  # only if a participant lacks one
    assert json.loads((tmp_path / "both" / "out" / "metrics.json").read_text(encoding="utf-8"))["patterns"] == []


def test_a_network_in_training_mode_is_evaluated_without_dropout_also_without_each_modality(
    some_lack: Records, network: FusionNet, tmp_path: Path
) -> None:
    network.head.classifier[2].p = 0.5  # type: ignore[index, union-attr] # the dropout
    found = [evaluate(some_lack, network.train(mode), tmp_path) for mode in (False, True, True)]
    assert found[0] == found[1] == found[2] and found[0][1].without_eeg is not None


def people(patterns: str, labels: str, seed: int = 0) -> list[Prediction]:
    """Predictions for a word of patterns (b, e, m) and one of labels (0, 1)."""
    generator, names = np.random.default_rng(seed), {"b": "both", "e": "eeg", "m": "mri"}
    rows = []
    for place, (pattern, label) in enumerate(zip(patterns, labels, strict=True)):
        p = float(np.clip(0.3 * int(label) + 0.6 * generator.random(), 0.01, 0.99))
        gate = {"b": 0.4, "e": 1.0, "m": 0.0}[pattern]
        rows.append(Prediction(f"sub-{place:02d}", int(label), (1 - p, p), gate, 2, recordings=names[pattern]))  # type: ignore[arg-type] # of the dict
    return rows


def test_scores_of_a_pattern_are_those_of_its_participants_alone() -> None:
    rows = people("b" * 12 + "e" * 8 + "m" * 6, "01" * 13)
    quick = ScoringSettings(draws=200)
    metrics = summarize(rows, ["M", "F"], settings=quick)
    for found in metrics.patterns:
        alone = summarize([row for row in rows if row.recordings == found.recordings], ["M", "F"], settings=quick)
        assert (found.participants, found.auroc.value) == (alone.participants, alone.scores.auroc.value)
        assert found.balanced_accuracy.value == alone.scores.balanced_accuracy.value
        assert alone.patterns == []
    assert [test.within for test in metrics.permutation.tests] == [[], ["pattern of recordings"]]


def test_a_pattern_that_is_associated_with_the_class_is_warned_of() -> None:
    metrics = summarize(
        people("b" * 10 + "e" * 10, "0" * 10 + "1" * 10), ["M", "F"], settings=ScoringSettings(draws=200)
    )
    assert with_parts(metrics.warnings, "pattern of recordings", "associated with the class", "0 of 20")


@pytest.mark.parametrize("pattern", ["e", "m"])
def test_where_no_participant_has_both_there_is_no_gate_to_describe(tmp_path: Path, pattern: str) -> None:
    rows: list[Any] = people(pattern * 6, "010101")
    ResultWriter(tmp_path, ["M", "F"], None, "cohort", "test")(rows)
    metrics = Metrics.model_validate(json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8")))
    assert metrics.gate is None and metrics.modalities is None and metrics.patterns == []
    assert not any("gate" in text for text in metrics.warnings)
    assert "No participant has both" in Page(write_report(tmp_path)).source
    unlabelled = [replace(row, label=None) for row in rows]
    ResultWriter(tmp_path / "new", ["M", "F"])(unlabelled)  # nor a warning of a collapsed one
