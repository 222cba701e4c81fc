"""``metadata.json``: what the shipped file says is true, and a run's facts fill it in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch
import yaml

from monai_fusion.errors import InputError
from monai_fusion.networks import PackedNet, standard_network
from monai_fusion.runs.bundle_metadata import (
    PACKED_FILE,
    SCHEMA_FILE,
    metadata_of_run,
    packed_metadata_of_run,
    shipped_metadata,
)
from monai_fusion.shipped_bundle import shipped_bundle

ROOT = Path(__file__).parents[2]
CONFIGS = shipped_bundle() / "configs"
SCHEMA = json.loads((CONFIGS / SCHEMA_FILE).read_text(encoding="utf-8"))
METRICS = ROOT / "tests" / "report" / "examples" / "two_classes" / "metrics.json"


def a_run(folder: Path, **recipe: Any) -> Path:
    """A run folder with the files that tell its facts, as a training writes them."""
    content = {
        "monai_fusion": "0.1.0",
        "classes": ["young", "old"],
        "target": "age_group",
        "eeg_shape": [200, 100, 61],
        "mri_size": [64, 80, 90],
        "slab_depth": 48,
        "modalities": "both",
        "seed": 7,
        "num_epochs": [3, 2],
        "preprocessing": {"eeg": [], "mri": []},
        **recipe,
    }
    manifest = {
        "times": {"started": "2026-01-02T03:00:00+00:00", "ended": "2026-01-02T04:00:00+00:00"},
        "datalist": {"name": "my cohort", "digest": "ab"},
        "data": {"training": {"participants": 30, "files": 90}, "test": {"participants": 9, "files": 27}},
        "versions": {"torch": "2.11.0+cu128", "monai": "1.6.0", "numpy": "2.0.1", "timm": "1.0.11"},
        "command": {"folder": "/home/somebody/secret"},
    }
    for name, each in {"recipe": content, "manifest": manifest, "calibration": {"training_counts": [12, 18]}}.items():
        (folder / f"{name}.json").write_text(json.dumps(each), encoding="utf-8")
    (folder / "model.pt").touch()
    return folder


def test_the_shipped_metadata_are_valid_and_have_no_facts_of_a_model() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    metadata = shipped_metadata()
    jsonschema.validate(metadata, SCHEMA)
    assert metadata["training_data"] is None and metadata["eval_metrics"] == {}


def test_the_shipped_sizes_are_those_of_the_knobs() -> None:
    train = yaml.safe_load((CONFIGS / "train.yaml").read_text(encoding="utf-8"))
    inputs = shipped_metadata()["network_data_format"]["inputs"]
    frequencies, times, electrodes = train["eeg_shape"]
    assert [inputs["eeg"]["num_channels"], *inputs["eeg"]["spatial_shape"]] == [electrodes, frequencies, times]
    assert inputs["mri"]["spatial_shape"] == [train["slab_depth"], *train["mri_size"][1:]]
    packed = PackedNet(torch.nn.Identity(), train["eeg_shape"], inputs["mri"]["spatial_shape"])
    assert shipped_metadata(PACKED_FILE)["network_data_format::inputs::image"]["spatial_shape"] == [packed.values]


def test_the_network_answers_with_the_outputs_of_the_metadata() -> None:
    outputs = shipped_metadata()["network_data_format"]["outputs"]
    with torch.no_grad():
        answer = standard_network(pretrained=False).eval()(torch.zeros(1, 17, 32, 32), torch.zeros(1, 1, 8, 16, 16))
    assert {name: [1, each["num_channels"]] for name, each in outputs.items()} == {
        name: list(value.shape) for name, value in answer.items()
    }
    assert {each["dtype"] for each in outputs.values()} == {"float32"}


def test_the_shipped_versions_are_the_tested_ones() -> None:
    lock = (ROOT / "requirements-lock.txt").read_text(encoding="utf-8").splitlines()
    locked = dict(line.partition(";")[0].strip().split("==") for line in lock if line[:1].isalpha())
    metadata = shipped_metadata()
    stated = {name: metadata[f"{name}_version"] for name in ("monai", "numpy")}
    stated |= {"torch": metadata["pytorch_version"], **metadata["required_packages_version"]}
    del stated["monai-fusion"]  # its own version
    assert stated == {name: locked[name] for name in stated}


def test_a_run_fills_in_sizes_classes_training_and_versions(tmp_path: Path) -> None:
    metadata = metadata_of_run(a_run(tmp_path))
    jsonschema.validate(metadata, SCHEMA)
    tensors = metadata["network_data_format"]
    assert tensors["inputs"]["eeg"]["num_channels"] == 61
    assert tensors["inputs"]["eeg"]["spatial_shape"] == [200, 100]
    assert tensors["inputs"]["mri"]["spatial_shape"] == [48, 80, 90]
    assert tensors["outputs"]["logits"]["channel_def"] == {"0": "logit of young", "1": "logit of old"}
    assert metadata["label_classes"] == "one class index for each participant: 0 = young, 1 = old"
    assert metadata["training_data"] == {
        "cohort": "my cohort",
        "target": "age_group",
        "classes": ["young", "old"],
        "modalities": "both",
        "participants": {"training": 30, "test": 9},
        "training_class_counts": {"young": 12, "old": 18},
        "seed": 7,
        "epochs": [3, 2],
        "trained": "2026-01-02T04:00:00+00:00",
        "monai_fusion": "0.1.0",
    }
    assert metadata["pytorch_version"] == "2.11.0+cu128" and metadata["monai_version"] == "1.6.0"
    assert metadata["required_packages_version"]["timm"] == "1.0.11"
    assert metadata["eval_metrics"] == {}
    assert "secret" not in json.dumps(metadata)


def test_an_evaluation_gives_its_scores_with_their_intervals(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_bytes(METRICS.read_bytes())
    metadata = metadata_of_run(a_run(tmp_path))
    jsonschema.validate(metadata, SCHEMA)
    source = json.loads(METRICS.read_text(encoding="utf-8"))
    found = metadata["eval_metrics"]
    assert found["participants"] == source["participants"] and found["warnings"] == source["warnings"]
    assert set(found["scores"]) == {name for name, score in source["scores"].items() if score is not None}
    for name in ("auroc", "balanced_accuracy"):
        wanted = source["scores"][name]
        assert found["scores"][name] == {key: wanted[key] for key in ("value", "interval", "baseline")}


def test_a_model_of_one_recording_has_one_input_and_more_classes_have_their_names(tmp_path: Path) -> None:
    run = a_run(tmp_path, modalities="mri", classes=["a", "b", "c"])
    metadata = metadata_of_run(run)
    jsonschema.validate(metadata, SCHEMA)
    assert list(metadata["network_data_format"]["inputs"]) == ["mri"]
    assert metadata["network_data_format"]["outputs"]["logits"]["num_channels"] == 3
    packed = packed_metadata_of_run(run)
    assert packed["network_data_format::inputs::image"]["spatial_shape"] == [61 * 200 * 100 + 48 * 80 * 90]
    assert packed["network_data_format::outputs::pred"]["channel_def"]["3"] == "gate"


def test_facts_that_a_folder_does_not_hold_are_left_out(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    for name in ("manifest", "calibration"):
        (run / f"{name}.json").unlink()
    metadata = metadata_of_run(run)
    jsonschema.validate(metadata, SCHEMA)
    assert metadata["training_data"]["participants"] == {} and metadata["training_data"]["trained"] is None
    assert metadata["pytorch_version"] == shipped_metadata()["pytorch_version"]


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no recipe\.json"):
        metadata_of_run(tmp_path)
