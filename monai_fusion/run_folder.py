"""The names of the files in a run folder, in one place: who writes one and who reads it may not differ."""

from __future__ import annotations

import re
from pathlib import Path

MODEL_FILE = "model.pt"
EXPORT_FILE = "fusion_convnext_r3d18_gated_align.pth"
RECIPE_FILE = "recipe.json"
MANIFEST_FILE = "manifest.json"
HISTORY_FILE = "history.csv"
CALIBRATION_FILE = "calibration.json"
METRICS_FILE = "metrics.json"
BASELINE_FILE = "baseline.json"
PREDICTIONS_FILE = "predictions.csv"
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
CHECKPOINTS_FOLDER = "checkpoints"

EVALUATIONS = "evaluations"
"""The entry of a manifest that lists the evaluations of the model."""
TRAINED_ON, VALIDATED_ON = "trained_on", "validated_on"
"""The entries of a recipe with the content hashes of the recordings: of all participants whom the model has learned
from, and of those who chose its epoch and its calibration."""

_CHECKPOINT = re.compile(r"epoch_(\d+)\.pt")

# What a training, an evaluation of it and an inference leave (their logs, checkpoints and TensorBoard's files aside).
RESULTS = (
    *(MODEL_FILE, EXPORT_FILE, RECIPE_FILE, MANIFEST_FILE, HISTORY_FILE, CALIBRATION_FILE),
    *(METRICS_FILE, BASELINE_FILE, PREDICTIONS_FILE, EMBEDDINGS_FILE, THUMBNAILS_FILE, REPORT_DATA_FILE, REPORT_FILE),
    *(PREDICTIONS_PAGE_FILE, PREDICTIONS_TABLE_FILE, PREDICTIONS_DATA_FILE, AUDIT_FILE, AUDIT_PAGE_FILE),
)


def saved_epochs(folder: Path) -> dict[int, Path]:
    """Return the checkpoints in a folder by their epoch."""
    found = ((_CHECKPOINT.fullmatch(path.name), path) for path in folder.glob("epoch_*.pt"))
    return {int(match[1]): path for match, path in found if match}
