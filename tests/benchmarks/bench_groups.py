"""Intervals and tests where participants are in groups: drawn whole, and as if they were strangers; some minutes.

    python tests/benchmarks/bench_groups.py --cohorts 500

Groups of 2 to 4 participants are drawn whose scores correlate by 0.8 within a group. Their classes are the same in a
group (families, sites of one class), differ in it (pairs of a patient and a relative), or are drawn at random. The
first table has the share of 95 % intervals that contain the truth, of groups drawn whole and, behind the stroke, of
participants drawn one by one; the second more scores of many groups. The third has the share of p <= 0.05 where there
is nothing to find: of the permutation test, and of the test beyond a covariate (of a network that reads only it). They
stand in docs/method.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy.special import expit
from scipy.stats import norm

from monai_fusion.baseline.paired import paired_differences
from monai_fusion.metrics.confounds import class_probabilities, conditional_p_value
from monai_fusion.metrics.group_scores import GroupScorer
from monai_fusion.metrics.permutation import permutation_p_values
from monai_fusion.metrics.scores import ScoredCohort

WITHIN = 0.8
KINDS = {"same": "the same", "differ": "differ", "random": "at random"}
NUMBERS = (8, 12, 20, 40)
MANY = 90
"""Groups for scores that have no interval below 20 groups of a class."""
EFFECTS = (0.0, 1.5, 3.0)
BELIEVED = 1.5
"""The distance that the network believes in where there is none."""
INTERVALS = ("AUROC", "balanced accuracy", "accuracy", "specificity", "difference of AUROCs")
OF_MANY = (*INTERVALS, "Brier score", "cross-entropy", "calibration slope")


def groups_and_labels(number: int, kind: str, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """[participant] the group, and the class: a third are of class 1, or half where the classes differ."""
    while True:
        sizes = generator.integers(2, 5, size=number)
        groups = np.repeat(np.arange(number), sizes)
        if kind == "same":
            return groups, np.repeat((np.arange(number) % 3 == 0).astype(np.int64), sizes)
        if kind == "differ":
            return groups, np.concatenate([np.arange(size) % 2 for size in sizes])
        labels = (generator.random(len(groups)) < 1 / 3).astype(np.int64)
        if len(np.unique(labels)) == 2:
            return groups, labels


def noise(groups: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Standard normal, correlated within groups."""
    own = generator.normal(size=len(groups))
    return np.sqrt(WITHIN) * generator.normal(size=groups.max() + 1)[groups] + np.sqrt(1 - WITHIN) * own


def cohort_of(values: np.ndarray, labels: np.ndarray, groups: np.ndarray | None, believed: float) -> ScoredCohort:
    """The probabilities at equal shares, decided at 0.5."""
    second = expit(believed * values)
    return replace(ScoredCohort.of(np.stack([1 - second, second], axis=1), labels), groups=groups)


def intervals_of(
    values: np.ndarray,
    other: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray | None,
    believed: float,
    draws: int,
    many: bool,
) -> Iterator[tuple[str, tuple[float, float] | None]]:
    """Every interval by its name."""
    cohort, rival = (cohort_of(each, labels, groups, believed) for each in (values, other))
    group = GroupScorer(cohort, ["negative", "positive"], draws, headline_only=not many)
    specificity = GroupScorer(cohort.subset(labels == 0), ["negative", "positive"], draws).accuracy()
    named = (group.auroc(), group.balanced_accuracy(), group.accuracy(), specificity)
    yield from ((name, score.interval) for name, score in zip(INTERVALS, named, strict=False))
    yield INTERVALS[-1], paired_differences(cohort, {"mri": rival}, draws)["mri", "auroc"].interval
    if many:
        found = group.overall()
        named = (found.brier, found.cross_entropy, group.calibration_slope())
        yield from ((name, score.interval) for name, score in zip(OF_MANY[-3:], named, strict=True))


def truths(effect: float, share: float) -> dict[str, float]:
    """The scores of infinitely many participants, ``share`` of them of class 1; the rival has half the distance."""
    x, believed = np.linspace(-12, 12, 40_001), effect or BELIEVED
    second, step = expit(believed * x), x[1] - x[0]
    positive, negative = share * norm.pdf(x - effect / 2), (1 - share) * norm.pdf(x + effect / 2)
    found = dict.fromkeys(("balanced accuracy", "accuracy", "specificity"), float(norm.cdf(effect / 2)))
    found["AUROC"] = float(norm.cdf(effect / np.sqrt(2)))
    found["difference of AUROCs"] = found["AUROC"] - float(norm.cdf(effect / 2 / np.sqrt(2)))
    found["Brier score"] = float((positive * (1 - second) ** 2 + negative * second**2).sum() * step)
    logs = positive * np.logaddexp(0, -believed * x) + negative * np.logaddexp(0, believed * x)
    return {**found, "cross-entropy": float(logs.sum() * step), "calibration slope": effect / believed}


