"""Pictures of MRI explanations: slices of a map over the anatomy.

Blue speaks against the explained class, orange for it, as in the EEG's pictures; values near 0 are see-through. Left is
left (the neurological convention), which every picture says.
"""

# nibabel's functions carry no types.
# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from nibabel.orientations import apply_orientation, axcodes2ornt, ornt_transform
from numpy.typing import NDArray

from monai_fusion.explain.eeg_figures import DIVERGING
from monai_fusion.explain.mri_space import Floats
from monai_fusion.report.style import INK, MUTED, Picture, drawing

_SLICES = 5
_WIDTH = 7.0  # inches, of a page
_ACROSS = 0.87  # of the width, for the slices
_GAP, _HEAD = 0.2, 0.5  # inches, above each row and above all
_OUTSIDE = 0.12  # of the head's extent that no slice shows, at either end
_OPAQUE_FROM = 0.3  # of the end of the colours
_COVER = 0.85
_BRIGHTEST = 99.5  # percentile of the magnitudes at which the colours end
_PLANES = (("z", 2, 0, 1, ("L", "R")), ("y", 1, 0, 2, ("L", "R")), ("x", 0, 1, 2, ("P", "A")))
"""Axial, coronal and sagittal slices: the name and number of the sliced axis, those across and up, and both sides."""


def colour_limit(maps: Sequence[Floats]) -> float:
    """The end of the colours of maps that are to be compared: few voxels may be beyond it."""
    most = 0.0
    for values in maps:
        sizes = np.abs(values[values != 0])
        most = max(most, float(np.percentile(sizes, _BRIGHTEST)) if sizes.size else 0.0)
    return most or 1.0


def draw_mosaic(
    values: Floats,
    anatomy: Floats | None,
    orientation: str,
    spacing: Sequence[float],
    name: str,
    title: str,
    unit: str = "logit",
    limit: float | None = None,
    marked: NDArray[np.bool_] | None = None,
    signed: bool = True,
) -> Picture:
    """Draw axial, coronal and sagittal slices; one of each goes through the voxel of the largest magnitude.

    Args:
        values: [T, H, W].
        anatomy: The same shape, in [0, 1]; None for none.
        orientation: What the axes point to, such as ``RAS``.
        spacing: Of the voxels along the axes.
        name: Of the figure, unique in a page.
        title: Above it.
        unit: Of the values; empty for none.
        limit: The end of the colours; None for `colour_limit` of this map.
        marked: [T, H, W]: voxels that get an outline, such as those that differ between classes.
        signed: Whether the sign says for or against the class; otherwise no value is negative.
    """
    turn = ornt_transform(axcodes2ornt(orientation), axcodes2ornt("RAS"))

    def turned(volume: NDArray[Any]) -> Floats:
        result: Floats = apply_orientation(np.asarray(volume, float), turn)
        return result

    shown, below, outlined = turned(values), *(None if each is None else turned(each) for each in (anatomy, marked))
    sizes = np.empty(3)
    sizes[turn[:, 0].astype(int)] = spacing
    most = colour_limit([values]) if limit is None else limit
    peak = np.unravel_index(int(np.abs(shown).argmax()), shown.shape)
    with drawing():
        lengths = np.array(shown.shape) * sizes
        heights = [float(lengths[up] / lengths[across]) for _, _, across, up, _ in _PLANES]
        slices_high = _ACROSS * _WIDTH / _SLICES * sum(heights) + _GAP * len(heights)
        height = _HEAD + slices_high
        figure = Figure(figsize=(_WIDTH, height))  # a layout engine would take seconds for so many axes
        places = {"left": 0.01, "right": _ACROSS, "bottom": 0.01, "top": slices_high / height, "wspace": 0.04}
        places["hspace"] = _GAP * len(heights) / (slices_high - _GAP * len(heights))
        grid = figure.subplots(len(_PLANES), _SLICES, gridspec_kw={"height_ratios": heights, **places})
        for row, (letter, axis, across, up, sides) in zip(grid, _PLANES, strict=True):
            for plot, place in zip(row, _places(below, shown, axis, int(peak[axis])), strict=True):
                aspect = float(sizes[up] / sizes[across])
                _slice(plot, [_plane(each, axis, place) for each in (shown, below, outlined)], most, aspect)
                plot.set_title(f"{letter} {place}", fontsize=7.5, fontweight="normal", color=MUTED, pad=2)
            for x, side in zip((0.02, 0.98), sides, strict=True):
                row[0].text(
                    x, 0.98, side, transform=row[0].transAxes, fontsize=8, color=INK,
                    ha="left" if x < 0.5 else "right", va="top",
                )  # fmt: skip
        figure.suptitle(
            f"{title}\nleft is left (neurological convention)",
            x=0.01,
            y=1 - 0.08 / height,
            ha="left",
            va="top",
            fontsize=9.5,
        )
        beside = figure.add_axes((_ACROSS + 0.015, 0.2, 0.015, 0.5))
        bar = figure.colorbar(ScalarMappable(Normalize(-most, most), DIVERGING), cax=beside, extend="both")
        meaning = ": below 0 against, above 0 for the class" if signed else ""
        bar.set_label(f"{unit or 'no unit'}{meaning}", fontsize=7.5)
        bar.ax.tick_params(labelsize=7.5)
        bar.outline.set_visible(False)
    return Picture(name, title, figure, _described(shown, outlined, unit, signed))


