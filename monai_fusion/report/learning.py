"""Learning curves from ``history.csv``, with the boundary between the stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from monai_fusion.report.epoch_score import EPOCH_SCORES
from monai_fusion.report.style import (
    CLASS_COLOURS,
    INK,
    LINE_STYLES,
    MUTED,
    WASH,
    Picture,
    drawing,
    legend_below,
    new_figure,
)

Floats = npt.NDArray[np.float64]

_NOT_DRAWN = ("epoch", "stage", "seconds")
# A figure is drawn for each column, to a scale that floating-point numbers can still divide.
_MOST_COLUMNS, _LARGEST = 64, 1e9
# Columns that share a figure, as the learning rates do; any other column gets its own.
_LOSSES = {"train_loss": "training loss", **EPOCH_SCORES}
_SCORES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "auroc": "AUROC",
}
_GATE = ("gate", "Gate in training", "mean gate: 0 = MRI, 1 = EEG", {"gate": "mean gate"})
_TITLES = {"data_wait": ("Waiting for data", "share of the time")}


@dataclass(frozen=True, slots=True)
class History:
    """``history.csv``: one entry for each epoch.

    Attributes:
        epochs: Epoch numbers.
        stages: The stage of each.
        columns: Every column of numbers; NaN where an epoch has none (not validated).
    """

    epochs: npt.NDArray[np.int64]
    stages: tuple[str, ...]
    columns: Mapping[str, Floats]

    @property
    def boundaries(self) -> list[tuple[float, str]]:
        """The boundaries of stages, half an epoch before their first epoch, and their names; not of the first stage."""
        return [
            (float(self.epochs[place]) - 0.5, self.stages[place])
            for place in range(1, len(self.stages))
            if self.stages[place] != self.stages[place - 1]
        ]

    @property
    def best_epoch(self) -> int | None:
        """The epoch with the lowest `best_by` (ties: the later one), which ``keep_epoch: best`` keeps."""
        values = self.columns.get(self._chooses, np.array([]))
        if not len(values) or np.isnan(values).all():
            return None
        return int(self.epochs[np.flatnonzero(values == np.nanmin(values))[-1]])

    @property
    def best_by(self) -> str:
        """The score that `best_epoch` is the best by, in words."""
        return EPOCH_SCORES.get(self._chooses, "")

    @property
    def _chooses(self) -> str:
        return next((name for name in EPOCH_SCORES if name in self.columns), "")


def draw_learning_curves(history: History) -> tuple[list[Picture], list[Picture]]:
    """Draw the curves of a training.

    Returns:
        Losses, validation scores and gate; and the course of the training: learning rates, and each other column.
    """
    rates = {
        name: name.removeprefix("lr_").removesuffix("_lr").replace("_", " ")
        for name in history.columns
        if name.startswith("lr_") or name.endswith("_lr")
    }
    results = [("loss", "Loss", "", _LOSSES), ("validation", "Validation scores", "", _SCORES), _GATE]
    running = [("rates", "Learning rate", "", rates)]
    known = {*_NOT_DRAWN, *rates, *(name for *_, names in results for name in names)}
    for place, name in enumerate(name for name in history.columns if name not in known):
        title, unit = _TITLES.get(name, (_capital(name.replace("_", " ")), ""))
        running.append((f"further{place}", title, unit, {name: title}))
    drawn, further = (
        [
            _draw(history, there, title, unit, f"learning-{figure}")
            for figure, title, unit, names in wanted
            if (there := {name: text for name, text in names.items() if _any_number(history.columns.get(name))})
        ]
        for wanted in (results, running)
    )
    return drawn, further


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _any_number(values: Floats | None) -> bool:
    return values is not None and bool(np.isfinite(values).any())


def _draw(history: History, names: Mapping[str, str], title: str, unit: str, figure_name: str) -> Picture:
    sentences = []
    with drawing():
        figure, axes = new_figure(2.9)
        for place, (name, text) in enumerate(names.items()):
            values = history.columns[name]
            there = np.isfinite(values)
            axes.plot(
                history.epochs[there],
                values[there],
                color=CLASS_COLOURS[place % len(CLASS_COLOURS)],
                linestyle=LINE_STYLES[place % len(LINE_STYLES)],
                marker="o" if there.sum() <= 40 else None,
                markersize=3,
                label=text,
            )
            sentences.append(_in_words(text, history.epochs[there], values[there]))
        if names.keys() <= _SCORES.keys() or "gate" in names:
            axes.set(ylim=(-0.03, 1.03), yticks=(0, 0.25, 0.5, 0.75, 1))
        axes.set(xlabel="epoch", ylabel=unit, title=title)
        axes.yaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlim(history.epochs[0] - 0.5, history.epochs[-1] + 0.5)
        _mark(axes, history)
        if len(names) > 1:
            legend_below(figure, axes)
    return Picture(figure_name, f"{title} by epoch", figure, tuple(sentences))


def _in_words(name: str, epochs: npt.NDArray[np.int64], values: Floats) -> str:
    return (
        f"{name}: {values[0]:.3g} in epoch {epochs[0]}, {values[-1]:.3g} in epoch {epochs[-1]}; "
        f"between {values.min():.3g} and {values.max():.3g}."
    )


def _mark(axes: Axes, history: History) -> None:
    """Shade every other stage and name them in the headroom, and mark the best epoch."""
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom, top + 0.13 * (top - bottom))
    begins = [history.epochs[0] - 0.5, *(x for x, _ in history.boundaries), history.epochs[-1] + 0.5]
    names = [history.stages[0], *(stage for _, stage in history.boundaries)]
    for place, (first, last, stage) in enumerate(zip(begins, begins[1:], names, strict=False)):
        if place % 2:
            axes.axvspan(first, last, color=WASH, zorder=0)
        if place:
            axes.axvline(first, color=INK, linewidth=1)
        if stage:
            axes.text(
                (first + last) / 2, 0.985, f"stage {stage}", transform=axes.get_xaxis_transform(),
                ha="center", va="top", fontsize=8, color=MUTED,
            )  # fmt: skip
    if history.best_epoch is not None:
        axes.axvline(history.best_epoch, color=MUTED, linewidth=1, linestyle=(0, (1, 2)))


def parse_history(rows: Sequence[Mapping[str, str]]) -> History | None:
    """Read the rows of ``history.csv``; None if there are none. A column with other values than numbers is left out."""
    if not rows:
        return None
    columns: dict[str, Floats] = {}
    for name in list(rows[0])[:_MOST_COLUMNS]:
        try:
            values = np.array([float(row[name]) if row[name] else np.nan for row in rows])
        except (KeyError, TypeError, ValueError):
            continue
        columns[name] = np.where(np.abs(values) < _LARGEST, values, np.nan)
    if "epoch" not in columns or not np.isfinite(columns["epoch"]).all():
        return None
    stages = tuple(row.get("stage") or "" for row in rows)
    return History(columns["epoch"].astype(np.int64), stages, columns)
