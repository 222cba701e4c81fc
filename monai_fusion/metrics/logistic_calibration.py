"""Calibration intercept and slope of two classes, with intervals: do the probabilities mean what they say?

Slope: the factor of the log-odds in a logistic regression of the true class on them; 1 is right, below 1 the
probabilities are too extreme. Intercept: what must be added to all log-odds so that the mean probability is the share
of the second class ("calibration in the large"); 0 is right, above 0 the second class is more frequent than predicted
(Van Calster et al., BMC Medicine 17:230, 2019). Intervals are those of the profile likelihood, which hold better than
Wald's in small groups. Where participants are in families or other groups, the likelihood may fall further, by the
design effect of the estimate (Rao & Scott, Annals of Statistics 12:46, 1984).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, log_expit, logit
from scipy.stats import chi2
from scipy.stats import f as fisher

from monai_fusion.metrics.clusters import drawn_together
from monai_fusion.metrics.intervals import LEVEL, Interval
from monai_fusion.metrics.scores import Floats, Labels

_SMALLEST = 1.0e-12  # of a probability, so that its log-odds are finite
_STEPS, _PRECISION = 100, 1.0e-10
_FARTHEST = 50.0  # a value beyond this is no finite one: the classes are separated
_DOUBLINGS = 40


def log_odds(positive: Floats) -> Floats:
    """Log-odds of probabilities; finite also for 0 and 1."""
    return np.asarray(logit(np.clip(positive, _SMALLEST, 1 - _SMALLEST)), dtype=np.float64)


def calibration_slope(odds: Floats, labels: Labels, groups: Labels | None = None) -> tuple[float, Interval] | None:
    """Return the slope, with the intercept free, and its interval.

    Args:
        odds: [participant] log-odds of the second class.
        labels: [participant] 0 or 1.
        groups: [participant] families or other groups; None if each is alone.

    Returns:
        None if there is no finite one: a class is missing, all odds are equal, or they separate the classes.
    """
    if len(np.unique(labels)) < 2 or np.ptp(odds) < 1e-9:
        return None
    design = np.stack([np.ones_like(odds), odds], axis=1)
    found = _newton(design, np.zeros_like(odds), labels)
    if found is None:
        return None
    fall = _fall(design, labels - expit(design @ found), groups)

    def profile(slope: float) -> float:
        free = _newton(np.ones((len(odds), 1)), slope * odds, labels)
        return -np.inf if free is None else _likelihood(free[0] + slope * odds, labels)

    spread = float(np.std(odds))
    return float(found[1]), _profile_interval(profile, float(found[1]), 1 / spread, fall)


def calibration_intercept(odds: Floats, labels: Labels, groups: Labels | None = None) -> tuple[float, Interval] | None:
    """Return the intercept with the slope fixed at 1, and its interval; None if a class is missing."""
    design = np.ones((len(odds), 1))
    found = _newton(design, odds, labels) if len(np.unique(labels)) == 2 else None
    if found is None:
        return None
    fall = _fall(design, labels - expit(odds + found[0]), groups)
    return float(found[0]), _profile_interval(
        lambda value: _likelihood(value + odds, labels), float(found[0]), 1.0, fall
    )


def _fall(design: Floats, residual: Floats, groups: Labels | None) -> float | None:
    """How far twice the log-likelihood may fall within the interval of the last coefficient; None without groups.

    The design effect is the variance from the sums of the groups (sandwich) divided by that of the likelihood.
    """
    together = drawn_together(groups)
    if together is None:
        return None
    count = int(together.max()) + 1
    sums = np.stack([np.bincount(together, weights=residual * column) for column in design.T], axis=1)
    chance = np.abs(residual) * (1 - np.abs(residual))  # p (1 - p), whatever the label
    inverse = np.linalg.inv((design * chance[:, None]).T @ design)
    robust = inverse @ (sums.T @ sums) @ inverse * count / (count - 1)
    effect = max(1.0, float(robust[-1, -1] / inverse[-1, -1]))
    return effect * float(fisher.ppf(LEVEL, 1, count - 1))


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


def _profile_interval(
    profile: Callable[[float], float], value: float, width: float, fall: float | None = None
) -> Interval:
    """Where twice the log-likelihood has fallen by ``fall``; without it, by the quantile of chi-squared (1 degree)."""
    lowest = profile(value) - (float(chi2.ppf(LEVEL, 1)) if fall is None else fall) / 2

    def end(way: int) -> float:
        far = width
        for _ in range(_DOUBLINGS):
            if profile(value + way * far) < lowest:
                break
            far *= 2
        return float(brentq(lambda away: profile(value + way * away) - lowest, 0.0, far, xtol=1e-8)) * way + value

    return Interval(end(-1), end(1), "profile likelihood" if fall is None else "profile likelihood, design effect")
