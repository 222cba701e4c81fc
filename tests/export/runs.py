"""Run folders of small trained networks, as a training leaves them, and recordings that fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigParser

from monai_fusion.data import Preprocessing
from monai_fusion.datalist import Datalist, ModalityPolicy, ParticipantRecord
from monai_fusion.fingerprint import describe_chain
from monai_fusion.metrics.calibration_file import StoredPrediction, fit_calibration_file
from monai_fusion.networks import joined_states
from monai_fusion.networks.digests import tensors_digest
from monai_fusion.run_folder import CALIBRATION_FILE, MANIFEST_FILE, MODEL_FILE, RECIPE_FILE
from monai_fusion.runs import RunConfig, read_recipe, trained_network, write_recipe
from tests.support import write_datalist, write_scalogram, write_volume

EEG_SHAPE, MRI_SIZE, DEPTH = (32, 40, 3), (20, 18, 16), 16
WIDTH = 8


def _encoder(dimensions: int, channels: int) -> dict[str, Any]:
    backbone = {
        "_target_": "DenseNet", "spatial_dims": dimensions, "in_channels": channels, "out_channels": WIDTH,
        "init_features": 4, "growth_rate": 2, "block_config": [1, 1], "bn_size": 1,
    }  # fmt: skip
    return {
        "_target_": "monai_fusion.networks.BackboneEncoder", "backbone": backbone, "features": WIDTH,
        "blocks": {"all": ["features", "class_layers"]}, "embedding_dim": WIDTH,
    }  # fmt: skip


def config(modalities: str = "both", absence: bool = False, fusion: str = "gated", **more: Any) -> dict[str, Any]:
    """A training's config, with a DenseNet of a few hundred weights for either recording."""
    head = {"gated": "GatedFusionHead", "concat": "ConcatenationHead", "mean": "MeanHead"}[fusion]
    return {
        "eeg_shape": list(EEG_SHAPE),
        "mri_size": list(MRI_SIZE),
        "slab_depth": DEPTH,
        "orientation": "RAS",
        "modalities": modalities,
        "fusion": fusion,
        "eeg_preprocessing": [
            {"_target_": "monai_fusion.transforms.LoadScalogramd", "shape": "@eeg_shape"},
            {"_target_": "monai_fusion.transforms.ZScoreElectrodesd"},
        ],
        "mri_preprocessing": [
            {"_target_": "monai_fusion.transforms.LoadVolumed", "orientation": "@orientation"},
            {"_target_": "monai_fusion.transforms.ScaleIntensityPercentilesd", "lower": 1, "upper": 99},
            {"_target_": "monai_fusion.transforms.ResampleSlabd", "size": "@mri_size", "depth": "@slab_depth"},
        ],
        "network_def": {
            "_target_": "monai_fusion.networks.FusionNet",
            "eeg": _encoder(2, EEG_SHAPE[2]),
            "mri": _encoder(3, 1),
            "head": {"_target_": f"monai_fusion.networks.{head}", "embedding_dim": WIDTH, "hidden": 16},
            "absence": absence,
            "modalities": modalities,
        },
        **more,
    }


def write_run(
    folder: Path,
    modalities: str = "both",
    absence: bool = False,
    fusion: str = "gated",
    members: int | None = None,
    records: tuple[ParticipantRecord, ...] = (),
    **more: Any,
) -> Path:
    """A run folder, or that of an ensemble, whose network is as sure of itself as a trained one."""
    folder.mkdir(parents=True)
    parser = ConfigParser(config(modalities, absence, fusion, **more))
    chains = {name: parser.get_parsed_content(f"{name}_preprocessing") for name in ("eeg", "mri")}
    identity = {f"{name}_preprocessing": describe_chain(chain)["transforms"] for name, chain in chains.items()}
    cohort = Datalist(folder / "list.json", "tiny", "gender", ("M", "F"), folder, {"training": records})
    use = ModalityPolicy(modalities, allow_missing=absence)  # type: ignore[arg-type] # a text of a test
    write_recipe(folder, cohort, RunConfig(parser), identity, Preprocessing(**chains), use)
    states = []
    (folder / MODEL_FILE).touch()
    for seed in range(members or 1):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = trained_network(read_recipe(folder))
        states.append(_sure_of_itself(network))
    state = states[0] if members is None else joined_states(states)
    torch.save(state, folder / MODEL_FILE)
    if members is not None:
        _add(folder / RECIPE_FILE, {"members": members, "member_weights": [tensors_digest(each) for each in states]})
    rows = [
        StoredPrediction(label=label, probabilities=[1 - p, p])
        for label, p in ((0, 0.2), (0, 0.4), (0, 0.7), (1, 0.9), (1, 0.35), (1, 0.97))
    ]
    calibration = fit_calibration_file(["M", "F"], [30, 10], [0.5, 0.5], rows, "validation")
    (folder / CALIBRATION_FILE).write_text(calibration.model_dump_json(), encoding="utf-8")
    manifest = {
        "manifest": 1, "status": "finished", "seed": 7, "times": {"started": "x", "ended": "2026-11-28T05:00:00+00:00"},
        "command": {"folder": str(folder), "argv": ["python"], "overrides": {"datalist": "list.json"}},
        "datalist": {"name": "tiny", "digest": "0"}, "data": {"training": {"participants": 40, "digest": "1"}},
        "versions": {"torch": "2.14"}, "hardware": {"cpu": "a secret machine"},
        "weights": {"file": MODEL_FILE, "digest": tensors_digest(state)},
    }  # fmt: skip
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def _add(path: Path, entries: dict[str, Any]) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | entries), encoding="utf-8")


def _sure_of_itself(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The weights, with a last layer that turns small differences of recordings into different answers."""
    state = network.state_dict()
    for name in state:
        if name.startswith("head.classifier.") and name.endswith(".weight"):
            state[name] = state[name] * 4
        elif name.startswith("head.absent"):
            state[name] = torch.linspace(-1, 1, len(state[name]))
    return state


def write_cohort(folder: Path, participants: int = 3, segments: int = 3) -> Path:
    """A datalist of people to predict, with recordings that fit the networks here; the last has no MRI."""
    folder.mkdir(parents=True)
    rows = []
    for number in range(participants):
        name = f"sub-secret{number}"
        for segment in range(segments):
            write_scalogram(folder / f"{name}_EO_seg{segment}.npy", 10 * number + segment, EEG_SHAPE)
        write_volume(folder / f"{name}_T1w.nii.gz", number, (22, 20, 24))
        mri = None if number == participants - 1 else f"{name}_T1w.nii.gz"
        rows.append({"participant_id": name, "label": None, "eeg": f"{name}_*.npy", "mri": mri})
    return write_datalist(folder / "new.json", {"test": rows})


def inputs(participants: int = 4, seed: int = 3) -> dict[str, np.ndarray]:
    """Preprocessed recordings by the names of the inputs."""
    rng = np.random.default_rng(seed)
    rows, columns, electrodes = EEG_SHAPE
    return {
        "eeg": rng.normal(size=(participants, electrodes, rows, columns)).astype(np.float32),
        "mri": rng.random((participants, 1, DEPTH, *MRI_SIZE[1:])).astype(np.float32),
    }
