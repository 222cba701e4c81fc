"""From a run folder to ``report.html``."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from monai_fusion import __version__
from monai_fusion.datalist.availability import TITLES
from monai_fusion.errors import InputError, Problem
from monai_fusion.evaluation.schema import Score
from monai_fusion.files import write_for_readers
from monai_fusion.messages import visible
from monai_fusion.report.confusion import draw_confusion
from monai_fusion.report.curves import TOGETHER, draw_precision_recall, draw_roc, precision_recall, roc
from monai_fusion.report.gate import draw_gate
from monai_fusion.report.learning import draw_learning_curves
from monai_fusion.report.limits import NAMED_CLASSES, limits_of, sentence
from monai_fusion.report.maps import LDA_NEEDS, draw_map, lda_of, pca_of
from monai_fusion.report.pictures import mri_strip, scalogram
from monai_fusion.report.predictions import Participant
from monai_fusion.report.reliability import draw_reliability
from monai_fusion.report.results import Results, read_results
from monai_fusion.run_folder import REPORT_FILE

logger = logging.getLogger(__name__)

SHOWN_MISTAKES = 50
BAND_DRAWS = 1000
BAND_SEED = 1337

_SECTIONS = (
    ("headline", "Headline"),
    ("limits", "Limits"),
    ("cohort", "Cohort"),
    ("scores", "Scores"),
    ("discrimination", "Discrimination"),
    ("calibration", "Calibration"),
    ("gate", "Gate"),
    ("embeddings", "Embedding map"),
    ("mistakes", "Mistakes"),
    ("strata", "By stratum"),
    ("training", "Training"),
    ("run", "What was run"),
)
_SCORES = (
    # name in metrics.json, title, range of the bar (None: no bar), whether less is better
    ("auroc", "AUROC", (0.0, 1.0), False),
    ("balanced_accuracy", "Balanced accuracy", (0.0, 1.0), False),
    ("accuracy", "Accuracy", (0.0, 1.0), False),
    ("sensitivity", "Sensitivity", (0.0, 1.0), False),
    ("specificity", "Specificity", (0.0, 1.0), False),
    ("macro_f1", "Macro-F1", (0.0, 1.0), False),
    ("auprc", "AUPRC", (0.0, 1.0), False),
    ("mcc", "MCC", (-1.0, 1.0), False),
    ("brier", "Brier score", (0.0, 1.0), True),
    ("ece", "Calibration error (ECE)", (0.0, 1.0), True),
    ("cross_entropy", "Cross-entropy", None, True),
)


def write_report(folder: str | os.PathLike[str]) -> Path:
    """Write ``report.html`` into the folder of an evaluation.

    Args:
        folder: The folder with ``predictions.csv`` and, as far as they are there, ``metrics.json``, ``embeddings.npz``,
            ``thumbnails.npz``, ``report_data.json`` and ``manifest.json``. No recordings, no model.

    Returns:
        The report: one file that needs no other and no network; the same results give the same bytes.

    Raises:
        InputError: The folder holds no predictions, or wrong ones, or cannot be written to.
    """
    path = Path(folder) / REPORT_FILE
    page = render(read_results(folder)).encode("utf-8")
    try:
        path = write_for_readers(path, page)
    except OSError as error:
        seen = f"cannot be written: {error.strerror or error}"
        raise InputError(Problem(str(path), seen=seen, wanted="a folder that can be written to")) from error
    logger.info("wrote %s", path)
    return path


def render(results: Results) -> str:
    """Return the report as HTML."""
    return (
        page_environment()
        .get_template("report.html")
        .render(
            results=results,
            metrics=results.metrics,
            version=__version__,
            limits=limits_of(results),
            scores=_scores(results),
            confusion=_confusion(results),
            curves=_curves(results),
            reliability=_reliability(results),
            gates=_gates(results),
            maps=_maps(results),
            lda_note=_lda_note(results),
            mistakes=_mistakes(results),
            mistakes_in_all=sum(person.wrong for person in results.people),
            band_draws=BAND_DRAWS,
            sections=_SECTIONS,
            pattern_titles=TITLES,
            few_classes=len(results.classes) <= NAMED_CLASSES,
            learning=draw_learning_curves(results.history) if results.history else [],
            manifest=list(_flat(results.manifest or {})),
            recipe=list(_flat(results.recipe or {})),
        )
    )


def page_environment(*packages: str) -> Environment:
    """Return what makes pages in the report's style.

    Args:
        *packages: Further packages whose ``templates`` hold pages.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(name) for name in ("monai_fusion.report", *packages)]),
        autoescape=True,  # every id, class and stratum is somebody's text
        finalize=_seen,  # nor may it turn the direction of what stands behind it
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    environment.filters["p_value"] = _p_value
    environment.filters["sentence"] = sentence
    return environment


def _seen(value: object) -> object:
    """Text with what cannot be seen written out; markup, made by the page itself, as it is."""
    return visible(value, keep="\n\t") if type(value) is str else value


def _number(value: float | None, digits: int = 2) -> str:
    return "not defined" if value is None or not math.isfinite(value) else f"{value:.{digits}f}".replace("-", "\u2212")


def _p_value(value: float | None) -> str:
    if value is None:
        return "not defined"
    return f"{value:.3f}" if value >= 0.001 else f"{value:.1g}"


def _scores(results: Results) -> list[dict[str, Any]]:
    """A row of the table for every score."""
    rows: list[dict[str, Any]] = []
    if results.metrics is None:
        return rows
    for name, title, ends, less in _SCORES:
        score: Score | None = getattr(results.metrics.scores, name)
        if score is not None:
            rows.append({"name": name, "title": title, "score": score, "ends": ends, "less": less})
    return rows


