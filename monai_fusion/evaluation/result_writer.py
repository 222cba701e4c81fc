"""`ResultWriter`: the files of an evaluation, predictions.csv and metrics.json."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from monai_fusion import stopping
from monai_fusion.cohort_profile.words import warning_of
from monai_fusion.datalist import ParticipantRecord
from monai_fusion.datalist.groups import participant_groups
from monai_fusion.files import write_for_readers
from monai_fusion.metrics.calibration import Calibration
from monai_fusion.metrics.gate import gate_section
from monai_fusion.metrics.grouping import participant_strata
from monai_fusion.metrics.prediction_sets import PredictionSets, warnings_of_sets
from monai_fusion.metrics.predictions import Prediction, refuse_nan, write_predictions
from monai_fusion.metrics.result_warnings import warnings_of_gate
from monai_fusion.metrics.summary import ScoringSettings, summarize
from monai_fusion.metrics.terminal_text import groups_lines, report_text, sets_lines
from monai_fusion.output_folder import remove_all
from monai_fusion.run_folder import BASELINE_FILE, METRICS_FILE, PREDICTIONS_FILE

logger = logging.getLogger(__name__)


class ResultWriter:
    """Write ``predictions.csv`` and, where labels are known, ``metrics.json``; log the result.

    Args:
        folder: The folder to write to; made if it does not exist.
        classes: The class names, in the order of their indices.
        calibration: Corrects the probabilities and sets the threshold; None keeps the network's own probabilities.
        datalist: The name of the cohort.
        section: The part of the datalist that was evaluated.
        warnings: Warnings in addition to those that the scores give.
        everyone: All participants of the datalist: they tell how a number such as age goes with the class.
        group_by: Fields of the datalist, such as family, whose groups are resampled whole.
        sets: Gives each prediction its set of classes; None for no sets.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        classes: Sequence[str],
        calibration: Calibration | None = None,
        datalist: str = "",
        section: str = "",
        warnings: Sequence[str] = (),
        everyone: Sequence[ParticipantRecord] = (),
        group_by: Sequence[str] = (),
        sets: PredictionSets | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.classes = list(classes)
        self.calibration = calibration
        self.sets = sets
        known = tuple((record.label, record.extra) for record in everyone if record.label is not None)
        self.settings = ScoringSettings(
            datalist=datalist,
            section=section,
            warnings=tuple(warnings),
            group_by=tuple(group_by),
            everyone=known,
        )

    def __call__(self, predictions: Sequence[Prediction]) -> None:
        """Write the files of one evaluation.

        Raises:
            InputError: A probability is not a number; then no file is written.
        """
        refuse_nan(predictions)
        if self.calibration is not None:
            predictions = self.calibration.apply(predictions)
        if self.sets is not None:
            predictions = [self.sets.apply(row) for row in predictions]
        groups = participant_groups({row.participant_id: row.fields for row in predictions}, self.settings.group_by)
        predictions = [replace(row, group=groups[row.participant_id]) for row in predictions]
        self.folder.mkdir(parents=True, exist_ok=True)
        strata = participant_strata(predictions, self.settings.group_by)[0]
        is_labelled = any(row.label is not None for row in predictions)
        remove_all([self.folder / BASELINE_FILE])  # of an earlier evaluation
        with stopping.held():  # scores never lie beside the predictions of another evaluation
            written = [write_predictions(predictions, self.classes, self.folder / PREDICTIONS_FILE, strata)]
            if is_labelled:
                written.append(self.score(predictions))
        if not is_labelled:
            self.warn_of_unlabelled(predictions)
        self.warn_of_unlike(predictions)
        logger.info("wrote %s", " and ".join(map(str, written)))

    def warn_of_unlabelled(self, predictions: Sequence[Prediction]) -> None:
        """Log what limits predictions of participants without labels."""
        of_sets = warnings_of_sets(self.sets, self.classes) if self.sets is not None else []
        for warning in (*of_sets, *warnings_of_gate(gate_section(predictions, self.classes))):
            logger.warning(warning)

    def warn_of_unlike(self, predictions: Sequence[Prediction]) -> None:
        """Log how many participants' recordings are unlike the training's."""
        if unlike := warning_of(row.unlike_training for row in predictions):
            logger.warning("%s: see the column unlike_training of %s", unlike, PREDICTIONS_FILE)

    def score(self, predictions: Sequence[Prediction]) -> Path:
        """Write ``metrics.json`` alone; log the result.

        Args:
            predictions: Corrected by the calibration, with their groups; at least one has a label.
        """
        path = self.folder / METRICS_FILE
        metrics = summarize(predictions, self.classes, self.calibration, self.settings, self.sets)
        written = write_for_readers(path, metrics.model_dump_json(indent=2).encode("utf-8"))
        lines = [*metrics.headline, *groups_lines(metrics.groups), *sets_lines(metrics.prediction_sets)]
        lines.append(report_text(predictions, self.classes))
        logger.info("%s: %s", self.settings.section, "\n".join(lines))
        for warning in metrics.warnings:
            logger.warning(warning)
        return written
