"""The results of an evaluation as text for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sklearn.metrics import classification_report

from monai_fusion.metrics import scores
from monai_fusion.metrics.fields_of_scores import GroupsSection, Permutation, Score, Scores
from monai_fusion.metrics.fields_of_sets import SetsSection
from monai_fusion.metrics.predictions import Prediction, labelled, scored_cohort
from monai_fusion.wording import counted


def report_text(predictions: Sequence[Prediction], classes: Sequence[str]) -> str:
    """Return accuracy, confusion matrix and classification report of participants with a label.

    Raises:
        ValueError: No participant has a label, or one occurs twice.
    """
    cohort = scored_cohort(labelled(predictions))
    counts = scores.confusion(cohort, cohort.ones)[0].astype(int)
    width = max(9, *(len(name) for name in classes))
    head = " " * (width + 7) + " ".join(f"{name:>{width}}" for name in classes)
    rows = [
        f"  true {name:<{width}}" + " ".join(f"{count:>{width}}" for count in row)
        for name, row in zip(classes, counts.tolist(), strict=True)
    ]
    return "\n".join(
        [
            f"accuracy {scores.accuracy(cohort, cohort.ones)[0]:.3f}, "
            f"balanced accuracy {scores.balanced_accuracy(cohort, cohort.ones)[0]:.3f} over "
            f"{len(cohort.labels)} participants (always the majority: {counts.sum(axis=1).max() / counts.sum():.3f})",
            "confusion matrix (columns: predicted)",
            head,
            *rows,
            str(sklearn_report(cohort, classes, output_dict=False)).rstrip(),
        ]
    )


def sklearn_report(cohort: scores.ScoredCohort, classes: Sequence[str], *, output_dict: bool) -> Any:
    """Return scikit-learn's classification report over all classes, as text or as a dictionary."""
    return classification_report(
        cohort.labels,
        cohort.predicted,
        labels=range(len(classes)),
        target_names=list(classes),
        output_dict=output_dict,
        digits=3,
        zero_division=0.0,  # a class that is never predicted has precision 0; scikit-learn would also warn each time
    )


def headline(found: Scores, permutation: Permutation) -> list[str]:
    """Return AUROC and balanced accuracy, each with its interval, the baseline without skill, and its p-value."""
    test = permutation.tests[0]
    return [
        _line("AUROC", found.auroc, "chance", test.auroc),
        _line("balanced accuracy", found.balanced_accuracy, "always the majority", test.balanced_accuracy),
    ]


def groups_lines(groups: GroupsSection | None, draw: str = "intervals and permutations draw") -> list[str]:
    """Return what intervals and permutations drew, as one line; none if the datalist names no groups."""
    if groups is None:
        return []
    by = " and ".join(groups.fields)
    if not groups.resampled:
        why = "each group has one participant" if groups.groups > 1 else "all participants are of one group"
        return [f"{by}: {why}, so {draw} participants"]
    sizes = f"{groups.smallest} to {groups.largest}" if groups.smallest < groups.largest else str(groups.largest)
    return [f"{draw} {counted(groups.groups, 'whole group')} by {by}, of {sizes} participants each"]


def sets_lines(sets: SetsSection | None) -> list[str]:
    """Return how the prediction sets did, as one line; none if there are no sets."""
    if sets is None or sets.covered.value is None:
        return []
    ends, right = sets.covered.interval, sets.accuracy_of_single.value
    interval = f"95 % interval {ends[0]:.2f} to {ends[1]:.2f}" if ends else sets.covered.note
    single = "" if right is None else f"; of the sets with one class, {100 * right:.0f} % hold the true one"
    asked = f"a coverage of {sets.coverage:g}{' by class' if sets.by_class else ''}"
    return [
        f"prediction sets for {asked}: {100 * sets.covered.value:.0f} % hold the true class ({interval}), "
        f"{100 * sets.undecided:.0f} % are undecided (more than one class){single}"
    ]


def _line(name: str, score: Score, baseline: str, p_value: float | None) -> str:
    if score.value is None:
        return f"{name} not defined: {score.note}"
    interval = f"95 % interval {score.interval[0]:.2f} to {score.interval[1]:.2f}" if score.interval else score.note
    p = "" if p_value is None else f", p = {p_value:.2g}"
    return f"{name} {score.value:.3f} ({interval}; {baseline} {score.baseline:.3f}{p})"
