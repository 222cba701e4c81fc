"""Writes ``examples/``: evaluations as the program itself writes them, on made-up predictions.

Run it again when the layout of metrics.json or predictions.csv changes: ``python -m tests.report.make_examples``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from monai_fusion.metrics import Calibration, Prediction, write_predictions
from monai_fusion.metrics.grouping import participant_strata
from monai_fusion.metrics.prediction_sets import PredictionSets
from monai_fusion.metrics.summary import ScoringSettings, summarize
from tests.metrics.people import sets_of
from tests.report.conftest import EXAMPLES, HOSTILE_CLASSES, HOSTILE_IDS


def people(counts: list[int], *, fields: bool = False, apart: float = 1.3) -> list[Prediction]:
    """Predictions of so many participants of each class."""
    generator = np.random.default_rng(sum(counts))
    found = []
    for label in (label for label, count in enumerate(counts) for _ in range(count)):
        scores = generator.normal(size=len(counts))
        scores[label] += apart

        def probabilities(noise: float, scores: np.ndarray = scores) -> tuple[float, ...]:
            shares = np.exp(scores + noise * generator.normal(size=len(scores)))
            return tuple((shares / shares.sum()).tolist())

        number = len(found)
        extra = {"age": ["20-25", "60-65"][int(generator.integers(2))], "site": "AB"[number % 2]} if fields else {}
        found.append(
            Prediction(
                f"sub-{number:03d}",
                label,
                probabilities(0),
                float(generator.beta(4, 3)),
                4,
                without_eeg=probabilities(0.5),
                without_mri=probabilities(0.5),
                by_condition={"EO": probabilities(0.4), "EC": probabilities(0.4)} if fields else {},
                fields=extra,
            )
        )
    return found


def write(
    name: str,
    found: list[Prediction],
    classes: list[str],
    calibration: Calibration | None = None,
    sets: PredictionSets | None = None,
) -> None:
    """Write an example's predictions and, where labels are known, its scores."""
    folder = EXAMPLES / name
    folder.mkdir(parents=True, exist_ok=True)
    found = calibration.apply(found) if calibration else found
    found = [sets.apply(row) for row in found] if sets else found
    known = [row for row in found if row.label is not None]
    write_predictions(found, classes, folder / "predictions.csv", participant_strata(known)[0] if known else None)
    if known:
        metrics = summarize(
            found, classes, calibration, ScoringSettings(datalist=f"{name} <i>", section="test", draws=200), sets
        )
        (folder / "metrics.json").write_text(metrics.model_dump_json(), encoding="utf-8")


def main() -> None:
    """Write all examples."""
    fitted = Calibration(
        (0.5, 0.5),
        (0.6, 0.4),
        0.7,
        (-0.1, 0.1),
        0.45,
        "youden",
        fitted_on="validation",
        fitted_participants=32,
        fitted=True,
    )
    write("two_classes", people([16, 10], fields=True), ["M", "F"], fitted, sets_of(people([20, 12]), coverage=0.9))
    write("three_classes", people([7, 6, 5]), ["young", "middle", "old"])
    write("five_classes", people([4, 4, 4, 4, 4]), ["a", "b", "c", "d", "e"])
    hostile = people([3, 2], apart=-2.0)
    write(
        "hostile",
        [replace(row, participant_id=name) for row, name in zip(hostile, HOSTILE_IDS, strict=True)],
        [*HOSTILE_CLASSES],
    )
    write("one_participant", people([1, 0]), ["M", "F"])
    write("one_class", people([6, 0]), ["M", "F"])
    write("unlabelled", [replace(row, label=None) for row in people([5, 4])], ["M", "F"])


if __name__ == "__main__":
    main()
