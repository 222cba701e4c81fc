"""What scalograms cost: the transform against PyWavelets and OpenCV, whole recordings from file to disk, two processes.

    python tests/benchmarks/bench_scalogram.py

One thread of arithmetic: it starts itself again with OMP_NUM_THREADS=1 where that is not set. Every ratio has its
reference in the same run. Ends with code 1 if a goal is missed.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pybv
import pywt
from common import Row, show

from monai_fusion.recordings.compat import compat_scalogram
from monai_fusion.recordings.electrode_presets import PRESETS
from monai_fusion.recordings.power import power_margin, power_scalogram

REPETITIONS = 15
MINUTES = 16
CHANNELS = PRESETS["lemon61"].electrodes


def brain_like(channels: int, samples: int) -> np.ndarray:
    """``[channel, time]`` pink noise of 10 microvolts."""
    white = np.random.default_rng(0).standard_normal((channels, samples))
    signal = np.fft.irfft(np.fft.rfft(white) / np.sqrt(np.arange(samples // 2 + 1) + 1), samples)
    return np.asarray(10 * signal / signal.std(axis=1, keepdims=True))


def original(segment: np.ndarray) -> np.ndarray:
    """The script that wrote the files in use."""
    planes = [np.abs(pywt.cwt(each, np.arange(1, 128), "morl")[0]) for each in segment]
    return np.stack([cv2.resize(each, (224, 224), interpolation=cv2.INTER_CUBIC) for each in planes], axis=-1)


def cpu_seconds(work: Callable[[], Any]) -> float:
    """CPU seconds of this process."""
    start = time.process_time()
    work()
    return time.process_time() - start


def transforms() -> list[Row]:
    """One segment of 17 electrodes; medians of alternating repetitions."""
    cv2.setNumThreads(1)
    segment = brain_like(17, 2500).astype(np.float32)
    margin = power_margin(2500)
    longer = brain_like(17, 2500 + 2 * margin)
    expected = original(segment.astype(np.float64))
    off = np.abs(compat_scalogram(segment) - expected).max() / expected.std(axis=(0, 1)).min()
    exact = compat_scalogram(segment.astype(np.float64))
    relative = np.abs(exact - expected).max() / np.abs(expected).max()
    works = (
        lambda: original(segment.astype(np.float64)),
        lambda: compat_scalogram(segment),
        lambda: power_scalogram(longer, margin),
    )
    times: list[list[float]] = [[] for _ in works]
    for _ in range(REPETITIONS):
        for seconds, work in zip(times, works, strict=True):
            seconds.append(cpu_seconds(work))
    old, compat, power = map(statistics.median, times)
    return [
        Row("compat, one segment", f"{1000 * old:.0f} ms", f"{1000 * compat:.1f} ms", old / compat, 18),
        Row("power, one segment", f"{1000 * old:.0f} ms", f"{1000 * power:.1f} ms", old / power, 1),
        Row("compat in float32, off by (SD of a channel)", "PyWavelets, OpenCV", f"{off:.1e}", off, -1e-3),
        Row("compat in float64, off by (of the maximum)", "PyWavelets, OpenCV", f"{relative:.1e}", relative, -1e-10),
    ]


def write_recording(folder: Path, name: str, hz: int) -> Path:
    """16 minutes of 61 channels as LEMON has them: BrainVision, int16, blocks of a minute, a marker every 2 s."""
    minute = brain_like(len(CHANNELS), 60 * hz)
    pybv.write_brainvision(
        data=minute * 1e-6, sfreq=hz, ch_names=list(CHANNELS), fname_base=name, folder_out=str(folder),
        fmt="binary_int16", resolution=0.1, unit="µV",
    )  # fmt: skip
    samples = folder / f"{name}.eeg"
    content = samples.read_bytes()
    with samples.open("ab") as stream:
        for _ in range(MINUTES - 1):
            stream.write(content)
    with (folder / f"{name}.vmrk").open("a", encoding="utf-8") as stream:
        for number in range(MINUTES * 30):
            code = "S210" if number // 30 % 2 else "S200"
            stream.write(f"Mk{number + 2}=Stimulus,{code},{number * 2 * hz + 1},1,0\n")
    return folder / f"{name}.vhdr"


_COMMAND = """
import re, sys, time
from monai_fusion.cli import main
start = time.perf_counter()
try:
    main(["--quiet", "scalogram", *sys.argv[1:]])
