"""What a decision rule loses against the best threshold, by simulation; two minutes on one core.

    python tests/benchmarks/bench_calibration.py --cohorts 1000

A network's log-odds at equal class shares are d x + b, with x from N(-d/2, 1) or N(d/2, 1): b is a bias to one class.
Each rule decides from a validation part of n participants, in this share of the two classes; its balanced accuracy is
then exact. The table has the mean loss in points of balanced accuracy against the best threshold. It stands in
docs/method.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm

from monai_fusion.metrics.calibration import Calibration, fit_calibration

EFFECTS = (1.5, 3.0)
BIASES = (0.0, 0.4, 0.8)
SIZES = (20, 30, 76, 300)
SHARES = ((64, 36), (50, 50), (80, 20))
EVEN = (0.5, 0.5)


def validation(number: int, shares: tuple[int, int], generator: np.random.Generator) -> np.ndarray:
    """Class indices of so many participants, with these shares as nearly as possible."""
    second = max(1, round(number * shares[1] / sum(shares)))
    return np.repeat([0, 1], [number - second, second])


def network_probabilities(effect: float, bias: float, labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """[participant, class]: what a network with this bias says."""
    evidence = generator.normal(size=len(labels)) + effect * (labels - 0.5)
    positive = expit(effect * evidence + bias)
    return np.stack([1 - positive, positive], axis=1)


def balanced_accuracy(effect: float, bias: float, calibration: Calibration) -> float:
    """The exact balanced accuracy of a decision: where on the network's log-odds it lies, in any size of test part."""
    assert calibration.threshold is not None and len(calibration.intercepts) == 2
    offset = calibration.intercepts[1] - calibration.intercepts[0]
    prior = float(logit(calibration.target_prior[1]) - logit(calibration.network_prior[1]))
    if not 0 < calibration.threshold < 1:
        return 0.5
    # p > threshold where slope * log-odds + offset + prior > logit(threshold)
    border = (logit(calibration.threshold) - prior - offset) / calibration.slope
    cut = (border - bias) / effect
    return float((norm.cdf(cut + effect / 2) + norm.sf(cut - effect / 2)) / 2)


def losses(
    effect: float, bias: float, size: int, shares: tuple[int, int], number: int, seed: int
) -> Mapping[str, float]:
    """The mean loss of each rule in points."""
    generator = np.random.default_rng((seed, size, shares[0], round(10 * effect), round(10 * bias)))
    target = tuple(share / sum(shares) for share in shares)
    lost: dict[str, list[float]] = {}
    for _ in range(number):
        labels = validation(size, shares, generator)
        probabilities = network_probabilities(effect, bias, labels, generator)
        own = Calibration(EVEN, EVEN, intercepts=(0.0, 0.0), threshold=0.5)
        moved = Calibration(EVEN, target, intercepts=(0.0, 0.0), threshold=0.5)
        rules = {"network": own, "network at prior": moved}
        for name in ("youden", "prior", "balanced"):
            rules[name] = fit_calibration(probabilities, labels, EVEN, target, name)
        for name, rule in rules.items():
            loss = norm.cdf(effect / 2) - balanced_accuracy(effect, bias, rule)
            lost.setdefault(name, []).append(100 * float(loss))
    return {name: float(np.mean(values)) for name, values in lost.items()}


def main() -> None:
    """Print a table for each distance of the classes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohorts", type=int, default=1000, help="simulated validation parts of each cell")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    started, highest = time.perf_counter(), 0.0
    for effect in EFFECTS:
        for shares in SHARES:
            print(f"\nd = {effect}, {shares[0]} : {shares[1]}; b = {' / '.join(map(str, BIASES))}")
            print("| n | 0.5 of the network | 0.5 at the cohort's shares | youden | prior | balanced |")
            print("| --- | --- | --- | --- | --- | --- |")
            for size in SIZES:
                found = [losses(effect, bias, size, shares, options.cohorts, options.seed) for bias in BIASES]
                if size <= 76:
                    highest = max(highest, *(one["balanced"] for one in found))
                cells = [" / ".join(f"{one[name]:.1f}" for one in found) for name in found[0]]
                print(f"| {size} | {' | '.join(cells)} |", flush=True)
    took = time.perf_counter() - started
    print(f"\nbalanced loses at most {highest:.2f} points at 20 to 76 participants ({took:.0f} s)")


if __name__ == "__main__":
    main()