def _confusion(results: Results) -> Markup | None:
    if not results.labelled:
        return None
    counts = np.zeros((len(results.classes), len(results.classes)), dtype=int)
    for person in results.labelled:
        counts[person.label, person.predicted] += 1
    return draw_confusion(counts.tolist(), results.classes)


def _curves(results: Results) -> list[Markup]:
    """ROC and precision-recall: of the second of two classes, or of each class against the rest."""
    people = results.labelled
    labels = np.array([person.label for person in people], dtype=np.int64)
    probabilities = np.array([person.probabilities for person in people])
    wanted = [1] if len(results.classes) == 2 else range(len(results.classes))
    shown = [label for label in wanted if 0 < np.count_nonzero(labels == label) < len(labels)]
    if not shown:
        return []
    rocs, precisions = [], []
    for label in shown:
        scores, positive, name = probabilities[:, label], labels == label, results.classes[label]
        rocs.append((label, name, roc(scores, positive, BAND_DRAWS, BAND_SEED)))
        precisions.append((label, name, precision_recall(scores, positive, BAND_DRAWS, BAND_SEED)))
    shares = [float(np.mean(labels == label)) for label in shown]
    if len(shown) <= TOGETHER:
        return [draw_roc(rocs), draw_precision_recall(precisions, shares)]
    drawn = []
    for one, other, share in zip(rocs, precisions, shares, strict=True):
        label = one[0]
        drawn.append(draw_roc([one], f"roc{label}"))
        drawn.append(draw_precision_recall([other], [share], f"pr{label}"))
    return drawn


def _reliability(results: Results) -> Markup | None:
    if results.metrics is None or not results.metrics.calibration.before.reliability:
        return None
    calibration = results.metrics.calibration
    curves = [("before calibration" if calibration.after else "the network's own", calibration.before.reliability)]
    if calibration.after:
        curves.append(("after calibration", calibration.after.reliability))
    return draw_reliability(curves, 1 / len(results.classes))


def _gates(results: Results) -> list[Markup]:
    people = [person for person in results.people if math.isfinite(person.gate) and person.recordings == "both"]
    if not people:
        return []

    def gates(chosen: list[Participant]) -> np.ndarray:
        return np.array([person.gate for person in chosen])

    known = [person for person in people if person.label is not None]
    if not known:
        return [draw_gate([("everybody", None, gates(people))], "gate-all", "Gate")]
    by_class = [
        (name, label, gates([person for person in known if person.label == label]))
        for label, name in enumerate(results.classes)
    ]
    by_correctness = [
        ("right", None, gates([person for person in known if not person.wrong])),
        ("wrong", None, gates([person for person in known if person.wrong])),
    ]
    return [
        draw_gate(by_class, "gate-class", "Gate by true class"),
        draw_gate(by_correctness, "gate-correct", "Gate by correctness"),
    ]


def _maps(results: Results) -> list[Markup]:
    drawn = []
    titles = {"fused": "Fused embedding", "eeg": "EEG embedding", "mri": "MRI embedding"}
    for name, title in titles.items():
        values = results.embeddings.get(name)
        if values is None:
            continue
        there = np.array([np.isfinite(row).all() for row in values], dtype=bool)
        people = [person for person, found in zip(results.people, there, strict=True) if found]
        labels = [person.label for person in people]
        wrong = [person.wrong for person in people]
        chosen = values[there]
        if (pca := pca_of(chosen)) is not None:
            drawn.append(draw_map(pca, labels, wrong, results.classes, f"pca-{name}", f"{title}: PCA"))
    lda = _lda(results)
    return [*drawn, lda] if lda else drawn


def _lda(results: Results) -> Markup | None:
    values = results.embeddings.get("fused")
    labels = [person.label for person in results.labelled]
    if values is None or len(labels) < len(results.people) or not np.isfinite(values).all():
        return None
    projection = lda_of(values, np.array(labels, dtype=np.int64))
    if projection is None:
        return None
    wrong = [person.wrong for person in results.people]
    return draw_map(projection, labels, wrong, results.classes, "lda-fused", "Fused embedding: LDA")


def _lda_note(results: Results) -> str:
    counts = [sum(person.label == label for person in results.people) for label in range(len(results.classes))]
    present = [count for count in counts if count]
    if len(present) >= 2 and min(present) >= LDA_NEEDS and len(results.labelled) == len(results.people):
        return (
            "In the LDA everybody is placed by directions that were fitted without them (10 folds): classes that are "
            "apart here are so for people whom the directions have not seen."
        )
    named = ", ".join(f"{count} {name}" for count, name in zip(counts, results.classes, strict=True))
    return f"No LDA: it needs {LDA_NEEDS} participants of each class (here {named}); with fewer it separates anything."


def _mistakes(results: Results) -> list[dict[str, Any]]:
    """Those for whom another class was said, the most confident first."""
    wrong = sorted(
        (person for person in results.people if person.wrong),
        key=lambda person: (-person.confidence, person.participant_id),
    )
    return [
        {
            "person": person,
            "true": results.classes[person.label if person.label is not None else 0],
            "said": results.classes[person.predicted],
            "mri": mri_strip(results.mri[name]) if name in results.mri and person.recordings != "eeg" else None,
            "eeg": scalogram(results.eeg[name]) if name in results.eeg and person.recordings != "mri" else None,
        }
        for name, person in ((person.participant_id, person) for person in wrong[:SHOWN_MISTAKES])
    ]


def _flat(content: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """The entries of nested JSON: ``versions: torch`` and its value as text."""
    for name, value in content.items():
        full = f"{before}: {name}" if before else str(name)
        if isinstance(value, Mapping) and value:
            yield from _flat(value, full)
        else:
            yield full, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
