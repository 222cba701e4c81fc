"""Do the predictions say anything about the labels? A test that exchanges labels between participants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from monai_fusion.metrics.intervals import DRAWS, SEED
from monai_fusion.metrics.scores import Floats, Labels, Outcome, auroc, balanced_accuracy

_ROUNDING = 1.0e-12


def cells_of(*factors: Sequence[str]) -> Labels:
    """Number the combinations of several factors, each a text for every participant."""
    combined = list(zip(*factors, strict=True))
    numbers = {combination: number for number, combination in enumerate(sorted(set(combined)))}
    return np.array([numbers[combination] for combination in combined], dtype=np.int64)


def exchangeable(labels: Labels, cells: Labels) -> int:
    """Count the participants whose cell holds more than one class: the others always keep their label."""
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
    outcome: Outcome, cells: Labels, draws: int = DRAWS, seed: int = SEED
) -> dict[str, float | None]:
    """Return one-sided p-values of AUROC and balanced accuracy: how often chance does as well.

    p = (b + 1) / (m + 1), where b of m permutations score at least as high (Phipson & Smyth, SAGMB 9, 2010): it is
    never 0, and P(p <= a) <= a where the predictions say nothing about the labels.

    Args:
        outcome: True and predicted classes.
        cells: [participant] labels are exchanged within a cell only: a fold, or a fold and a stratum.
        draws: m.
        seed: Same seed, same permutations.

    Returns:
        ``auroc`` and ``balanced_accuracy``; None where nothing can be exchanged or the score is not defined.
    """
    names = {"auroc": (auroc, _aurocs), "balanced_accuracy": (balanced_accuracy, _balanced_accuracies)}
    if exchangeable(outcome.labels, cells) == 0:
        return dict.fromkeys(names)
    permuted = permuted_labels(outcome.labels, cells, draws, seed)
    values: dict[str, float | None] = {}
    for name, (score, scores) in names.items():
        observed = float(score(outcome, outcome.ones)[0])
        reached = int((scores(outcome, permuted) >= observed - _ROUNDING).sum())
        values[name] = None if np.isnan(observed) else (reached + 1) / (draws + 1)
    return values


def _aurocs(outcome: Outcome, permuted: Labels) -> Floats:
    """The AUROC under each set of labels, from rank sums: [draw]."""
    counts = np.bincount(outcome.labels, minlength=outcome.classes)
    if (counts == 0).any():
        return np.full(len(permuted), np.nan)
    areas = []
    for label in (1,) if outcome.classes == 2 else range(outcome.classes):
        members, ranks = counts[label], rankdata(outcome.probabilities[:, label])
        sums = (permuted == label) @ ranks
        areas.append((sums - members * (members + 1) / 2) / (members * (len(ranks) - members)))
    return np.mean(areas, axis=0)


def _balanced_accuracies(outcome: Outcome, permuted: Labels) -> Floats:
    """The balanced accuracy under each set of labels: [draw]."""
    present = np.unique(outcome.labels)
    hits = [((permuted == label) & (outcome.predicted == label)).sum(axis=1) / (outcome.labels == label).sum()
            for label in present]  # fmt: skip
    return np.mean(hits, axis=0)
