"""Samples in a text table (CSV, TSV): a header of electrode names, and a row for each sample, read piece by piece."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_fusion.errors import InputError, Problem
from monai_fusion.opening import open_regular
from monai_fusion.recordings.reading.kinds import kind_of
from monai_fusion.recordings.reading.table_layout import Layout, layout_of
from monai_fusion.recordings.reading.table_times import Times, times_of
from monai_fusion.recordings.reading.units import microvolts_in
from monai_fusion.recordings.recording import Recording, SampleReader

_PIECE = 4 * 2**20  # bytes that are parsed at once
_KEPT = 3  # pieces that stay parsed, since segments with their margins overlap


@dataclass(frozen=True, slots=True)
class _Piece:
    """Whole lines of the file: where they begin, and which samples they are."""

    begins: int
    size: int
    first: int
    rows: int
    line: int


@dataclass(frozen=True, eq=False)
class _TableSamples:
    path: Path
    layout: Layout
    pieces: tuple[_Piece, ...]
    columns: tuple[int, ...]
    parsed: dict[int, NDArray[np.float64]] = field(default_factory=dict)

    def __call__(self, channels: Sequence[int], start: int, stop: int) -> NDArray[np.float64]:
        """``[channel, time]`` float64 in the table's unit."""
        picked = [self.columns[channel] for channel in channels]
        out = np.empty((len(picked), stop - start))
        for number, piece in enumerate(self.pieces):
            begin, end = max(start, piece.first), min(stop, piece.first + piece.rows)
            if begin < end:
                rows = self._values(number)[begin - piece.first : end - piece.first]
                out[:, begin - start : end - start] = rows[:, picked].T
        return out

    def _values(self, number: int) -> NDArray[np.float64]:
        if number not in self.parsed:
            while len(self.parsed) >= _KEPT:
                self.parsed.pop(next(iter(self.parsed)))
            piece = self.pieces[number]
            with open_regular(self.path) as stream:
                stream.seek(piece.begins)
                content = stream.read(piece.size) or b""
            self.parsed[number] = _parsed(self.path, content, self.layout, piece.line)
        return self.parsed[number]


def samples_of(path: Path, layout: Layout) -> tuple[int, SampleReader, NDArray[np.float64]]:
    """Look through a table: how many samples it has, what reads them, and ``[time]`` its column of times.

    Raises:
        InputError: A cell holds no number, or there are no samples.
    """
    pieces: list[_Piece] = []
    clocks: list[NDArray[np.float64]] = [np.empty(0)]
    for piece, values in _pieces(path, layout):
        pieces.append(piece)
        if layout.time is not None:
            clocks.append(values[:, layout.time])
    if not pieces:
        raise InputError(Problem(str(path), seen="a header and no samples", wanted="a line for each sample"))
    reader = _TableSamples(path, layout, tuple(pieces), layout.samples)
    return pieces[-1].first + pieces[-1].rows, reader, np.concatenate(clocks)


def _times(path: Path, layout: Layout, clock: NDArray[np.float64], sampling_hz: float | None) -> Times:
    if layout.time is None:
        return Times()
    return times_of(path, layout.names[layout.time], layout.units[layout.time], clock, sampling_hz)


def _pieces(path: Path, layout: Layout) -> Iterator[tuple[_Piece, NDArray[np.float64]]]:
    """Whole lines at a time, with their values."""
    at, first, line = layout.begins, 0, layout.line
    with open_regular(path) as stream:
        stream.seek(at)
        kept = b""
        while True:
            read = stream.read(_PIECE) or b""
            content = kept + read
            end = content.rfind(b"\n") + 1 if read else len(content)
            kept = content[end:]
            content = content[:end]
            if content.strip():
                values = _parsed(path, content, layout, line)
                yield _Piece(at, len(content), first, len(values), line), values
                first += len(values)
            at += len(content)
            line += content.count(b"\n")
            if not read:
                return


