"""The confusion matrix as a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.patches import Rectangle

from monai_fusion.report.style import CLASS_COLOURS, INK, Picture, abbreviated, drawing, new_figure

RIGHT, WRONG = CLASS_COLOURS[:2]
"""Colours of the cells on and off the diagonal: correct and wrong predictions must look different."""
MOST = 0.45
"""Opacity of a cell that contains a whole class: dark text on light paper, and light text on dark, stay readable."""

_LEAST = 0.05
_GAP = 0.02  # between two cells
_TURNED_FROM = 5  # classes
_LETTERS = 26  # that fit side by side below the matrix


def draw_confusion(matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> Picture:
    """Draw a confusion matrix: rows true, columns predicted; a stronger colour is a larger fraction of the row."""
    counts = np.asarray(matrix)
    rows = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, rows, out=np.zeros(counts.shape), where=rows > 0)
    names = [abbreviated(name) for name in classes]
    many = len(classes) >= _TURNED_FROM
    turned = many or len(classes) * max(map(len, names)) > _LETTERS
    with drawing():
        figure, axes = new_figure(3.3)
        axes.set(aspect="equal", xlim=(0, len(names)), ylim=(len(names), 0))
        places = np.arange(len(names)) + 0.5
        axes.set_xticks(places, names, rotation=45 if turned else 0, ha="right" if turned else "center")
        axes.set_yticks(places, [f"{name} ({n})" for name, n in zip(names, rows.flat, strict=True)])
        axes.grid(visible=False)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        for (row, column), count in np.ndenumerate(counts):
            axes.add_patch(
                Rectangle(
                    (column + _GAP, row + _GAP),
                    1 - 2 * _GAP,
                    1 - 2 * _GAP,
                    facecolor=RIGHT if row == column else WRONG,
                    edgecolor="none",
                    alpha=_LEAST + (MOST - _LEAST) * float(shares[row, column]),
                )
            )
            size = max(6.0, 16 - 1.5 * len(classes))
            x, y = column + 0.5, row + (0.5 if many else 0.46)
            height = "center" if many else "bottom"
            axes.text(x, y, str(count), fontsize=size, fontweight="bold", color=INK, ha="center", va=height)
            if not many:  # with many classes a second line in a cell would be too small to read
                share = f"{100 * shares[row, column]:.0f} %"
                axes.text(x, y + 0.1, share, ha="center", va="top", fontsize=8, color=INK)
        axes.set(xlabel="predicted", ylabel="true", title="Confusion matrix")
    values = tuple(
        f"True {name}: "
        + ", ".join(f"{count} predicted {other}" for count, other in zip(row, classes, strict=True))
        + "."
        for name, row in zip(classes, counts.tolist(), strict=True)
    )
    return Picture("confusion", "Confusion matrix: rows true, columns predicted", figure, values)