finally:
    status = open("/proc/self/status").read() if sys.platform == "linux" else ""
    peak = re.search(r"VmHWM:\\s*(\\d+)", status)
    print(time.process_time(), time.perf_counter() - start, int(peak[1]) / 1024 if peak else 0)
"""


def measured(*words: object) -> tuple[float, float, float]:
    """The command in a process of its own: CPU seconds, imports included, wall seconds, and its largest memory in MB.

    The last is 0 where there is no /proc; `ru_maxrss` would be that of this process, from which it was started.
    """
    done = subprocess.run(
        [sys.executable, "-c", _COMMAND, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    cpu, wall, memory = map(float, done.stdout.split())
    return cpu, wall, memory


def recordings(folder: Path) -> list[Row]:
    """Whole recordings, from file to disk, imports included."""
    rows = []
    for hz, goal in ((250, 10), (2500, 20)):
        raw = write_recording(folder, f"sub-{hz}", hz)
        for mode in ("compat", "power"):
            runs = [measured(raw, "--out", folder / f"{mode}{hz}_{k}", "--mode", mode) for k in range(3)]
            cpu, _, memory = (statistics.median(each) for each in zip(*runs, strict=True))
            limit = -goal if mode == "compat" else -2 * goal
            rows.append(Row(f"{MINUTES} min, 61 channels, {hz} Hz, {mode}: CPU s", "", f"{cpu:.1f} s", cpu, limit))
            rows.append(Row("... memory of the process", "", f"{memory:.0f} MB", memory, -1000))
    return rows


def processes(folder: Path) -> Row:
    """Six recordings at 2500 Hz by one process and by two, into memory: a disk would be waited for as long by both."""
    raw = write_recording(folder, "sub-x", 2500)
    (folder / "many").mkdir()
    for number in range(6):
        copy = folder / f"many/sub-{number}.vhdr"
        for ending in (".vhdr", ".vmrk"):
            text = raw.with_suffix(ending).read_text(encoding="utf-8")
            copy.with_suffix(ending).write_text(text.replace("=sub-x", f"={copy.stem}"), encoding="utf-8")
        os.link(raw.with_suffix(".eeg"), copy.with_suffix(".eeg"))  # one file of samples on the disk
    shared = Path("/dev/shm")  # noqa: S108 # memory that looks like a folder
    memory = shared if os.access(shared, os.W_OK) else None
    walls = []
    for workers in (1, 2):
        with tempfile.TemporaryDirectory(dir=memory) as out:
            how = ("--workers", workers, "--mode", "power")
            walls.append(measured(folder / "many", "--out", Path(out) / "out", *how)[1])
    return Row(
        "6 recordings at 2500 Hz, power, two processes: wall",
        f"{walls[0]:.1f} s (one)",
        f"{walls[1]:.1f} s",
        walls[0] / walls[1],
        1.8,
    )


def main() -> int:
    """Print the table."""
    load = os.getloadavg()
    rows = transforms()
    with tempfile.TemporaryDirectory() as name:
        rows += recordings(Path(name))
        rows.append(processes(Path(name)))
    show(rows, load)
    return 0 if all(row.reached for row in rows) else 1


if __name__ == "__main__":
    if os.environ.get("OMP_NUM_THREADS") != "1":  # it must be there before NumPy is imported
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        sys.exit(subprocess.run([sys.executable, __file__], env={**os.environ, **threads}, check=False).returncode)
    sys.exit(main())
