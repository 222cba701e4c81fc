"""The confusion matrix as a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.colors import LinearSegmentedColormap

from monai_fusion.report.style import INK, drawing, new_figure, shortened, to_svg

_BLUES = LinearSegmentedColormap.from_list("calm", ["#f7f9fb", "#9fc6e0", "#0072B2"])
_WHITE_FROM = 0.6  # the share above which white text is easier to read than dark
_TURNED_FROM = 5  # classes


def draw_confusion(matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> Markup:
    """Draw a confusion matrix: rows true, columns predicted; colour is the share of the row."""
    counts = np.asarray(matrix)
    rows = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, rows, out=np.zeros(counts.shape), where=rows > 0)
    names = [shortened(name) for name in classes]
    many = len(classes) >= _TURNED_FROM
    with drawing():
        figure, axes = new_figure(3.3)
        axes.pcolormesh(shares, cmap=_BLUES, vmin=0, vmax=1, edgecolors="white", linewidth=3)
        axes.set(aspect="equal", xlim=(0, len(names)), ylim=(len(names), 0))
        places = np.arange(len(names)) + 0.5
        axes.set_xticks(places, names, rotation=45 if many else 0, ha="right" if many else "center")
        axes.set_yticks(places, [f"{name} ({n})" for name, n in zip(names, rows.flat, strict=True)])
        axes.grid(visible=False)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        for (row, column), count in np.ndenumerate(counts):
            shade = "white" if shares[row, column] > _WHITE_FROM else INK
            size = max(6.0, 16 - 1.5 * len(classes))
            x, y = column + 0.5, row + (0.5 if many else 0.46)
            height = "center" if many else "bottom"
            axes.text(x, y, str(count), fontsize=size, fontweight="bold", color=shade, ha="center", va=height)
            if not many:  # with many classes a second line in a cell would be too small to read
                share = f"{100 * shares[row, column]:.0f} %"
                axes.text(x, y + 0.1, share, ha="center", va="top", fontsize=8, color=shade)
        axes.set(xlabel="predicted", ylabel="true", title="Confusion matrix")
        return to_svg(figure, "confusion", "Confusion matrix: rows true, columns predicted")
