"""What the axes of a participant's scalograms are: electrodes by name, rows in hertz, columns in seconds.

The JSON file beside the scalograms says it. Where there is none, nothing is guessed but what is called an assumption:
17 planes get the names of the standard preset, and rows get numbers instead of hertz.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from monai_fusion.errors import InputError, Problem
from monai_fusion.reading import read_json_object
from monai_fusion.recordings.montage import ELECTRODES_1020_17
from monai_fusion.sidecar import MOST_BYTES, is_sidecar, sidecar_name
from monai_fusion.wording import a_few, cut

BANDS: Final[tuple[tuple[str, float], ...]] = (
    ("below 1 Hz", 0.0), ("delta", 1.0), ("theta", 4.0), ("alpha", 8.0), ("beta", 13.0), ("low gamma", 30.0),
    ("high gamma", 45.0),
)  # fmt: skip
"""Each named band and where it begins, in hertz; it ends where the next begins. A row belongs by its centre."""

ROW_BLOCKS: Final = 6
"""Blocks of rows where their frequencies are not known."""

FROM_SIDECAR, FROM_PRESET, FROM_NUMBERS = "sidecar", "assumed (preset lemon17)", "numbers"
"""Where the electrodes' names come from."""

_FIELDS = {
    "Electrodes": "electrodes",
    "RowFrequenciesHz": "frequencies of the rows",
    "SegmentSeconds": "length of a segment in seconds",
}
_ADVICE = "make all scalograms of a participant in one way: monai-fusion scalogram with the same options"


@dataclass(frozen=True)
class Block:
    """Neighbouring rows or columns.

    Attributes:
        name: ``alpha``; ``rows 1-37`` (counted from 1); ``0-2.5 s``; ``columns 1-56``.
        start: The first index, from 0.
        stop: One more than the last.
    """

    name: str
    start: int
    stop: int

    @property
    def indices(self) -> slice:
        """The block of an axis."""
        return slice(self.start, self.stop)


