"""What a run predicted for the participants of a datalist."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from monai_fusion.datalist_page.page import PageFacts, Predicted
from monai_fusion.datalist_page.rows import Place, numbers_of_rows
from monai_fusion.report.cohort_link import digest_of_predictions
from monai_fusion.report.predictions_reader import read_predictions
from monai_fusion.spelling import nfc


def with_predictions(facts: PageFacts, run: Path) -> tuple[PageFacts, int]:
    """Add the predictions of a run.

    Args:
        facts: Of the page.
        run: The folder of an evaluation.

    Returns:
        The facts with them, and how many predicted participants the datalist lacks.

    Raises:
        InputError: The folder has no ``predictions.csv``, or a wrong one.
    """
    classes, rows = read_predictions(run)
    numbers = _numbers_by_id(facts, numbers_of_rows(facts.text))
    found = {
        numbers[nfc(row.participant_id)]: Predicted(classes[row.predicted], row.confidence, row.wrong)
        for row in rows
        if nfc(row.participant_id) in numbers
    }
    return replace(facts, predictions=found, predictions_digest=digest_of_predictions(run)), len(rows) - len(found)


def _numbers_by_id(facts: PageFacts, numbers: Mapping[Place, int]) -> dict[str, int]:
    """The number of each participant's row; of one who is left out here and used there, the row in use."""
    rows = [*facts.examination.left_out, *(each.row for each in facts.examination.participants)]
    return {nfc(row.participant_id): numbers[row.section, row.number - 1] for row in rows}
