"""What the benchmarks share: recordings of clinical size, what the single-file script did with them, and the table."""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from monai.transforms import RandFlipd
from rich.console import Console
from rich.table import Table
from scipy import ndimage

from monai_fusion.datalist import ParticipantRecord
from monai_fusion.transforms import RandInPlaneRotated, RandSpecAugmentd

SHAPE, SIZE, DEPTH, EEG_SHAPE = (176, 240, 256), (128, 128, 128), 96, (224, 224, 17)
VOLUMES, SEGMENTS = 12, 8
Work = Callable[[], Any]


@dataclass
class Row:
    """A line of the table; ``goal`` is what ``ratio`` should be at least, or at most where it is negative."""

    what: str
    reference: str
    ours: str
    ratio: float
    goal: float

    @property
    def reached(self) -> bool:
        """Whether the goal is met."""
        return self.ratio >= self.goal if self.goal > 0 else self.ratio <= -self.goal


def old_mri(path: Path) -> np.ndarray:
    """nibabel, two percentiles, scipy's zoom, the slab."""
    values = nib.load(path).get_fdata()
    low, high = np.percentile(values, 1), np.percentile(values, 99)
    scaled = np.clip((values - low) / (high - low), 0, 1).astype(np.float32)
    first = (SIZE[0] - DEPTH) // 2
    return ndimage.zoom(scaled, np.divide(SIZE, scaled.shape), order=1)[np.newaxis, first : first + DEPTH]


def old_eeg(stored: np.ndarray) -> np.ndarray:
    """A loop over the strided last axis."""
    scores = np.empty(stored.shape, dtype=np.float32)
    for electrode in range(stored.shape[-1]):
        values = stored[..., electrode]
        scores[..., electrode] = (values - values.mean()) / values.std()
    return np.ascontiguousarray(scores.transpose(2, 0, 1))


def old_rotation(volume: np.ndarray, degrees: float) -> np.ndarray:
    """scipy's."""
    rotated: np.ndarray = ndimage.rotate(volume, degrees, axes=(1, 2), order=1, mode="nearest", reshape=False)
    return rotated


def write_brain(path: Path, dtype: str, seed: int) -> None:
    """A smooth head with noise, in a background that is half zeros, as scanners write it."""
    rng = np.random.default_rng(seed)
    axes = np.meshgrid(*(np.linspace(-1, 1, length) for length in SHAPE), indexing="ij", sparse=True)
    head = sum(axis**2 / radius for axis, radius in zip(axes, (0.5, 0.7, 0.8), strict=True)) < 1
    smooth = ndimage.zoom(rng.random((12, 16, 16)), np.divide(SHAPE, (12, 16, 16)), order=1)
    inside = 300 + 900 * smooth + rng.normal(0, 40, SHAPE)
    outside = np.abs(rng.normal(0, 6, SHAPE)) * (rng.random(SHAPE) < 0.6)
    values = np.where(head, inside, outside).clip(0).astype(dtype)
    nib.save(nib.Nifti1Image(values, np.eye(4)), path)


def write_recordings(folder: Path, participants: int, kinds: int = VOLUMES, first: int = 0) -> list[ParticipantRecord]:
    """Participants whose files are links to a few real ones: what is timed is finding them, not the disk.

    Args:
        folder: For the files; it exists.
        participants: How many.
        kinds: The number of different volumes and of different segments.
        first: The number of the first participant, and of the first random recording.
    """

    def write(number: int) -> None:
        write_brain(folder / f"volume{number}.nii.gz", "int16", first + number)
        rng = np.random.default_rng(first + number)
        np.save(folder / f"segment{number}.npy", np.abs(rng.normal(size=EEG_SHAPE)).astype(np.float32))

    with ThreadPoolExecutor(os.cpu_count()) as threads:  # 3 s of a core each
        list(threads.map(write, range(kinds)))
    for path in folder.iterdir():
        os.utime(path, (time.time() - 60,) * 2)
    links = folder / "links"
    links.mkdir()
    records = []
    for number in range(participants):
        name = f"sub-{first + number:06d}"
        eeg = [links / f"{name}_EO_seg{segment}.npy" for segment in range(SEGMENTS)]
        for segment, path in enumerate(eeg):
            path.symlink_to(folder / f"segment{(number + segment) % kinds}.npy")
        mri = links / f"{name}_T1w.nii.gz"
        mri.symlink_to(folder / f"volume{number % kinds}.nii.gz")
        records.append(ParticipantRecord(name, number % 2, tuple(eeg), mri, "training"))
    return records


def augmentation() -> dict[str, list[Any]]:
    """The shipped bundle's."""
    flips: list[Any] = [RandFlipd("mri", prob=0.5, spatial_axis=axis) for axis in range(3)]
    return {"eeg": [RandSpecAugmentd()], "mri": [*flips, RandInPlaneRotated()]}


def least_cpu(works: list[Work], repetitions: int) -> list[float]:
    """The least CPU seconds of each, repeated in turn, so that whatever else the machine does meets all of them."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(repetitions):
        for work, taken in zip(works, times, strict=True):
            started = time.process_time()
            work()
            taken.append(time.process_time() - started)
    return [min(taken) for taken in times]


def in_ms(old: float, new: float) -> tuple[str, str]:
    """Both as text."""
    return f"{old * 1e3:.1f} ms", f"{new * 1e3:.1f} ms"


def in_s(old: float, new: float) -> tuple[str, str]:
    """Both as text."""
    return f"{old:.2f} s", f"{new:.2f} s"


def show(rows: list[Row], load: tuple[float, float, float]) -> None:
    """Print the table, with what the numbers depend on."""
    table = Table("what", "reference", "ours", "ratio or value", "goal", "reached")
    for row in rows:
        goal = "" if 0 < row.goal < 0.01 else f"{'>=' if row.goal > 0 else '<='} {abs(row.goal):g}"
        table.add_row(row.what, row.reference, row.ours, f"{row.ratio:.2f}", goal, "yes" if row.reached else "NO")
    console = Console(width=150)
    console.print(table)
    cpu = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.*)", cpu.read_text())[1] if cpu.exists() else platform.processor()
    loads = ", ".join(f"{value:.1f}" for value in (load[0], os.getloadavg()[0]))
    console.print(f"{time.strftime('%Y-%m-%d')}; {model}, {os.cpu_count()} cores; load average before, after: {loads}")
