"""``comparison.html``: a comparison as one page that opens anywhere, in the style of the report."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup
from matplotlib.axes import Axes

from monai_fusion import __version__
from monai_fusion.comparison.schema import Comparison
from monai_fusion.report.page import page_environment
from monai_fusion.report.style import CLASS_COLOURS, INK, MUTED, WIDER, drawing, new_figure, to_svg

_ACCENT = CLASS_COLOURS[0]


def render(found: Comparison) -> str:
    """Return the page as HTML."""
    by_variant = {
        name: {each.variant: each for each in found.differences if each.score == name}
        for name in ("auroc", "balanced_accuracy")
    }
    environment = page_environment("monai_fusion.comparison")
    return environment.get_template("comparison.html").render(
        found=found,
        others=[each for each in found.variants if each.name != found.reference],
        differences=by_variant,
        figures=[draw_scores(found), *([draw_differences(found)] if found.differences else [])],
        version=__version__,
    )


def draw_scores(found: Comparison) -> Markup:
    """Draw the AUROC of every variant with its interval; small dots are the folds."""
    with drawing():
        figure, axes = new_figure(_height(len(found.variants)), WIDER)
        for place, variant in enumerate(found.variants):
            folds = [value for value in variant.auroc.folds if value is not None]
            below = [place + 0.24] * len(folds)  # the axis is upside down
            axes.scatter(folds, below, s=11, color=MUTED, alpha=0.7, linewidths=0, zorder=2)
            _interval(axes, place, variant.auroc.value, variant.auroc.interval)
        axes.axvline(0.5, color=MUTED, linewidth=1, linestyle="--")
        axes.set(xlabel="AUROC within folds, 95 % interval; dots: folds", title="How good each variant is")
        _names(axes, [variant.name for variant in found.variants])
        return to_svg(figure, "scores", "AUROC of each variant with its interval and its folds")


def draw_differences(found: Comparison) -> Markup:
    """Draw how the AUROC of every other variant differs from the reference's."""
    with drawing():
        apart = [each for each in found.differences if each.score == "auroc"]
        figure, axes = new_figure(_height(len(apart)), WIDER)
        for place, each in enumerate(apart):
            _interval(axes, place, each.value, each.interval)
        axes.axvline(0, color=MUTED, linewidth=1, linestyle="--")
        axes.set(xlabel="difference of AUROC, same participants, 95 % interval")
        axes.set_title(f"Difference from {found.reference}")
        _names(axes, [each.variant for each in apart])
        return to_svg(figure, "differences", f"AUROC of each other variant less that of {found.reference}")


def _interval(axes: Axes, place: int, value: float | None, interval: tuple[float, float] | None) -> None:
    if interval is not None:
        axes.plot(interval, [place, place], color=_ACCENT, linewidth=2, solid_capstyle="round", zorder=3)
    if value is not None:
        axes.scatter([value], [place], s=40, color=_ACCENT, edgecolors="white", linewidths=0.8, zorder=4)


def _names(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), labels=names)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.set_ylim(len(names) - 0.4, -0.6)  # the first on top


def _height(rows: int) -> float:
    return 1.0 + 0.28 * rows
