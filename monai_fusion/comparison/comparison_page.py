"""``comparison.html``: a comparison as one self-contained page in the style of the report."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from monai_fusion import __version__
from monai_fusion.comparison.comparison_file import Comparison, ScoreName
from monai_fusion.comparison.covariate_words import beyond_sentences
from monai_fusion.comparison.fusion_verdict import SCORE_TITLES, disagreements, range_text
from monai_fusion.comparison.numbers_words import verdict
from monai_fusion.metrics.fields_of_scores import Interval
from monai_fusion.report.number_text import number
from monai_fusion.report.page import page_environment
from monai_fusion.report.style import CLASS_COLOURS, INK, MUTED, PAPER, WIDER, Picture, abbreviated, drawing, new_figure
from monai_fusion.report.what_was_run import value_text

PAGE_FILE = "comparison.html"

_ACCENT = CLASS_COLOURS[0]
_DRAWN: tuple[ScoreName, ...] = ("auroc", "balanced_accuracy")
_CHANCE = (0, (4, 3))  # dashes
# Hints about options are for the console, not for the page.
_OPTION = re.compile(r" \(--[^)]*\)")


def render_comparison(found: Comparison) -> str:
    """Return the page as HTML."""
    by_variant = {
        name: {each.variant: each for each in found.differences if each.score == name}
        for name in ("auroc", "balanced_accuracy")
    }
    environment = page_environment("monai_fusion.comparison")
    return environment.get_template("comparison.html").render(
        found=found,
        verdict=verdict(found),
        limits=[_OPTION.sub("", text) for text in [*found.warnings, *found.notes]],
        disagreements=disagreements(found),
        others=[each for each in found.variants if each.name != found.reference],
        differences=by_variant,
        beyond=beyond_sentences(found),
        figures=comparison_figures(found),
        score_titles=SCORE_TITLES,
        settings_text=_settings_text,
        range_text=range_text,
        value_text=value_text,
        version=__version__,
    )


def comparison_figures(found: Comparison) -> list[Picture]:
    """The figures of the page: every variant's scores, and the differences from the reference."""
    apart = [_draw_differences(found, score) for score in _DRAWN] if found.differences else []
    return [*(_draw_scores(found, score) for score in _DRAWN), *apart]


def _draw_scores(found: Comparison, score: ScoreName = "auroc") -> Picture:
    """Draw a score of every variant with its interval; small dots are the folds."""
    title = SCORE_TITLES[score]
    with drawing():
        figure, axes = new_figure(_height(len(found.variants)), WIDER)
        values = []
        for place, variant in enumerate(found.variants):
            own = getattr(variant, score)
            folds = [value for value in own.folds if value is not None]
            below = [place + 0.24] * len(folds)  # the axis is upside down
            axes.scatter(folds, below, s=11, color=MUTED, alpha=0.7, linewidths=0, zorder=2)
            _interval(axes, place, own.value, own.interval)
            values.append(_in_words(variant.name, own.value, own.interval))
        chance = next(
            (one for one in (getattr(each, score).baseline for each in found.variants) if one is not None), 0.5
        )
        axes.axvline(chance, color=MUTED, linewidth=1, linestyle=_CHANCE)
        axes.set(xlabel=f"{title}{' within folds' if score == 'auroc' else ''}, 95 % interval; dots: folds")
        axes.set_title(f"{title[:1].upper()}{title[1:]} of each variant")
        _names(axes, [variant.name for variant in found.variants])
    name = "scores" if score == "auroc" else f"scores-{score.replace('_', '-')}"
    return Picture(name, f"{title} of each variant with its interval and its folds", figure, tuple(values))


def _draw_differences(found: Comparison, score: ScoreName = "auroc") -> Picture:
    """Draw how a score of every other variant differs from the reference's."""
    title = SCORE_TITLES[score]
    with drawing():
        apart = [each for each in found.differences if each.score == score]
        figure, axes = new_figure(_height(len(apart)), WIDER)
        for place, each in enumerate(apart):
            _interval(axes, place, each.value, each.interval)
        axes.axvline(0, color=MUTED, linewidth=1, linestyle=_CHANCE)
        axes.set(xlabel="difference, same participants, 95 % interval")
        axes.set_title(f"Difference from {abbreviated(found.reference, 24)}: {title}")
        _names(axes, [each.variant for each in apart])
    values = tuple(_in_words(each.variant, each.value, each.interval) for each in apart)
    name = "differences" if score == "auroc" else f"differences-{score.replace('_', '-')}"
    return Picture(name, f"{title} of each other variant minus that of {found.reference}", figure, values)


def _in_words(name: str, value: float | None, interval: Interval | None) -> str:
    between = "" if interval is None else f", 95 % interval {number(interval[0])} to {number(interval[1])}"
    return f"{name}: {number(value, 3)}{between}."


def _settings_text(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value_text(value)}" for name, value in settings.items())


def _interval(axes: Axes, place: int, value: float | None, interval: Interval | None) -> None:
    if interval is not None:
        axes.plot(interval, [place, place], color=_ACCENT, linewidth=2, solid_capstyle="round", zorder=3)
    if value is not None:
        axes.scatter([value], [place], s=40, color=_ACCENT, edgecolors=PAPER, linewidths=0.8, zorder=4)


def _names(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), labels=[abbreviated(name) for name in names])
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.set_ylim(len(names) - 0.4, -0.6)  # the first on top


def _height(rows: int) -> float:
    return 1.0 + 0.28 * rows