def _parsed(path: Path, content: bytes, layout: Layout, line: int) -> NDArray[np.float64]:
    """``[row, column]`` float64 of some lines; columns of text are NaN.

    Raises:
        InputError: A cell of a channel or of the times is no finite number.
    """
    import pandas as pd

    columns = sorted({*layout.samples, *([] if layout.time is None else [layout.time])})
    width = len(layout.names)
    how: dict[str, Any] = {
        "header": None,
        "names": list(range(width + 1)),  # one more, in which a cell too many shows
        "index_col": False,
        "decimal": layout.decimal,
        "sep": r"\s+" if layout.delimiter == " " else layout.delimiter,
        "skipinitialspace": True,
        "encoding": layout.encoding,
        "encoding_errors": "replace",
    }
    kinds = {column: np.float64 if column in columns else object for column in range(width + 1)}
    try:
        frame = pd.read_csv(io.BytesIO(content), dtype=kinds, **how)
    except pd.errors.ParserError as error:
        found = re.search(r"line (\d+)", str(error))
        raise InputError(_wrong_width(path, line + int(found[1]) - 1 if found else line)) from error
    except ValueError:
        texts = pd.read_csv(io.BytesIO(content), dtype=str, **how)
        frame = texts.apply(lambda column: pd.to_numeric(column.str.replace(layout.decimal, "."), errors="coerce"))
        frame[width] = texts[width]
    if (over := frame[width].notna().to_numpy()).any():
        raise InputError(_wrong_width(path, _line_of(content, line, int(np.argmax(over)))))
    values = frame[columns].to_numpy(np.float64)
    if not np.isfinite(values).all():
        row, column = (int(each[0]) for each in np.nonzero(~np.isfinite(values)))
        raise InputError(_no_number(path, layout, _line_of(content, line, row), columns[column]))
    full = np.full((len(values), len(layout.names)), np.nan)
    full[:, columns] = values
    return full


def _line_of(content: bytes, line: int, row: int) -> int:
    """The number of the line that a row stands in; empty lines are no rows."""
    filled = [number for number, text in enumerate(content.splitlines()) if text.strip()]
    return line + (filled[row] if row < len(filled) else row)


def _wrong_width(path: Path, line: int) -> Problem:
    return Problem(str(path), f"line {line}", "more cells than names in the header", advice="is a cell split in two?")


def _no_number(path: Path, layout: Layout, line: int, column: int) -> Problem:
    return Problem(
        str(path),
        f"line {line}, column {layout.names[column] or column + 1}",
        "NaN, nothing or no number",
        "a number in every row",
        "interpolate it, or cut the recording there and give the parts",
    )


def read_table(path: Path, sampling_hz: float | None) -> Recording:
    """Open a table of samples.

    Args:
        path: A ``.csv`` or ``.tsv``: a line of electrode names, then a line for each sample.
        sampling_hz: Samples a second; not needed where a column of times tells it.

    Raises:
        InputError: It is no such table, a cell holds no number, or the sampling rate is not known.
    """
    layout = layout_of(path)
    samples, reader, clock = samples_of(path, layout)
    times = _times(path, layout, clock, sampling_hz)
    rate = times.sampling_hz or sampling_hz
    if rate is None:
        wanted = "samples a second"
        advice = "give --sampling-rate, for example --sampling-rate 250"
        raise InputError(Problem(str(path), "sampling rate", "not known: a table does not tell it", wanted, advice))
    names = [layout.names[column] for column in layout.samples]
    units = [layout.units[column] for column in layout.samples]
    factors = [microvolts_in(unit) for unit in units]
    kinds = tuple(
        kind if factor is not None or kind != "eeg" else "misc"
        for kind, factor in zip(map(kind_of, names), factors, strict=True)
    )
    notes = [*layout.notes, *times.notes]
    if not any(units):
        notes.append("a table does not state its unit: taken as microvolts")
    return Recording(
        path=path,
        files=(path,),
        format="table",
        channels=tuple(names),
        kinds=kinds,
        sampling_hz=float(rate),
        samples=samples,
        scale=tuple(1.0 if factor is None else factor for factor in factors),
        positions={},
        markers=(),
        breaks=times.breaks,
        bad=(),
        bad_channels=(),
        reference="",
        notes=tuple(notes),
        read_samples=reader,
    )
