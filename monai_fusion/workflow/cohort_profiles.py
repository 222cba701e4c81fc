"""The profile of a training's recordings: a training writes it, a prediction compares participants with it."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from monai_fusion import ranks
from monai_fusion.cohort_profile.predicting import UnlikeTraining
from monai_fusion.cohort_profile.profile_file import write_profile
from monai_fusion.cohort_profile.summarising import profile_of
from monai_fusion.data import Preprocessing
from monai_fusion.datalist import Datalist, ParticipantRecord
from monai_fusion.datalist.availability import BOTH_REQUIRED, ModalityPolicy
from monai_fusion.errors import InputError
from monai_fusion.messages import hide_bars
from monai_fusion.workflow.baselines import number_settings

logger = logging.getLogger(__name__)


def write_cohort_profile(
    folder: str | os.PathLike[str], cohort: Datalist, preprocessing: Preprocessing, use: ModalityPolicy = BOTH_REQUIRED
) -> Path | None:
    """Measure the recordings of the training part, and write ``cohort_profile.json``.

    Args:
        folder: The run folder; it must exist.
        cohort: The datalist.
        preprocessing: How the network reads recordings, and the store, which keeps the numbers.
        use: Who takes part, with which recordings.

    Returns:
        The file; None on other ranks than the first, and if these numbers cannot be read from a file that a chain of
        one's own can read, which is a warning.
    """
    if not ranks.is_main():
        return None
    records, _ = use.select(cohort.records("training"))
    try:
        with _bar(records, "Profile of the training part") as bar:
            profile = profile_of(records, number_settings(preprocessing, use), bar.update)
    except InputError as error:
        logger.warning("predictions of this model will say nothing of how unlike the training others are: %s", error)
        return None
    return write_profile(profile, folder)


def unlike_training(
    model: str | os.PathLike[str], preprocessing: Preprocessing, use: ModalityPolicy = BOTH_REQUIRED
) -> UnlikeTraining:
    """Return what tells how unlike the training participants others are.

    Args:
        model: The run folder of the model.
        preprocessing: How the network reads recordings, and the store.
        use: Which recordings the model uses.

    Raises:
        InputError: The model's profile is not one that a training writes.
    """
    return UnlikeTraining(model, number_settings(preprocessing, use))


def compare_with_training(
    unlike: UnlikeTraining, records: Sequence[ParticipantRecord], use: ModalityPolicy = BOTH_REQUIRED
) -> None:
    """Compare the participants of a run who take part with the training's, their files on all cores."""
    used, _ = use.select(records)
    with _bar(used, "Comparing with the training") as bar:
        unlike.prepare(used, bar.update)


def _bar(records: Sequence[ParticipantRecord], title: str) -> tqdm[None]:
    files = sum(len(record.files) for record in records)
    return tqdm(total=files, desc=title, unit="file", leave=False, disable=hide_bars())
