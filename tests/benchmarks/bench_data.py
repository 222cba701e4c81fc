"""What it costs to make the batches of a training: on the device, by threads that read, and by processes.

    python tests/benchmarks/bench_data.py --device cuda      # about a minute
    python tests/benchmarks/bench_data.py --size demo        # a CPU: whether it runs, not how fast a GPU is

For each way and batch size: participants a second if nothing else runs; milliseconds in which the host is busy with a
batch (a training step has to be launched in the rest of its time), and milliseconds on the device, by CUDA events.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from common import augmentation, write_recordings
from torch.utils.data import DataLoader

from monai_fusion.data import DeviceLoader, FusionDataset, ParticipantSampler
from monai_fusion.workflow.preparation import configured_preprocessing

SLABS = {"demo": (32, [48, 48, 48]), "full": (96, [128, 128, 128])}
PEOPLE = 32
WAYS = {"held on the device": 0, "2 threads read": 2, "4 threads read": 4, "2 processes load": 0}


def make(way: str, dataset: FusionDataset, sampler: ParticipantSampler, batch: int, device: torch.device) -> Any:
    """The loader of one way."""
    if way == "2 processes load":
        workers: dict[str, Any] = {"num_workers": 2, "persistent_workers": True, "pin_memory": device.type == "cuda"}
        return DataLoader(dataset, batch_size=batch, sampler=sampler, **workers)
    readers = WAYS[way]
    return DeviceLoader(dataset, device, batch, sampler, held=readers == 0, readers=readers, progress=False)


def consume(loader: Iterable[dict[str, Any]], sampler: ParticipantSampler, device: torch.device) -> dict[str, float]:
    """Draw epochs, and measure all but the first."""
    cuda = device.type == "cuda"
    hosts, devices, rate = [], [], 0.0
    for epoch in range(1, 5):
        sampler.set_epoch(epoch)
        batches, begun = iter(loader), time.perf_counter()
        for number in range(len(sampler)):
            events = [torch.cuda.Event(enable_timing=True) for _ in range(2)] if cuda else []
            started = time.perf_counter()
            for event in events[:1]:
                event.record()
            batch = next(batches, None)
            if batch is None:
                break
            moved = {key: batch[key].to(device, non_blocking=True) for key in ("eeg", "mri", "label")}
            host = time.perf_counter() - started
            for event in events[1:]:
                event.record()
            if cuda:
                torch.cuda.synchronize()
            if epoch > 1 and number:
                hosts.append(host)
                devices.append(events[0].elapsed_time(events[1]) if cuda else float("nan"))
            del moved
        if epoch > 1:
            rate = len(sampler) / (time.perf_counter() - begun)
    return {"participants/s": rate, "host ms": 1e3 * statistics.median(hosts), "device ms": statistics.median(devices)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--size", choices=SLABS, default="full")
    parser.add_argument("--batches", type=int, nargs="+", default=[4, 16])
    options = parser.parse_args()
    device, (depth, size) = torch.device(options.device), SLABS[options.size]
    print(f"torch {torch.__version__}, {torch.cuda.get_device_name() if device.type == 'cuda' else 'CPU'}")
    print("| batches | batch | store | participants/s | host ms | device ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        records = write_recordings(Path(name), PEOPLE)
        for types in (("float32", "float32"), ("float16", "uint16")):
            knobs = {"mri_size": size, "slab_depth": depth, "eeg_store_dtype": types[0], "mri_store_dtype": types[1]}
            preprocessing = configured_preprocessing(knobs, Path(name) / "store")
            dataset = FusionDataset(records, preprocessing, augmentation(), progress=False)
            sampler = ParticipantSampler(dataset.labels)
            started = time.perf_counter()
            held = DeviceLoader(dataset, device, 1, sampler, progress=False)
            seconds, held_bytes = time.perf_counter() - started, sum(values.nbytes for values in held.memory())
            print(f"| reading {held_bytes / 1e9:.2f} GB onto the device | | {types} | {seconds:.2f} s | | |")
            del held
            for batch in options.batches:
                for way in WAYS:
                    loader = make(way, dataset, sampler, batch, device)
                    found = " | ".join(f"{each:.2f}" for each in consume(loader, sampler, device).values())
                    print(f"| {way} | {batch} | {types} | {found} |", flush=True)


if __name__ == "__main__":
    main()
