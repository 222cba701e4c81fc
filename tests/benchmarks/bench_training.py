"""Time the training step of the real network through MONAI's trainer, on a CPU or a GPU.

    python tests/benchmarks/bench_training.py                       # this machine's CPU, the demo's sizes
    python tests/benchmarks/bench_training.py --size full --batch 2 # the sizes of train.yaml
    python tests/benchmarks/bench_training.py --device cuda         # full sizes; mixed precision against float32

On a bare GPU machine with torch, torchvision and timm only, carry wheels of monai, pytorch-ignite, nibabel and xxhash.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Iterator
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines import SupervisedTrainer

from monai_fusion.data import FusionPrepareBatch
from monai_fusion.losses import AlignedCrossEntropy
from monai_fusion.networks import FusionNet
from monai_fusion.training import HeadGradientClipping, StageHandler, StagePlan, parameter_groups

SIZES = {"demo": (32, 48, 48), "full": (96, 128, 128)}
BLOCKS: list[dict[str, Any]] = [
    {"eeg": ["stage3", "stage4"], "mri": ["layer4"]},
    {"eeg": ["stage2", "stage3", "stage4"], "mri": ["layer3", "layer4"]},
]


class StepTimes:
    """Measure each iteration of a trainer, wall and CPU seconds, waiting for the GPU."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def attach(self, engine: Engine) -> None:
        """Attach to a trainer."""
        engine.add_event_handler(Events.ITERATION_STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._stop)

    def _start(self, engine: Engine) -> None:
        self._begun = time.perf_counter(), time.process_time()

    def _stop(self, engine: Engine) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.wall.append(time.perf_counter() - self._begun[0])
        self.cpu.append(time.process_time() - self._begun[1])


def time_stage(stage: int, options: argparse.Namespace, amp: bool) -> StepTimes:
    """Run some steps of one stage on a batch that is in memory already."""
    torch.manual_seed(0)
    device = torch.device(options.device)
    network = FusionNet(pretrained=False).to(device)
    plan = StagePlan([1], [BLOCKS[stage]])
    optimizer = torch.optim.AdamW(parameter_groups(network, plan, 2e-4, 1e-4))
    labels = torch.arange(options.batch) % 2
    eeg, mri = torch.randn(options.batch, 17, 224, 224), torch.rand(options.batch, 1, *SIZES[options.size])
    times = StepTimes(device)
    clipping = HeadGradientClipping(network.head.parameters(), 5.0)
    trainer = SupervisedTrainer(
        device=device,
        max_epochs=1,
        train_data_loader=[{"eeg": eeg, "mri": mri, "label": labels}] * (options.steps + options.warm_up),
        network=network,
        optimizer=optimizer,
        loss_function=AlignedCrossEntropy(),
        optim_set_to_none=True,
        prepare_batch=FusionPrepareBatch(),
        train_handlers=[StageHandler(network, plan), clipping, times],
        decollate=False,
        amp=amp,
    )
    trainer.run()
    del times.wall[: options.warm_up], times.cpu[: options.warm_up]
    return times


def rows(options: argparse.Namespace) -> Iterator[str]:
    """One line for each stage and precision."""
    cuda = torch.device(options.device).type == "cuda"
    for stage in range(len(BLOCKS)):
        reference = 0.0
        for amp in (False, True) if cuda else (False,):
            if cuda:
                torch.cuda.reset_peak_memory_stats()
            times = time_stage(stage, options, amp)
            wall, cpu = statistics.median(times.wall), statistics.median(times.cpu)
            reference = reference or wall
            memory = f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB" if cuda else "-"
            precision = "mixed fp16" if amp else "float32"
            yield (
                f"| {'AB'[stage]} | {precision} | {wall:.3f} | {cpu:.2f} | {60 * options.batch / wall:.1f} | "
                f"{reference / wall:.2f} | {memory} |"
            )


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--size", choices=SIZES, default=None, help="default: demo on a CPU, full on a GPU")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    on_gpu = torch.device(options.device).type == "cuda"
    options.size = options.size or ("full" if on_gpu else "demo")
    torch.set_num_threads(options.threads)
    name = torch.cuda.get_device_name() if on_gpu else f"{platform.processor() or platform.machine()} CPU"
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg()) if hasattr(os, "getloadavg") else "not known"
    print(f"{name}, torch {torch.__version__}, {options.threads} threads, load {load}")
    print(
        f"batch {options.batch}, EEG [17, 224, 224], MRI {list(SIZES[options.size])}, median of {options.steps} steps"
    )
    print("| stage | precision | s/step | CPU s/step | participants/min | speed-up | GPU peak |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for row in rows(options):
        print(row, flush=True)


if __name__ == "__main__":
    main()
