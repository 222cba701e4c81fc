"""Permutation tests: do the predictions carry information about the labels?

Labels of participants in groups (families, pairs, sites) are not exchangeable one by one. They are exchanged as
multi-level blocks (Winkler et al., NeuroImage 123:253, 2015): all labels of a group go together to another group of the
same size, and the labels within a group are exchanged among its members. Where a group has one class, only the first
changes anything; where every group has the same labels (pairs of a patient and a relative), only the second. It holds
if groups of one size are alike, and the members of a group are, apart from what the predictions know of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from monai_fusion.metrics.intervals import DRAWS, SEED
from monai_fusion.metrics.scores import Floats, Labels, ScoredCohort, auroc, balanced_accuracy

_ROUNDING = 1.0e-12


def exchange_cells(*factors: Sequence[str]) -> Labels:
    """Number the combinations of several factors, each a text for every participant."""
    combined = list(zip(*factors, strict=True))
    numbers = {combination: number for number, combination in enumerate(sorted(set(combined)))}
    return np.array([numbers[combination] for combination in combined], dtype=np.int64)


def count_exchangeable(labels: Labels, cells: Labels, groups: Labels | None = None) -> int:
    """Count the participants who can get the label of another class; all others always keep theirs.

    Args:
        labels: [participant].
        cells: [participant] labels are exchanged within a cell only.
        groups: [participant]; None if each is alone.
    """
    if groups is not None:
        blocks = _blocks(cells, groups)
        runs = [block[:, start:stop] for block in blocks for start, stop in _runs(cells[block[0]])]
        return sum(run.size for run in runs if len(np.unique(labels[run])) > 1)
    mixed = [cell for cell in np.unique(cells) if len(np.unique(labels[cells == cell])) > 1]
    return int(np.isin(cells, mixed).sum())


def permuted_labels(
    labels: Labels, cells: Labels, draws: int = DRAWS, seed: int = SEED, groups: Labels | None = None
) -> Labels:
    """Exchange labels at random between participants of the same cell: [draw, participant].

    Args:
        labels: [participant].
        cells: [participant] labels are exchanged within a cell only.
        draws: The number of permutations.
        seed: Same seed, same permutations.
        groups: [participant] labels are exchanged between whole groups of the same size and cells, and within them;
            None if each participant is alone.
    """
    generator = np.random.default_rng(seed)
    permuted = np.repeat(labels[None], draws, axis=0)
    if groups is not None:
        for block in _blocks(cells, groups):
            order = generator.permuted(np.repeat(np.arange(len(block))[None], draws, axis=0), axis=1)
            moved = labels[block][order]  # [draw, group, member]
            for start, stop in _runs(cells[block[0]]):
                moved[:, :, start:stop] = generator.permuted(moved[:, :, start:stop], axis=2)
            permuted[:, block] = moved
        return permuted
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
            If the cohort has groups, they are exchanged as `permuted_labels` says.
        draws: m.
        seed: Same seed, same permutations.

    Returns:
        ``auroc`` and ``balanced_accuracy``; None if no labels can be exchanged or the score is not defined.
    """
    names = {"auroc": (auroc, _aurocs), "balanced_accuracy": (balanced_accuracy, _balanced_accuracies)}
    if count_exchangeable(cohort.labels, cells, cohort.groups) == 0:
        return dict.fromkeys(names)
    permuted = permuted_labels(cohort.labels, cells, draws, seed, cohort.groups)
    values: dict[str, float | None] = {}
    for name, (score, scores) in names.items():
        observed = float(score(cohort, cohort.ones)[0])
        reached = int((scores(cohort, permuted) >= observed - _ROUNDING).sum())
        values[name] = None if np.isnan(observed) else (reached + 1) / (draws + 1)
    return values


def _blocks(cells: Labels, groups: Labels) -> list[npt.NDArray[np.intp]]:
    """The participants of groups that may be exchanged, [group, member]: the same number in the same cells."""
    found: dict[tuple[int, ...], list[npt.NDArray[np.intp]]] = {}
    order = np.lexsort((cells, groups))  # by group, then by cell
    ends = np.flatnonzero(np.diff(groups[order])) + 1
    for members in np.split(order, ends):
        found.setdefault(tuple(cells[members].tolist()), []).append(members)
    return [np.array(found[key]) for key in sorted(found)]


def _runs(cells: Labels) -> list[tuple[int, int]]:
    """Where the members of a group have the same cell: from, to."""
    ends = [0, *(np.flatnonzero(np.diff(cells)) + 1).tolist(), len(cells)]
    return list(pairwise(ends))


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
