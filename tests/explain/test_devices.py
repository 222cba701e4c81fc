"""Every explanation works where the network is, shown on the meta device in the place of a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_fusion.data import FusionDataset, Preprocessing
from monai_fusion.datalist import ModalityPolicy, ParticipantRecord
from monai_fusion.explain.believing import BelievingSettings, believing
from monai_fusion.explain.method import Arrays, Explained, Method
from monai_fusion.explain.methods import build_methods
from monai_fusion.explain.modality_values import ModalityValuer, Reference
from monai_fusion.explain.running import ExplanationRun
from monai_fusion.explain.scoring import Embeddings, Scorer
from monai_fusion.explain.settings import ExplanationSettings
from monai_fusion.networks import EnsembleNet, FusionNet, standard_network
from monai_fusion.options.explanation_choices import METHODS, MODALITY
from monai_fusion.transforms import LoadScalogramd, LoadVolumed, ResampleSlabd, ZScoreElectrodesd
from tests.devices import META, as_on_a_gpu
from tests.explain.mri_networks import convolving_net, ignored
from tests.explain.mri_networks import participant as small_participant
from tests.support import EEG_SHAPE, tiny_absence_net

FEW = {
    "eeg_occlusion": {"time_blocks": 1, "batch_size": 64},
    "eeg_integrated_gradients": {"steps": 2},
    "mri_occlusion": {"grid": (2, 1, 1), "baseline": "head"},
    "mri_integrated_gradients": {"steps": 2},
    "mri_smoothgrad_squared": {"draws": 2},
}
LAYER = {"mri_gradcam": {"layer": "second"}}
"""Of the small network."""


@pytest.fixture(scope="module")
def network() -> FusionNet:
    with META:
        return standard_network(pretrained=False).eval().requires_grad_(False)


def participant(name: str = "sub-1", segments: int = 3) -> Explained:
    draws = torch.Generator().manual_seed(1)
    eeg = torch.randn(segments, 17, 32, 32, generator=draws)
    return Explained(name, eeg, torch.rand(1, 1, 16, 32, 32, generator=draws), label=1)


def settings(*methods: str, few: bool = True) -> ExplanationSettings:
    options = {name: FEW.get(name, {}) for name in methods} if few else {}
    return ExplanationSettings(methods, None, 1, 2, "swapped", options, BelievingSettings(1, 2, 1, 2, 1))


def method_named(name: str) -> Method:
    others = {each: participant(each) for each in ("sub-2", "sub-3")}
    (method,) = build_methods(
        settings(name), lambda recording, count: {key: getattr(each, recording) for key, each in others.items()}
    )
    return method


@pytest.mark.parametrize("name", [each for each in METHODS if each != MODALITY])
def test_a_method_computes_where_the_network_is(network: FusionNet, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the shipped network, whose leading frozen blocks run in their inference form."""
    if "integrated" in name:
        pytest.importorskip("captum")
    scorer, who, method, done = Scorer(network, 1, META), participant(), method_named(name), []
    with as_on_a_gpu(monkeypatch):
        arrays = method(scorer, who, scorer.embed(who.eeg, who.mri), done.append)
    assert all(isinstance(each, np.ndarray) for each in arrays.values())
    assert sum(done) == method.passes(who)
    recording = who.eeg if method.recording == "eeg" else who.mri
    assert recording is not None
    shape = tuple(recording.shape[1:] if method.recording == "eeg" else recording.shape[2:])
    assert "effects" in arrays or arrays["attributions"].shape == shape


@pytest.mark.parametrize("reference", ["swapped", "absent"])
@pytest.mark.parametrize("members", [1, 2])
def test_the_worth_of_a_recording_is_computed_where_the_network_is(
    members: int, reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = [convolving_net(seed).to(META) for seed in range(members)]
    scorer = Scorer(networks[0] if members == 1 else EnsembleNet(networks), 1, META)
    with as_on_a_gpu(monkeypatch):
        people = [scorer.embed(who.eeg, who.mri) for who in (small_participant(), small_participant(seed=2))]
        found = ModalityValuer(scorer, people, reference)
        values = [found(each) for each in (*people, Embeddings(None, people[0].mri), Embeddings(people[0].eeg, None))]
    assert len(values) == 4 and isinstance(values[0].of_eeg, float)


@pytest.mark.parametrize("name", ["eeg_occlusion", "mri_gradcam"])
def test_whether_a_map_can_be_believed_is_measured_where_the_network_is(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random weights, and deletion and insertion curves."""
    network, who = convolving_net().to(META), small_participant()
    asked = settings(name, few=False)
    (method,) = build_methods(replace(asked, options=LAYER), lambda *_: {})
    scorer = Scorer(network, 1, META)
    kept: dict[str, Arrays] = {}
    with as_on_a_gpu(monkeypatch):
        kept["sub-1"] = method(scorer, who, scorer.embed(who.eeg, who.mri), ignored)
        found = believing(method, scorer, ["sub-1"], lambda _: who, kept.__getitem__, asked.checks)
    assert found.curves is not None and len(found.randomised) == 2
    assert all(each.device == META for each in network.parameters())


def test_a_run_reads_recordings_and_keeps_arrays_on_the_processor(
    tiny_records: Sequence[ParticipantRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *others = tiny_records[1:]
    eeg = [LoadScalogramd(shape=EEG_SHAPE), ZScoreElectrodesd()]
    mri = [LoadVolumed(), ResampleSlabd(size=(4, 4, 4), depth=4)]
    data = FusionDataset(
        [replace(first, mri=None), *others], Preprocessing(eeg, mri), segments="all", progress=False,
        use=ModalityPolicy(allow_missing=True),
    )  # fmt: skip
    asked = settings(MODALITY, "eeg_occlusion", "mri_occlusion")
    run = ExplanationRun(
        Scorer(tiny_absence_net().to(META), 1, META), data, tmp_path, asked, build_methods(asked, lambda *_: {})
    )
    with as_on_a_gpu(monkeypatch):
        people = run.run()
    assert [each.recordings for each in people] == ["eeg", "both", "both"] and all(each.values for each in people)
    assert run.explained_by("mri_occlusion") == ["sub-02", "sub-03"]
    assert run.arrays("mri_occlusion", "sub-02")["attributions"].shape == (4, 4, 4)


@pytest.mark.gpu
@pytest.mark.parametrize("name", [each for each in METHODS if each != MODALITY])
def test_a_gpu_explains_as_the_processor(name: str) -> None:
    if "integrated" in name:
        pytest.importorskip("captum")
    others = {each: small_participant(seed=seed) for seed, each in enumerate(("sub-2", "sub-3"), 2)}
    asked = replace(settings(name), options={name: {**FEW.get(name, {}), **LAYER.get(name, {})}})
    who, found = small_participant(), []
    for device in ("cpu", "cuda"):
        (method,) = build_methods(
            asked, lambda recording, count: {key: getattr(each, recording) for key, each in others.items()}
        )
        scorer = Scorer(convolving_net().to(device).requires_grad_(False), 1, device)
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            found.append(method(scorer, who, scorer.embed(who.eeg, who.mri), ignored))
    values = "effects" if "effects" in found[0] else "attributions"
    one, other = (each[values] for each in found)
    assert np.allclose(one, other, rtol=0, atol=1e-3 * np.nanmax(np.abs(one)), equal_nan=True)
