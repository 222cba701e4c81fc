"""What preprocessing and the store cost, each beside its reference in the same run.

    python tests/benchmarks/bench_preprocessing.py [--quick]

CPU seconds are those of one process with one thread of arithmetic, the least of several alternating repetitions; the
ratio is what counts, because absolute times depend on the machine and on who else uses it. The recordings are
synthetic, of clinical size: MRIs of 176 x 240 x 256 voxels, scalograms of 224 x 224 x 17. --quick takes fewer
participants and repetitions. Ends with code 1 if a ratio misses its goal.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from common import (
    DEPTH,
    EEG_SHAPE,
    SEGMENTS,
    SIZE,
    VOLUMES,
    Row,
    augmentation,
    in_ms,
    in_s,
    least_cpu,
    old_eeg,
    old_mri,
    old_rotation,
    show,
    write_brain,
    write_recordings,
)

from monai_fusion.data import EpochSample, FusionDataset, MRIDataset, VolumeItems
from monai_fusion.datalist import ParticipantRecord
from monai_fusion.store.file_index import read_source
from monai_fusion.store.runners import Threads
from monai_fusion.transforms import rotate_in_plane, zscore_electrodes
from monai_fusion.transforms.files import FileContent
from monai_fusion.workflow.preparation import configured_preprocessing

DEPTHS = (96, 88, 80, 72, 64)


def main() -> int:
    """Measure everything, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--child", nargs="+", default=[], help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.child:
        print(json.dumps(CHILDREN[options.child[0]](*options.child[1:])))
        return 0
    repetitions, participants = (3, 100) if options.quick else (7, 1000)
    before = os.getloadavg()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [*measure_files(folder, repetitions), *measure_arrays(10 * repetitions)]
        records = write_recordings(folder, participants)
        rows += [measure_item(folder, records, repetitions)]
        rows += [
            *measure_two_fillers(folder, 1 if options.quick else 4),
            *measure_rerun(folder, records),
            measure_memory(folder),
        ]
    show(rows, before)
    return 0 if all(row.reached for row in rows) else 1


# ---- one file, one array --------------------------------------------------------------------------------------------


def measure_files(folder: Path, repetitions: int) -> list[Row]:
    """A first-time MRI against the plain script's."""
    goals = {"int16.nii.gz": 5.0, "float32.nii.gz": 3.0, "int16.nii": 5.0}
    rows = []
    chain = configured_preprocessing({}, None).chains["mri"]
    for name, goal in goals.items():
        path = folder / name
        write_brain(path, name.split(".")[0], 0)

        def prepare(path: Path = path) -> np.ndarray:
            return chain.compute({"mri": FileContent(path, read_source(path)[0])})

        old, new = least_cpu([lambda path=path: old_mri(path), prepare], repetitions)
        error = float(np.abs(old_mri(path) - prepare()).max())
        rows.append(Row(f"MRI, first time, {name} (max. difference {error:.0e})", *in_ms(old, new), old / new, goal))
    return rows


def measure_arrays(repetitions: int) -> list[Row]:
    """Transforms of arrays against what they replace."""
    stored = np.abs(np.random.default_rng(0).normal(size=EEG_SHAPE))
    volume = np.random.default_rng(0).random((1, DEPTH, *SIZE[1:]), dtype=np.float32)
    old, new = least_cpu([lambda: old_eeg(stored), lambda: zscore_electrodes(np.moveaxis(stored, -1, 0))], repetitions)
    rows = [Row("EEG z-score, float64", *in_ms(old, new), old / new, 3.0)]
    old, new = least_cpu([lambda: old_rotation(volume[0], 7.3), lambda: rotate_in_plane(volume, 7.3)], repetitions)
    return [*rows, Row("rotation, [1, 96, 128, 128]", *in_ms(old, new), old / new, 7.0)]


# ---- datasets -------------------------------------------------------------------------------------------------------


def measure_item(folder: Path, records: list[ParticipantRecord], repetitions: int) -> Row:
    """A training item from a warm store against the script's, which prepared its files in every epoch."""
    dataset = FusionDataset(
        records[:VOLUMES], configured_preprocessing({}, folder / "warm"), augmentation(), progress=False
    )
    rng = np.random.default_rng(0)

    def old_item(number: int = 0) -> None:
        values = np.load(records[number].eeg[0])
        old_eeg(values)
        volume = old_mri(Path(str(records[number].mri)))[0]
        if rng.random() < 0.3:
            old_rotation(volume, 7.3)
        np.ascontiguousarray(np.flip(volume, 0))

    def epoch(number: int) -> None:
        for position in range(VOLUMES):
            dataset[EpochSample(position, number, position)]

    epoch(0)
    old = least_cpu([old_item], repetitions)[0]
    started = time.process_time()
    for number in range(1, 11):
        epoch(number)
    new = (time.process_time() - started) / (10 * VOLUMES)
    return Row("one training item, warm, with augmentation, CPU ms (mean)", *in_ms(old, new), new * 1e3, -12.0)