def _places(anatomy: Floats | None, values: Floats, axis: int, peak: int) -> list[int]:
    """Slices spread evenly over the head, or over the map without one; the nearest to the peak is moved there."""
    seen = np.abs(values) if anatomy is None else anatomy
    others = tuple(each for each in range(3) if each != axis)
    inside = np.flatnonzero((seen > 0).any(axis=others))
    first, last = (int(inside[0]), int(inside[-1])) if inside.size else (0, values.shape[axis] - 1)
    margin = _OUTSIDE * (last - first)
    places = np.linspace(first + margin, last - margin, _SLICES).round().astype(int)
    places[np.abs(places - peak).argmin()] = peak
    return [int(place) for place in np.sort(places)]


def _plane(volume: Floats | None, axis: int, place: int) -> Floats | None:
    return None if volume is None else np.moveaxis(volume, axis, 0)[place].T


def _slice(plot: Axes, planes: Sequence[Floats | None], most: float, aspect: float) -> None:
    values, anatomy, outlined = planes
    assert values is not None  # noqa: S101 # the caller has it
    options: dict[str, Any] = {"origin": "lower", "aspect": aspect, "interpolation": "none"}
    grey = np.full(values.shape, 0.0) if anatomy is None else anatomy
    # Light behind the dark ends of the colours, and as grey as print takes: the anatomy is only for orientation.
    plot.imshow(grey, cmap="Greys", vmin=0, vmax=1.6, **options)
    colours = DIVERGING(Normalize(-most, most, clip=True)(values))
    colours[..., 3] = _COVER * np.clip(np.abs(values) / most / _OPAQUE_FROM, 0, 1)
    plot.imshow(colours, **options)
    if outlined is not None and outlined.any() and not outlined.all():
        plot.contour(outlined, levels=[0.5], colors=INK, linewidths=0.8)
    plot.set_axis_off()


def _described(values: Floats, marked: Floats | None, unit: str, signed: bool) -> tuple[str, ...]:
    """Where the largest values of either sign are, and how much lies on either side, as sentences."""
    total = float(np.abs(values).sum())
    if not total:
        return ("All values are 0.",)
    sentences = []
    for called, place, wanted in (
        ("Most for the class" if signed else "Largest", int(values.argmax()), values.max() > 0),
        ("Most against it", int(values.argmin()), values.min() < 0),
    ):
        if wanted:
            at = tuple(int(each) for each in np.unravel_index(place, values.shape))
            number = f"{values[at]:+.3g}{' ' + unit if unit else ''}"
            sentences.append(f"{called}: {number} at x {at[0]}, y {at[1]}, z {at[2]} ({_side(at, values.shape)}).")
    middle = values.shape[0] / 2
    left = float(np.abs(values[: int(np.floor(middle))]).sum() / total)
    sentences.append(f"{100 * left:.0f} % of all magnitudes lie in the left half.")
    if marked is not None:
        sentences.append(f"Outlined: {int(marked.sum())} of {marked.size} voxels.")
    return tuple(sentences)


def _side(place: Sequence[int], shape: Sequence[int]) -> str:
    sides = (("left", "right"), ("back", "front"), ("lower", "upper"))
    chosen = [pair[int(at >= length / 2)] for pair, at, length in zip(sides, place, shape, strict=True)]
    return ", ".join(chosen)
