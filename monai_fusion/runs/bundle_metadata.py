"""The bundle's ``metadata.json``, filled in with the facts of a run: what a handed-on model says about itself."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

from monai_fusion.errors import InputError, Problem
from monai_fusion.keys import EEG, MRI
from monai_fusion.metrics.metrics_file import Metrics, read_metrics
from monai_fusion.reading import read_json_object
from monai_fusion.run_folder import CALIBRATION_FILE, MANIFEST_FILE, METRICS_FILE
from monai_fusion.runs.recipe import read_recipe
from monai_fusion.shipped_bundle import shipped_bundle

METADATA_FILE = "metadata.json"
SCHEMA_FILE = "metadata.schema.json"
PACKED_FILE = "packed_metadata.json"

_VERSIONS = {"monai_version": "monai", "pytorch_version": "torch", "numpy_version": "numpy"}
_FORMAT = "network_data_format"


def shipped_metadata(name: str = METADATA_FILE) -> dict[str, Any]:
    """Return the content of the shipped bundle's ``metadata.json`` (or ``packed_metadata.json``).

    Raises:
        InputError: The installation is incomplete.
    """
    path = shipped_bundle() / "configs" / name
    content = read_json_object(path)
    if content is None:
        raise InputError(Problem(str(path), seen="missing, or not JSON", advice="install monai-fusion again"))
    return content


def metadata_of_run(folder: Path) -> dict[str, Any]:
    """Return ``metadata.json`` for the model of a run folder.

    Besides what the shipped file says it has the sizes, classes and recordings of this model, ``training_data``, the
    versions that trained it, and ``eval_metrics`` if the folder holds an evaluation. It names no participant, no path
    and no file. A fact that the folder does not hold is null or left out.

    Args:
        folder: The run folder.

    Raises:
        InputError: The folder holds no trained model.
    """
    recipe = read_recipe(folder)
    manifest = read_json_object(folder / MANIFEST_FILE) or {}
    metrics, _ = read_metrics(folder / METRICS_FILE)
    metadata = copy.deepcopy(shipped_metadata())
    classes = [str(name) for name in recipe["classes"]]
    metadata["label_classes"] = "one class index for each participant: " + _numbered(classes)
    metadata[_FORMAT] = _data_format(metadata[_FORMAT], recipe, classes)
    metadata["training_data"] = _training(recipe, manifest, read_json_object(folder / CALIBRATION_FILE) or {})
    metadata["eval_metrics"] = {} if metrics is None else _evaluation(metrics)
    _fill_in_versions(metadata, manifest.get("versions"))
    return metadata


def packed_metadata_of_run(folder: Path) -> dict[str, Any]:
    """Return ``packed_metadata.json`` for the model of a run folder: the one tensor of `PackedNet`.

    Args:
        folder: The run folder.

    Raises:
        InputError: The folder holds no trained model.
    """
    recipe = read_recipe(folder)
    eeg, mri = recipe["eeg_shape"], [recipe["slab_depth"], *recipe["mri_size"][1:]]
    packed = shipped_metadata(PACKED_FILE)
    image, pred = (packed[f"{_FORMAT}::{name}"] for name in ("inputs::image", "outputs::pred"))
    image["spatial_shape"] = [prod(eeg) + prod(mri)]
    sizes = [" x ".join(map(str, shape)) for shape in ([eeg[2], eeg[0], eeg[1]], mri)]
    image["channel_def"] = {"0": f"the {sizes[0]} values of the input eeg, then the {sizes[1]} of the input mri"}
    meanings = [*(f"logit of {name}" for name in recipe["classes"]), "gate"]
    pred |= {"num_channels": len(meanings), "channel_def": {str(at): text for at, text in enumerate(meanings)}}
    return packed


def _numbered(classes: list[str]) -> str:
    return ", ".join(f"{index} = {name}" for index, name in enumerate(classes))


def _data_format(shipped: dict[str, Any], recipe: Mapping[str, Any], classes: list[str]) -> dict[str, Any]:
    """The shipped tensors with this model's sizes and classes; of one recording alone, that input alone."""
    modalities = recipe.get("modalities", "both")
    frequencies, times, electrodes = recipe["eeg_shape"]
    shipped["inputs"][EEG] |= {"num_channels": electrodes, "spatial_shape": [frequencies, times]}
    shipped["inputs"][MRI]["spatial_shape"] = [recipe["slab_depth"], *recipe["mri_size"][1:]]
    if modalities != "both":
        shipped["inputs"] = {modalities: shipped["inputs"][modalities]}
    logits = {str(index): f"logit of {name}" for index, name in enumerate(classes)}
    shipped["outputs"]["logits"] |= {"num_channels": len(classes), "channel_def": logits}
    return shipped


def _training(recipe: Mapping[str, Any], manifest: Mapping[str, Any], calibration: Mapping[str, Any]) -> dict[str, Any]:
    data, datalist, times = (_mapping(manifest.get(name)) for name in ("data", "datalist", "times"))
    counts = {part: each["participants"] for part, each in data.items() if _mapping(each).get("participants")}
    found: dict[str, Any] = {
        "cohort": str(datalist.get("name", "")),
        "target": recipe.get("target"),
        "classes": list(recipe["classes"]),
        "modalities": recipe.get("modalities", "both"),
        "participants": counts,
        "seed": recipe.get("seed"),
        "epochs": list(recipe.get("num_epochs", [])),
        "trained": times.get("ended"),
        "monai_fusion": recipe.get("monai_fusion"),
    }
    in_classes = calibration.get("training_counts")
    if isinstance(in_classes, list) and len(in_classes) == len(found["classes"]):
        found["training_class_counts"] = dict(zip(found["classes"], in_classes, strict=True))
    if "members" in recipe:
        found["members"] = recipe["members"]
    return found


def _evaluation(metrics: Metrics) -> dict[str, Any]:
    scores = {
        name: {"value": score.value, "interval": score.interval and list(score.interval), "baseline": score.baseline}
        for name, score in metrics.scores
        if score is not None
    }
    return {
        "cohort": metrics.datalist,
        "section": metrics.section,
        "participants": metrics.participants,
        "class_counts": {each.class_name: each.participants for each in metrics.class_counts},
        "confidence_level": metrics.confidence_level,
        "scores": scores,
        "warnings": list(metrics.warnings),
    }


def _fill_in_versions(metadata: dict[str, Any], versions: object) -> None:
    """State the versions that trained the model, where the manifest has them."""
    known = _mapping(versions)
    for name, library in _VERSIONS.items():
        metadata[name] = known.get(library) or metadata[name]
    required = metadata["required_packages_version"]
    metadata["required_packages_version"] = {name: known.get(name) or wanted for name, wanted in required.items()}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
