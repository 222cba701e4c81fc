"""Does a training's memory grow? Fifty epochs of the shipped train.yaml over both stages on a small random cohort.

    python tests/benchmarks/bench_memory.py                 # 0 and 2 workers, about ten minutes on two cores
    python tests/benchmarks/bench_memory.py --device cuda   # prints the GPU's peak as well

The network, the handlers, the store, the checkpoints and the log are those of a real run; only the recordings are
small. Each number of workers has a process of its own. A stage allocates anew (gradients and Adam's state of what it
unfreezes), so each is judged by itself: the median over its epochs 4 to 6, when all is allocated once, against the
median over its last five. On Linux the judged size is the anonymous part of the resident size: what is mapped from
files, the libraries and the store, the kernel drops when others want the memory, which would hide a leak.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import psutil
import torch

BUNDLE = Path(__file__).parents[2] / "bundles" / "brain_eeg_mri_classification"
MEBIBYTE = 2**20
ALLOWED = 0.02
EEG_SHAPE = [64, 64, 17]


def write_cohort(folder: Path, segments: int = 3) -> Path:
    """Fourteen participants with random recordings; returns the datalist."""
    generator = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for number in range(14):
        name = f"sub-{number:03d}"
        volume = generator.integers(0, 1000, size=(40, 44, 48)).astype(np.int16)
        nib.save(nib.Nifti1Image(volume, np.eye(4)), folder / f"{name}_T1w.nii.gz")
        for segment in range(segments):
            np.save(folder / f"{name}_seg{segment}.npy", generator.random(EEG_SHAPE, dtype=np.float32))
        files = {"eeg": f"{name}_seg*.npy", "mri": f"{name}_T1w.nii.gz"}
        rows.append({"participant_id": name, "label": "MF"[number % 2], **files})
    head = {"name": "memory", "target": "gender", "classes": ["M", "F"], "data_root": "."}
    parts = {"training": rows[:8], "validation": rows[8:12], "test": rows[12:]}
    path = folder / "datalist.json"
    path.write_text(json.dumps(head | parts), encoding="utf-8")
    return path


def train(options: argparse.Namespace) -> None:
    """Train in this process and print a JSON line with its memory after each epoch."""
    from ignite.engine import Events
    from monai.bundle import ConfigWorkflow

    torch.set_num_threads(options.threads)
    first = options.epochs // 2
    workflow = ConfigWorkflow(
        config_file=str(BUNDLE / "configs" / "train.yaml"),
        workflow_type="train",
        datalist=options.one,
        output_dir=f"{Path(options.one).parent}/run{options.workers[0]}",
        cache_dir=f"{Path(options.one).parent}/preprocessed",
        num_epochs=[first, options.epochs - first],
        num_workers=options.workers[0],
        device=options.device,
        eeg_shape=EEG_SHAPE,
        mri_size=[24, 24, 24],
        slab_depth=16,
        pretrained=False,
        **json.loads(options.set),
    )
    workflow.initialize()
    process = psutil.Process()
    trainer = workflow.parser.get_parsed_content("train#trainer")

    def tell() -> None:
        children = sum(child.memory_info().rss for child in process.children())
        told = {"epoch": trainer.state.epoch, "main": process.memory_info().rss, "workers": children}
        with contextlib.suppress(OSError):  # Linux only
            status = Path("/proc/self/status").read_text(encoding="ascii")
            told["anonymous"] = int(status.partition("RssAnon:")[2].split()[0]) * 1024
        if torch.device(options.device).type == "cuda":
            told["gpu"] = torch.cuda.max_memory_allocated()
            torch.cuda.reset_peak_memory_stats()
        print("memory", json.dumps(told), flush=True)

    trainer.add_event_handler(Events.EPOCH_COMPLETED, tell)
    workflow.run()


def measure(datalist: Path, workers: int, options: argparse.Namespace) -> list[dict[str, int]]:
    """Run :func:`train` in a process of its own and show its memory as it goes."""
    command = [sys.executable, __file__, "--one", str(datalist), "--workers", str(workers), "--set", options.set]
    command += ["--epochs", str(options.epochs), "--device", options.device, "--threads", str(options.threads)]
    told: list[dict[str, int]] = []
    with (datalist.parent / f"log{workers}.txt").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, encoding="utf-8")
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("memory "):
                told.append(json.loads(line.removeprefix("memory ")))
                show(told[-1], workers)
    if process.wait():
        print((datalist.parent / f"log{workers}.txt").read_text(encoding="utf-8")[-3000:], file=sys.stderr)
        raise SystemExit(1)
    return told


def show(row: dict[str, int], workers: int) -> None:
    """Print one row of the table in MiB."""
    cells = [f"{row[name] / MEBIBYTE:.1f}" if name in row else "-" for name in ("main", "anonymous", "workers", "gpu")]
    print(f"| {workers} | {row['epoch']} | {' | '.join(cells)} |", flush=True)


def verdicts(told: list[dict[str, int]], workers: int) -> list[str]:
    """One line for each stage: how far its last epochs are from those in which it was settled."""
    half = len(told) // 2
    lines = []
    for name, stage in (("A", told[:half]), ("B", told[half:])):
        sizes = [row.get("anonymous", row["main"]) for row in stage]
        settled, last = statistics.median(sizes[3:6]), statistics.median(sizes[-5:])
        growth = last / settled - 1
        lines.append(
            f"{workers} workers, stage {name}: {settled / MEBIBYTE:.0f} MiB in its epochs 4 to 6, "
            f"{last / MEBIBYTE:.0f} MiB in the last five ({growth:+.2%}), at most {max(sizes[5:]) / MEBIBYTE:.0f} MiB: "
            f"{'flat' if abs(growth) <= ALLOWED else 'NOT flat'}"
        )
    return lines


def main() -> None:
    """Print a table in Markdown and the verdicts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=50, help="over both stages")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--set", default="{}", help="further knobs of train.yaml as JSON")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        train(options)
        return
    if options.epochs < 24:
        parser.error("--epochs: at least 24, twelve a stage")
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg()) if hasattr(os, "getloadavg") else "not known"
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, {options.device}, load {load}")
    print("| workers | epoch | main process, MiB | of it anonymous | its workers | GPU peak |")
    print("| --- | --- | --- | --- | --- | --- |")
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        datalist = write_cohort(Path(folder))
        for workers in options.workers:
            started = time.perf_counter()
            lines += verdicts(measure(datalist, workers, options), workers)
            lines[-1] += f" ({(time.perf_counter() - started) / 60:.1f} min)"
    print("\n".join(lines))
    if any("NOT flat" in line for line in lines):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
