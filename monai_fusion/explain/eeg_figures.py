"""Pictures of EEG explanations: electrode x band, frequency x time and the topography on a head.

Blue speaks against the explained class, orange for it, and white is 0: the ends differ for any colour vision, and the
scale is symmetric, so that colours of one picture can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Circle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from monai_fusion.explain.eeg_axes import EegAxes
from monai_fusion.recordings.positions import position_of
from monai_fusion.recordings.splines import spline_weights
from monai_fusion.report.style import CLASS_COLOURS, INK, PAPER, WIDER, Picture, abbreviated, drawing, new_figure

Floats = NDArray[np.float64]

AGAINST, FOR = CLASS_COLOURS[:2]
DIVERGING = LinearSegmentedColormap.from_list("against-for", ["#003a5c", AGAINST, "#f7f7f7", FOR, "#6b2e00"])
"""White at its centre and dark at both ends."""

_UNIT = "logit"
_NAMED = 3  # values of each sign in the text for screen readers
_LEAST_ELECTRODES = 4  # for an interpolation over the head
_GRID = 121  # points across the head
_RIM = 0.6  # of the way from the vertex to its antipode: 18 degrees below the circle of T7 and T8
_TICKS_HZ = (100.0, 40.0, 20.0, 10.0, 5.0, 2.0)
_APART = 0.06  # of the height, between two ticks


def draw_electrode_band(
    values: Floats, axes: EegAxes, name: str, title: str, marked: NDArray[np.bool_] | None = None
) -> Picture:
    """Draw [electrode, band], a cell each.

    Args:
        values: In logit.
        axes: Of the scalograms.
        name: Of the figure, unique in a page.
        title: Above it.
        marked: Cells that get a dot, such as those that differ between classes.
    """
    bands = [each.name for each in axes.bands]
    with drawing():
        figure, plot = new_figure(1.3 + 0.19 * len(values), WIDER)
        image = _show(plot, values, _limit(values), (-0.5, len(bands) - 0.5, len(values) - 0.5, -0.5))
        plot.set_xticks(range(len(bands)), bands, rotation=30, ha="right")
        plot.set_yticks(range(len(values)), [abbreviated(each) for each in axes.electrodes], fontsize=8)
        if marked is not None:
            rows, columns = np.nonzero(marked)
            plot.scatter(columns, rows, s=14, color=INK, edgecolors=PAPER, linewidths=0.6)
        plot.set_title(title)
        _bar(figure, image, plot)
    labels = [f"{electrode} {band}" for electrode in axes.electrodes for band in bands]
    return Picture(name, title, figure, _described(values.ravel(), labels, _marked_text(marked)))


def draw_frequency_time(values: Floats, axes: EegAxes, name: str, title: str) -> Picture:
    """Draw the sums over electrodes: [row, column], or [band, time block] of an occlusion.

    Args:
        values: In logit.
        axes: Of the scalograms.
        name: Of the figure, unique in a page.
        title: Above it.
    """
    end = 100.0 if axes.seconds is None else axes.seconds
    by_block = values.shape == (len(axes.bands), len(axes.times)) != (axes.rows, axes.columns)
    with drawing():
        figure, plot = new_figure(3.2, WIDER)
        image = _show(plot, values, _limit(values), (0, end, len(values) - 0.5, -0.5))
        if by_block:
            plot.set_yticks(range(len(axes.bands)), [each.name for each in axes.bands])
        else:
            plot.set_yticks(*_row_ticks(axes))
        plot.set_xlabel("% of the segment" if axes.seconds is None else "s")
        plot.set_title(title)
        _bar(figure, image, plot)
    sums = values if by_block else axes.block_sums(values)
    labels = [f"{band.name}, {time.name}" for band in axes.bands for time in axes.times]
    return Picture(name, title, figure, _described(sums.ravel(), labels))


def draw_topography(values: Floats, axes: EegAxes, name: str, title: str, most: float | None = None) -> Picture | None:
    """Draw one value for each electrode on a head seen from above, the nose upwards.

    Between electrodes it is interpolated by spherical splines, over the ideal positions of the 10-10 system,
    which smooth: a value that only one electrode has is drawn a fifth smaller.

    Args:
        values: [electrode] in logit.
        axes: Of the scalograms.
        name: Of the figure, unique in a page.
        title: Above it.
        most: The end of the colours, to compare several heads; None for the largest value here.

    Returns:
        The picture; None if the 10-10 system knows fewer than four of the electrodes.
    """
    places = [position_of(each) for each in axes.electrodes]
    known = [place for place, each in enumerate(places) if each is not None]
    positions = [each for each in places if each is not None]
    if len(known) < _LEAST_ELECTRODES:
        return None
    inside, grid = _head_grid()
    surface = np.full(inside.shape, np.nan)
    surface[inside] = spline_weights(positions, grid) @ values[known]
    limit = _limit(values) if most is None else most
    with drawing():
        figure, plot = new_figure(3.2)
        image = _show(plot, surface, limit, (-_RIM * 2, _RIM * 2, -_RIM * 2, _RIM * 2), "equal", "lower")
        image.set_clip_path(Circle((0, 0), _RIM * 2, transform=plot.transData))
        _draw_head(plot)
        x, y = _flat(np.array(positions)).T
        plot.scatter(x, y, s=9, color=INK, linewidths=0)
        for place, right, front in zip(known, x, y, strict=True):
            plot.annotate(
                abbreviated(axes.electrodes[place], 6), (right, front), (0, 3), textcoords="offset points",
                ha="center", fontsize=6.5, color=INK, path_effects=[withStroke(linewidth=1.6, foreground=PAPER)],
            )  # fmt: skip
        plot.set(aspect="equal", xlim=(-1.32, 1.32), ylim=(-1.32, 1.5), xticks=[], yticks=[])
        plot.set_title(title)
        plot.spines[:].set_visible(False)
        _bar(figure, image, plot)
    without = [axes.electrodes[place] for place in range(len(places)) if place not in known]
    more = (f"Not drawn, because the 10-10 system has no place for them: {', '.join(without)}.",) if without else ()
    return Picture(name, title, figure, _described(values, axes.electrodes, more))


def _limit(values: Floats) -> float:
    most = float(np.abs(values).max(initial=0.0))
    return most if most > 0 and math.isfinite(most) else 1.0


def _show(
    plot: Axes,
    values: Floats,
    limit: float,
    extent: tuple[float, float, float, float],
    aspect: Literal["equal", "auto"] = "auto",
    origin: Literal["upper", "lower"] = "upper",
) -> AxesImage:
    plot.grid(visible=False)
    norm = Normalize(-limit, limit)
    return plot.imshow(
        values, cmap=DIVERGING, norm=norm, extent=extent, interpolation="none", aspect=aspect, origin=origin
    )


def _bar(figure: Figure, image: AxesImage, plot: Axes) -> None:
    bar = figure.colorbar(image, ax=plot, shrink=0.8, pad=0.02, aspect=26)
    bar.set_label(f"{_UNIT}: below 0 against, above 0 for the class", fontsize=7.5)
    bar.ax.tick_params(labelsize=7.5)
    bar.outline.set_visible(False)


def _row_ticks(axes: EegAxes) -> tuple[list[float], list[str]]:
    """Frequencies to name, or row numbers; rows of high frequencies may be too near each other for all of them."""
    if axes.hertz is None:
        rows = [each.start for each in axes.bands]
        return [float(row) for row in rows], [f"row {row + 1}" for row in rows]
    order = np.argsort(axes.hertz)
    kept: list[tuple[float, float]] = []
    for hertz in sorted(_TICKS_HZ):
        row = float(np.interp(hertz, axes.hertz[order], order))
        inside = axes.hertz.min() <= hertz <= axes.hertz.max()
        if inside and all(abs(row - other) > _APART * axes.rows for other, _ in kept):
            kept.append((row, hertz))
    return [row for row, _ in kept], [f"{hertz:g} Hz" for _, hertz in kept]


def _flat(positions: Floats) -> Floats:
    """[N, 2] azimuthal equidistant projection: the circle through T7, T8, Fpz and Oz has radius 1."""
    up = np.clip(positions[:, 2] / np.linalg.norm(positions, axis=1), -1, 1)
    length = np.hypot(positions[:, 0], positions[:, 1])
    scale = np.divide(np.arccos(up) / (np.pi / 2), length, out=np.zeros_like(length), where=length > 0)
    flat: Floats = positions[:, :2] * scale[:, None]
    return flat


def _head_grid() -> tuple[NDArray[np.bool_], list[tuple[float, float, float]]]:
    """Which points of a square grid are on the head, and where these are on the sphere."""
    steps = (np.arange(_GRID) + 0.5) / _GRID * 4 * _RIM - 2 * _RIM
    right, front = np.meshgrid(steps, steps)
    radius = np.hypot(right, front)
    inside = radius <= 2 * _RIM
    angle = radius[inside] * np.pi / 2
    sine = np.divide(np.sin(angle), radius[inside], out=np.zeros_like(angle), where=radius[inside] > 0)
    points = np.column_stack([right[inside] * sine, front[inside] * sine, np.cos(angle)])
    return inside, [(float(x), float(y), float(z)) for x, y, z in points]


def _draw_head(plot: Axes) -> None:
    rim = 2 * _RIM
    plot.add_patch(Circle((0, 0), rim, fill=False, edgecolor=INK, linewidth=1.2))
    base, tip = 0.1, rim + 0.14
    foot = math.sqrt(rim**2 - base**2)
    plot.plot([-base, 0, base], [foot, tip, foot], color=INK, linewidth=1.2)
    angles = np.linspace(-0.3, 0.3, 15)
    bulge = 0.07 * np.cos(angles / 0.3 * np.pi / 2)
    for side in (-1, 1):
        plot.plot(side * (rim * np.cos(angles) + bulge), rim * np.sin(angles), color=INK, linewidth=1.2)


def _marked_text(marked: NDArray[np.bool_] | None) -> tuple[str, ...]:
    return () if marked is None else (f"Marked with a dot: {int(marked.sum())} of {marked.size}.",)


def _described(values: Floats, labels: Sequence[str], more: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The largest values of either sign as sentences."""
    order = np.argsort(values, kind="stable")
    largest = [place for place in order[::-1][:_NAMED] if values[place] > 0]
    smallest = [place for place in order[:_NAMED] if values[place] < 0]
    sentences = [
        f"{called}: {', '.join(f'{labels[place]} {values[place]:+.3g}' for place in chosen)} {_UNIT}."
        for called, chosen in (("Most for the class", largest), ("Most against it", smallest))
        if chosen
    ]
    return (*(sentences or ["All values are 0."]), *more)
