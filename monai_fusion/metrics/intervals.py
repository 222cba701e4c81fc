"""Confidence intervals: Wilson's for proportions, the BCa bootstrap over participants for all other scores.

Where participants are in groups (families, pairs, sites), whole groups are resampled, and a proportion counts as many
independent participants as its design effect leaves (`wilson_of_groups`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtr, ndtri
from scipy.stats import t as student_t

from monai_fusion.metrics.clusters import design_effect, drawn_together, group_strata, independent_number
from monai_fusion.metrics.fields_of_scores import Method
from monai_fusion.metrics.scores import Floats, Labels

LEVEL = 0.95
DRAWS = 2000
SEED = 1337
FEWEST_GROUPS = 6
"""Of fewer groups, a bootstrap that draws them whole tells nothing."""
# Resamples are scored in blocks of at most this many weights, so that a cohort of thousands fits into memory.
_BLOCK = 4_000_000
_EDGE = 1.0e-9

Key = str | tuple[str, int]
Statistics = Callable[[Floats], Mapping[Key, Floats]]
"""Weights [draw, participant] -> each score, [draw]."""
OfGroups = Callable[[Key, float, Floats, Labels], "Interval | None"]
"""A score, its value, its draws, and the stratum of each group that was drawn -> its interval."""


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


def too_few_groups(groups: Labels | None) -> bool:
    """Whether whole groups are drawn, but there are too few of them for any interval."""
    together = drawn_together(groups)
    return together is not None and len(np.unique(together)) < FEWEST_GROUPS


def wilson_of_groups(values: Floats, groups: Labels | None, level: float = LEVEL) -> Interval:
    """Return Wilson's interval of a proportion of participants in groups.

    The participants count as n / design effect, times (z / t)^2 with t of one degree of freedom less than there are
    groups, because the design effect is itself uncertain (Korn & Graubard, Survey Methodology 24:193, 1998, with
    Wilson's interval for theirs).

    Args:
        values: [participant] 0 or 1; at least one.
        groups: [participant]; None if each is alone: then it is `wilson`.
        level: Of the interval.
    """
    hits, number = float(values.sum()), independent_trials(values, groups, level)
    if groups is None or len(np.unique(groups)) == len(values):
        return wilson(hits, len(values), level)
    share = hits / len(values)
    found = wilson(number if share == 1 else share * number, number, level)
    return Interval(found.low, found.high, "wilson, design effect")


def independent_trials(values: Floats, groups: Labels | None, level: float = LEVEL) -> float:
    """Return as how many independent participants those in groups count in `wilson_of_groups`."""
    if groups is None:
        return float(len(values))
    numbers = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    count = int(numbers.max()) + 1
    if count == len(values):
        return float(len(values))
    uncertain = (_z(level) / float(student_t.ppf((1 + level) / 2, max(1, count - 1)))) ** 2
    return uncertain * len(values) / design_effect(values, numbers)


def mean_of_proportions(successes: Sequence[float], trials: Sequence[float], level: float = LEVEL) -> Interval:
    """Return an interval of the mean of independent proportions, such as balanced accuracy.

    Square-and-add of their Wilson intervals (Zou & Donner, Statistics in Medicine 27, 2008): it has a width even if
    all proportions are 1, where a bootstrap has none.
    """
    shares = [hits / number for hits, number in zip(successes, trials, strict=True)]
    each = [wilson(hits, number, level) for hits, number in zip(successes, trials, strict=True)]
    return _combined(shares, each)


def mean_of_recalls(right: Floats, labels: Labels, groups: Labels | None, level: float = LEVEL) -> Interval:
    """Return `mean_of_proportions` of the classes' recalls, each with `wilson_of_groups`.

    Args:
        right: [participant] 1 if classified correctly.
        labels: [participant].
        groups: [participant]; None if each is alone.
        level: Of the interval.
    """
    members = [labels == label for label in np.unique(labels)]
    if groups is None:
        hits = [float(right[rows].sum()) for rows in members]
        return mean_of_proportions(hits, [int(rows.sum()) for rows in members], level)
    found = _combined(
        [float(right[rows].mean()) for rows in members],
        [wilson_of_groups(right[rows], groups[rows], level) for rows in members],
    )
    return Interval(found.low, found.high, "wilson, combined, design effect")


def _combined(shares: Sequence[float], each: Sequence[Interval]) -> Interval:
    mean = sum(shares) / len(shares)
    down = math.sqrt(sum((share - one.low) ** 2 for share, one in zip(shares, each, strict=True))) / len(shares)
    up = math.sqrt(sum((one.high - share) ** 2 for share, one in zip(shares, each, strict=True))) / len(shares)
    return Interval(mean - down, mean + up, "wilson, combined")


def containing(one: Interval | None, combined: Interval) -> Interval:
    """Return the smallest interval that contains two: the bootstrap's, if there is one, and `mean_of_proportions`."""
    if one is None:
        return combined
    method: Method = "bca or wilson, combined"
    if combined.method.endswith("design effect"):
        method = "bca or wilson, combined, design effect"
    return Interval(min(one.low, combined.low), max(one.high, combined.high), method)


def _logit_bootstrap(value: float, drawn: Floats, level: float = LEVEL) -> Interval | None:
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


def newcombe_auroc(auroc: float, positives: float, negatives: float, level: float = LEVEL) -> Interval:
    """Return a score-type interval of an AUROC (method 5 of Newcombe, Statistics in Medicine 25:559, 2006).

    It needs only the AUROC and the class sizes, and has a width even at 0 and 1, where a bootstrap has none.
    """
    z, extra = _z(level), (positives + negatives) / 2 - 1

    def distance(area: float) -> float:
        spread = 1 + extra * ((1 - area) / (2 - area) + area / (1 + area))
        return float((auroc - area) ** 2 - z**2 * area * (1 - area) * spread / (positives * negatives))

    # At 0 and 1 the AUROC itself solves the equation as well, but is not the end of the interval.
    low = 0.0 if auroc <= 0 else brentq(distance, 0.0, min(auroc, 1 - _EDGE))
    high = 1.0 if auroc >= 1 else brentq(distance, max(auroc, _EDGE), 1.0)
    return Interval(low, high, "newcombe")


def newcombe_of_groups(
    auroc: float, drawn: Floats, positive: npt.NDArray[np.bool_], groups: Labels, strata: Labels, level: float = LEVEL
) -> Interval:
    """Return Newcombe's interval of an AUROC among participants in groups.

    Each class counts as n / design effect, times (z / t)^2, as in `wilson_of_groups`. The design effect is the variance
    of the draws divided by Newcombe's; at an AUROC of 0 or 1, where draws tell nothing, that of groups of participants
    who are all alike.

    Args:
        auroc: The AUROC.
        drawn: [draw] that of resamples of whole groups.
        positive: [participant] whether it belongs to the class.
        groups: [participant].
        strata: [group] the stratum within which it was drawn.
        level: Of the interval.
    """
    sizes = int(positive.sum()), int((~positive).sum())
    freedom = max(1, len(strata) - len(np.unique(strata)))
    if _EDGE < auroc < 1 - _EDGE:
        spread = float(np.var(drawn)) * (freedom + 1) / freedom
        effect = max(1.0, spread / _newcombe_variance(auroc, *sizes))
    else:
        alike = [independent_number(np.unique(groups[rows], return_inverse=True)[1]) for rows in (positive, ~positive)]
        effect = sum(size**2 / number for size, number in zip(sizes, alike, strict=True)) / sum(sizes)
    worth = (_z(level) / float(student_t.ppf((1 + level) / 2, freedom))) ** 2 / effect
    found = newcombe_auroc(auroc, worth * sizes[0], worth * sizes[1], level)
    return Interval(found.low, found.high, "newcombe, design effect")


def _newcombe_variance(area: float, positives: float, negatives: float) -> float:
    """The variance of an AUROC that `newcombe_auroc` assumes."""
    spread = 1 + ((positives + negatives) / 2 - 1) * ((1 - area) / (2 - area) + area / (1 + area))
    return area * (1 - area) * spread / (positives * negatives)


def resample(labels: Labels, groups: Labels | None, draws: int, seed: int) -> tuple[Floats, Labels]:
    """Resample participants within their class, or whole groups within the strata of `group_strata`.

    Returns:
        How often each participant was drawn, [draw, participant]: of groups, only the draws that have every class, with
        all of which the scores are defined. And the stratum of each unit that was drawn, [participant or group].
    """
    together = drawn_together(groups)
    if together is None:
        return drawn_within_class(labels, draws, seed), labels
    strata = group_strata(labels, together)
    weights = drawn_within_class(strata, draws, seed)[:, together]
    members = labels == np.unique(labels)[:, np.newaxis]
    return weights[((weights @ members.T) > 0).all(axis=1)], strata


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
    groups: Labels | None = None,
    of_groups: OfGroups | None = None,
) -> dict[Key, Interval | None]:
    """Return the BCa interval of each score, with participants, or whole groups of them, resampled within their class.

    Args:
        statistics: The scores as functions of weights.
        labels: [participant] classes.
        draws: The number of resamples.
        seed: Same seed, same resamples.
        level: Of the interval.
        on_log_odds: The names of scores whose interval is `_logit_bootstrap` instead of BCa.
        groups: [participant] whole groups are resampled; None if each is alone.
        of_groups: If whole groups are resampled, the interval from these draws in place of BCa's, which is too narrow
            for few groups; where it returns None, BCa.

    Returns:
        An interval for each score; None if there is none: a class has a single participant, there are fewer than
        `FEWEST_GROUPS` groups, the score is not defined in a resample, or it is the same in all of them (this is no
        certainty: the score is at the edge of its range).
    """
    value = statistics(np.ones((1, len(labels))))
    together = drawn_together(groups)
    if np.bincount(labels)[np.unique(labels)].min() < 2 or too_few_groups(groups):
        return dict.fromkeys(value)
    weights, strata = resample(labels, groups, draws, seed)
    if len(weights) < draws / 2:
        return dict.fromkeys(value)
    drawn = _in_blocks(statistics, weights)
    without = 1 - np.eye(len(strata))
    left_out = _in_blocks(statistics, without if together is None else without[:, together])

    def interval(key: Key) -> Interval | None:
        own = float(value[key][0])
        if (key if isinstance(key, str) else key[0]) in on_log_odds:
            return _logit_bootstrap(own, drawn[key], level)
        found = None if together is None or of_groups is None else of_groups(key, own, drawn[key], strata)
        return found or bca(own, drawn[key], left_out[key], strata, level)

    return {key: interval(key) for key in value}


def difference_of_groups(key: Key, value: float, drawn: Floats, strata: Labels) -> Interval | None:
    """Return `bootstrap_t`, as `bootstrap` takes it for differences among groups: there, BCa's is too narrow."""
    return bootstrap_t(value, drawn, strata)


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
