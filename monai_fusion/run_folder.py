"""The names of the files in a run folder, in one place: who writes one and who reads it may not differ."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MODEL_FILE = "model.pt"
SAFETENSORS_FILE = "model.safetensors"  # the same weights, in a folder for a hub
EXPORT_FILE = "fusion_convnext_r3d18_gated_align.pth"
RECIPE_FILE = "recipe.json"
COHORT_PROFILE_FILE = "cohort_profile.json"
MANIFEST_FILE = "manifest.json"
HISTORY_FILE = "history.csv"
CALIBRATION_FILE = "calibration.json"
METRICS_FILE = "metrics.json"
OWN_TEST_FILE = "own_test.json"  # of an exported model: what metrics.json says in two numbers
BASELINE_FILE = "baseline.json"
PREDICTIONS_FILE = "predictions.csv"
PARTIAL_PREDICTIONS_FILE = "predictions.partial.csv"
NETWORK_OUTPUTS_FILE = "network_outputs.jsonl"
EMBEDDINGS_FILE = "embeddings.npz"
THUMBNAILS_FILE = "thumbnails.npz"
REPORT_DATA_FILE = "report_data.json"
REPORT_FILE = "report.html"
PREDICTIONS_PAGE_FILE = "predictions.html"
PREDICTIONS_TABLE_FILE = "predictions.xlsx"
PREDICTIONS_DATA_FILE = "predictions_data.json"
COMPARISON_FILE = "comparison.json"
AUDIT_FILE = "audit.json"
AUDIT_PAGE_FILE = "audit.html"
COHORT_PAGE_FILE = "cohort.html"
CHECKPOINTS_FOLDER = "checkpoints"
EXPORTS_FOLDER = "export"
EXPLANATION_FOLDER = "explanation"
EXPLANATION_FILE = "explanation.json"

MOST_PICTURES = 500
"""How many participants of an inference have pictures: more would be too much for a browser."""
EVALUATIONS = "evaluations"
"""The entry of a manifest that lists the evaluations of the model."""
TRAINED_ON, VALIDATED_ON = "trained_on", "validated_on"
"""The entries of a recipe with the content hashes of the recordings: of all participants whom the model has learned
from, and of those who chose its epoch and its calibration."""

_CHECKPOINT = re.compile(r"epoch_(\d+)\.pt")

# What a training, an evaluation of it and an inference leave (their logs, checkpoints and TensorBoard's files aside).
RESULTS = (
    *(MODEL_FILE, EXPORT_FILE, RECIPE_FILE, COHORT_PROFILE_FILE, MANIFEST_FILE, HISTORY_FILE, CALIBRATION_FILE),
    *(METRICS_FILE, BASELINE_FILE, PREDICTIONS_FILE, EMBEDDINGS_FILE, THUMBNAILS_FILE, REPORT_DATA_FILE, REPORT_FILE),
    *(PREDICTIONS_PAGE_FILE, PREDICTIONS_TABLE_FILE, PREDICTIONS_DATA_FILE, AUDIT_FILE, AUDIT_PAGE_FILE),
    *(PARTIAL_PREDICTIONS_FILE, NETWORK_OUTPUTS_FILE),
    f"{EXPLANATION_FOLDER}/{EXPLANATION_FILE}",
    # Where `monai-fusion export` writes unless it is told another place.
    *(f"{EXPORTS_FOLDER}/{name}" for name in ("model.onnx", "model.pt2", "bundle.zip")),
    *(f"{EXPORTS_FOLDER}/hub/{name}" for name in (SAFETENSORS_FILE, RECIPE_FILE)),
)


def inference_folder(model: object) -> str:
    """Return where the results of an inference are by default.

    Args:
        model: The path of the model.

    Returns:
        ``inference`` in a run folder; beside a file, a folder named after it.
    """
    path = Path(str(model))
    if path.expanduser().is_file():
        return str(path.with_name(f"{path.stem}_inference"))
    return str(path / "inference")


def saved_epochs(folder: Path) -> dict[int, Path]:
    """Return the checkpoints in a folder by their epoch."""
    found = ((_CHECKPOINT.fullmatch(path.name), path) for path in folder.glob("epoch_*.pt"))
    return {int(match[1]): path for match, path in found if match}


def path_in_manifest(manifest: Mapping[str, Any], knob: str) -> Path | None:
    """Return a path among the knobs of a training; relative to the folder in which it was started."""
    knobs, command = manifest.get("knobs"), manifest.get("command")
    command = command if isinstance(command, Mapping) else {}
    given = command.get("overrides")
    places = [each.get(knob) for each in (knobs, given) if isinstance(each, Mapping)]
    value = next((each for each in places if isinstance(each, str) and each and "\0" not in each), None)
    if value is None:
        return None
    started_in = command.get("folder")
    return Path(started_in if isinstance(started_in, str) else "") / Path(value).expanduser()
