"""``calibration.json``: written beside ``model.pt`` when an epoch is kept, used by evaluation and inference.

It also contains the validation predictions of that epoch, so that you can choose another target prior or operating
point later without training or predicting again.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from monai_fusion import __version__
from monai_fusion.errors import InputError, Problem
from monai_fusion.metrics.calibration import (
    Calibration,
    fit_calibration,
    network_prior,
    read_prior,
)
from monai_fusion.metrics.epochs_of_others import EpochsOfOthers
from monai_fusion.metrics.operating_points import BALANCED, read_operating_point
from monai_fusion.metrics.prediction_sets import CalibrationPeople
from monai_fusion.model_files import place_in, read_model_json
from monai_fusion.reading import reason_of
from monai_fusion.run_folder import CALIBRATION_FILE

SCHEMA_VERSION: Literal[2] = 2
"""Of ``calibration.json``: 1, without a number in the file, had a temperature and Youden's threshold."""

VALIDATION = "validation"
"""The part that chooses the epoch."""

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
    """A participant on whom slope and intercepts are fitted; without the id, because models are shared.

    Attributes:
        label: The class index.
        probabilities: The network's own.
        others: ... at the epoch that the other participants would have chosen (`EpochsOfOthers`); None if an earlier
            version wrote the file, or they chose no epoch.
        others_score: The score of that epoch without this participant.
        group: The number of its family or other group; None: in none.
    """

    label: int
    probabilities: list[Probability]
    others: list[Probability] | None = None
    others_score: float | None = None
    group: int | None = None


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

    def others(self) -> EpochsOfOthers | None:
        """The epochs that the others would have chosen; None if they are not known for every participant."""
        known = [(row.label, row.others, row.others_score) for row in self.predictions]
        if not known or any(others is None or score is None for _, others, score in known):
            return None
        labels, others, scores = zip(*known, strict=True)
        return EpochsOfOthers(np.array(labels, dtype=np.int64), np.array(scores, dtype=np.float64), np.array(others))

    def people(self) -> CalibrationPeople:
        """The participants as prediction sets are calibrated on them."""
        size, others = len(self.classes), self.others()
        several = Counter(row.group for row in self.predictions if row.group is not None)
        return CalibrationPeople(
            probabilities=np.array([row.probabilities for row in self.predictions], np.float64).reshape(-1, size),
            labels=np.array([row.label for row in self.predictions], dtype=np.int64),
            others=None if others is None else others.probabilities,
            part=self.fitted_on,
            chose_epoch=self.fitted_on == VALIDATION,
            related=sum(count for count in several.values() if count > 1),
        )


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


def read_calibration(
    folder: str | os.PathLike[str],
    classes: Sequence[str] | None = None,
    advice: str = "give --calibrate false, or train again",
) -> CalibrationFile:
    """Read ``calibration.json``; an earlier version's is read too, and its calibration says so in a note.

    Args:
        folder: The run folder, or an exported file.
        classes: The expected class names; None for those of the file.
        advice: What to do if it cannot be used.

    Raises:
        InputError: It is missing, damaged, or of other classes.
    """
    path = place_in(folder, CALIBRATION_FILE)
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
        *(len(row.others) for row in content.predictions if row.others is not None),
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
