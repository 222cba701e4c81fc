"""A whole training as a user starts it: how many epochs a minute, and where the time goes.

    python tests/benchmarks/gpu_run.py              # 200 participants, 16 segments, 15 + 10 epochs
    python tests/benchmarks/gpu_run.py --device cpu --participants 8 --segments 2 --epochs 1 1 \
        -- --mri_size "[24,24,24]" --slab_depth 16  # tries the script itself

The recordings are links to a few real ones. The first run fills the store and is not counted; the second one has all of
it. What follows ``--`` goes to `monai-fusion train`.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import common
from common import write_recordings


def write_cohort(folder: Path, participants: int, validated: int, segments: int) -> Path:
    """A datalist of participants to train on, to validate and (two) to test."""
    common.SEGMENTS = segments
    sections: dict[str, list[dict[str, object]]] = {}
    first = 0
    # A recording in two parts is refused: each part has files of its own.
    for section, count, kinds in (("training", participants, 8), ("validation", validated, 4), ("test", 2, 2)):
        own = folder / section
        own.mkdir()
        sections[section] = [
            {
                "participant_id": record.participant_id,
                "label": "MF"[record.label or 0],
                "eeg": [str(path.relative_to(folder)) for path in record.eeg],
                "mri": str(Path(str(record.mri)).relative_to(folder)),
            }
            for record in write_recordings(own, count, kinds, first)
        ]
        first += max(count, kinds)
    path = folder / "list.json"
    path.write_text(json.dumps({"classes": ["M", "F"], **sections}), encoding="utf-8")
    return path


def train(datalist: Path, output: Path, epochs: Sequence[int], further: Sequence[str]) -> float:
    """Wall seconds of the command."""
    started = time.perf_counter()
    command = [sys.executable, "-W", "ignore", "-m", "monai_fusion", "train", str(datalist)]
    command += ["--output_dir", str(output), "--cache_dir", str(output.parent / "store"), "--pretrained", "false"]
    command += ["--num_epochs", json.dumps(list(epochs)), "--overwrite", "true", *further]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    log = done.stdout + done.stderr
    if done.returncode:
        sys.exit(log[-4000:])
    for line in log.splitlines():
        if any(word in line for word in ("device:", "data", "CUDA graphs", "WARNING")):
            print("  " + line[:200])
    return seconds


def report(output: Path, whole: float, participants: int) -> None:
    """Print what an epoch took, and the rest."""
    with (output / "history.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for stage in "AB":
        seconds = [float(row["seconds"]) for row in rows if row["stage"] == stage]
        waits = [float(row["data_wait"]) for row in rows if row["stage"] == stage]
        if not seconds:
            continue
        middle = sorted(seconds)[len(seconds) // 2]
        print(
            f"stage {stage}: first epoch {seconds[0]:.2f} s, median {middle:.2f} s with its validation "
            f"({participants / middle:.0f} participants/s), waiting for data {sorted(waits)[len(waits) // 2]:.1%}"
        )
    epochs = sum(float(row["seconds"]) for row in rows)
    print(f"{len(rows)} epochs in {epochs:.1f} s: {60 * len(rows) / epochs:.1f} epochs/min")
    peak = json.loads((output / "manifest.json").read_text(encoding="utf-8"))["hardware"].get("gpu_memory_peak")
    print(f"largest GPU memory: {(peak or 0) / 2**30:.1f} GiB")
    rate = 60 * len(rows) / whole
    print(f"the command took {whole:.1f} s: {rate:.1f} epochs/min; {whole - epochs:.1f} s of it are not epochs")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--participants", type=int, default=200)
    parser.add_argument("--validated", type=int, default=30)
    parser.add_argument("--segments", type=int, default=16)
    parser.add_argument("--epochs", type=int, nargs=2, default=[15, 10])
    parser.add_argument("--batches", type=int, nargs="+", default=[4])
    options, further = parser.parse_known_args()
    further = [word for word in further if word != "--"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "cohort").mkdir()
        datalist = write_cohort(folder / "cohort", options.participants, options.validated, options.segments)
        more = ["--device", options.device, *further]
        train(datalist, folder / "first", [1, 0], [*more, "--max_eval_segments", "1"])
        for batch in options.batches:
            print(f"batch {batch}:")
            whole = train(datalist, folder / "run", options.epochs, [*more, "--batch_size", str(batch)])
            report(folder / "run", whole, options.participants)
        print("without data on the device:", flush=True)
        whole = train(datalist, folder / "read", [2, 1], [*more, "--device_data", "false"])
        report(folder / "read", whole, options.participants)
    return 0


if __name__ == "__main__":
    sys.exit(main())
