"""ROC and precision-recall curves with bands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from matplotlib.axes import Axes
from sklearn.metrics import precision_recall_curve, roc_curve

from monai_fusion.report.style import LINE_STYLES, MUTED, colour, drawing, new_figure, shortened, to_svg

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

GRID: Floats = np.linspace(0, 1, 201)
"""Where a band is computed: false positive rates, or recalls."""

TOGETHER = 3
"""Classes whose bands still can be told apart in one figure."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve over the participants, and where 95 % of its bootstrap copies lie.

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


def roc(scores: Floats, positive: npt.NDArray[np.bool_], draws: int, seed: int) -> Curve:
    """The ROC curve of one class against the rest.

    Args:
        scores: [N] probability of the class.
        positive: [N] whether the participant is of the class; both must occur.
        draws: How many times the participants are drawn anew, with replacement within each class.
        seed: Of those draws.
    """
    return _banded(_roc, scores, positive, draws, seed)


def precision_recall(scores: Floats, positive: npt.NDArray[np.bool_], draws: int, seed: int) -> Curve:
    """The precision-recall curve of one class; arguments as of :func:`roc`."""
    return _banded(_precision_recall, scores, positive, draws, seed)


def _roc(scores: Floats, positive: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    x, y, _ = roc_curve(positive, scores, drop_intermediate=False)
    return x, y


def _precision_recall(scores: Floats, positive: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    precision, recall, _ = precision_recall_curve(positive, scores)
    return recall[::-1], precision[::-1]


def _banded(
    curve: Callable[[Floats, npt.NDArray[np.bool_]], tuple[Floats, Floats]],
    scores: Floats,
    positive: npt.NDArray[np.bool_],
    draws: int,
    seed: int,
) -> Curve:
    generator = np.random.default_rng(seed)
    groups = (np.flatnonzero(positive), np.flatnonzero(~positive))
    copies = np.empty((draws, len(GRID)))
    for row in range(draws):
        drawn = np.concatenate([generator.choice(group, len(group)) for group in groups])
        copies[row] = at_grid(*curve(scores[drawn], positive[drawn]))
    low, high = np.percentile(copies, [2.5, 97.5], axis=0)
    x, y = curve(scores, positive)
    return Curve(x, y, low, high)


def at_grid(x: Floats, y: Floats) -> Floats:
    """Read a curve at `GRID`: the upper end of a vertical piece, a straight line between points."""
    unique, first = np.unique(x, return_index=True)
    return np.interp(GRID, unique, np.maximum.reduceat(y, first))


def draw_roc(curves: Sequence[tuple[int, str, Curve]], name: str = "roc", title: str = "ROC") -> Markup:
    """Draw ROC curves; each with its class index and its name."""
    with drawing():
        figure, axes = new_figure(3.3)
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label="guessing")
        for place, (label, text, curve) in enumerate(curves):
            _draw(axes, place, label, text, curve)
        axes.set(xlabel="false positive rate", ylabel="true positive rate", title=shortened(title, 30))
        _finish(axes, "lower right")
        return to_svg(figure, name, f"{title} with a 95 % band")


def draw_precision_recall(
    curves: Sequence[tuple[int, str, Curve]],
    shares: Sequence[float],
    name: str = "pr",
    title: str = "Precision-recall",
) -> Markup:
    """Draw precision-recall curves, and for each the precision of guessing, which is the class's share."""
    with drawing():
        figure, axes = new_figure(3.3)
        for place, share in enumerate(shares):
            text = "guessing" if place == 0 else None
            axes.axhline(share, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label=text)
        for place, (label, text, curve) in enumerate(curves):
            _draw(axes, place, label, text, curve)
        axes.set(xlabel="recall", ylabel="precision", title=shortened(title, 30))
        _finish(axes, "lower left")
        return to_svg(figure, name, f"{title} with a 95 % band")


def _draw(axes: Axes, place: int, label: int, text: str, curve: Curve) -> None:
    axes.fill_between(GRID, curve.low, curve.high, color=colour(label), alpha=0.16, linewidth=0)
    axes.plot(
        curve.x,
        curve.y,
        color=colour(label),
        linestyle=LINE_STYLES[place % len(LINE_STYLES)],
        label=shortened(text, 24),
    )


def _finish(axes: Axes, place: Literal["lower left", "lower right"]) -> None:
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axes.legend(loc=place)
