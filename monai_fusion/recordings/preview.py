"""A picture of a recording: the mean scalogram of every electrode, and what of the recording was kept and dropped."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from monai_fusion.files import write_atomically
from monai_fusion.messages import visible
from monai_fusion.reading import read_json_object
from monai_fusion.sidecar import MOST_BYTES

_COLUMNS = 6
_TICKS_HZ = (40.0, 20.0, 10.0, 5.0, 2.0)
_APART = 0.1  # of the height: room for a line of text
_BRIGHTEST = 99.0  # percentile of the values that is the end of the colours
_KEPT, _STRETCH = "#0072B2", "#c9d3da"
_DROPPED = ("#D55E00", "#CC79A7", "#B98000", "#000000")
_STYLE: dict[Any, Any] = {"font.size": 8.0, "font.family": "DejaVu Sans", "text.parse_math": False}


def write_preview(path: Path, sidecars: Sequence[Path]) -> None:
    """Write the picture of a recording as a PNG.

    Args:
        path: Where.
        sidecars: The sidecars of its conditions; the scalograms lie beside them.
    """
    contents = [content for each in sidecars if (content := read_json_object(each, MOST_BYTES)) is not None]
    shown = [content for content in contents if content["Segments"]]
    rows = [-(-len(content["Electrodes"]) // _COLUMNS) for content in shown]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(11, 1.5 + 1.35 * sum(rows) + 0.35 * len(shown)), dpi=110, layout="constrained")
        FigureCanvasAgg(figure)
        heights = [*(1.35 * each + 0.35 for each in rows), 1.5]
        parts: list[SubFigure] = list(figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False).flat)
        source = visible(str(contents[0]["Sources"][0]["File"])) if contents else ""
        for part, content in zip(parts, shown, strict=False):
            _draw_means(part, content, _mean(path.parent, content), source)
        _draw_time_line(parts[-1], contents)
        stream = io.BytesIO()
        figure.savefig(stream, format="png", metadata={"Software": None})
    write_atomically(path, stream.getvalue())


def _mean(folder: Path, content: dict[str, Any]) -> NDArray[np.float64]:
    total = np.zeros(content["Shape"])
    for each in content["Segments"]:
        total += np.load(folder / each["File"], mmap_mode="r", allow_pickle=False)
    return total / len(content["Segments"])


def _draw_means(part: SubFigure, content: dict[str, Any], mean: NDArray[np.float64], source: str) -> None:
    names, hertz = content["Electrodes"], np.array(content["RowFrequenciesHz"])
    seconds, number = content["SegmentSeconds"], len(content["Segments"])
    what = "segment" if number == 1 else "segments"
    part.suptitle(f"{source}, {content['Condition']}: mean of {number} {what} ({content['Mode']})", fontsize=9.5)
    limits = _limits(mean, content["Units"])
    axes: list[Axes] = list(part.subplots(-(-len(names) // _COLUMNS), _COLUMNS, squeeze=False).flat)
    ticks, at = _ticks(hertz)
    image = None
    for place, (each, name) in enumerate(zip(axes, names, strict=False)):
        plane = mean[..., place]
        extent = (0, seconds, len(hertz) - 0.5, -0.5)
        image = each.imshow(plane, aspect="auto", extent=extent, vmin=limits[0], vmax=limits[1], interpolation="none")
        given_in = " (interpolated)" if name in content["InterpolatedElectrodes"] else ""
        each.set_title(f"{visible(name)}{given_in}", fontsize=8, pad=2)
        each.set_yticks(at, [f"{tick:g} Hz" if not place % _COLUMNS else "" for tick in ticks])
        is_lowest = place + _COLUMNS >= len(names)
        each.set_xticks((0, seconds), ("0", f"{seconds:g} s") if is_lowest else ("", ""))
        each.tick_params(length=2, labelsize=7)
    for each in axes[len(names) :]:
        each.set_visible(False)
    if image is not None:
        unit = "µV" if content["Units"] == "uV" else content["Units"]
        part.colorbar(image, ax=axes, shrink=0.7, pad=0.01, label=unit)


def _ticks(hertz: NDArray[np.float64]) -> tuple[list[float], list[float]]:
    """Frequencies to name and their rows; where rows are linear in scale, the high ones are too near each other."""
    ticks: list[float] = []
    rows: list[float] = []
    for each in reversed(_TICKS_HZ):
        row = float(np.interp(each, hertz[::-1], np.arange(len(hertz))[::-1]))
        if hertz.min() <= each <= hertz.max() and (not rows or rows[-1] - row > _APART * len(hertz)):
            ticks.append(each)
            rows.append(row)
    return ticks, rows


def _limits(mean: NDArray[np.float64], unit: str) -> tuple[float, float]:
    if unit == "z-score":
        most = float(np.percentile(np.abs(mean), _BRIGHTEST))
        return -most, most
    return 0.0, float(np.percentile(mean, _BRIGHTEST))


def _draw_time_line(part: SubFigure, contents: Sequence[dict[str, Any]]) -> None:
    axes = part.subplots()
    reasons = sorted({each["Reason"] for content in contents for each in content["DroppedStretches"]})
    colours = {reason: _DROPPED[place % len(_DROPPED)] for place, reason in enumerate(reasons)}
    labelled: set[str] = set()

    def bars(lane: int, stretches: Sequence[dict[str, Any]], colour: str, what: str, height: float) -> None:
        spans = [(each["StartS"] / 60, (each["StopS"] - each["StartS"]) / 60) for each in stretches]
        if spans:
            label = None if what in labelled else what
            labelled.add(what)
            axes.broken_barh(
                spans, (lane - height / 2, height), facecolor=colour, edgecolor="white", linewidth=0.4, label=label
            )

    for lane, content in enumerate(contents):
        bars(lane, content["ConditionStretches"], _STRETCH, "condition", 0.8)
        bars(lane, content["Segments"], _KEPT, "kept", 0.55)
        for reason in reasons:
            dropped = [each for each in content["DroppedStretches"] if each["Reason"] == reason]
            bars(lane, dropped, colours[reason], f"dropped: {visible(reason)}", 0.55)
    axes.set_yticks(range(len(contents)), [visible(str(content["Condition"])) for content in contents])
    axes.set_ylim(len(contents) - 0.4, -0.6)
    duration = max((content["Recording"]["DurationS"] for content in contents), default=0)
    axes.set_xlim(0, duration / 60)
    axes.set_xlabel("minutes of the recording")
    axes.spines[["top", "right"]].set_visible(False)
    if labelled:
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=7)
