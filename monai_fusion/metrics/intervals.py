"""Confidence intervals: Wilson's for proportions, the BCa bootstrap over participants for all other scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtr, ndtri
from scipy.stats import t as student_t

from monai_fusion.metrics.fields_of_scores import Method
from monai_fusion.metrics.scores import Floats, Labels

LEVEL = 0.95
DRAWS = 2000
SEED = 1337
# Resamples are scored in blocks of at most this many weights, so that a cohort of thousands fits into memory.
_BLOCK = 4_000_000
_EDGE = 1.0e-9

Key = str | tuple[str, int]
Statistics = Callable[[Floats], Mapping[Key, Floats]]
"""Weights [draw, participant] -> each score, [draw]."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval and its method.

    Attributes:
        low: Its lower end.
        high: Its upper end.
        method: See `Score` in the schema.
    """

    low: float
    high: float
    method: Method


def wilson(successes: float, trials: float, level: float = LEVEL) -> Interval:
    """Return the score interval of a proportion (Wilson, JASA 22, 1927), without continuity correction.

    Raises:
        ValueError: There are no trials.
    """
    if trials <= 0:
        raise ValueError("a proportion of no participants has no interval")
    z, share = _z(level), successes / trials
    middle = share + z**2 / (2 * trials)
    half = z * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    low, high = ((middle + sign * half) / (1 + z**2 / trials) for sign in (-1, 1))
    # Exactly 0 and 1 at the ends, where rounding would leave 1e-17.
    return Interval(0.0 if successes == 0 else low, 1.0 if successes == trials else high, "wilson")


def mean_of_proportions(successes: Sequence[float], trials: Sequence[float], level: float = LEVEL) -> Interval:
    """Return an interval of the mean of independent proportions, such as balanced accuracy.

    Square-and-add of their Wilson intervals (Zou & Donner, Statistics in Medicine 27, 2008): it has a width even if
    all proportions are 1, where a bootstrap has none.
    """
    shares = [hits / number for hits, number in zip(successes, trials, strict=True)]
    each = [wilson(hits, number, level) for hits, number in zip(successes, trials, strict=True)]
    mean = sum(shares) / len(shares)
    down = math.sqrt(sum((share - one.low) ** 2 for share, one in zip(shares, each, strict=True))) / len(shares)
    up = math.sqrt(sum((one.high - share) ** 2 for share, one in zip(shares, each, strict=True))) / len(shares)
    return Interval(mean - down, mean + up, "wilson, combined")


def containing(one: Interval | None, combined: Interval) -> Interval:
    """Return the smallest interval that contains two: the bootstrap's, if there is one, and `mean_of_proportions`."""
    if one is None:
        return combined
    return Interval(min(one.low, combined.low), max(one.high, combined.high), "bca or wilson, combined")


def logit_bootstrap(value: float, drawn: Floats, level: float = LEVEL) -> Interval | None:
    """Return value +- z standard deviations of the draws, on the scale of log-odds.

    The average precision is biased in few draws, which BCa's correction makes worse (Boyd et al., ECML 2013).

    Args:
        value: A score between 0 and 1.
        drawn: [draw] the score of each draw.
        level: Of the interval.

    Returns:
        None if the value is 0 or 1, or the draws do not vary.
    """
    inside = drawn[(drawn > _EDGE) & (drawn < 1 - _EDGE)]
    if not _EDGE < value < 1 - _EDGE or inside.size < 2 or np.ptp(inside) < 1e-12:
        return None
    half = _z(level) * float(np.std(logit(inside)))
    low, high = expit(logit(value) + np.array([-half, half])).tolist()
    return Interval(low, high, "logit bootstrap")


def bootstrap_t(value: float, drawn: Floats, labels: Labels, level: float = LEVEL) -> Interval | None:
    """Return value +- t standard deviations of the draws, with the degrees of freedom of the smallest class.

    For differences of small groups: the draws within a class of m spread too little, by (m - 1) / m in variance, and
    their standard deviation is itself uncertain; BCa and percentiles ignore both.

    Args:
        value: The difference of all participants.
        drawn: [draw] the difference of each draw.
        labels: [participant] the class within which participants were resampled.
        level: Of the interval.

    Returns:
        None if the draws do not vary or are not defined, or a class has one participant.
    """
    counts = np.bincount(labels)
    smallest = int(counts[counts > 0].min())
    if smallest < 2 or not np.isfinite(drawn).all() or np.ptp(drawn) < 1e-12:
        return None
    spread = float(np.std(drawn)) * math.sqrt(smallest / (smallest - 1))
    half = float(student_t.ppf((1 + level) / 2, smallest - 1)) * spread
    return Interval(value - half, value + half, "bootstrap t")


