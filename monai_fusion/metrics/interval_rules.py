"""Where an interval would promise more than it holds: there, a score has none and a note instead.

The limits were found by simulation (`tests/benchmarks/bench_intervals.py`): below them, a 95 % interval contains the
truth in fewer than 92 % of cohorts. Whether an interval is given must not depend on how many errors there were: that
would show intervals where chance made many. So it depends on the errors that the probabilities themselves expect.
"""

from __future__ import annotations

from collections.abc import Sequence

from monai_fusion.metrics.scores import Floats

FEWEST_TRIALS = 10
"""Of a proportion: with fewer participants it has no interval (Wilson's holds 87 % for 4 at one half)."""
FEWEST_PER_CLASS = 20
"""Of Brier score, cross-entropy, MCC, F1, AUPRC, and the calibration's slope and intercept."""
FEWEST_ERRORS = 5
"""... that the probabilities expect, of MCC, F1, slope and intercept; also of what is lost without a modality."""
FEWEST_ERRORS_OF_MEANS = 10
"""... of Brier score and cross-entropy, which a few participants decide, and of AUPRC."""


def expected_errors(probabilities: Floats) -> float:
    """Return for how many participants the most probable class is wrong, if the probabilities are true.

    Args:
        probabilities: [participant, class].
    """
    return float((1 - probabilities.max(axis=1)).sum())


def why_too_few(
    counts: Sequence[int],
    errors: float,
    fewest_errors: int,
    fewest_per_class: int = FEWEST_PER_CLASS,
    unit: str = "participants",
) -> str:
    """Return the note of a score without an interval; empty if it has one.

    Args:
        counts: Participants of each class; if whole groups are drawn, the groups that have any.
        errors: From `expected_errors`.
        fewest_errors: The fewest with which the score has an interval.
        fewest_per_class: The fewest participants of a class with which it has one.
        unit: What is counted.
    """
    if any(0 < count < fewest_per_class for count in counts):
        return f"no interval: fewer than {fewest_per_class} {unit} in a class"
    if not errors >= fewest_errors:  # NaN: the network has diverged
        return f"no interval: the probabilities expect only {errors:.1f} errors, fewer than {fewest_errors}"
    return ""