def coverage(number: int, kind: str, effect: float, cohorts: int, draws: int) -> Iterator[str]:
    """The cells of a row: ``95.2 / 76.1``, with the share that have an interval in brackets if not all do."""
    generator = np.random.default_rng((number, int(10 * effect), list(KINDS).index(kind)))
    truth = truths(effect, 0.5 if kind == "differ" else 1 / 3)
    held: dict[tuple[str, bool], list[bool | None]] = {}
    for _ in range(cohorts):
        groups, labels = groups_and_labels(number, kind, generator)
        common = noise(groups, generator)
        values, other = (
            np.sqrt(0.5) * common + np.sqrt(0.5) * noise(groups, generator) + apart * (labels - 0.5)
            for apart in (effect, effect / 2)
        )
        for whole in (True, False):
            used = groups if whole else None
            each = intervals_of(values, other, labels, used, effect or BELIEVED, draws, number == MANY)
            for name, interval in each:
                inside = None
                if interval is not None:
                    inside = interval[0] <= truth[name] + 1e-12 and truth[name] - 1e-12 <= interval[1]
                held.setdefault((name, whole), []).append(inside)
    for name in OF_MANY if number == MANY else INTERVALS:
        yield " / ".join(_cell(held[name, whole]) for whole in (True, False))


def _cell(held: list[bool | None]) -> str:
    given = [each for each in held if each is not None]
    share = len(given) / len(held)
    if share < 0.2:
        return "none"
    return f"{100 * np.mean(given):.0f}" + (f" ({100 * share:.0f})" if share < 0.995 else "")


def false_alarms(number: int, kind: str, cohorts: int, draws: int) -> Iterator[str]:
    """Significant tests of predictions that know nothing, and of those that know only a covariate."""
    generator = np.random.default_rng((number, list(KINDS).index(kind), 3))
    found: dict[tuple[str, bool], list[bool]] = {}
    for _ in range(cohorts):
        groups, labels = groups_and_labels(number, kind, generator)
        covariate = noise(groups, generator) + 1.0 * (labels - 0.5)
        for whole in (True, False):
            used = groups if whole else None
            blind = cohort_of(noise(groups, np.random.default_rng(generator.integers(2**31))), labels, used, BELIEVED)
            cells = np.zeros(len(labels), dtype=np.int64)
            p = permutation_p_values(blind, cells, draws)["auroc"]
            found.setdefault(("permutation", whole), []).append(p is not None and p <= 0.05)
            reader = cohort_of(covariate + 0.5 * noise(groups, generator), labels, used, 1.0)
            given = class_probabilities(covariate[:, None], labels, 2)
            p = conditional_p_value(reader.probabilities, labels, given, draws=draws, groups=used)
            found.setdefault(("beyond", whole), []).append(p is not None and p <= 0.05)
    for name in ("permutation", "beyond"):
        yield " / ".join(f"{100 * np.mean(found[name, whole]):.1f}" for whole in (True, False))


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohorts", type=int, default=500, help="simulated cohorts of each row")
    parser.add_argument("--draws", type=int, default=400, help="bootstrap draws and permutations of each")
    options = parser.parse_args()
    for numbers, names in ((NUMBERS, INTERVALS), ((MANY,), OF_MANY)):
        print("| classes in a group | groups | d | " + " | ".join(names) + " |")
        print("| --- |" + " --- |" * (2 + len(names)))
        for kind, title in KINDS.items():
            for number in numbers:
                for effect in EFFECTS if number != MANY else (1.5,):
                    cells = coverage(number, kind, effect, options.cohorts, options.draws)
                    print(f"| {title} | {number} | {effect:g} | " + " | ".join(cells) + " |", flush=True)
        print()
    print("| classes in a group | groups | permutation | beyond a covariate |")
    print("| --- | --- | --- | --- |")
    for kind, title in KINDS.items():
        for number in NUMBERS:
            cells = false_alarms(number, kind, 2 * options.cohorts, options.draws)
            print(f"| {title} | {number} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
