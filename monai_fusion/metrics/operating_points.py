"""From probabilities to a predicted class: where the decision lies, and how it was chosen."""

from __future__ import annotations

import numpy as np

from monai_fusion.errors import InputError, Problem
from monai_fusion.metrics.scores import Floats, Labels

BALANCED = "balanced"
PRIOR = "prior"
YOUDEN = "youden"
SENSITIVITY = "sensitivity"
FIXED = "fixed"

_FEW_PER_CLASS = 10


def read_operating_point(value: object, classes: int = 2) -> tuple[str, float]:
    """Read ``balanced``, ``prior``, ``youden``, ``sensitivity 0.9`` or a threshold; return its kind and its number.

    Args:
        value: As given on the command line.
        classes: The number of classes: only two have a threshold that can be moved.

    Raises:
        InputError: It is none of these, or needs two classes.
    """
    words = str(value).strip().lower().replace("=", " ").split()
    number = as_number(words[-1]) if words else None
    found: tuple[str, float] | None = None
    if words in ([BALANCED], [PRIOR], [YOUDEN]):
        found = words[0], 0.5
    elif len(words) == 2 and words[0] == SENSITIVITY and number is not None and 0 < number <= 1:
        found = SENSITIVITY, number
    elif len(words) == 1 and number is not None and 0 < number < 1:
        found = FIXED, number
    if found is None:
        wanted = 'balanced, prior, youden, a sensitivity such as "sensitivity 0.9", or a threshold between 0 and 1'
        raise InputError(Problem("--operating_point", seen=repr(value), wanted=wanted))
    if classes > 2 and found[0] not in (BALANCED, PRIOR):
        advice = f"{classes} classes have no threshold"
        raise InputError(Problem("--operating_point", seen=repr(value), wanted="balanced or prior", advice=advice))
    return found


def fit_threshold(positive: Floats, labels: Labels, kind: str, wished: float) -> tuple[float, tuple[str, ...]]:
    """Return Youden's threshold (largest sensitivity + specificity), or the largest one with the given sensitivity.

    Args:
        positive: [participant] probability of the second class.
        labels: [participant] of two classes that both occur.
        kind: `YOUDEN` or `SENSITIVITY`.
        wished: The sensitivity.

    Returns:
        The threshold (of equally good ones the nearest to 0.5), and a note if few participants of a class chose it.
    """
    values = np.unique(positive)
    between = (values[1:] + values[:-1]) / 2
    candidates = np.concatenate([[values[0] / 2], between, [(1 + values[-1]) / 2]])
    sensitivity = (positive[labels == 1][None] > candidates[:, None]).mean(axis=1)
    specificity = (positive[labels == 0][None] <= candidates[:, None]).mean(axis=1)
    if kind == SENSITIVITY:
        threshold = float(candidates[sensitivity >= wished - 1e-12].max(initial=0.0))
    else:
        index = sensitivity + specificity
        best = candidates[index >= index.max() - 1e-12]
        threshold = float(best[np.abs(best - 0.5).argmin()])
    fewest = np.bincount(labels, minlength=2).min()
    note = f"the threshold is imprecise: one class has only {fewest} participants to fit it on"
    return threshold, (note,) if fewest < _FEW_PER_CLASS else ()


def as_number(text: object) -> float | None:
    """The number that a text is; None if it is none."""
    if isinstance(text, bool):
        return None
    try:
        return float(str(text))
    except ValueError:
        return None