def newcombe_auroc(auroc: float, positives: int, negatives: int, level: float = LEVEL) -> Interval:
    """Return a score-type interval of an AUROC (method 5 of Newcombe, Statistics in Medicine 25:559, 2006).

    It needs only the AUROC and the group sizes, and has a width even at 0 and 1, where a bootstrap has none.
    """
    z, extra = _z(level), (positives + negatives) / 2 - 1

    def distance(area: float) -> float:
        spread = 1 + extra * ((1 - area) / (2 - area) + area / (1 + area))
        return float((auroc - area) ** 2 - z**2 * area * (1 - area) * spread / (positives * negatives))

    # At 0 and 1 the AUROC itself solves the equation as well, but is not the end of the interval.
    low = 0.0 if auroc <= 0 else brentq(distance, 0.0, min(auroc, 1 - _EDGE))
    high = 1.0 if auroc >= 1 else brentq(distance, max(auroc, _EDGE), 1.0)
    return Interval(low, high, "newcombe")


def drawn_within_class(labels: Labels, draws: int, seed: int) -> Floats:
    """Resample participants with replacement, as many of each class as there are.

    Returns:
        How often each participant was drawn, [draw, participant].
    """
    generator = np.random.default_rng(seed)
    weights = np.zeros((draws, len(labels)))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        weights[:, members] = generator.multinomial(len(members), np.full(len(members), 1 / len(members)), size=draws)
    return weights


def bootstrap(
    statistics: Statistics,
    labels: Labels,
    draws: int = DRAWS,
    seed: int = SEED,
    level: float = LEVEL,
    on_log_odds: Collection[str] = (),
) -> dict[Key, Interval | None]:
    """Return the BCa interval of each score, with participants resampled within their class.

    Args:
        statistics: The scores as functions of weights.
        labels: [participant] classes.
        draws: The number of resamples.
        seed: Same seed, same resamples.
        level: Of the interval.
        on_log_odds: The names of scores whose interval is `logit_bootstrap` instead of BCa.

    Returns:
        An interval for each score; None if there is none: a class has a single participant, the score is not defined in
        a resample, or it is the same in all of them (this is no certainty: the score is at the edge of its range).
    """
    value = statistics(np.ones((1, len(labels))))
    if np.bincount(labels)[np.unique(labels)].min() < 2:
        return dict.fromkeys(value)
    drawn = _in_blocks(statistics, drawn_within_class(labels, draws, seed))
    left_out = _in_blocks(statistics, 1 - np.eye(len(labels)))
    return {
        key: logit_bootstrap(float(value[key][0]), drawn[key], level)
        if (key if isinstance(key, str) else key[0]) in on_log_odds
        else bca(float(value[key][0]), drawn[key], left_out[key], labels, level)
        for key in value
    }


def bca(value: float, drawn: Floats, left_out: Floats, labels: Labels, level: float = LEVEL) -> Interval | None:
    """Return the bias-corrected and accelerated interval (Efron & Tibshirani 1993, 14.3) of a stratified bootstrap.

    Args:
        value: The score of all participants.
        drawn: [draw] the score of each draw.
        left_out: [participant] the score without this participant.
        labels: [participant] the class within which participants were resampled.
        level: Of the interval.

    Returns:
        The interval; the percentile interval if all resamples are on one side of the value; None if a score is not
        defined or does not vary.
    """
    if not np.isfinite(drawn).all() or not np.isfinite(left_out).all() or np.ptp(drawn) < 1e-12:
        return None
    # Half of the resamples equal to the value count as below: with few participants there are many.
    near = np.isclose(drawn, value, rtol=0, atol=1e-12)
    below = float((((drawn < value) & ~near).sum() + near.sum() / 2) / len(drawn))
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    acceleration = _acceleration(left_out, labels)
    if not 0 < below < 1 or not math.isfinite(acceleration):
        low, high = np.quantile(drawn, tails)
        return Interval(float(low), float(high), "percentile")
    bias = ndtri(below)
    shifted = bias + ndtri(tails)
    low, high = np.quantile(drawn, ndtr(bias + shifted / (1 - acceleration * shifted)))
    return Interval(float(low), float(high), "bca")


def _acceleration(left_out: Floats, labels: Labels) -> float:
    """The acceleration of several independent samples, one for each class, from the jackknife within each."""
    cubes = squares = 0.0
    for label in np.unique(labels):
        values = left_out[labels == label]
        influence = (len(values) - 1) * (values.mean() - values) / len(values)
        cubes += float((influence**3).sum())
        squares += float((influence**2).sum())
    return cubes / (6 * squares**1.5) if squares > 0 else math.nan


def _in_blocks(statistics: Statistics, weights: Floats) -> dict[Key, Floats]:
    blocks = max(1, math.ceil(weights.size / _BLOCK))
    parts = [statistics(block) for block in np.array_split(weights, blocks)]
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _z(level: float) -> float:
    return float(ndtri((1 + level) / 2))
