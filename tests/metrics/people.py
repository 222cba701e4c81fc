"""Predictions of made-up people, for tests of what is computed from them."""

from dataclasses import replace
from typing import Any

import numpy as np

from monai_fusion.metrics import Prediction, fit_calibration
from monai_fusion.metrics.prediction_sets import CalibrationPeople, PredictionSets, fit_prediction_sets
from monai_fusion.metrics.summary import ScoringSettings

QUICK = ScoringSettings(datalist="Köln", section="test", draws=200)


def predictions_of(
    probabilities: np.ndarray | list[list[float]], labels: np.ndarray | list[Any], **more: Any
) -> list[Prediction]:
    return [
        Prediction(f"sub-{place:02d}", None if label is None else int(label), tuple(map(float, row)), 0.5, 2, **more)
        for place, (row, label) in enumerate(zip(probabilities, labels, strict=True))
    ]


def cohort(number: int = 48, classes: int = 2, seed: int = 0) -> list[Prediction]:
    """People with everything that an evaluation may know of them."""
    generator = np.random.default_rng(seed)
    rows = []
    for place in range(number):
        label = place % classes
        values = [generator.dirichlet(np.ones(classes) + 2 * np.eye(classes)[label]).tolist() for _ in range(5)]
        rows.append(
            Prediction(
                f"sub-{place:02d}",
                label,
                tuple(values[0]),
                float(generator.random()),
                4,
                without_eeg=tuple(values[1]),
                without_mri=tuple(values[2]),
                by_condition={"EC": tuple(values[3]), "EO": tuple(values[4])},
                fields={"age": ["20-25", "60-65"][place % 3 // 2], "site": "Leipzig", "fold": place // 2 % 4},
            )
        )
    return rows


def some_lacking(rows: list[Prediction]) -> list[Prediction]:
    """The same participants; every third lacks the MRI and every third the EEG."""
    others: list[dict[str, Any]] = [{}, {"recordings": "eeg", "gate": 1.0}, {"recordings": "mri", "gate": 0.0}]
    return [replace(row, **others[place % 3]) for place, row in enumerate(rows)]


def calibration_of(rows: list[Prediction]) -> Any:
    probabilities = np.array([row.probabilities for row in rows])
    prior = (1 / probabilities.shape[1],) * probabilities.shape[1]
    return fit_calibration(probabilities, np.array([row.label for row in rows]), prior, prior)


def sets_of(rows: list[Prediction], classes: int = 2, coverage: float = 0.8, by_class: bool = False) -> PredictionSets:
    """Prediction sets calibrated on these predictions."""
    known = [row for row in rows if row.label is not None]
    people = CalibrationPeople(np.array([row.uncalibrated for row in known]), np.array([row.label for row in known]))
    return fit_prediction_sets(people, (1 / classes,) * classes, coverage, by_class)
