"""How often `compare` finds a difference between two variants that are equally good, with one and with more repeats.

    python tests/benchmarks/bench_repeats.py [--cohorts 1000]

Each variant is a linear discriminant (with a small ridge) on five numbers of its own; the classes (n / 2 each) differ
by the same distance in both sets of numbers, so that both are equally good after every training ("nothing"), or by
more in the second ("a difference"). The cohort is divided into five folds by class, once or several times. Shown is the
share of cohorts with p <= 0.05 in the corrected t-test over repeats x folds AUROCs, and the share of cohorts whose
bootstrap interval (participants resampled, the same models) excludes 0. The table is in docs/method.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

import numpy as np

from monai_fusion.comparison.statistics import (
    DIFFERENCE,
    OutOfFold,
    corrected_t_test,
    fold_values,
    values_and_intervals,
)
from monai_fusion.metrics.scores import ScoredCohort

SIZES, FOLDS, REPEATS = (60, 200), 5, (1, 3, 10)
NUMBERS, DISTANCE, BETTER = 5, 1.2, 1.8
RIDGE = 0.1
LEVEL = 0.05


def folds_of(labels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The fold of each participant, each class spread evenly."""
    folds = np.empty(len(labels), dtype=np.int64)
    for label in (0, 1):
        rows = random.permutation(np.flatnonzero(labels == label))
        folds[rows] = np.arange(len(rows)) % FOLDS
    return folds


def predicted(values: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> ScoredCohort:
    """The out-of-fold probabilities of a linear discriminant."""
    second = np.empty(len(labels))
    for fold in range(FOLDS):
        learned, tested = folds != fold, folds == fold
        means = [values[learned & (labels == label)].mean(axis=0) for label in (0, 1)]
        centred = values[learned] - np.stack(means)[labels[learned]]
        covariance = centred.T @ centred / learned.sum() + RIDGE * np.eye(values.shape[1])
        direction = np.linalg.solve(covariance, means[1] - means[0])
        second[tested] = 1 / (1 + np.exp(-(values[tested] - (means[0] + means[1]) / 2) @ direction))
    return ScoredCohort.of(np.stack([1 - second, second], axis=1), labels)


def cohort(n: int, apart: float, random: np.random.Generator) -> OutOfFold:
    """The predictions of both variants in all repeats."""
    labels = (np.arange(n) % 2).astype(np.int64)
    blocks = [random.normal(size=(n, NUMBERS)) for _ in range(2)]
    for block, distance in zip(blocks, (DISTANCE, apart), strict=True):
        block += labels[:, np.newaxis] * distance / np.sqrt(NUMBERS)
    repeats = [folds_of(labels, random) for _ in range(max(REPEATS))]
    found = {
        name: [predicted(block, labels, folds) for folds in repeats]
        for name, block in zip(("one", "other"), blocks, strict=True)
    }
    return OutOfFold(labels, repeats[0], found, tuple(repeats[1:]))


def first(data: OutOfFold, repeats: int) -> OutOfFold:
    """The same with fewer repeats."""
    cohorts = {name: each[:repeats] for name, each in data.cohorts.items()}
    return OutOfFold(data.labels, data.folds, cohorts, data.more_folds[: repeats - 1])


def found_differences(data: OutOfFold, draws: int, seed: int) -> Mapping[str, bool]:
    """Whether the t-test, and with ``draws`` the interval, find a difference."""
    one, other = (fold_values("auroc", data, name) for name in ("one", "other"))
    apart = [b - a for a, b in zip(one, other, strict=True) if a is not None and b is not None]
    test = corrected_t_test(apart, 1 / (FOLDS - 1))
    found = {"t-test": test is not None and test.p <= LEVEL}
    if draws:
        interval = values_and_intervals(data, "one", draws, seed, ("auroc",))[1][DIFFERENCE + "auroc", 1]
        found["interval"] = interval is not None and not interval.low <= 0 <= interval.high
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohorts", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=300, help="bootstrap draws; 0 for no intervals")
    options = parser.parse_args()
    print("| participants | repeats | t-test: nothing | a difference | interval: nothing | a difference |")
    print("| --- | --- | --- | --- | --- | --- |")
    for n in SIZES:
        shares: dict[tuple[int, float], list[Mapping[str, bool]]] = {}
        for apart in (DISTANCE, BETTER):
            random = np.random.default_rng([n, int(10 * apart)])
            for place in range(options.cohorts):
                data = cohort(n, apart, random)
                for repeats in REPEATS:
                    found = found_differences(first(data, repeats), options.draws, place)
                    shares.setdefault((repeats, apart), []).append(found)
        for repeats in REPEATS:
            cells = [
                "-" if name == "interval" and not options.draws else
                f"{100 * np.mean([each[name] for each in shares[repeats, apart]]):.1f} %"
                for name in ("t-test", "interval")
                for apart in (DISTANCE, BETTER)
            ]  # fmt: skip
            print(f"| {n} | {FOLDS} x {repeats} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
