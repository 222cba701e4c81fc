"""One penalised fit that corrects a network's evidence: a slope for all classes, and an intercept for each.

log p_k = s * evidence_k + c_k + log(prior_k) + constant, with s = exp(a). A slope below 1 takes back overconfidence; an
intercept takes back a bias to a class, which no slope can. Both are shrunk towards "leave it" (a = 0, c = 0), so that
few participants change little, and there is no number below which nothing is fitted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import log_softmax

from monai_fusion.metrics.scores import Floats, Labels

SLOPE_VARIANCE = 0.5
"""Variance of the logarithm a of the slope, before any participant was seen: the penalty is a^2 / (2 * 0.5)."""
INTERCEPT_VARIANCE = 1.0
"""... of the difference c of two classes' intercepts: the penalty is c^2 / 2."""


def fit_slope_and_intercepts(evidence: Floats, labels: Labels) -> tuple[float, Floats]:
    """Fit slope and intercepts, every class with the same total weight.

    The loss is the cross-entropy of the participants at equal class shares, times their effective number
    K^2 / sum(1 / n_k) (K classes with n_k participants each: their number if all n_k are equal, less if one class has
    few), plus a^2 / (2 * 0.5) + sum(c_k^2). Of two classes, with c = c_1 - c_0, the last term is c^2 / 2.

    Args:
        evidence: [participant, class], log p - log(learned class shares).
        labels: [participant]; every class occurs.

    Returns:
        The slope exp(a), and the intercepts [class], which add up to 0.
    """
    counts = np.bincount(labels, minlength=evidence.shape[1])
    # Each class weighs the same; together they weigh the effective number of participants.
    weights = (counts.size / (1 / counts).sum()) / counts[labels]
    true = np.eye(counts.size)[labels]

    def loss(values: npt.NDArray[Any]) -> tuple[float, Floats]:
        slope, intercepts = np.exp(values[0]), values[1:]
        logs = log_softmax(slope * evidence + intercepts, axis=1)
        penalty = values[0] ** 2 / (2 * SLOPE_VARIANCE) + (intercepts**2).sum() / INTERCEPT_VARIANCE
        excess = weights[:, None] * (np.exp(logs) - true)
        gradient = np.empty_like(values)
        gradient[0] = slope * (excess * evidence).sum() + values[0] / SLOPE_VARIANCE
        gradient[1:] = excess.sum(axis=0) + 2 * intercepts / INTERCEPT_VARIANCE
        return float(-(weights * (logs * true).sum(axis=1)).sum() + penalty), gradient

    # The gradient's intercepts add up to 0 wherever the intercepts do, so they stay centred from the start.
    found = minimize(loss, np.zeros(1 + counts.size), jac=True, method="BFGS", options={"gtol": 1e-8}).x
    return float(np.exp(found[0])), found[1:] - found[1:].mean()
