"""Small raw recordings, written by the libraries that people write theirs with, and the signal that is in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_fusion.recordings.montage import ELECTRODES_1020_17

NAMES = list(ELECTRODES_1020_17)
HZ = 250


def signal(seconds: float = 20.0, channels: int = len(NAMES), hz: float = HZ, seed: int = 0) -> NDArray[np.float64]:
    """``[channel, time]`` of noise with a standard deviation of 20 microvolts."""
    return np.random.default_rng(seed).normal(scale=20.0, size=(channels, round(seconds * hz)))


def lemon_events(start: int, blocks: Sequence[tuple[int, int]], interval: int = 500) -> list[dict[str, Any]]:
    """Markers of blocks as LEMON has them: ``(code, how many)``, one every two seconds."""
    events = []
    for code, count in blocks:
        events += [
            {"onset": start + number * interval, "description": code, "type": "Stimulus", "duration": 1}
            for number in range(count)
        ]
        start += count * interval
    return events


def write_vhdr(
    folder: Path, stem: str, x: NDArray[np.float64], names: Sequence[str] = NAMES, hz: float = HZ, **how: Any
) -> Path:
    """A BrainVision recording of float32 samples in microvolts."""
    import pybv

    folder.mkdir(parents=True, exist_ok=True)
    how = {"fmt": "binary_float32", "resolution": 0.1, "unit": "µV", "overwrite": True} | how
    pybv.write_brainvision(
        data=x * 1e-6, sfreq=hz, ch_names=list(names), fname_base=stem, folder_out=str(folder), **how
    )
    return folder / f"{stem}.vhdr"


def write_edf(path: Path, x: NDArray[np.float64], names: Sequence[str] = NAMES, hz: float = HZ, **how: Any) -> Path:
    """An EDF recording with a range of 400 microvolts."""
    import edfio

    path.parent.mkdir(parents=True, exist_ok=True)
    edfio.Edf(
        [
            edfio.EdfSignal(row, hz, label=name, physical_dimension="uV", physical_range=(-200, 200))
            for name, row in zip(names, x, strict=True)
        ],
        **how,
    ).write(path)
    return path


def mne_raw(
    x: NDArray[np.float64], names: Sequence[str] = NAMES, hz: float = HZ, kinds: str | list[str] = "eeg"
) -> Any:
    """The signal as MNE holds it."""
    import mne

    return mne.io.RawArray(x * 1e-6, mne.create_info(list(names), hz, kinds), verbose="ERROR")


def write_csv(
    path: Path, x: NDArray[np.float64], names: Sequence[str] = NAMES, delimiter: str = ",", decimal: str = "."
) -> Path:
    """A table with a header of names and a line for each sample."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [delimiter.join(names)]
    lines += [delimiter.join(repr(float(value)).replace(".", decimal) for value in row) for row in x.T]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
