"""Permutation tests: do the predictions carry information about the labels?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from monai_fusion.metrics.intervals import DRAWS, SEED
from monai_fusion.metrics.scores import Floats, Labels, ScoredCohort, auroc, balanced_accuracy

_ROUNDING = 1.0e-12


def exchange_cells(*factors: Sequence[str]) -> Labels:
    """Number the combinations of several factors, each a text for every participant."""
    combined = list(zip(*factors, strict=True))
    numbers = {combination: number for number, combination in enumerate(sorted(set(combined)))}
    return np.array([numbers[combination] for combination in combined], dtype=np.int64)


def count_exchangeable(labels: Labels, cells: Labels) -> int:
    """Count the participants whose cell contains more than one class; all others always keep their label."""
    mixed = [cell for cell in np.unique(cells) if len(np.unique(labels[cells == cell])) > 1]
    return int(np.isin(cells, mixed).sum())


def permuted_labels(labels: Labels, cells: Labels, draws: int = DRAWS, seed: int = SEED) -> Labels:
    """Exchange labels at random between participants of the same cell: [draw, participant]."""
    generator = np.random.default_rng(seed)
    permuted = np.repeat(labels[None], draws, axis=0)
    for cell in np.unique(cells):
        members = np.flatnonzero(cells == cell)
        permuted[:, members] = generator.permuted(permuted[:, members], axis=1)
    return permuted


def permutation_p_values(
    cohort: ScoredCohort, cells: Labels, draws: int = DRAWS, seed: int = SEED
) -> dict[str, float | None]:
    """Return one-sided p-values of AUROC and balanced accuracy: how often permuted labels score as high.

    p = (b + 1) / (m + 1), where b of m permutations score at least as high (Phipson & Smyth, SAGMB 9, 2010): it is
    never 0, and P(p <= a) <= a if the predictions carry no information about the labels.

    Args:
        cohort: True and predicted classes.
        cells: [participant] labels are exchanged within a cell only: a fold, or a fold and a stratum.
        draws: m.
        seed: Same seed, same permutations.

    Returns:
        ``auroc`` and ``balanced_accuracy``; None if no labels can be exchanged or the score is not defined.
    """
    names = {"auroc": (auroc, _aurocs), "balanced_accuracy": (balanced_accuracy, _balanced_accuracies)}
    if count_exchangeable(cohort.labels, cells) == 0:
        return dict.fromkeys(names)
    permuted = permuted_labels(cohort.labels, cells, draws, seed)
    values: dict[str, float | None] = {}
    for name, (score, scores) in names.items():
        observed = float(score(cohort, cohort.ones)[0])
        reached = int((scores(cohort, permuted) >= observed - _ROUNDING).sum())
        values[name] = None if np.isnan(observed) else (reached + 1) / (draws + 1)
    return values


def _aurocs(cohort: ScoredCohort, permuted: Labels) -> Floats:
    """The AUROC under each set of labels, from rank sums: [draw]."""
    counts = np.bincount(cohort.labels, minlength=cohort.classes)
    if (counts == 0).any():
        return np.full(len(permuted), np.nan)
    areas = []
    for label in (1,) if cohort.classes == 2 else range(cohort.classes):
        members, ranks = counts[label], rankdata(cohort.probabilities[:, label])
        sums = (permuted == label) @ ranks
        areas.append((sums - members * (members + 1) / 2) / (members * (len(ranks) - members)))
    return np.mean(areas, axis=0)


def _balanced_accuracies(cohort: ScoredCohort, permuted: Labels) -> Floats:
    """The balanced accuracy under each set of labels: [draw]."""
    present = np.unique(cohort.labels)
    hits = [((permuted == label) & (cohort.predicted == label)).sum(axis=1) / (cohort.labels == label).sum()
            for label in present]  # fmt: skip
    return np.mean(hits, axis=0)
