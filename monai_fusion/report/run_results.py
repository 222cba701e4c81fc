"""The content of a run folder that a report uses."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from monai_fusion.baseline.baseline_file import Baseline
from monai_fusion.datalist import AVAILABLE_MODALITIES, AvailableModalities
from monai_fusion.files import latest
from monai_fusion.metrics.metrics_file import Metrics, read_metrics
from monai_fusion.reading import read_json_object, read_model
from monai_fusion.report.cohort_link import has_cohort_page
from monai_fusion.report.explanation_file import ShownExplanation, shown_explanation
from monai_fusion.report.learning import History, parse_history
from monai_fusion.report.predictions_reader import PredictionRow, read_failures, read_predictions
from monai_fusion.report.report_data import Cohort, read_history, read_report_data
from monai_fusion.run_folder import (
    BASELINE_FILE,
    EMBEDDINGS_FILE,
    MANIFEST_FILE,
    METRICS_FILE,
    PREDICTIONS_FILE,
    RECIPE_FILE,
    THUMBNAILS_FILE,
)
from monai_fusion.stored_arrays import LARGEST, read_arrays

Arrays = Mapping[str, npt.NDArray[Any]]

_MOST_PIXELS = 1024  # along either side of a thumbnail


@dataclass(frozen=True)
class Results:
    """The content of a run folder; missing files are None or empty, and the report names them.

    Attributes:
        name: The folder's name.
        classes: Class names in their order.
        participants: One entry for each participant, in the order of ``predictions.csv``.
        metrics: The scores.
        metrics_note: The reason if there are none.
        history: The training's epochs.
        embeddings: ``eeg``, ``mri``, ``fused`` [N, D], in the order of ``participants``; NaN where the file lacks one.
        mri: Thumbnails of the MRI by participant, [3, H, W] uint8.
        eeg: Mean scalograms by participant, [F, T] uint8.
        cohort: Counts of the datalist.
        manifest: The training's manifest.
        recipe: The training's recipe.
        baseline: What plain numbers of the same participants predict.
        explanation: What the model looked at.
        cohort_page: Whether the page of the cohort is in the folder, see ``datalist page --run``.
        failed: How many participants could not be predicted.
    """

    name: str
    classes: tuple[str, ...]
    participants: list[PredictionRow]
    metrics: Metrics | None = None
    metrics_note: str = ""
    history: History | None = None
    embeddings: Arrays = field(default_factory=dict)
    mri: Arrays = field(default_factory=dict)
    eeg: Arrays = field(default_factory=dict)
    cohort: Cohort | None = None
    manifest: Mapping[str, Any] | None = None
    recipe: Mapping[str, Any] | None = None
    baseline: Baseline | None = None
    explanation: ShownExplanation | None = None
    cohort_page: bool = False
    failed: int = 0

    @property
    def modalities(self) -> AvailableModalities:
        """The recordings that the model uses: ``both``, ``eeg`` or ``mri``; ``both`` if no file has them."""
        identity = (self.manifest or {}).get("identity")
        places = (identity if isinstance(identity, Mapping) else None, self.recipe)
        known = (place.get("modalities") for place in places if place is not None)
        return next((one for name in known for one in AVAILABLE_MODALITIES if one == name), "both")

    @property
    def one_recording_each(self) -> bool:
        """Whether no participant has both recordings."""
        return all(participant.recordings != "both" for participant in self.participants)

    @property
    def labelled(self) -> list[PredictionRow]:
        """The participants whose class is known."""
        return [participant for participant in self.participants if participant.label is not None]


def read_results(folder: str | os.PathLike[str]) -> Results:
    """Read a run folder.

    Raises:
        InputError: It has no ``predictions.csv``, or a wrong one.
    """
    folder = Path(folder)
    classes, participants = read_predictions(folder)
    metrics, note = _metrics_of(latest(folder / METRICS_FILE), classes)
    context = read_report_data(folder)
    thumbnails = read_arrays(folder / THUMBNAILS_FILE, ("participant_id", "mri", "eeg"))
    embeddings = read_arrays(folder / EMBEDDINGS_FILE, ("participant_id", "fused", "eeg", "mri"))
    return Results(
        name=os.fsencode(folder.resolve().name).decode("utf-8", errors="replace"),
        classes=classes,
        participants=participants,
        metrics=metrics,
        metrics_note=note,
        history=parse_history(context.history or read_history(folder)),
        embeddings=_embeddings_of(embeddings, [participant.participant_id for participant in participants]),
        mri=pictures_by_participant(thumbnails, "mri", (3,)),
        eeg=pictures_by_participant(thumbnails, "eeg", ()),
        cohort=context.cohort,
        manifest=context.manifest or read_json_object(folder / MANIFEST_FILE),
        recipe=read_json_object(folder / RECIPE_FILE),
        baseline=_baseline_of(folder, classes, metrics),
        explanation=_explanation_of(folder, classes, metrics),
        cohort_page=has_cohort_page(folder),
        failed=len(read_failures(folder)),
    )


def _metrics_of(path: Path, classes: tuple[str, ...]) -> tuple[Metrics | None, str]:
    metrics, note = read_metrics(path)
    if metrics is None:
        return None, note
    shares = metrics.calibration.target_prior
    if tuple(count.class_name for count in metrics.class_counts) != classes or len(shares or classes) != len(classes):
        return None, f"{METRICS_FILE} has other classes than {PREDICTIONS_FILE}: evaluate again."
    sets = metrics.prediction_sets
    if sets is not None and tuple(row.class_name for row in sets.per_class) != classes:
        return None, f"{METRICS_FILE} has prediction sets of other classes than {PREDICTIONS_FILE}: evaluate again."
    return metrics, ""


def _explanation_of(folder: Path, classes: tuple[str, ...], metrics: Metrics | None) -> ShownExplanation | None:
    """The explanation, if it is of this evaluation: the same classes and part."""
    found = shown_explanation(folder)
    if found is None or tuple(found.content.classes) != classes:
        return None
    return found if metrics is None or metrics.section in ("", found.content.section) else None


def _baseline_of(folder: Path, classes: tuple[str, ...], metrics: Metrics | None) -> Baseline | None:
    """The baselines, if they are of this evaluation: the same classes, part and number of tested participants."""
    found = read_model(latest(folder / BASELINE_FILE), Baseline)
    if found is None or metrics is None or tuple(found.classes) != classes:
        return None
    counts = [count.participants for count in metrics.class_counts]
    same = found.section == metrics.section and [count.participants for count in found.tested] == counts
    return found if same else None


def pictures_by_participant(stored: Arrays, name: str, before: tuple[int, ...]) -> Arrays:
    """The thumbnails by participant, each [*before, H, W]."""
    ids, pictures = stored.get("participant_id"), stored.get(name)
    if not _are_ids(ids) or pictures is None or pictures.dtype != np.uint8 or pictures.ndim != 3 + len(before):
        return {}
    if pictures.shape[1:-2] != before or not 0 < max(pictures.shape[-2:]) <= _MOST_PIXELS or 0 in pictures.shape:
        return {}
    return {str(one): picture for one, picture in zip(stored["participant_id"], pictures, strict=False)}


def _are_ids(ids: npt.NDArray[Any] | None) -> bool:
    return ids is not None and ids.ndim == 1 and ids.dtype.kind == "U"


def _embeddings_of(stored: Arrays, ids: list[str]) -> Arrays:
    """The embeddings, one row for each of ``ids``."""
    if not _are_ids(stored.get("participant_id")):
        return {}
    rows = {str(name): row for row, name in enumerate(stored["participant_id"])}
    if not rows.keys() & set(ids):
        return {}
    found = [rows.get(name) for name in ids]
    arrays = {}
    for name in ("fused", "eeg", "mri"):
        values = stored.get(name)
        if values is None or values.ndim != 2 or values.dtype.kind != "f" or len(values) != len(rows):
            continue
        there = values[np.isfinite(values)]
        if values.shape[1] > 0 and (not there.size or np.abs(there).max() < LARGEST):
            missing = np.full(values.shape[1], np.nan)
            arrays[name] = np.array([missing if row is None else values[row] for row in found], dtype=np.float64)
    return arrays
