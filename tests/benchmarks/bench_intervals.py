"""How often the 95 % intervals of an evaluation hold the truth, by simulation; minutes on one core.

    python tests/benchmarks/bench_intervals.py --cohorts 4000

Cohorts are drawn from two normal distributions whose AUROC, balanced accuracy and accuracy are known; the scores of
`monai_fusion.evaluation` are computed for each, as an evaluation does. The results stand in docs/method.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import numpy as np
from scipy.special import expit
from scipy.stats import norm

from monai_fusion.metrics.group_scores import GroupScorer
from monai_fusion.metrics.intervals import newcombe_auroc
from monai_fusion.metrics.scores import ScoredCohort

SIZES = ((8, 4), (12, 6), (20, 10), (40, 20), (64, 36), (100, 100))
EFFECT = 1.5
"""Distance of the two classes in standard deviations: AUROC 0.856, balanced accuracy 0.773."""


def cohorts(sizes: tuple[int, int], number: int, seed: int) -> Iterator[ScoredCohort]:
    """EpochSample cohorts of so many of each class; the middle between the classes decides, at a probability of 0.5."""
    generator = np.random.default_rng((seed, *sizes))
    labels = np.repeat([0, 1], sizes)
    for _ in range(number):
        evidence = generator.normal(size=len(labels)) + EFFECT * (labels - 0.5)
        positive = expit(EFFECT * evidence)
        yield ScoredCohort.of(np.stack([1 - positive, positive], axis=1), labels)


def coverage(sizes: tuple[int, int], number: int, draws: int, seed: int) -> dict[str, float]:
    """Return the share of cohorts whose intervals hold the truth, and their mean width."""
    area, recall = float(norm.cdf(EFFECT / np.sqrt(2))), float(norm.cdf(EFFECT / 2))
    found: dict[str, list[float]] = {}
    for place, outcome in enumerate(cohorts(sizes, number, seed)):
        group = GroupScorer(outcome, ["negative", "positive"], draws, place, headline_only=True)
        auroc, balanced, accuracy = group.auroc(), group.balanced_accuracy(), group.accuracy()
        assert auroc.value is not None and auroc.interval and balanced.interval and accuracy.interval
        newcombe = newcombe_auroc(auroc.value, sizes[1], sizes[0])
        named = {
            "AUROC": (auroc.interval, area),
            "AUROC, Newcombe": ((newcombe.low, newcombe.high), area),
            "balanced accuracy": (balanced.interval, recall),
            "accuracy": (accuracy.interval, recall),
        }
        for name, (interval, truth) in named.items():
            found.setdefault(name, []).append(float(interval[0] <= truth <= interval[1]))
            found.setdefault(f"{name}, width", []).append(interval[1] - interval[0])
        # Where all draws are alike a plain bootstrap says "1 to 1", which is wrong; here Newcombe's stands in.
        inside = auroc.method == "bca" and auroc.interval[0] <= area <= auroc.interval[1]
        found.setdefault("AUROC, BCa alone", []).append(float(inside))
    return {name: float(np.mean(values)) for name, values in found.items()}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohorts", type=int, default=2000, help="simulated cohorts of each size")
    parser.add_argument("--draws", type=int, default=2000, help="bootstrap draws of each")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for sizes in SIZES:
        started = time.perf_counter()
        found = coverage(sizes, options.cohorts, options.draws, options.seed)
        print(f"{sizes[0]} + {sizes[1]} ({time.perf_counter() - started:.0f} s)", flush=True)
        for name, value in sorted(found.items()):
            print(f"    {name:26} {value:.3f}")


if __name__ == "__main__":
    main()
