"""``calibration.json``: written beside ``model.pt`` when an epoch is kept, used by evaluation and inference.

It also contains the validation predictions of that epoch, so that you can choose another target prior or operating
point later without training or predicting again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from monai_fusion import __version__
from monai_fusion.errors import InputError, Problem
from monai_fusion.files import write_atomically
from monai_fusion.metrics.calibration import (
    Calibration,
    fit_calibration,
    network_prior,
    read_prior,
)
from monai_fusion.metrics.operating_points import BALANCED, read_operating_point
from monai_fusion.metrics.predictions import Prediction
from monai_fusion.model_files import place_in, read_model_json
from monai_fusion.reading import reason_of
from monai_fusion.run_folder import CALIBRATION_FILE

SCHEMA_VERSION: Literal[2] = 2
"""Of ``calibration.json``: 1, without a number in the file, had a temperature and Youden's threshold."""

_ROUNDING = 1e-3
_EARLIER = (
    f"{CALIBRATION_FILE} was written by an earlier version (temperature and Youden's threshold): "
    "slope, intercepts and decision were fitted to its predictions instead"
)
Share = Annotated[float, Field(ge=0, le=1)]


def _not_outside(value: float) -> float:
    if value < 0 or value > 1:
        raise ValueError("not from 0 to 1")
    return value


Probability = Annotated[float, AfterValidator(_not_outside)]


class _Part(BaseModel):
    # A probability may be NaN here: the network has diverged, and the evaluation reports it.
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class StoredPrediction(_Part):
    """A participant on whom slope and intercepts are fitted; without the id, because models are shared."""

    label: int
    probabilities: list[Probability]


class CalibrationFile(_Part):
    """The content of ``calibration.json``: the calibration with the default options, and the data it was fitted on."""

    schema_version: Literal[2] = SCHEMA_VERSION
    monai_fusion: str
    classes: Annotated[list[str], Field(min_length=2)]
    training_counts: list[int]
    network_prior: list[Share]
    target_prior: list[Share]
    slope: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    intercepts: list[Annotated[float, Field(allow_inf_nan=False)]]
    threshold: Share | None
    operating_point: str
    notes: list[str]
    fitted_on: str
    predictions: list[StoredPrediction]

    def calibration(self, target_prior: Sequence[float] | None, operating_point: object) -> Calibration:
        """Fit again, with another prior or operating point if given."""
        size = len(self.classes)
        values = np.array([row.probabilities for row in self.predictions], dtype=np.float64).reshape(-1, size)
        found = fit_calibration(
            values,
            np.array([row.label for row in self.predictions], dtype=np.int64),
            self.network_prior,
            self.target_prior if target_prior is None else target_prior,
            self.operating_point if operating_point is None else operating_point,
            self.fitted_on,
        )
        return replace(found, notes=(_EARLIER, *found.notes)) if _EARLIER in self.notes else found


