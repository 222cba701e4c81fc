"""From a run folder to ``report.html``."""

from __future__ import annotations

import logging
import os
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from monai_fusion import __version__
from monai_fusion.baseline.words import field_title, is_imbalanced
from monai_fusion.datalist import AvailableModalities
from monai_fusion.datalist.availability import TITLES
from monai_fusion.errors import InputError, Problem
from monai_fusion.files import write_for_readers
from monai_fusion.messages import visible
from monai_fusion.metrics.fields_of_scores import Score
from monai_fusion.report.figures import BAND_DRAWS, figures_of, lda_note
from monai_fusion.report.limits import limits_of
from monai_fusion.report.number_text import number, p_value, sentence, unbroken
from monai_fusion.report.pictures import mri_strip, scalogram_picture
from monai_fusion.report.run_results import Results, read_results
from monai_fusion.report.set_words import abstention, guarantee
from monai_fusion.report.verdict import NAMED_CLASSES, correction_text, threshold_text, verdict_of
from monai_fusion.report.what_was_run import later_stages_train_more, what_was_run
from monai_fusion.run_folder import REPORT_FILE
from monai_fusion.wording import listed

logger = logging.getLogger(__name__)

SHOWN_MISTAKES = 50
_SECTIONS = (
    ("headline", "Headline"),
    ("limits", "Limits"),
    ("cohort", "Cohort"),
    ("scores", "Scores"),
    ("numbers", "Plain numbers"),
    ("discrimination", "Discrimination"),
    ("calibration", "Calibration"),
    ("gate", "Gate"),
    ("explanation", "What the model looked at"),
    ("embeddings", "Embedding map"),
    ("mistakes", "Errors"),
    ("strata", "By stratum"),
    ("training", "Training"),
    ("run", "What was run"),
)
_FROM = {"both": "EEG and MRI", "eeg": "the EEG alone", "mri": "the MRI alone"}
_SCORES = (
    # name in metrics.json, title, range of the bar (None: no bar), whether lower is better
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
        folder: The folder with ``predictions.csv`` and, if present, ``metrics.json``, ``embeddings.npz``,
            ``thumbnails.npz``, ``report_data.json`` and ``manifest.json``. No recordings, no model.

    Returns:
        The report: one file that needs no other file and no network; the same results give the same bytes.

    Raises:
        InputError: The folder has no predictions, or wrong ones, or is not writable.
    """
    path = Path(folder) / REPORT_FILE
    page = _render_report(read_results(folder)).encode("utf-8")
    try:
        path = write_for_readers(path, page)
    except OSError as error:
        seen = f"cannot be written: {error.strerror or error}"
        raise InputError(Problem(str(path), seen=seen, wanted="a folder that can be written to")) from error
    logger.info("wrote %s", path)
    return path


def _render_report(results: Results) -> str:
    """Return the report as HTML."""
    return (
        page_environment()
        .get_template("report.html")
        .render(
            results=results,
            metrics=results.metrics,
            version=__version__,
            verdict=verdict_of(results),
            made_from=_FROM[_recordings_used(results)],
            limits=limits_of(results),
            scores=scores_of(results),
            figures=figures_of(results),
            lda_note=lda_note(results),
            mistakes=_mistakes(results),
            mistakes_in_all=sum(participant.wrong for participant in results.participants),
            band_draws=BAND_DRAWS,
            sections=_SECTIONS,
            pattern_titles=TITLES,
            few_classes=len(results.classes) <= NAMED_CLASSES,
            threshold_text=threshold_text,
            correction_text=correction_text,
            sets_in_words=_sets_in_words(results),
            run=what_was_run(results),
            more_is_trained=later_stages_train_more(results.manifest or {}),
            baseline=results.baseline,
        )
    )


def _sets_in_words(results: Results) -> list[str]:
    sets = results.metrics.prediction_sets if results.metrics else None
    if results.metrics is None or sets is None:
        return []
    asked = guarantee(sets, sets.calibrated_on, sets.calibration_participants, results.classes)
    return [*asked, *abstention(sets, results.metrics.participants)]


def _recordings_used(results: Results) -> AvailableModalities:
    """The recordings behind the predictions: those that the model uses and the participants have."""
    if results.modalities != "both":
        return results.modalities
    there = {participant.recordings for participant in results.participants}
    return there.pop() if len(there) == 1 else "both"


@cache  # with the compiled templates: a cohort's second page is written without their compilation
def page_environment(*packages: str) -> Environment:
    """Return the template environment for pages in the report's style; a process makes it once.

    Args:
        *packages: Other packages with ``templates``.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(name) for name in ("monai_fusion.report", *packages)]),
        autoescape=True,  # ids, classes and strata are text from outside
        finalize=_visible_text,  # which must not change the direction of the text after it either
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    environment.filters["p_value"] = p_value
    environment.filters["sentence"] = sentence
    environment.filters["unbroken"] = unbroken
    environment.filters["field_title"] = field_title
    environment.filters["is_imbalanced"] = is_imbalanced
    environment.filters["listed"] = lambda names, last="and": listed(list(names), last)
    return environment


def _visible_text(value: object) -> object:
    """Text with invisible characters escaped; markup of the page itself stays as it is."""
    return visible(value, keep="\n\t") if type(value) is str else value


def scores_of(results: Results) -> list[dict[str, Any]]:
    """A row of the table for every score: its name, title, score, the ends of its bar, whether lower is better."""
    rows: list[dict[str, Any]] = []
    if results.metrics is None:
        return rows
    for name, title, ends, lower in _SCORES:
        score: Score | None = getattr(results.metrics.scores, name)
        if score is not None:
            rows.append({"name": name, "title": title, "score": score, "ends": ends, "lower": lower})
    return rows


def _mistakes(results: Results) -> list[dict[str, Any]]:
    """The participants classified wrongly, the most confident first."""
    wrong = sorted(
        (participant for participant in results.participants if participant.wrong),
        key=lambda participant: (-participant.confidence, participant.participant_id),
    )
    return [
        {
            "participant": participant,
            "true": results.classes[participant.label if participant.label is not None else 0],
            "predicted": results.classes[participant.predicted],
            "mri": mri_strip(results.mri[name]) if name in results.mri and participant.recordings != "eeg" else None,
            "eeg": scalogram_picture(results.eeg[name])
            if name in results.eeg and participant.recordings != "mri"
            else None,
        }
        for name, participant in ((participant.participant_id, participant) for participant in wrong[:SHOWN_MISTAKES])
    ]
