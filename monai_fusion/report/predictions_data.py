"""``predictions_data.json``: the context of predictions: the model, its calibration, and the participants left out."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from monai_fusion import __version__
from monai_fusion.datalist import AvailableModalities, Datalist, ModalityPolicy
from monai_fusion.datalist.availability import modalities_of
from monai_fusion.files import latest, write_atomically
from monai_fusion.metrics.calibration import Calibration
from monai_fusion.metrics.fields_of_scores import Score
from monai_fusion.metrics.metrics_file import Metrics, read_metrics
from monai_fusion.metrics.prediction_sets import PredictionSets, warnings_of_sets
from monai_fusion.metrics.set_results import undecided_band
from monai_fusion.model_files import read_model_object
from monai_fusion.reading import read_model
from monai_fusion.run_folder import MANIFEST_FILE, METRICS_FILE, OWN_TEST_FILE, PREDICTIONS_DATA_FILE


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OwnTest(_Part):
    """The scores of the model on its own test part.

    Attributes:
        datalist: The name of the cohort.
        section: The part of the cohort.
        participants: The number of scored participants.
        auroc: None if it is not defined.
        balanced_accuracy: ... likewise.
    """

    datalist: str
    section: str
    participants: int
    auroc: Score | None
    balanced_accuracy: Score | None


class ModelFacts(_Part):
    """The model that predicted.

    Attributes:
        name: The name of its run folder; no path.
        trained: The day on which the training finished, ``2026-11-27``; empty if there is no manifest.
        cohort: The name of the datalist that it was trained on.
        participants: The number of training participants.
        modalities: The recordings that it uses.
        takes_missing: Whether this run predicted participants with a missing recording.
        own_test: Its evaluation, if ``metrics.json`` lies beside it, or an exported model tells it.
        own_test_note: A sentence: why a ``metrics.json`` beside the model could not be used.
    """

    name: str
    trained: str = ""
    cohort: str = ""
    participants: int | None = None
    modalities: AvailableModalities = "both"
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


class SetFacts(_Part):
    """How prediction sets were made: see `PredictionSets`.

    Attributes:
        coverage: The share of sets that are to hold the true class.
        by_class: Whether within each class.
        part: The participants that the thresholds come from.
        participants: Their number.
        undecided_from: Of two classes: the probabilities of the second between which a set holds both.
        notes: What limits the guarantee.
    """

    coverage: float
    by_class: bool
    part: str
    participants: int
    undecided_from: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()


class PredictionsData(_Part):
    """The content of ``predictions_data.json``.

    Attributes:
        version: Of the program that predicted.
        datalist: The name of the datalist.
        section: The part of the datalist.
        target: The classified property.
        model: The model that predicted.
        decision: How its probabilities became classes.
        sets: How prediction sets were made, if they were asked for.
        left_out: The recordings of the participants who were not predicted, by id.
    """

    version: str = ""
    datalist: str = ""
    section: str = ""
    target: str = ""
    model: ModelFacts | None = None
    decision: Decision | None = None
    sets: SetFacts | None = None
    left_out: dict[str, AvailableModalities] = {}


def write_predictions_data(
    folder: str | os.PathLike[str],
    cohort: Datalist,
    section: str,
    use: ModalityPolicy,
    model_dir: str | os.PathLike[str],
    recipe: Mapping[str, Any],
    calibration: Calibration | None,
    sets: PredictionSets | None = None,
) -> None:
    """Write ``predictions_data.json`` beside the predictions of an inference.

    Args:
        folder: The folder of the results; it must exist.
        cohort: The datalist.
        section: The predicted part.
        use: Which recordings and participants were used.
        model_dir: The run folder of the model, or the exported file.
        recipe: From `read_recipe`.
        calibration: The calibration of the probabilities; None if they are the network's own.
        sets: The prediction sets; None if there are none.
    """
    left_out = {
        record.participant_id: pattern
        for record in use.select(cohort.records(section))[1]
        if (pattern := modalities_of(record)) is not None
    }
    target = cohort.target or recipe.get("target")
    content = PredictionsData(
        version=__version__,
        datalist=cohort.name,
        section=section,
        target=target if isinstance(target, str) else "",
        model=_facts(Path(model_dir), use),
        decision=_decision(calibration),
        sets=None if sets is None else _set_facts(sets, recipe["classes"], calibration),
        left_out=left_out,
    )
    write_atomically(Path(folder) / PREDICTIONS_DATA_FILE, content.model_dump_json(indent=1).encode("utf-8"))


def read_predictions_data(folder: Path) -> PredictionsData:
    """Read ``predictions_data.json``; empty if there is none, or if no inference wrote it."""
    return read_model(folder / PREDICTIONS_DATA_FILE, PredictionsData) or PredictionsData()


def _facts(folder: Path, use: ModalityPolicy) -> ModelFacts:
    manifest = read_model_object(folder, MANIFEST_FILE) or {}
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
    if metrics is not None:
        return own_test_of(metrics), ""
    handed_on = read_model_object(folder, OWN_TEST_FILE)
    if handed_on is None:
        return None, note if path.exists() else ""
    try:
        return OwnTest.model_validate_json(json.dumps(handed_on)), ""
    except ValueError:  # pydantic's ValidationError is one
        return None, ""


def own_test_of(metrics: Metrics) -> OwnTest:
    """What a page of predictions says of the model's own evaluation."""
    return OwnTest(
        datalist=metrics.datalist,
        section=metrics.section,
        participants=metrics.participants,
        auroc=metrics.scores.auroc,
        balanced_accuracy=metrics.scores.balanced_accuracy,
    )


def _set_facts(sets: PredictionSets, classes: Sequence[str], calibration: Calibration | None) -> SetFacts:
    return SetFacts(
        coverage=sets.coverage,
        by_class=sets.by_class,
        part=sets.part,
        participants=sets.participants,
        undecided_from=undecided_band(sets, calibration),
        notes=tuple(warnings_of_sets(sets, classes)),
    )


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
