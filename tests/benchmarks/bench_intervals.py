"""How often the 95 % intervals of an evaluation contain the truth, by simulation; ten minutes on one core.

    python tests/benchmarks/bench_intervals.py --cohorts 1000

Cohorts are drawn from two normal distributions whose scores are known; `monai_fusion.metrics` scores each as an
evaluation does. At d = 0, the probabilities are those of a network that believes in d = 1.5. The table has the share of
cohorts whose interval contains the truth among those that have one, and in brackets the share that have one if not all
do. It stands in docs/method.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import norm

from monai_fusion.metrics.fields_of_scores import Score
from monai_fusion.metrics.gate import lost_scores
from monai_fusion.metrics.group_scores import GroupScorer
from monai_fusion.metrics.scores import ScoredCohort

SIZES = ((8, 4), (20, 10), (64, 36))
EFFECTS = (0.0, 1.5, 3.0, 4.0)
BELIEVED = 1.5
"""The distance that the network believes in where there is none."""
REST = 0.6
"""Share of the squared distance that is left without a modality."""
OVERALL = (
    *("auroc", "balanced_accuracy", "accuracy", "sensitivity", "specificity"),
    *("macro_f1", "auprc", "mcc", "brier", "cross_entropy"),
)


def truths(effect: float, sizes: tuple[int, int]) -> Mapping[str, float]:
    """The scores of infinitely many participants with these class shares."""
    shares, believed = np.array(sizes) / sum(sizes), effect or BELIEVED
    x = np.linspace(-12, 12, 40_001)
    step = x[1] - x[0]
    density = [norm.pdf(x + effect / 2), norm.pdf(x - effect / 2)]
    log_second, log_first = -np.logaddexp(0, -believed * x), -np.logaddexp(0, believed * x)
    second, recall = np.exp(log_second), float(norm.cdf(effect / 2))
    found = {"auroc": float(norm.cdf(effect / np.sqrt(2)))}
    found |= dict.fromkeys(("balanced_accuracy", "accuracy", "sensitivity", "specificity"), recall)
    found["brier"] = float(
        (shares[1] * density[1] * (1 - second) ** 2 + shares[0] * density[0] * second**2).sum() * step
    )
    found["cross_entropy"] = -float(
        (shares[1] * density[1] * log_second + shares[0] * density[0] * log_first).sum() * step
    )
    right, wrong = shares * recall, shares * (1 - recall)
    found["mcc"] = float((right[0] * right[1] - wrong[0] * wrong[1]) / np.sqrt(
        shares[0] * shares[1] * (right[0] + wrong[1]) * (right[1] + wrong[0])))  # fmt: skip
    for label in (0, 1):
        found[f"f1 of {label}"] = float(2 * right[label] / (2 * right[label] + wrong.sum()))
        found[f"precision of {label}"] = float(right[label] / (right[label] + wrong[1 - label]))
        above = [norm.sf(x - effect / 2), norm.sf(x + effect / 2)]  # of the class itself, and of the other
        precision = shares[label] * above[0] / (shares[label] * above[0] + shares[1 - label] * above[1] + 1e-300)
        found[f"auprc of {label}"] = float((precision * norm.pdf(x - effect / 2)).sum() * step)
    found |= {"macro_f1": (found["f1 of 0"] + found["f1 of 1"]) / 2, "auprc": found["auprc of 1"]}
    # Logistic regression on log-odds of d x, whose truth is log(share ratio) + d x; the network says believed x.
    found["calibration slope"] = effect / believed
    rest = effect * np.sqrt(REST)
    found["lost AUROC"] = float(norm.cdf(effect / np.sqrt(2)) - norm.cdf(rest / np.sqrt(2)))
    found["lost balanced accuracy"] = float(norm.cdf(effect / 2) - norm.cdf(rest / 2))
    return found


def evidence(effect: float, labels: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """What both recordings say, N(+-d/2, 1), and what one of them says that has a share `REST` of it."""
    parts = [
        generator.normal(size=len(labels)) + effect * np.sqrt(share) * (labels - 0.5) for share in (REST, 1 - REST)
    ]
    return np.sqrt(REST) * parts[0] + np.sqrt(1 - REST) * parts[1], parts[0]


def of_evidence(values: np.ndarray, labels: np.ndarray, believed: float) -> ScoredCohort:
    """The probabilities at equal shares, decided at 0.5."""
    second = expit(believed * values)
    return ScoredCohort.of(np.stack([1 - second, second], axis=1), labels)


def scores_of(cohort: ScoredCohort, rest: ScoredCohort, draws: int, seed: int) -> Iterator[tuple[str, Score]]:
    """Every score that has an interval anywhere."""
    group = GroupScorer(cohort, ["negative", "positive"], draws, seed)
    overall = group.overall()
    yield from ((name, getattr(overall, name)) for name in OVERALL)
    for label, each in enumerate(group.per_class()):
        yield from ((f"{name} of {label}", getattr(each, name)) for name in ("f1", "precision", "auprc"))
    yield "calibration slope", group.calibration_slope()
    yield "calibration intercept", group.calibration_intercept()
    lost = lost_scores(cohort, rest, draws, seed)
    yield from (("lost AUROC", lost["auroc"]), ("lost balanced accuracy", lost["balanced_accuracy"]))


def intercept_truth(effect: float, sizes: tuple[int, int]) -> float:
    """The intercept at slope 1: where the mean probability is the share of the second class."""
    believed, share = effect or BELIEVED, sizes[1] / sum(sizes)
    x = np.linspace(-12, 12, 8_001)
    density = (1 - share) * norm.pdf(x + effect / 2) + share * norm.pdf(x - effect / 2)
    return float(brentq(lambda added: (expit(believed * x + added) * density).sum() * (x[1] - x[0]) - share, -9, 9))


def coverage(
    sizes: tuple[int, int], effect: float, number: int, draws: int, seed: int
) -> Mapping[str, tuple[float, float]]:
    """For each score, the share of intervals that contain the truth, and the share of cohorts that have one."""
    truth = {**truths(effect, sizes), "calibration intercept": intercept_truth(effect, sizes)}
    generator = np.random.default_rng((seed, *sizes, int(10 * effect)))
    labels = np.repeat([0, 1], sizes)
    found: dict[str, list[bool]] = {}
    for place in range(number):
        both, one = evidence(effect, labels, generator)
        believed = effect or BELIEVED
        cohort, rest = of_evidence(both, labels, believed), of_evidence(one, labels, believed * np.sqrt(REST))
        for name, score in scores_of(cohort, rest, draws, place):
            inside = found.setdefault(name, [])
            if score.interval:
                inside.append(score.interval[0] <= truth[name] + 1e-12 and truth[name] - 1e-12 <= score.interval[1])
    return {
        name: (float(np.mean(inside)) if inside else float("nan"), len(inside) / number)
        for name, inside in found.items()
    }


def cell(held: float, given: float) -> str:
    """``94.8``, ``94.8 (62)`` where only 62 % have an interval, ``none``."""
    if given < 0.005:
        return "none"
    return f"{100 * held:.1f}" + (f" ({100 * given:.0f})" if given < 0.995 else "")


def print_table(results: Mapping[tuple[tuple[int, int], float], Mapping[str, tuple[float, float]]]) -> None:
    """A row for each score, a column for each size and effect."""
    names: Sequence[str] = list(next(iter(results.values())))
    print("| score | " + " | ".join(f"{sizes[0]} + {sizes[1]}, d {effect:g}" for sizes, effect in results) + " |")
    print("| --- |" + " --- |" * len(results))
    for name in names:
        print(f"| {name} | " + " | ".join(cell(*found[name]) for found in results.values()) + " |", flush=True)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohorts", type=int, default=1000, help="simulated cohorts of each size and effect")
    parser.add_argument("--draws", type=int, default=600, help="bootstrap draws of each")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    started, results = time.perf_counter(), {}
    for sizes in SIZES:
        for effect in EFFECTS:
            results[sizes, effect] = coverage(sizes, effect, options.cohorts, options.draws, options.seed)
            took = time.perf_counter() - started
            print(f"{sizes[0]} + {sizes[1]}, d {effect:g}: {took:.0f} s", flush=True)
    print_table(results)


if __name__ == "__main__":
    main()
