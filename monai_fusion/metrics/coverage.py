"""The knobs `coverage` and `coverage_by_class`: which prediction sets a run is to give, if any."""

from __future__ import annotations

import os
from collections.abc import Sequence

from monai_fusion.errors import InputError, Problem
from monai_fusion.metrics.calibration_file import read_calibration
from monai_fusion.metrics.operating_points import as_number
from monai_fusion.metrics.prediction_sets import PredictionSets, fit_prediction_sets

_LOWEST, _HIGHEST = 0.5, 1.0


def read_coverage(value: object) -> float | None:
    """Read the share of sets that are to hold the true class.

    Args:
        value: As given on the command line; None for no sets.

    Raises:
        InputError: It is not a number above 0.5 and below 1.
    """
    if value is None:
        return None
    text = str(value).strip()
    number = as_number(text.removesuffix("%").strip())
    if number is not None and "%" not in text and _LOWEST < number < _HIGHEST:
        return number
    advice = ""
    if number is not None and 100 * _LOWEST < number < 100 * _HIGHEST:
        advice = f"did you mean {number / 100:g}?"
    wanted = "a number above 0.5 and below 1, such as 0.9"
    raise InputError(Problem("--coverage", seen=repr(value), wanted=wanted, advice=advice))


def load_prediction_sets(
    folder: str | os.PathLike[str],
    classes: Sequence[str],
    coverage: object = None,
    by_class: bool = False,
    calibrate: bool = True,
) -> PredictionSets | None:
    """Fit prediction sets to the participants in a model's ``calibration.json``.

    Args:
        folder: The run folder.
        classes: The expected class names, in the order of their indices.
        coverage: The share of participants whose set is to hold the true class, e.g. 0.9; None for no sets.
        by_class: Whether the coverage is to hold within each class.
        calibrate: Whether slope and intercepts correct the network's evidence.

    Returns:
        None without a coverage.

    Raises:
        InputError: An option is wrong, or ``calibration.json`` is missing, damaged or of other classes.
    """
    wanted = read_coverage(coverage)
    if wanted is None:
        if by_class:
            advice = "add --coverage 0.9, for example"
            raise InputError(Problem("--coverage_by_class", seen="given without --coverage", advice=advice))
        return None
    content = read_calibration(folder, classes, advice="leave out --coverage, or train again")
    return fit_prediction_sets(content.people(), content.network_prior, wanted, by_class, calibrate)
