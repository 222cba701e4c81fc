"""How prediction sets did on participants whose class is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import expit, logit
from scipy.stats import beta, betabinom

from monai_fusion.metrics.calibration import Calibration
from monai_fusion.metrics.clusters import drawn_together
from monai_fusion.metrics.fields_of_scores import Score
from monai_fusion.metrics.fields_of_sets import SetsOfClass, SetsSection
from monai_fusion.metrics.group_scores import proportion_score
from monai_fusion.metrics.intervals import LEVEL
from monai_fusion.metrics.prediction_sets import (
    PredictionSets,
    fewest_participants,
    rank_of_threshold,
    warnings_of_sets,
)
from monai_fusion.metrics.predictions import Prediction
from monai_fusion.metrics.probability_quality import UNLIKELY
from monai_fusion.metrics.scores import Labels


def sets_section(
    known: Sequence[Prediction],
    groups: Labels | None,
    classes: Sequence[str],
    sets: PredictionSets,
    calibration: Calibration | None,
) -> SetsSection:
    """Compare the sets of participants with their true classes.

    Args:
        known: Predictions with a label and a set.
        groups: [participant] Families or other groups; None if each is alone.
        classes: The class names, in the order of their indices.
        sets: The sets.
        calibration: Of the shown probabilities; None if they are the network's own.
    """
    groups, members = drawn_together(groups), [row.prediction_set or () for row in known]
    labels = np.array([row.label for row in known], dtype=np.int64)
    sizes = np.array([len(each) for each in members])
    covered = np.array([row.label in each for row, each in zip(known, members, strict=True)], dtype=np.float64)
    added = [row.predicted not in sets.conforming(row) for row in known]
    single = sizes == 1

    def share(among: np.ndarray, undefined: str) -> Score:
        return proportion_score(covered[among], None if groups is None else groups[among], None, undefined)

    per_class = []
    for index, name in enumerate(classes):
        of_class = labels == index
        per_class.append(
            SetsOfClass(
                class_name=name,
                calibration_participants=sets.counts[index],
                threshold=sets.thresholds[index],
                covered=share(of_class, f"no participant is {name}"),
                undecided=float((sizes[of_class] > 1).mean()) if of_class.any() else None,
            )
        )
    held = int(covered.sum())
    p = None if sets.by_class or groups is not None else probability_of_so_few(held, len(known), sets)
    notes = warnings_of_sets(sets, classes)
    if p is not None and p < UNLIKELY:
        notes.append(
            f"only {held} of {len(known)} prediction sets hold the true class, fewer than chance explains at a "
            f"coverage of {sets.coverage:g} (p = {p:.2g}): these participants may not be like those that the sets were "
            "calibrated on"
        )
    return SetsSection(
        coverage=sets.coverage,
        by_class=sets.by_class,
        calibrated_on=sets.part,
        calibration_participants=sets.participants,
        expected=None if sets.by_class else expected_coverage(sets.participants, sets.coverage),
        covered=share(np.ones(len(known), dtype=bool), ""),
        p=p,
        single=float(single.mean()),
        undecided=float((sizes > 1).mean()),
        classes_in_a_set=float(sizes.mean()),
        predicted_added=float(np.mean(added)),
        accuracy_of_single=share(single, "no set holds one class"),
        undecided_from=undecided_band(sets, calibration),
        per_class=per_class,
        notes=notes,
    )


def expected_coverage(participants: int, coverage: float) -> tuple[float, float] | None:
    """Return the middle 95 % of the coverage of one model, over calibration parts of this size.

    Given its calibration part, a model's coverage has the distribution Beta(k, n + 1 - k), with k of
    `smallest_conformity` (Vovk, ACML 2012); None if k > n.
    """
    if participants < fewest_participants(coverage):
        return None
    rank = rank_of_threshold(participants, coverage)
    tails = np.array([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    found = np.asarray(beta.ppf(tails, rank, participants + 1 - rank))
    return float(found[0]), float(found[1])


def probability_of_so_few(held: int, tested: int, sets: PredictionSets) -> float | None:
    """Return the probability that at most so many sets hold the true class, with participants like the calibration's.

    Args:
        held: The sets that hold it.
        tested: All sets.
        sets: Not by class.

    Returns:
        None if every set holds all classes.
    """
    if sets.participants < fewest_participants(sets.coverage):
        return None
    rank = rank_of_threshold(sets.participants, sets.coverage)
    return float(betabinom.cdf(held, tested, rank, sets.participants + 1 - rank))


def undecided_band(sets: PredictionSets, calibration: Calibration | None) -> tuple[float, float] | None:
    """Return between which shown probabilities of the second of two classes a set holds both; None if nowhere.

    Args:
        sets: The sets; their thresholds are of probabilities at equal class shares.
        calibration: Of the shown probabilities; None if they are the network's own.
    """
    if len(sets.thresholds) != 2 or sets.thresholds[1] > 1 - sets.thresholds[0]:
        return None
    shown = sets.rule.network_prior if calibration is None else calibration.target_prior
    moved = float(logit(shown[1])) if 0 < shown[1] < 1 else 0.0
    ends = np.array([sets.thresholds[1], 1 - sets.thresholds[0]])
    found = np.asarray(expit(logit(ends) + moved))
    return float(found[0]), float(found[1])
