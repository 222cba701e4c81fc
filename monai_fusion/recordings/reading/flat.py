"""Samples that lie in a file as plain numbers: BrainVision's .eeg, EEGLAB's .fdt."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monai_fusion.opening import open_regular, read_fully

_PIECE = 8 * 2**20  # bytes that are read at once


@dataclass(frozen=True, slots=True)
class FlatSamples:
    """Reads numbers of one type, channel after channel or sample after sample.

    Attributes:
        path: The file.
        dtype: Of a number, with its byte order: ``<i2``.
        gains: What each channel's numbers are multiplied with, one for each channel of the file.
        samples: A channel.
        multiplexed: All channels of a sample lie together; else all samples of a channel do.
        offset: Bytes before the first number.
    """

    path: Path
    dtype: str
    gains: tuple[float, ...]
    samples: int
    multiplexed: bool = True
    offset: int = 0

    def __call__(self, channels: Sequence[int], start: int, stop: int) -> NDArray[np.float64]:
        """``[channel, time]`` float64, in the unit that `gains` make of the numbers."""
        picked = list(channels)
        out = np.empty((len(picked), stop - start))
        size = np.dtype(self.dtype).itemsize
        with open_regular(self.path) as stream:
            if self.multiplexed:
                width = len(self.gains)
                step = max(1, _PIECE // (size * width))
                for first in range(start, stop, step):
                    last = min(stop, first + step)
                    stream.seek(self.offset + first * width * size)
                    numbers = self._numbers(stream, (last - first) * width).reshape(last - first, width)
                    out[:, first - start : last - start] = numbers[:, picked].T
            else:
                for row, channel in enumerate(picked):
                    stream.seek(self.offset + (channel * self.samples + start) * size)
                    out[row] = self._numbers(stream, stop - start)
        out *= np.array([self.gains[channel] for channel in picked])[:, None]
        return out

    def _numbers(self, stream: io.FileIO, count: int) -> NDArray[np.number]:
        content = read_fully(stream, count * np.dtype(self.dtype).itemsize)
        numbers = content.view(self.dtype)
        if len(numbers) != count:
            raise OSError(f"{self.path.name} has become shorter")
        return numbers
