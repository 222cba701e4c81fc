"""The baselines of an evaluation: ``baseline.json`` beside its results."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai_fusion import ranks
from monai_fusion.baseline.baseline_file import save_baseline
from monai_fusion.baseline.evaluating import BaselineSettings, check_fields, evaluate_baselines
from monai_fusion.baseline.participant_numbers import NumberSettings
from monai_fusion.baseline.words import terminal_lines
from monai_fusion.data import Preprocessing
from monai_fusion.datalist import Datalist
from monai_fusion.datalist.availability import BOTH_REQUIRED, ModalityPolicy
from monai_fusion.keys import EEG, MRI
from monai_fusion.output_folder import remove_all
from monai_fusion.report.predictions_reader import network_predictions
from monai_fusion.run_folder import BASELINE_FILE

logger = logging.getLogger(__name__)


def check_covariates(cohort: Datalist, covariates: str | Sequence[str] | None, enabled: bool = True) -> None:
    """Check the covariates that an evaluation is to use, before it scores anybody.

    Args:
        cohort: The evaluated datalist.
        covariates: Fields of the datalist, as a list or a text ``age, tiv``; None for all that are numbers.
        enabled: If False, the baselines are not computed, and nothing is checked.

    Raises:
        InputError: The datalist has no such field.
    """
    names = _names(covariates)
    if enabled and names is not None:
        check_fields(cohort, names, "--covariates")


def write_baseline(
    folder: str | os.PathLike[str],
    cohort: Datalist,
    section: str,
    preprocessing: Preprocessing,
    use: ModalityPolicy = BOTH_REQUIRED,
    covariates: str | Sequence[str] | None = None,
    enabled: bool = True,
) -> Path | None:
    """Compare an evaluation's predictions with plain numbers of the same participants, and write ``baseline.json``.

    Args:
        folder: The folder with ``predictions.csv``.
        cohort: The evaluated datalist; its training part is read again from the same bytes.
        section: The evaluated part.
        preprocessing: How the network reads recordings, and the store.
        use: Who takes part, with which recordings.
        covariates: Fields of the datalist, as a list or a text ``age, tiv``; None for all that are numbers.
        enabled: If False, nothing is written, and the file of an earlier evaluation is removed.

    Returns:
        The file; None if there is none.
    """
    if not ranks.is_main():
        return None
    if not enabled:
        remove_all([Path(folder) / BASELINE_FILE])
        return None
    settings = BaselineSettings(
        section=section,
        numbers=number_settings(preprocessing, use),
        covariates=_names(covariates),
        use=use,
    )
    found = evaluate_baselines(cohort, settings, network_predictions(Path(folder)))
    for line in terminal_lines(found):
        logger.info(line)
    for warning in found.warnings:
        logger.warning(warning)
    return save_baseline(found, Path(folder) / BASELINE_FILE)


def number_settings(preprocessing: Preprocessing, use: ModalityPolicy) -> NumberSettings:
    """Return how a run reads recordings, for the numbers: the same shapes and orientation, the same store."""
    eeg, mri = preprocessing.transforms[EEG], preprocessing.transforms[MRI]
    return NumberSettings(
        store=preprocessing.cache_dir,
        eeg_shape=_first(eeg, "shape", NumberSettings.eeg_shape),
        assume_orientation=_first(mri, "assume_orientation", None),
        modalities=use.modalities,
    )


def _names(covariates: str | Sequence[str] | None) -> tuple[str, ...] | None:
    if isinstance(covariates, str):  # --covariates age, without the brackets of a list
        covariates = [name.strip() for name in covariates.split(",")]
    return None if covariates is None else tuple(covariates)


def _first(transforms: Sequence[object], name: str, otherwise: Any) -> Any:
    return next((getattr(each, name) for each in transforms if hasattr(each, name)), otherwise)
