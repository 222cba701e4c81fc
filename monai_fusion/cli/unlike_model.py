"""How unlike a model's training the recordings of a datalist are, for ``monai-fusion datalist check --model``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from monai_fusion.errors import InputError, Problem
from monai_fusion.run_folder import COHORT_PROFILE_FILE

if TYPE_CHECKING:
    from monai_fusion.datalist import Datalist
    from monai_fusion.datalist.reporting import Finding
    from monai_fusion.datalist.trained_model import FileReading


def require_deep(model: Path | None, deep: bool) -> None:
    """Refuse a model if no recording will be opened.

    Raises:
        InputError: There is one, but no ``--deep``; or it is no trained model.
    """
    from monai_fusion.datalist.trained_model import read_trained_model

    if model is not None and not deep:
        raise InputError(Problem("--model", seen="without --deep", advice="give --deep as well, which opens the files"))
    if model is not None:
        read_trained_model(model, "--model")


def unlike_the_training(datalist: Datalist, model: Path, files: FileReading, cache_dir: Path | None) -> list[Finding]:
    """Compare all participants of a datalist with the training part of a model.

    Args:
        datalist: The datalist.
        model: The run folder.
        files: How they are read.
        cache_dir: The preprocessed store, which keeps the numbers.

    Returns:
        A warning for each participant who differs; one in all if the model has no profile.

    Raises:
        InputError: A recording cannot be read, or the model's profile is not one that a training writes.
    """
    from monai_fusion.baseline.participant_numbers import NumberSettings
    from monai_fusion.cohort_profile.predicting import unlike_texts
    from monai_fusion.cohort_profile.profile_file import read_profile
    from monai_fusion.datalist.reporting import Finding
    from monai_fusion.datalist.trained_model import read_trained_model

    profile = read_profile(model)
    if profile is None:
        seen = f"no {COHORT_PROFILE_FILE}: trained by an earlier version, so its recordings cannot be compared"
        return [Finding(str(model), seen=seen, group="contents", warning=True)]
    modalities = read_trained_model(model, "--model").modalities
    settings = NumberSettings(cache_dir, files.eeg_shape, files.assume_orientation, modalities)
    return [
        Finding(
            record.participant_id,
            seen=f"unlike the training of {model.name}: {text}",
            group="contents",
            warning=True,
            participant_id=record.participant_id,
        )
        for record, text in zip(
            datalist.all_records, unlike_texts(profile, datalist.all_records, settings), strict=True
        )
        if text
    ]