def measure_two_fillers(folder: Path, repetitions: int) -> list[Row]:
    """Two processes that fill an empty store against one; of several alternating repetitions the least of each."""
    cpus, walls = [], []
    for repetition in range(repetitions):
        alone = run_children(1, "fill", str(folder), str(folder / f"alone{repetition}"))
        both = run_children(2, "fill", str(folder), str(folder / f"both{repetition}"))
        cpus.append([sum(child["cpu"] for child in children) for children in (alone, both)])
        walls.append(
            [max(child["end"] for child in each) - min(child["start"] for child in each) for each in (alone, both)]
        )
    cpu, wall = ([min(values) for values in zip(*measured, strict=True)] for measured in (cpus, walls))
    computed = "+".join(str(child["prepared"]) for child in both)
    return [
        Row(f"two processes fill a store, CPU s in all ({computed} prepared)", *in_s(*cpu), cpu[1] / cpu[0], -1.1),
        Row("the same, wall s, one over two (no goal; see the load)", *in_s(*wall), wall[0] / wall[1], 0.0001),
    ]


def measure_rerun(folder: Path, records: list[ParticipantRecord]) -> list[Row]:
    """A dataset over a full store, in a new process, after the imports."""
    store = folder / "rerun"
    started = time.perf_counter()
    FusionDataset(records, configured_preprocessing({}, store), augmentation(), progress=False)
    first = time.perf_counter() - started
    (many,) = run_children(1, "rerun", str(folder), str(store), str(len(records)))
    (few,) = run_children(1, "rerun", str(folder), str(store), str(len(records) // 4))
    name = f"rerun, {len(records)} participants x {SEGMENTS} segments"
    said = f"{few['anonymous_mb']:.1f} MB for {len(records) // 4}"
    return [
        Row(
            f"{name}: seconds until ready",
            f"{first:.1f} s (first run)",
            f"{many['seconds']:.3f} s",
            many["seconds"],
            -0.5,
        ),
        Row(f"{name}: anonymous MB", said, f"{many['anonymous_mb']:.1f} MB", many["anonymous_mb"], -50.0),
    ]


def measure_memory(folder: Path) -> Row:
    """What a process that goes through all volumes keeps of them, against their size."""
    (child,) = run_children(1, "read", str(folder), str(folder / "alone0"))
    name = f"memory after reading {VOLUMES} volumes, MB"
    return Row(name, f"{child['size_mb']:.1f} MB", f"{child['kept_mb']:.1f} MB", child["kept_mb"], -15.0)


# ---- what child processes do ----------------------------------------------------------------------------------------


def volume_items(folder: Path) -> VolumeItems:
    """The real volumes."""
    paths = [folder / f"volume{number}.nii.gz" for number in range(VOLUMES)]
    return VolumeItems([ParticipantRecord(f"sub-{path.name}", 0, (), path, "training") for path in paths])


def child_fill(folder: str, store: str) -> dict[str, float]:
    """Fill a store with the volumes, for several sizes of the slab."""
    wait_for_others(Path(folder))
    started, cpu, prepared = time.time(), time.process_time(), 0
    for depth in DEPTHS:
        chain = configured_preprocessing({"slab_depth": depth}, store).chains["mri"]
        dataset = MRIDataset(volume_items(Path(folder)), chain, progress=False, runner=Threads(1))
        prepared += dataset.report.prepared
    return {"start": started, "end": time.time(), "cpu": time.process_time() - cpu, "prepared": prepared}


def child_rerun(folder: str, store: str, participants: str) -> dict[str, float]:
    """Build the training's dataset over a full store."""
    links = Path(folder) / "links"
    records = []
    for number in range(int(participants)):
        name = f"sub-{number:06d}"
        eeg = tuple(links / f"{name}_EO_seg{segment}.npy" for segment in range(SEGMENTS))
        records.append(ParticipantRecord(name, number % 2, eeg, links / f"{name}_T1w.nii.gz", "training"))
    preprocessing, before, started = configured_preprocessing({}, store), anonymous_mb(), time.perf_counter()
    dataset = FusionDataset(records, preprocessing, augmentation(), progress=False)
    seconds = time.perf_counter() - started
    assert dataset.eeg.prepared == dataset.mri.prepared == 0
    return {"seconds": seconds, "anonymous_mb": anonymous_mb() - before}


def child_read(folder: str, store: str) -> dict[str, float]:
    """Use every volume three times, and measure."""
    chain = configured_preprocessing({}, store).chains["mri"]
    dataset = MRIDataset(volume_items(Path(folder)), chain, progress=False)
    size = dataset[0]["mri"].nbytes * len(dataset)
    before = anonymous_mb()
    for number in [*range(len(dataset))] * 3:
        assert float(dataset[number]["mri"].sum()) > 0
    return {"kept_mb": anonymous_mb() - before, "size_mb": size / 2**20}


def wait_for_others(folder: Path) -> None:
    """Go on when all children are here."""
    (folder / f"ready.{os.getpid()}").touch()
    deadline = time.time() + 120
    while len(list(folder.glob("ready.*"))) < int(os.environ["BENCH_CHILDREN"]) and time.time() < deadline:
        time.sleep(0.01)


CHILDREN: dict[str, Callable[..., dict[str, float]]] = {"fill": child_fill, "rerun": child_rerun, "read": child_read}


def run_children(count: int, *arguments: str) -> list[dict[str, float]]:
    """Run this script's child part in so many processes at once."""
    for path in Path(arguments[1]).glob("ready.*"):
        path.unlink()
    command = [sys.executable, __file__, "--child", *arguments]
    environment = {**os.environ, "BENCH_CHILDREN": str(count)}
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(count)]
    return [json.loads(process.communicate()[0].splitlines()[-1]) for process in running]


# ---- measuring and showing ------------------------------------------------------------------------------------------


def anonymous_mb() -> float:
    """This process's anonymous memory."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"RssAnon:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else float("nan")


if __name__ == "__main__":
    sys.exit(main())
