"""The run: every method for everybody who has its recording, kept, resumed, and written down."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from PIL import Image

from monai_fusion.data import FusionDataset, Preprocessing
from monai_fusion.datalist import ModalityPolicy, ParticipantRecord
from monai_fusion.explain import ExplainedModel, ExplainedPart, Explanation
from monai_fusion.explain.method import Arrays, Explained, Step
from monai_fusion.explain.running import ExplanationRun
from monai_fusion.explain.scoring import Embeddings, Scorer
from monai_fusion.explain.settings import ExplanationSettings
from monai_fusion.networks import FusionNet
from monai_fusion.report.explanation_file import read_explanation
from monai_fusion.transforms import LoadScalogramd, LoadVolumed, ResampleSlabd, ZScoreElectrodesd
from tests.support import EEG_SHAPE, tiny_absence_net

CHAINS: dict[str, Sequence[Any]] = {
    "eeg": [LoadScalogramd(shape=EEG_SHAPE), ZScoreElectrodesd()],
    "mri": [LoadVolumed(), ResampleSlabd(size=(4, 4, 4), depth=4)],
}


class MeanOf:
    """A method that keeps the mean of the recording, and counts its calls."""

    def __init__(self, recording: Literal["eeg", "mri"], factor: float = 1.0) -> None:
        self.name = f"{recording}_mean"
        self.recording = recording
        self.factor = factor
        self.asked: list[str] = []

    def passes(self, participant: Explained) -> int:
        recording = participant.eeg if self.recording == "eeg" else participant.mri
        assert recording is not None and recording.shape[1:]
        return len(recording)

    def __call__(self, scorer: Scorer, participant: Explained, embeddings: Embeddings, step: Step) -> Arrays:
        recording = participant.eeg if self.recording == "eeg" else participant.mri
        assert recording is not None
        self.asked.append(participant.participant_id)
        step(len(recording))
        return {"mean": np.array(float(recording.mean()) * self.factor)}

    def settings(self) -> Mapping[str, object]:
        return {"factor": self.factor}


@pytest.fixture
def network() -> FusionNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return tiny_absence_net()


def settings(**changes: Any) -> ExplanationSettings:
    usual = ExplanationSettings(("modality",), None, target=1, segments=2, modality_reference="swapped", options={})
    return replace(usual, **changes)


def dataset(records: Sequence[ParticipantRecord]) -> FusionDataset:
    use = ModalityPolicy(allow_missing=True)
    return FusionDataset(records, Preprocessing(CHAINS["eeg"], CHAINS["mri"]), segments="all", progress=False, use=use)


def explanation_run(
    network: FusionNet, data: FusionDataset, folder: Path, asked: ExplanationSettings, methods: Sequence[MeanOf]
) -> ExplanationRun:
    return ExplanationRun(Scorer(network, asked.target), data, folder, asked, methods)


def explanation(network: FusionNet, data: FusionDataset, folder: Path, asked: ExplanationSettings) -> Explanation:
    return Explanation(ExplainedModel(network, ["M", "F"]), ExplainedPart(data, "test"), folder, asked)


def lacking(records: Sequence[ParticipantRecord]) -> list[ParticipantRecord]:
    """The first without an MRI, the last without an EEG."""
    first, *others, last = records
    without = ParticipantRecord(first.participant_id, first.label, first.eeg, None, "training")
    return [without, *others, ParticipantRecord(last.participant_id, None, (), last.mri, "training")]


def test_each_method_explains_those_who_have_its_recording(
    network: FusionNet, tiny_records: Sequence[ParticipantRecord], tmp_path: Path
) -> None:
    eeg, mri = MeanOf("eeg"), MeanOf("mri")
    run = explanation_run(network, dataset(lacking(tiny_records)), tmp_path, settings(), [eeg, mri])
    found = run.run()
    assert (eeg.asked, mri.asked) == (["sub-00", "sub-01", "sub-02"], ["sub-01", "sub-02", "sub-03"])
    assert [each.recordings for each in found] == ["eeg", "both", "both", "mri"]
    assert [each.segments for each in found] == [1, 2, 2, 0]
    assert [each.label for each in found] == [0, 1, 0, None]
    assert run.references == 2  # those who have both


def test_a_second_run_computes_nothing_again(
    network: FusionNet, tiny_records: Sequence[ParticipantRecord], tmp_path: Path
) -> None:
    data, method = dataset(tiny_records), MeanOf("eeg")
    first = explanation_run(network, data, tmp_path, settings(participants=("sub-02",)), [method]).run()
    assert method.asked == ["sub-02"] and [each.participant_id for each in first] == ["sub-02"]
    again = explanation_run(network, data, tmp_path, settings(), [method]).run()
    assert method.asked == ["sub-02", "sub-00", "sub-01", "sub-03"]
    assert again[2] == first[0]


@pytest.mark.parametrize("change", ["settings", "target", "weights", "segments"])
def test_what_was_made_from_something_else_is_computed_again(
    network: FusionNet, tiny_records: Sequence[ParticipantRecord], tmp_path: Path, change: str
) -> None:
    data = dataset(tiny_records[2:])
    explanation_run(network, data, tmp_path, settings(), [MeanOf("eeg")]).run()
    method = MeanOf("eeg", 2.0 if change == "settings" else 1.0)
    if change == "weights":
        with torch.no_grad():
            next(network.parameters()).add_(1.0)
    other = settings(target=0) if change == "target" else settings(segments=3) if change == "segments" else settings()
    explanation_run(network, data, tmp_path, other, [method]).run()
    assert method.asked == ["sub-02", "sub-03"]


def test_a_stopped_run_keeps_what_it_has_done(
    network: FusionNet, tiny_records: Sequence[ParticipantRecord], tmp_path: Path
) -> None:
    class Stopped(MeanOf):
        def __call__(self, scorer: Scorer, participant: Explained, embeddings: Embeddings, step: Step) -> Arrays:
            if participant.participant_id == "sub-02":
                raise KeyboardInterrupt
            return super().__call__(scorer, participant, embeddings, step)

    with pytest.raises(KeyboardInterrupt):
        explanation_run(network, dataset(tiny_records), tmp_path, settings(), [Stopped("mri")]).run()
    method = MeanOf("mri")
    explanation_run(network, dataset(tiny_records), tmp_path, settings(), [method]).run()
    assert method.asked == ["sub-02", "sub-03"]


def test_the_network_is_left_without_gradients_and_in_evaluation_mode(
    network: FusionNet, tiny_records: Sequence[ParticipantRecord], tmp_path: Path
) -> None:
    network.train()
    explanation_run(network, dataset(tiny_records), tmp_path, settings(), []).run()
    assert not network.training and not any(each.requires_grad for each in network.parameters())


def test_the_folder_has_a_table_a_figure_and_what_was_done(
    network: FusionNet, tiny_records: Sequence[ParticipantRecord], tmp_path: Path
) -> None:
    folder = tmp_path / "explanation"
    found = explanation(network, dataset(lacking(tiny_records)), folder, settings())
    assert found.run() == folder / "explanation.json"
    content = read_explanation(folder)
    assert content is not None
    assert (content.explained_class, content.section, content.methods) == ("F", "test", ["modality"])
    by_id = {each.participant_id: each for each in content.participants}
    whole, alone = by_id["sub-01"].values, by_id["sub-00"].values
    assert whole is not None and whole.value_eeg is not None and whole.value_mri is not None
    assert whole.value_eeg + whole.value_mri == pytest.approx(whole.both - whole.neither, abs=1e-6)
    assert alone is not None and alone.value_mri is None and alone.mri is None
    assert by_id["sub-03"].label is None

    rows = list(csv.DictReader((folder / "modality_values.tsv").open(encoding="utf-8"), dialect="excel-tab"))
    assert [row["participant_id"] for row in rows] == ["sub-00", "sub-01", "sub-02", "sub-03"]
    assert rows[3]["label"] == "n/a"  # as in the other tables of the folder
    assert float(rows[1]["value_eeg"]) == pytest.approx(whole.value_eeg, rel=1e-5) and rows[0]["value_mri"] == "n/a"
    (figure,) = content.figures
    with Image.open(folder / figure.file) as image:
        assert min(image.size) > 300
    assert "all, 2 participants" in figure.words[0]
    assert [group.name for group in content.modalities] == ["all", "M", "F"]


def test_what_only_an_earlier_explanation_names_is_removed_and_nothing_else(
    network: FusionNet, tiny_records: Sequence[ParticipantRecord], tmp_path: Path
) -> None:
    folder, data = tmp_path / "explanation", dataset(tiny_records)
    explanation(network, data, folder, settings()).run()
    made = [folder / name for name in ("figures/modality_values.png", "figures/modality_values.svg")]
    made.append(folder / "modality_values.tsv")
    explanation(network, data, folder, settings()).run()
    assert all(path.is_file() for path in made)
    others = [folder / "figures/own.png", folder / "participants.txt", tmp_path / "figures.png"]
    for path in others:
        path.touch()
    content = json.loads((folder / "explanation.json").read_text(encoding="utf-8"))
    content["tables"] += [
        "participants.txt",
        "../figures.png",
        "group/../participants.txt",
        str(tmp_path / "figures.png"),
    ]
    content["figures"] += [{"file": name, "title": "", "words": []} for name in ("../figures.png", str(others[2]))]
    (folder / "explanation.json").write_text(json.dumps(content), encoding="utf-8")
    explanation(network, data, folder, settings(methods=())).run()
    assert not any(path.exists() for path in made) and all(path.is_file() for path in others)


@pytest.mark.parametrize("damage", ["{", "[]", '{"schema_version": 2}', None])
def test_a_damaged_explanation_is_as_none(tmp_path: Path, damage: str | None) -> None:
    if damage is not None:
        (tmp_path / "explanation.json").write_text(damage, encoding="utf-8")
    assert read_explanation(tmp_path) is None