class CalibrationWriter:
    """Store the predictions of the last validation; write ``calibration.json`` if its epoch is kept.

    It is a receiver of a `PredictionCollector`; the `ModelSaver` calls :meth:`write`.

    Args:
        folder: The run folder.
        classes: The class names, in the order of their indices.
        training_labels: The class index of each training participant.
        balanced: Whether the training draws every class equally often.
        class_weights: Weights of the classes in the loss, if any.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        classes: Sequence[str],
        training_labels: Sequence[int],
        balanced: bool,
        class_weights: Sequence[float] | None = None,
    ) -> None:
        self.path = Path(folder) / CALIBRATION_FILE
        self.classes = list(classes)
        self.counts = np.bincount(np.asarray(training_labels, dtype=np.int64), minlength=len(self.classes)).tolist()
        self.network_prior = network_prior(self.counts, balanced, class_weights)
        self._predictions: list[Prediction] = []

    def __call__(self, predictions: Sequence[Prediction]) -> None:
        """Store the predictions of a validation."""
        self._predictions = list(predictions)

    def write(self) -> None:
        """Write the calibration fitted on these predictions."""
        rows = [
            StoredPrediction(label=row.label, probabilities=list(row.uncalibrated))
            for row in self._predictions
            if row.label is not None
        ]
        content = fit_calibration_file(self.classes, self.counts, self.network_prior, rows, "validation")
        write_atomically(self.path, content.model_dump_json(indent=2).encode("utf-8"))


def fit_calibration_file(
    classes: Sequence[str],
    training_counts: Sequence[int],
    learned: Sequence[float],
    predictions: Sequence[StoredPrediction],
    fitted_on: str,
) -> CalibrationFile:
    """Return the content of ``calibration.json`` with the default options.

    Args:
        classes: The class names, in the order of their indices.
        training_counts: The training participants of each class; their shares are the target prior.
        learned: Class shares that the network learned under.
        predictions: Of participants that the network did not learn from.
        fitted_on: The part that they belong to, e.g. ``validation``.
    """
    draft = CalibrationFile(
        monai_fusion=__version__,
        classes=list(classes),
        training_counts=list(training_counts),
        network_prior=list(learned),
        target_prior=list(network_prior(training_counts, balanced=False)),
        slope=1.0,
        intercepts=[0.0] * len(classes),
        threshold=None,
        operating_point=BALANCED,
        notes=[],
        fitted_on=fitted_on,
        predictions=list(predictions),
    )
    found = draft.calibration(None, None)
    changed = {
        "slope": found.slope,
        "intercepts": list(found.intercepts),
        "threshold": found.threshold,
        "notes": list(found.notes),
    }
    return draft.model_copy(update=changed)


def load_calibration(
    folder: str | os.PathLike[str],
    classes: Sequence[str],
    calibrate: bool = True,
    target_prior: object = None,
    operating_point: object = None,
) -> Calibration | None:
    """Read the calibration of a model, or fit it again with other options.

    Args:
        folder: The run folder, or an exported file.
        classes: The expected class names, in the order of their indices.
        calibrate: False for no calibration.
        target_prior: Class shares to correct to; None for those of the training cohort.
        operating_point: ``balanced``, ``prior``, ``youden``, ``sensitivity 0.9`` or a threshold; None for ``balanced``.

    Returns:
        The calibration; None with ``calibrate=False``.

    Raises:
        InputError: It is missing, damaged or of other classes, or an option is wrong.
    """
    if not calibrate:
        given = {"--target_prior": target_prior, "--operating_point": operating_point}
        problems = [
            Problem(name, seen=repr(value), advice="it has no effect with --calibrate false")
            for name, value in given.items()
            if value is not None
        ]
        if problems:
            raise InputError(problems)
        return None
    wanted = None if target_prior is None else read_prior(target_prior, classes)
    if operating_point is not None:
        read_operating_point(operating_point, len(classes))
    return read_calibration(folder, classes).calibration(wanted, operating_point)


def read_calibration(folder: str | os.PathLike[str], classes: Sequence[str] | None = None) -> CalibrationFile:
    """Read ``calibration.json``; an earlier version's is read too, and its calibration says so in a note.

    Args:
        folder: The run folder, or an exported file.
        classes: The expected class names; None for those of the file.

    Raises:
        InputError: It is missing, damaged, or of other classes.
    """
    path = place_in(folder, CALIBRATION_FILE)
    advice = "give --calibrate false, or train again"
    try:
        content = CalibrationFile.model_validate_json(json.dumps(_as_now(read_model_json(folder, CALIBRATION_FILE))))
    except FileNotFoundError:
        raise InputError(Problem(str(folder), seen=f"no {CALIBRATION_FILE}", advice=advice)) from None
    except OSError as error:
        raise InputError(Problem(path, seen=reason_of(error), advice=advice)) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(Problem(path, place, first["msg"], advice=advice)) from None
    except ValueError as error:
        raise InputError(Problem(path, seen=reason_of(error), advice=advice)) from None
    classes = content.classes if classes is None else list(classes)
    if content.classes != classes:
        raise InputError(Problem(path, "classes", repr(content.classes), repr(classes), advice))
    sizes = {
        len(content.network_prior),
        len(content.target_prior),
        len(content.intercepts),
        *(len(row.probabilities) for row in content.predictions),
    }
    if sizes != {len(classes)} or any(not 0 <= row.label < len(classes) for row in content.predictions):
        raise InputError(Problem(path, seen=f"does not fit {len(classes)} classes", advice=advice))
    for name, shares in (("network_prior", content.network_prior), ("target_prior", content.target_prior)):
        if abs(sum(shares) - 1) > _ROUNDING:
            raise InputError(Problem(path, name, "shares that do not add up to 1", advice=advice))
    return content


def _as_now(content: Any) -> Any:
    """The content of an earlier version's file in today's layout; anything else as it is.

    Nothing of it but the predictions is used: slope and intercepts are fitted to them when it is read.
    """
    if not isinstance(content, dict) or "schema_version" in content or "temperature" not in content:
        return content
    kept = {name: value for name, value in content.items() if name != "temperature"}
    classes = content.get("classes")
    intercepts = [0.0] * (len(classes) if isinstance(classes, list) else 0)
    return kept | {"slope": 1.0, "intercepts": intercepts, "operating_point": BALANCED, "notes": [_EARLIER]}
