"""How often prediction sets hold the true class, by simulation; two to three minutes on one core.

    python tests/benchmarks/bench_prediction_sets.py --cohorts 120

A network's log-odds at epoch e are g_e (d x + s d z_e) + b_e: x from N(-d/2, 1) or N(d/2, 1) is the same at all epochs,
z_e from N(0, 1) is noise that changes from epoch to epoch (correlation 0.8), g_e rises from 0.3 (too timid) to 2 (too
sure), and b_e walks around the bias b. Of 25 epochs, the n validation participants (64 % of the first class) choose the
one with the lowest balanced cross-entropy, as a training does, and calibrate it. The sets of 400 new participants at
that epoch follow. The tables have the mean share of sets with the true class; they stand in docs/method.md.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from scipy.special import expit

from monai_fusion.metrics.calibration import fit_calibration
from monai_fusion.metrics.epochs_of_others import EpochsOfOthers
from monai_fusion.metrics.prediction_sets import (
    CalibrationPeople,
    PredictionSets,
    fit_prediction_sets,
    smallest_conformity,
)
from monai_fusion.metrics.predictions import decide
from monai_fusion.metrics.scores import SCORES

EPOCHS, NEW = 25, 400
SIZES, NOISES = (20, 30, 60, 200), (0.2, 0.7)
EVEN, SECOND = (0.5, 0.5), 0.36
COVERAGE = 0.9


class Training:
    """The epochs of one simulated training.

    Args:
        effect: d, the distance of the classes.
        noise: s.
        bias: b.
        generator: Of random numbers.
    """

    def __init__(self, effect: float, noise: float, bias: float, generator: np.random.Generator) -> None:
        self.effect, self.noise, self.generator = effect, noise, generator
        self.slopes = np.linspace(0.3, 2.0, EPOCHS) * np.exp(0.1 * generator.normal(size=EPOCHS))
        self.biases = bias + 0.15 * np.cumsum(generator.normal(size=EPOCHS))

    def probabilities(self, labels: np.ndarray) -> np.ndarray:
        """[epoch, participant, class]."""
        x = self.generator.normal(size=len(labels)) + self.effect * (labels - 0.5)
        drawn = self.generator.normal(size=(EPOCHS, len(labels)))
        for epoch in range(1, EPOCHS):
            drawn[epoch] = 0.8 * drawn[epoch - 1] + 0.6 * drawn[epoch]
        odds = self.slopes[:, None] * self.effect * (x + self.noise * drawn) + self.biases[:, None]
        positive = expit(odds)
        return np.stack([1 - positive, positive], axis=2)


def people_of(number: int) -> np.ndarray:
    """Class indices of so many participants."""
    second = max(2, round(number * SECOND))
    return np.repeat([0, 1], [number - second, second])


def shares(sets: PredictionSets, probabilities: np.ndarray, labels: np.ndarray) -> tuple[float, float, float]:
    """The share of sets with the true class, of the first class's, and of undecided sets."""
    values = sets.rule.probabilities(probabilities)
    members = values >= np.array(sets.thresholds)
    members[np.arange(len(labels)), [decide(row) for row in values]] = True
    covered = members[np.arange(len(labels)), labels]
    return float(covered.mean()), float(covered[labels == 1].mean()), float(members.all(axis=1).mean())


def one_cohort(effect: float, noise: float, bias: float, size: int, generator: np.random.Generator) -> dict[str, tuple]:
    """The shares of each way to make sets."""
    training = Training(effect, noise, bias, generator)
    labels, new = people_of(size), people_of(NEW)
    validation, tested = training.probabilities(labels), training.probabilities(new)
    kept, others = 0, EpochsOfOthers.start(validation[0], labels)
    scores = [SCORES["balanced_cross_entropy"](epoch, labels) for epoch in validation]
    for epoch, score in enumerate(scores):
        others.add(validation[epoch])
        kept = epoch if score <= scores[kept] else kept
    own = validation[kept]
    plain = CalibrationPeople(own, labels)
    whole = CalibrationPeople(own, labels, others.probabilities)
    rule = fit_calibration(own, labels, EVEN, EVEN)
    threshold = smallest_conformity(rule.probabilities(own)[np.arange(size), labels], COVERAGE)
    ways = {
        "same fit, same epoch": PredictionSets(COVERAGE, False, (threshold,) * 2, rule, "", ()),
        "fit of others": fit_prediction_sets(plain, EVEN, COVERAGE),
        "fit and epoch of others": fit_prediction_sets(whole, EVEN, COVERAGE),
        "by class": fit_prediction_sets(whole, EVEN, COVERAGE, by_class=True),
    }
    return {name: shares(sets, tested[kept], new) for name, sets in ways.items()}


def main() -> None:
    """Print a table for each distance of the classes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohorts", type=int, default=120, help="simulated trainings of each cell")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    started = time.perf_counter()
    for effect, bias in ((1.5, 0.0), (1.5, 0.8), (3.0, 0.0)):
        print(f"\nd = {effect}, b = {bias}, coverage {COVERAGE}: sets with the true class (undecided)")
        for noise in NOISES:
            for size in SIZES:
                generator = np.random.default_rng((options.seed, size, round(10 * noise)))
                found = [one_cohort(effect, noise, bias, size, generator) for _ in range(options.cohorts)]
                mean = {name: 100 * np.mean([one[name] for one in found], axis=0) for name in found[0]}
                cells = [f"{both:.1f} % ({undecided:.0f} %)" for both, _, undecided in mean.values()]
                seconds = " / ".join(f"{second:.0f}" for _, second, _ in mean.values())
                print(f"| {noise} | {size} | {' | '.join(cells)} | second class {seconds}", flush=True)
    print(f"\n{' | '.join(mean)} ({time.perf_counter() - started:.0f} s)")


if __name__ == "__main__":
    main()
