"""ROC and precision-recall curves with bands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

from monai_fusion.metrics.clusters import drawn_together
from monai_fusion.metrics.intervals import resample
from monai_fusion.report.style import (
    LINE_STYLES,
    MUTED,
    Picture,
    abbreviated,
    colour,
    drawing,
    legend_below,
    new_figure,
)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

GRID: Floats = np.linspace(0, 1, 201)
"""Where a band is computed: false positive rates, or recalls."""

_CHANCE = (0, (4, 3))  # dashes
_DESCRIBED_AT = (20, 50, 100, 150, 180)  # indices of the grid in the text for screen readers

MOST_CURVES_TOGETHER = 3
"""The maximum number of classes whose bands stay distinguishable in one figure."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve over the participants, and the band of 95 % of its bootstrap curves.

    Attributes:
        x: False positive rate, or recall, in rising order.
        y: True positive rate, or precision.
        low: Lower end of the band at `GRID`.
        high: Upper end.
    """

    x: Floats
    y: Floats
    low: Floats
    high: Floats


def roc(scores: Floats, positive: npt.NDArray[np.bool_], draws: int, seed: int, groups: Ints | None = None) -> Curve:
    """The ROC curve of one class against the rest.

    Args:
        scores: [N] probability of the class.
        positive: [N] whether the participant belongs to the class; both must occur.
        draws: The number of bootstrap resamples, with replacement within each class.
        seed: Of the resamples.
        groups: [N] families or other groups, which are resampled whole; None if each participant is alone.
    """
    return _banded(_roc, _roc_of_resample, scores, positive, draws, seed, groups)


def precision_recall(
    scores: Floats, positive: npt.NDArray[np.bool_], draws: int, seed: int, groups: Ints | None = None
) -> Curve:
    """The precision-recall curve of one class; arguments as of :func:`roc`."""
    return _banded(_precision_recall, _precision_recall_of_resample, scores, positive, draws, seed, groups)


def _roc(scores: Floats, positive: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    x, y, _ = roc_curve(positive, scores, drop_intermediate=False)
    return x, y


def _precision_recall(scores: Floats, positive: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    precision, recall, _ = precision_recall_curve(positive, scores)
    return recall[::-1], precision[::-1]


def _banded(
    curve: Callable[[Floats, npt.NDArray[np.bool_]], tuple[Floats, Floats]],
    of_resample: Callable[[Floats, Floats], tuple[Floats, Floats]],
    scores: Floats,
    positive: npt.NDArray[np.bool_],
    draws: int,
    seed: int,
    groups: Ints | None,
) -> Curve:
    counts = bootstrap_counts(scores, positive, draws, seed, groups)
    curves = np.empty((len(counts[0]), len(GRID)))
    for row, (hits, misses) in enumerate(zip(*counts, strict=True)):
        curves[row] = read_at_grid(*of_resample(hits, misses))
    low, high = np.percentile(curves, [2.5, 97.5], axis=0)
    x, y = curve(scores, positive)
    return Curve(x, y, low, high)


def bootstrap_counts(
    scores: Floats, positive: npt.NDArray[np.bool_], draws: int, seed: int, groups: Ints | None = None
) -> tuple[Floats, Floats]:
    """Resample the participants and count those above each threshold.

    Only the number of times that each participant is drawn matters, and the scores keep their order: a thousand curves
    take two sums, not a thousand sorts.

    Returns:
        Participants of the class, and others, at or above each distinct score from the highest down, [draws, scores];
        of groups only the draws that have both.
    """
    generator = np.random.default_rng(seed)
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    if drawn_together(groups) is not None:
        weights = resample(positive.astype(np.int64), groups, draws, seed)[0][:, order]
        above = [(weights * of_class[order]).cumsum(axis=1)[:, ends] for of_class in (positive, ~positive)]
        return above[0], above[1]
    found = []
    for group in (positive[order], ~positive[order]):
        number = np.count_nonzero(group)
        times = np.zeros((draws, len(scores)))
        times[:, group] = generator.multinomial(number, np.full(number, 1 / number), size=draws)
        found.append(times.cumsum(axis=1)[:, ends])
    return found[0], found[1]


def _roc_of_resample(hits: Floats, misses: Floats) -> tuple[Floats, Floats]:
    return np.append(0, misses / misses[-1]), np.append(0, hits / hits[-1])


def _precision_recall_of_resample(hits: Floats, misses: Floats) -> tuple[Floats, Floats]:
    reached = hits + misses > 0  # at a threshold above every participant drawn there is no precision
    hits, misses = hits[reached], misses[reached]
    return np.append(0, hits / hits[-1]), np.append(1, hits / (hits + misses))


def read_at_grid(x: Floats, y: Floats) -> Floats:
    """Read a curve at `GRID`: the upper end of a vertical part, a straight line between points."""
    values = np.interp(GRID, x, y)
    unique, first = np.unique(x, return_index=True)
    place = np.minimum(np.searchsorted(unique, GRID), len(unique) - 1)
    met = unique[place] == GRID
    values[met] = np.maximum.reduceat(y, first)[place[met]]
    return np.asarray(values)


def draw_roc(curves: Sequence[tuple[int, str, Curve]], name: str = "roc") -> Picture:
    """Draw ROC curves; each with its class index and its name."""
    with drawing():
        figure, axes = new_figure(3.3)
        for place, (label, text, curve) in enumerate(curves):
            _draw(axes, place, label, text, curve)
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=_CHANCE, label="chance", zorder=1.5)
        axes.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC")
        _finish(figure, axes)
    values = _described(curves, "a true positive rate", "a false positive rate")
    return Picture(name, f"ROC with a 95 % band: {_names(curves)}", figure, values)


def draw_precision_recall(
    curves: Sequence[tuple[int, str, Curve]],
    shares: Sequence[float],
    name: str = "pr",
) -> Picture:
    """Draw precision-recall curves, and for each the precision of chance, which is the class's share."""
    with drawing():
        figure, axes = new_figure(3.3)
        for place, (label, text, curve) in enumerate(curves):
            _draw(axes, place, label, text, curve)
        for place, share in enumerate(shares):
            chance_label = "chance" if place == 0 else None
            axes.axhline(share, color=MUTED, linewidth=1, linestyle=_CHANCE, label=chance_label, zorder=1.5)
        axes.set(xlabel="recall", ylabel="precision", title="Precision-recall")
        _finish(figure, axes)
    values = _described(curves, "a precision", "a recall")
    chance = [f"Chance has a precision of {share:.2f}." for share in shares]
    return Picture(name, f"Precision-recall with a 95 % band: {_names(curves)}", figure, (*values, *chance))


def _described(curves: Sequence[tuple[int, str, Curve]], height: str, along: str) -> tuple[str, ...]:
    """A sentence for each curve: its values at five places."""
    sentences = []
    for _, name, curve in curves:
        own = read_at_grid(curve.x, curve.y)
        places = [
            f"{own[place]:.2f} ({curve.low[place]:.2f} to {curve.high[place]:.2f}) at {GRID[place]:.2f}"
            for place in _DESCRIBED_AT
        ]
        sentences.append(f"{name}: {height}, with its band, of {', '.join(places)}; the second number is {along}.")
    return tuple(sentences)


def _names(curves: Sequence[tuple[int, str, Curve]]) -> str:
    return ", ".join(name for _, name, _ in curves)


def _draw(axes: Axes, place: int, label: int, text: str, curve: Curve) -> None:
    axes.fill_between(GRID, curve.low, curve.high, color=colour(label), alpha=0.16, linewidth=0)
    axes.plot(
        curve.x,
        curve.y,
        color=colour(label),
        linestyle=LINE_STYLES[place % len(LINE_STYLES)],
        label=abbreviated(text, 24),
    )


def _finish(figure: Figure, axes: Axes) -> None:
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    legend_below(figure, axes)
