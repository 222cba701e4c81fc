"""Calibration intercept and slope of two classes, with intervals: do the probabilities mean what they say?

Slope: the factor of the log-odds in a logistic regression of the true class on them; 1 is right, below 1 the
probabilities are too extreme. Intercept: what must be added to all log-odds so that the mean probability is the share
of the second class ("calibration in the large"); 0 is right, above 0 the second class is more frequent than predicted
(Van Calster et al., BMC Medicine 17:230, 2019). Intervals are those of the profile likelihood, which hold better than
Wald's in small groups.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, log_expit, logit
from scipy.stats import chi2

from monai_fusion.metrics.intervals import LEVEL, Interval
from monai_fusion.metrics.scores import Floats, Labels

_SMALLEST = 1.0e-12  # of a probability, so that its log-odds are finite
_STEPS, _PRECISION = 100, 1.0e-10
_FARTHEST = 50.0  # a value beyond this is no finite one: the classes are separated
_DOUBLINGS = 40


def log_odds(positive: Floats) -> Floats:
    """Log-odds of probabilities; finite also for 0 and 1."""
    return np.asarray(logit(np.clip(positive, _SMALLEST, 1 - _SMALLEST)), dtype=np.float64)


def calibration_slope(odds: Floats, labels: Labels) -> tuple[float, Interval] | None:
    """Return the slope, with the intercept free, and its interval.

    Args:
        odds: [participant] log-odds of the second class.
        labels: [participant] 0 or 1.

    Returns:
        None if there is no finite one: a class is missing, all odds are equal, or they separate the classes.
    """
    if len(np.unique(labels)) < 2 or np.ptp(odds) < 1e-9:
        return None
    found = _newton(np.stack([np.ones_like(odds), odds], axis=1), np.zeros_like(odds), labels)
    if found is None:
        return None

    def profile(slope: float) -> float:
        free = _newton(np.ones((len(odds), 1)), slope * odds, labels)
        return -np.inf if free is None else _likelihood(free[0] + slope * odds, labels)

    spread = float(np.std(odds))
    return float(found[1]), _profile_interval(profile, float(found[1]), 1 / spread)


def calibration_intercept(odds: Floats, labels: Labels) -> tuple[float, Interval] | None:
    """Return the intercept with the slope fixed at 1, and its interval; None if a class is missing."""
    found = _newton(np.ones((len(odds), 1)), odds, labels) if len(np.unique(labels)) == 2 else None
    if found is None:
        return None
    return float(found[0]), _profile_interval(lambda value: _likelihood(value + odds, labels), float(found[0]), 1.0)


def _likelihood(odds: Floats, labels: Labels) -> float:
    return float(log_expit(np.where(labels == 1, odds, -odds)).sum())


def _newton(design: Floats, offset: Floats, labels: Labels) -> Floats | None:
    """The maximum of the likelihood by Newton's method with halved steps; None if it lies at infinity."""
    values = np.zeros(design.shape[1])
    best = _likelihood(offset, labels)
    for _ in range(_STEPS):
        odds = design @ values + offset
        chance = expit(odds)
        gradient = design.T @ (labels - chance)
        curvature = (design * (chance * (1 - chance))[:, None]).T @ design
        try:
            step = np.linalg.solve(curvature, gradient)
        except np.linalg.LinAlgError:
            return None
        share = 1.0
        while (now := _likelihood(design @ (values + share * step) + offset, labels)) < best - 1e-12:
            share /= 2
            if share < _PRECISION:
                return values
        values, best = values + share * step, now
        if np.abs(values).max() > _FARTHEST or not np.isfinite(values).all():
            return None
        if np.abs(share * step).max() < _PRECISION:
            # Separated classes: the likelihood has reached 1 and the steps have become small, far out.
            return None if best > -1e-6 else values
    return None


def _profile_interval(profile: Callable[[float], float], value: float, width: float) -> Interval:
    """Where twice the log-likelihood has fallen by the quantile of chi-squared with one degree of freedom."""
    lowest = profile(value) - float(chi2.ppf(LEVEL, 1)) / 2

    def end(way: int) -> float:
        far = width
        for _ in range(_DOUBLINGS):
            if profile(value + way * far) < lowest:
                break
            far *= 2
        return float(brentq(lambda away: profile(value + way * away) - lowest, 0.0, far, xtol=1e-8)) * way + value

    return Interval(end(-1), end(1), "profile likelihood")
