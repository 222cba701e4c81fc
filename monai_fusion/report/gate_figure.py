"""The gate by class and by correctness."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from monai_fusion.report.style import INK, MUTED, WIDER, Picture, abbreviated, colour, drawing, marker, new_figure

Floats = npt.NDArray[np.float64]

_COLUMNS = 60  # bins along the axis, within which dots are stacked
_DENSE = 400  # dots; more would merge, and are thinned to evenly spaced ranks


def draw_gate(groups: Sequence[tuple[str, int | None, Floats]], name: str, title: str) -> Picture:
    """Draw the gates of groups of participants, one row for each: a dot for each participant, a bar for the quartiles.

    Args:
        groups: Name, class index (for colour and marker; None is neutral) and gates of each.
        name: Of the figure, unique in a page.
        title: Above it.
    """
    with drawing():
        figure, axes = new_figure(0.95 + 0.62 * max(2, len(groups)), WIDER)
        for place, (_, label, gates) in enumerate(groups):
            _row(axes, -place, label, gates)
        names = [f"{abbreviated(text)} ({len(gates)})" for text, _, gates in groups]
        axes.set_yticks([-place for place in range(len(groups))], names)
        axes.set(xlim=(-0.02, 1.02), ylim=(-len(groups) + 0.45, 0.6), title=title)
        axes.set_xlabel("gate (0: MRI alone, 1: EEG alone)")
        axes.axvline(0.5, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        axes.grid(axis="y", visible=False)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
    return Picture(name, title, figure, tuple(_in_words(text, gates) for text, _, gates in groups))


def _in_words(name: str, gates: Floats) -> str:
    if not len(gates):
        return f"{name}: no participant."
    first, median, third = np.percentile(gates, [25, 50, 75])
    return f"{name}, {len(gates)} participants: median {median:.2f}, middle half {first:.2f} to {third:.2f}."


def _row(axes: Axes, height: float, label: int | None, gates: Floats) -> None:
    if not len(gates):
        axes.text(0.5, height, "no participant", ha="center", va="center", color=MUTED)
        return
    if len(gates) > _DENSE:
        gates = np.sort(gates)[np.linspace(0, len(gates) - 1, _DENSE).astype(int)]
    first, median, third = np.percentile(gates, [25, 50, 75])
    axes.plot([first, third], [height - 0.3] * 2, color=INK, linewidth=3, solid_capstyle="round", alpha=0.25)
    axes.plot([median], [height - 0.3], marker="|", markersize=9, markeredgewidth=2.2, color=INK)
    colours, shape = (MUTED, "o") if label is None else (colour(label), marker(label))
    axes.scatter(gates, height - 0.12 + swarm(gates), s=16, color=colours, marker=shape, alpha=0.75, linewidths=0)


def swarm(values: Floats) -> Floats:
    """The height of each dot, so that near dots do not hide each other: 0 to 0.5, smaller values first."""
    columns = np.floor(np.clip(values, 0, 1) * _COLUMNS).astype(int)
    ranks = np.zeros(len(values))
    for column in np.unique(columns):
        inside = np.flatnonzero(columns == column)
        ranks[inside[np.argsort(values[inside], kind="stable")]] = np.arange(len(inside))
    return ranks * min(0.09, 0.5 / max(1.0, ranks.max()))
