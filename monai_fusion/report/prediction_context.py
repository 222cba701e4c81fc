"""``predictions_data.json``: what is to be known of predictions beside the table: the model, and who was left out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from monai_fusion import __version__
from monai_fusion.datalist import Datalist, Pattern, RecordingUse
from monai_fusion.datalist.availability import pattern_of
from monai_fusion.files import latest, write_atomically
from monai_fusion.metrics.calibration import Calibration
from monai_fusion.metrics.metrics_file import Score, read_metrics
from monai_fusion.reading import read_json_object, read_model
from monai_fusion.run_folder import MANIFEST_FILE, METRICS_FILE, PREDICTIONS_CONTEXT_FILE


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OwnTest(_Part):
    """How well the model did where labels are known.

    Attributes:
        datalist: The name of that cohort.
        section: The part of it.
        participants: How many were scored.
        auroc: None where it is not defined.
        balanced_accuracy: ... likewise.
    """

    datalist: str
    section: str
    participants: int
    auroc: Score | None
    balanced_accuracy: Score | None


class ModelFacts(_Part):
    """Which model predicted.

    Attributes:
        name: The name of its run folder; no path.
        trained: The day it was finished, ``2026-11-27``; empty if there is no manifest.
        cohort: The name of the datalist that it was trained on.
        participants: How many it learned from.
        modalities: Which recordings it uses.
        takes_missing: Whether this run predicted people who lack a recording.
        own_test: Its evaluation, if ``metrics.json`` lies beside it.
        own_test_note: Why a ``metrics.json`` beside it could not be used; a sentence.
    """

    name: str
    trained: str = ""
    cohort: str = ""
    participants: int | None = None
    modalities: Pattern = "both"
    takes_missing: bool = False
    own_test: OwnTest | None = None
    own_test_note: str = ""


class Decision(_Part):
    """How probabilities became classes: see `Calibration`."""

    calibrated: bool
    target_prior: tuple[float, ...] = ()
    threshold: float | None = None
    operating_point: str = ""
    fitted_participants: int = 0
    notes: tuple[str, ...] = ()


class PredictionContext(_Part):
    """The content of ``predictions_data.json``.

    Attributes:
        version: Of the program that predicted.
        datalist: What the list is called.
        section: The part of it.
        target: What is classified.
        model: Which model predicted.
        decision: How its probabilities became classes.
        left_out: Which recordings those have who were not predicted, by id.
    """

    version: str = ""
    datalist: str = ""
    section: str = ""
    target: str = ""
    model: ModelFacts | None = None
    decision: Decision | None = None
    left_out: dict[str, Pattern] = {}


def write_prediction_context(
    folder: str | os.PathLike[str],
    cohort: Datalist,
    section: str,
    use: RecordingUse,
    model_dir: str | os.PathLike[str],
    recipe: Mapping[str, Any],
    calibration: Calibration | None,
) -> None:
    """Write ``predictions_data.json`` beside the predictions of an inference.

    Args:
        folder: The folder of the results; it must exist.
        cohort: Who was to be predicted.
        section: The part of the datalist.
        use: Which recordings were used, and of whom.
        model_dir: The run folder of the model.
        recipe: From `read_recipe`.
        calibration: What corrected the probabilities; None if they are the network's own.
    """
    left_out = {
        record.participant_id: pattern
        for record in use.choose(cohort.records(section))[1]
        if (pattern := pattern_of(record)) is not None
    }
    target = cohort.target or recipe.get("target")
    content = PredictionContext(
        version=__version__,
        datalist=cohort.name,
        section=section,
        target=target if isinstance(target, str) else "",
        model=_facts(Path(model_dir), use),
        decision=_decision(calibration),
        left_out=left_out,
    )
    write_atomically(Path(folder) / PREDICTIONS_CONTEXT_FILE, content.model_dump_json(indent=1).encode("utf-8"))


def read_prediction_context(folder: Path) -> PredictionContext:
    """Read ``predictions_data.json``; an empty one if there is none, or it is not what an inference writes."""
    return read_model(folder / PREDICTIONS_CONTEXT_FILE, PredictionContext) or PredictionContext()


def _facts(folder: Path, use: RecordingUse) -> ModelFacts:
    manifest = read_json_object(folder / MANIFEST_FILE) or {}
    ended, name = _inside(manifest, "times", "ended"), _inside(manifest, "datalist", "name")
    number = _inside(manifest, "data", "training", "participants")
    own_test, note = _own_test(folder)
    return ModelFacts(
        name=os.fsencode(folder.resolve().name).decode("utf-8", errors="replace"),
        trained=ended[:10] if isinstance(ended, str) else "",
        cohort=name if isinstance(name, str) else "",
        participants=number if type(number) is int else None,
        modalities=use.modalities,
        takes_missing=use.allow_missing,
        own_test=own_test,
        own_test_note=note,
    )


def _inside(content: Any, *names: str) -> Any:
    for name in names:
        content = content.get(name) if isinstance(content, dict) else None
    return content


def _own_test(folder: Path) -> tuple[OwnTest | None, str]:
    path = latest(folder / METRICS_FILE)
    metrics, note = read_metrics(path)
    if metrics is None:
        return None, note if path.exists() else ""
    own_test = OwnTest(
        datalist=metrics.datalist,
        section=metrics.section,
        participants=metrics.participants,
        auroc=metrics.scores.auroc,
        balanced_accuracy=metrics.scores.balanced_accuracy,
    )
    return own_test, ""


def _decision(calibration: Calibration | None) -> Decision:
    if calibration is None:
        return Decision(calibrated=False)
    return Decision(
        calibrated=True,
        target_prior=calibration.target_prior,
        threshold=calibration.threshold,
        operating_point=calibration.operating_point,
        fitted_participants=calibration.fitted_participants,
        notes=calibration.notes,
    )
