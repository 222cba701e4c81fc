"""Samples of a BrainVision recording that were exported as text: a line for each sample, a column for each channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monai_fusion.recordings.reading.table import samples_of
from monai_fusion.recordings.reading.table_layout import Layout
from monai_fusion.recordings.recording import SampleReader


@dataclass(frozen=True, slots=True)
class _Scaled:
    read: SampleReader
    gains: tuple[float, ...]

    def __call__(self, channels: Sequence[int], start: int, stop: int) -> NDArray[np.float64]:
        return self.read(channels, start, stop) * np.array([self.gains[each] for each in channels])[:, None]


def text_samples(
    data: Path, infos: Mapping[str, str], names: Sequence[str], gains: tuple[float, ...]
) -> tuple[int, SampleReader]:
    """How many samples the file holds, and what reads them.

    Args:
        data: The file of the samples.
        infos: The header's section [ASCII Infos], keys in lower case.
        names: Of the channels.
        gains: What each channel's numbers are multiplied with.

    Raises:
        InputError: A line does not hold a number for each channel.
    """
    skipped_lines, skipped = (_count(infos.get(key, "0")) for key in ("skiplines", "skipcolumns"))
    begins = 0
    with data.open("rb") as stream:
        for _ in range(skipped_lines):
            begins += len(stream.readline())
        first = stream.readline().decode("latin-1")
    decimal = infos.get("decimalsymbol", ".").strip() or "."
    signs = [sign for sign in ("\t", ";", ",") if sign in first.strip() and sign != decimal]
    every = ("",) * skipped + tuple(names)
    columns = tuple(range(skipped, len(every)))
    delimiter = signs[0] if signs else " "
    layout = Layout(
        delimiter, decimal, "latin-1", every, ("",) * len(every), columns, None, begins, skipped_lines + 1, ()
    )
    count, reader, _ = samples_of(data, layout)
    return count, _Scaled(reader, gains)


def _count(text: str) -> int:
    return int(text) if text.strip().isdigit() else 0
