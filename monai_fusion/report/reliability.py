"""The reliability diagram, before and after calibration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from monai_fusion.metrics.fields_of_probabilities import ReliabilityBin
from monai_fusion.report.style import CLASS_COLOURS, MUTED, PAPER, WIDER, Picture, drawing, legend_below, new_figure

_LARGEST = 90  # points squared, of the bin with most participants


def draw_reliability(curves: Sequence[tuple[str, Sequence[ReliabilityBin]]], chance: float) -> Picture:
    """Draw the accuracy of the most probable class against its probability.

    Args:
        curves: Name and bins of each, e.g. before and after calibration; the last one is emphasised.
        chance: The lowest confidence possible, 1 / classes.
    """
    with drawing():
        figure, axes = new_figure(3.6, WIDER)
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (1, 2)), label="perfect calibration")
        for place, (text, bins) in enumerate(curves):
            last = place == len(curves) - 1
            shade = CLASS_COLOURS[0] if last else MUTED
            x = np.array([found.confidence for found in bins])
            y = np.array([found.accuracy for found in bins])
            ends = np.array([found.interval for found in bins]).T
            sizes = np.array([found.participants for found in bins], dtype=float)
            axes.vlines(x, *ends, color=shade, linewidth=1.4 if last else 0.9, alpha=0.65)
            axes.plot(x, y, color=shade, linewidth=1.6 if last else 1.0, linestyle="-" if last else "--", label=text)
            area = 12 + (_LARGEST - 12) * sizes / sizes.max()
            face = shade if last else PAPER
            axes.scatter(x, y, s=area, facecolors=face, edgecolors=shade, clip_on=False, zorder=3 + place)
        axes.set(xlim=(min(chance, 0.5) - 0.02, 1.02), ylim=(-0.02, 1.02))
        axes.set(xlabel="confidence: probability of the most probable class", ylabel="accuracy")
        axes.set_title("Reliability")
        legend_below(figure, axes)
    return Picture("reliability", "Reliability diagram", figure, tuple(_in_words(text, bins) for text, bins in curves))


def _in_words(name: str, bins: Sequence[ReliabilityBin]) -> str:
    points = (
        f"of {found.participants} participants with a mean confidence of {found.confidence:.2f}, a fraction of "
        f"{found.accuracy:.2f} ({found.interval[0]:.2f} to {found.interval[1]:.2f}) were classified correctly"
        for found in bins
    )
    return f"{name}: {'; '.join(points)}."
