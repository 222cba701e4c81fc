"""How often a network that reads only a covariate is said to know more of the class: docs/method.md has the table.

    python tests/benchmarks/bench_confounds.py [--cohorts 400]

The classes (n / 2 each) differ by d standard deviations in a covariate. The network's logit is the covariate plus noise
(SD 0.6); with an extra signal, plus another 0.8 SD of that noise between the classes. Shown is the share of cohorts in
which the test finds p <= 0.05: within quartiles of the covariate, and by conditional randomisation.

The second table is of out-of-fold predictions, as in a comparison: in each of five folds a logistic regression learns
from the others' covariate with noise and ten more numbers, which are noise (with an extra signal, the first of them
differs by 1 SD between the classes).

The third is of out-of-fold predictions of pairs whose numbers correlate, with nothing to find: the signs of whole pairs
are drawn.
"""

from __future__ import annotations

import argparse

import numpy as np
from sklearn.linear_model import LogisticRegression

from monai_fusion.datalist.strata import categories
from monai_fusion.metrics.confounds import class_probabilities, conditional_p_value, conditional_p_value_of_mean
from monai_fusion.metrics.permutation import exchange_cells, permutation_p_values
from monai_fusion.metrics.scores import ScoredCohort

DRAWS = 999
NOISE, EXTRA = 0.6, 0.8
FOLDS, NUMBERS, EXTRA_NUMBER = 5, 10, 1.0
PAIRS, SHARED = 40, 0.7


def p_values(random: np.random.Generator, n: int, apart: float, extra: float) -> tuple[float, float]:
    """The p-values within quartiles and by conditional randomisation, for one cohort; 1 if there is none."""
    labels = (np.arange(n) % 2).astype(np.int64)
    covariate = random.normal(size=n) + apart * labels
    logit = covariate + NOISE * (random.normal(size=n) + extra * labels)
    second = 1 / (1 + np.exp(logit.mean() - logit))
    cohort = ScoredCohort.of(np.stack([1 - second, second], axis=1), labels)
    texts = categories({str(place): f"{value:.4f}" for place, value in enumerate(covariate + 10)})
    cells = exchange_cells([texts[str(place)] for place in range(n)])
    within = permutation_p_values(cohort, cells, DRAWS)["auroc"]
    given = class_probabilities(covariate[:, np.newaxis], labels, 2)
    conditional = conditional_p_value(cohort.probabilities, labels, given, draws=DRAWS)
    return 1.0 if within is None else within, 1.0 if conditional is None else conditional


def out_of_fold_p_value(random: np.random.Generator, n: int, apart: float, extra: float, widened: bool = True) -> float:
    """The p-value of networks that learned from the other folds; 1 if there is none."""
    labels = random.permutation(np.arange(n) % 2).astype(np.int64)
    folds = np.arange(n, dtype=np.int64) % FOLDS
    covariate = random.normal(size=n) + apart * labels
    values = random.normal(size=(n, 1 + NUMBERS))
    values[:, 0] = covariate + NOISE * values[:, 0]
    values[:, 1] += extra * labels
    given = class_probabilities(covariate[:, np.newaxis], labels, 2)
    predictions = [(learned_probabilities(values, labels, folds), folds)]
    found = conditional_p_value_of_mean(predictions, labels, given, DRAWS, out_of_fold=widened)
    return 1.0 if found is None else found


def p_values_of_pairs(random: np.random.Generator, apart: float, one_class: bool) -> tuple[float, float]:
    """The p-values of networks that learned from the other folds' pairs: signs as they are, and widened."""
    groups = np.repeat(np.arange(PAIRS, dtype=np.int64), 2)
    classes = random.permutation(np.arange(PAIRS) % 2)
    labels = (classes[groups] if one_class else np.tile([0, 1], PAIRS)).astype(np.int64)
    shared, own = random.normal(size=(PAIRS, 1 + NUMBERS))[groups], random.normal(size=(2 * PAIRS, 1 + NUMBERS))
    values = np.sqrt(SHARED) * shared + np.sqrt(1 - SHARED) * own
    values[:, 0] += apart * labels
    given = class_probabilities(values[:, :1], labels, 2)
    values[:, 0] += NOISE * random.normal(size=2 * PAIRS)
    folds = groups % FOLDS
    predictions = [(learned_probabilities(values, labels, folds), folds)]
    plain, widened = (
        conditional_p_value_of_mean(predictions, labels, given, DRAWS, out_of_fold=each, groups=groups)
        for each in (False, True)
    )
    return 1.0 if plain is None else plain, 1.0 if widened is None else widened


def learned_probabilities(values: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """[participant, class] by a logistic regression of the other folds."""
    probabilities = np.empty((len(labels), 2))
    for fold in range(FOLDS):
        learned = folds != fold
        model = LogisticRegression().fit(values[learned], labels[learned])
        probabilities[~learned] = model.predict_proba(values[~learned])
    return probabilities


def print_pairs(cohorts: int) -> None:
    """Print the third table."""
    print("\n| both of a pair in | signs as they are | widened |")
    print("| --- | --- | --- |")
    for one_class in (True, False):
        random = np.random.default_rng([2, one_class])
        found = np.array([p_values_of_pairs(random, 1.5, one_class) for _ in range(cohorts)])
        plain, widened = 100 * (found <= 0.05).mean(axis=0)
        print(f"| {'one class' if one_class else 'two classes'} | {plain:.0f} % | {widened:.0f} % |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohorts", type=int, default=400)
    cohorts = parser.parse_args().cohorts
    print("| d | n | quartiles: nothing | quartiles: extra | conditional: nothing | conditional: extra |")
    print("| --- | --- | --- | --- | --- | --- |")
    for apart in (1.5, 2.0):
        for n in (35, 100, 200):
            random = np.random.default_rng([int(10 * apart), n])
            cells = []
            for extra in (0.0, EXTRA):
                found = np.array([p_values(random, n, apart, extra) for _ in range(cohorts)])
                cells.append(100 * (found <= 0.05).mean(axis=0))
            (null_within, null_given), (within, given) = cells
            print(
                f"| {apart} | {n} | {null_within:.0f} % | {within:.0f} % | {null_given:.0f} % | {given:.0f} % |",
                flush=True,
            )
    print("\n| d | n | as draws are: nothing | extra | widened: nothing | extra |")
    print("| --- | --- | --- | --- | --- | --- |")
    for apart in (1.5, 2.0):
        for n in (60, 100, 200):
            shares = []
            for widened in (False, True):
                for extra in (0.0, EXTRA_NUMBER):
                    random = np.random.default_rng([1, int(10 * apart), n])
                    found = [out_of_fold_p_value(random, n, apart, extra, widened) for _ in range(cohorts)]
                    shares.append(f"{100 * np.mean(np.array(found) <= 0.05):.0f} %")
            print(f"| {apart} | {n} | {' | '.join(shares)} |", flush=True)
    print_pairs(cohorts)


if __name__ == "__main__":
    main()
