"""Writes ``examples/``: evaluations as the program itself writes them, on made-up predictions.

Run it again when the layout of metrics.json or predictions.csv changes: ``python -m tests.report.make_examples``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from monai_fusion.explain.derived import FIGURES_FOLDER
from monai_fusion.explain.explanation import participant_of
from monai_fusion.explain.modality_results import draw_modality_values, modality_summary
from monai_fusion.explain.modality_values import ModalityValues
from monai_fusion.explain.running import ExplainedParticipant
from monai_fusion.metrics import Calibration, Prediction, write_predictions
from monai_fusion.metrics.grouping import participant_strata
from monai_fusion.metrics.prediction_sets import PredictionSets
from monai_fusion.metrics.summary import ScoringSettings, summarize
from monai_fusion.report.explanation_file import ExplanationFile, FigureFile, ModalityGroup, ResultTable
from monai_fusion.run_folder import EXPLANATION_FILE, EXPLANATION_FOLDER
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


def explain(name: str, found: list[Prediction], classes: list[str]) -> None:
    """Write an explanation of an example's predictions: what each recording is worth, and one participant's figure."""
    generator = np.random.default_rng(5)
    explained = []
    for row in found:
        with_both, eeg, mri = (float(value) for value in generator.normal(0.5, 1.0, size=3))
        values = ModalityValues(with_both, eeg, mri, 0.1)
        explained.append(
            ExplainedParticipant(row.participant_id, row.participant_id, row.label, "both", 4, with_both, values)
        )
    picture = draw_modality_values(explained, classes, classes[1])
    assert picture is not None
    folder = EXAMPLES / name / EXPLANATION_FOLDER
    (folder / FIGURES_FOLDER).mkdir(parents=True, exist_ok=True)
    file = f"{FIGURES_FOLDER}/{picture.name}.png"
    with (folder / file).open("wb") as stream:
        picture.save(stream, "png")
    figures = [
        FigureFile(file=file, title=picture.description, words=list(picture.values)),
        FigureFile(file=file, title=HOSTILE_CLASSES[0], words=[HOSTILE_IDS[1]], participant_id=found[0].participant_id),
        FigureFile(file="../../predictions.csv", title="no picture", words=[]),
    ]
    content = ExplanationFile(
        program="0.1.0",
        section="test",
        classes=classes,
        explained_class=classes[1],
        methods=["modality"],
        modality_reference="swapped",
        references=len(found),
        participants=[participant_of(each, classes) for each in explained],
        modalities=[ModalityGroup(**group) for group in modality_summary(explained, classes)],
        figures=figures,
        results=[ResultTable(title="Bands", columns=["band", "logit"], rows=[[HOSTILE_IDS[0], "0.25"]])],
        checks=[ResultTable(title="Random weights", columns=["layer", "similarity"], rows=[["head", "0.10"]])],
        notes=["A note."],
        warnings=[f"The maps may show noise. {HOSTILE_IDS[0]}"],
    )
    (folder / EXPLANATION_FILE).write_text(content.model_dump_json(indent=1), encoding="utf-8")


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
    few = people([3, 2])
    write("explained", few, ["M", "F"])
    explain("explained", few, ["M", "F"])
    write("unlabelled", [replace(row, label=None) for row in people([5, 4])], ["M", "F"])


if __name__ == "__main__":
    main()