@dataclass(frozen=True)
class EegAxes:
    """The axes of [electrode, frequency, time] arrays in the network's space.

    Attributes:
        electrodes: Names, in order.
        source: Of the names: `FROM_SIDECAR`, `FROM_PRESET` or `FROM_NUMBERS`.
        hertz: [F] centre frequency of each row; None where it is not known.
        seconds: Length of a segment; None where it is not known.
        rows: F.
        columns: T.
        bands: Blocks that together hold every row, in the rows' order.
        times: Blocks that together hold every column.
        notes: What is assumed or missing, a sentence each.
    """

    electrodes: tuple[str, ...]
    source: str
    hertz: NDArray[np.float64] | None
    seconds: float | None
    rows: int
    columns: int
    bands: tuple[Block, ...]
    times: tuple[Block, ...]
    notes: tuple[str, ...] = ()

    def band_hertz(self, band: Block) -> tuple[float, float] | None:
        """The lowest and the highest centre frequency of a band's rows."""
        if self.hertz is None:
            return None
        inside = self.hertz[band.indices]
        return float(inside.min()), float(inside.max())

    def time_span(self, block: Block) -> tuple[float, float]:
        """Where a block of columns begins and ends: in seconds, or as shares of the segment."""
        scale = (1.0 if self.seconds is None else self.seconds) / self.columns
        return block.start * scale, block.stop * scale

    def block_sums(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """[..., row, column] -> [..., band, time block] float64."""
        bands = np.add.reduceat(np.asarray(values, np.float64), [each.start for each in self.bands], axis=-2)
        sums: NDArray[np.float64] = np.add.reduceat(bands, [each.start for each in self.times], axis=-1)
        return sums

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The axes as arrays for a ``.npz`` file, without objects; names begin with ``axis_``."""
        unknown = np.full(self.rows, np.nan)
        return {
            "axis_electrodes": np.array(self.electrodes),
            "axis_source": np.array(self.source),
            "axis_hertz": unknown if self.hertz is None else self.hertz,
            "axis_seconds": np.array(math.nan if self.seconds is None else self.seconds),
            "axis_columns": np.array(self.columns),
            "axis_bands": np.array([each.name for each in self.bands]),
            "axis_band_rows": np.array([(each.start, each.stop) for each in self.bands], np.int64),
            "axis_times": np.array([each.name for each in self.times]),
            "axis_time_columns": np.array([(each.start, each.stop) for each in self.times], np.int64),
            "axis_notes": np.array(self.notes, dtype="U" if not self.notes else None),
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The axes that `arrays` made arrays of."""

        def blocks(names: str, spans: str) -> tuple[Block, ...]:
            pairs = zip(arrays[names].tolist(), arrays[spans].tolist(), strict=True)
            return tuple(Block(name, start, stop) for name, (start, stop) in pairs)

        hertz, seconds = np.asarray(arrays["axis_hertz"], np.float64), float(arrays["axis_seconds"])
        return cls(
            electrodes=tuple(arrays["axis_electrodes"].tolist()),
            source=str(arrays["axis_source"]),
            hertz=None if np.isnan(hertz).all() else hertz,
            seconds=None if math.isnan(seconds) else seconds,
            rows=len(hertz),
            columns=int(arrays["axis_columns"]),
            bands=blocks("axis_bands", "axis_band_rows"),
            times=blocks("axis_times", "axis_time_columns"),
            notes=tuple(arrays["axis_notes"].tolist()),
        )


def axes_of(participant: str, files: Sequence[Path], shape: tuple[int, int, int], time_blocks: int = 4) -> EegAxes:
    """Read what the axes of a participant's scalograms are from the JSON files beside them.

    Args:
        participant: The id, for messages.
        files: The scalograms' files; none are opened.
        shape: Electrodes, rows and columns as the network gets them. Rows that were resized since the files were
            written have interpolated frequencies.
        time_blocks: The number of equal blocks of the time axis.

    Raises:
        InputError: The JSON files differ in an axis, or name other than ``shape[0]`` electrodes.
    """
    electrodes, rows, columns = shape
    contents, lacking = _sidecars(files)
    _refuse_differences(participant, contents)
    first = next(iter(contents.values()), {})
    notes: list[str] = []
    if contents and lacking:
        notes.append(f"{lacking} of {len(files)} scalograms have no JSON beside them: taken to be alike.")
    names, source = _names(participant, first.get("Electrodes"), electrodes, notes)
    hertz = _hertz(first.get("RowFrequenciesHz"), rows)
    if hertz is None:
        notes.append("The frequencies of the rows are not known: blocks of rows stand for bands.")
    seconds = _positive(first.get("SegmentSeconds"))
    if seconds is None:
        notes.append("The length of a segment is not known: times are shares of it.")
    return EegAxes(
        electrodes=names,
        source=source,
        hertz=hertz,
        seconds=seconds,
        rows=rows,
        columns=columns,
        bands=_bands(hertz) if hertz is not None else _blocks("rows", rows, ROW_BLOCKS),
        times=_times(columns, time_blocks, seconds),
        notes=tuple(notes),
    )


def _sidecars(files: Sequence[Path]) -> tuple[dict[Path, dict[str, Any]], int]:
    """The finished sidecars of the files by their paths, and how many files have none."""
    read: dict[Path, dict[str, Any] | None] = {}
    lacking = 0
    for file in files:
        name = sidecar_name(file.name)
        path = None if name is None else file.with_name(name)
        if path is not None and path not in read:
            content = read_json_object(path, MOST_BYTES)
            read[path] = content if is_sidecar(content) and content and content.get("Finished") is True else None
        content = None if path is None else read[path]
        named = content.get("Files") if content else None
        lacking += not (isinstance(named, list) and file.name in named)
    return {path: content for path, content in read.items() if content is not None}, lacking


def _refuse_differences(participant: str, contents: Mapping[Path, Mapping[str, Any]]) -> None:
    (usual, expected), *others = list(contents.items()) or [(Path(), {})]
    for path, content in others:
        for field, called in _FIELDS.items():
            if content.get(field) != expected.get(field):
                seen = f"{called} {cut(str(content.get(field)))} ({path.name})"
                wanted = f"{cut(str(expected.get(field)))} as in {usual.name}"
                raise InputError(Problem(participant, "eeg", seen, wanted, _ADVICE))


def _names(participant: str, named: Any, electrodes: int, notes: list[str]) -> tuple[tuple[str, ...], str]:
    if isinstance(named, list):
        if len(named) != electrodes:
            seen = f"the JSON beside the scalograms names {len(named)} electrodes ({a_few(map(str, named))})"
            raise InputError(Problem(participant, "eeg", seen, str(electrodes), "write the scalograms again"))
        return tuple(map(str, named)), FROM_SIDECAR
    if electrodes == len(ELECTRODES_1020_17):
        notes.append("No JSON beside the scalograms names the electrodes: the names are those of the preset lemon17.")
        return ELECTRODES_1020_17, FROM_PRESET
    notes.append("No JSON beside the scalograms names the electrodes: they are numbered.")
    return tuple(f"E{number:02d}" for number in range(1, electrodes + 1)), FROM_NUMBERS


def _positive(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) and value > 0 else None


def _hertz(values: Any, rows: int) -> NDArray[np.float64] | None:
    """[rows] from a sidecar's list; None unless its frequencies are positive and rise or fall from row to row."""
    if not isinstance(values, list) or not values or any(_positive(each) is None for each in values):
        return None
    hertz = np.array(values, np.float64)
    steps = np.diff(hertz)
    if not ((steps <= 0).all() or (steps >= 0).all()):
        return None
    if len(hertz) == rows:
        return hertz
    # As `morlet.row_frequencies`: both are the same interval cut into equal cells. Scales, the inverse of frequencies,
    # are what a wavelet's rows are linear in.
    place = (np.arange(rows) + 0.5) * len(hertz) / rows - 0.5
    return 1 / np.interp(place, np.arange(len(hertz)), 1 / hertz)


def _bands(hertz: NDArray[np.float64]) -> tuple[Block, ...]:
    """The named bands that have rows, in the rows' order."""
    kind = np.searchsorted([low for _, low in BANDS], hertz, side="right") - 1
    edges = [0, *(np.flatnonzero(np.diff(kind)) + 1).tolist(), len(hertz)]
    return tuple(Block(BANDS[int(kind[start])][0], start, stop) for start, stop in pairwise(edges))


def _blocks(called: str, length: int, number: int) -> tuple[Block, ...]:
    edges = np.unique(np.floor(np.linspace(0, length, number + 1) + 0.5).astype(int)).tolist()
    return tuple(Block(f"{called} {start + 1}-{stop}", start, stop) for start, stop in pairwise(edges))


def _times(columns: int, number: int, seconds: float | None) -> tuple[Block, ...]:
    blocks = _blocks("columns", columns, number)
    if seconds is None:
        return blocks
    scale = seconds / columns
    return tuple(
        Block(f"{round(each.start * scale, 2):g}-{round(each.stop * scale, 2):g} s", each.start, each.stop)
        for each in blocks
    )
