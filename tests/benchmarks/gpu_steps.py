"""What training steps cost on a GPU: both stages, batches of 4, 16 and 32, step by step and as CUDA graphs.

    python tests/benchmarks/gpu_steps.py        # a minute on an H200; `bench_training.py --device cuda` has it all

A step is MONAI's trainer with the handlers that cost anything, on a batch that lies on the GPU: 30 steps without a wait
in between, after a first epoch. Weights are random.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from collections.abc import Sequence
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines import SupervisedTrainer
from torch.utils.flop_counter import FlopCounterMode

from monai_fusion.data import FusionPrepareBatch
from monai_fusion.losses import AlignedCrossEntropy
from monai_fusion.networks import FusionNet, standard_network
from monai_fusion.training import (
    EpochSeeding,
    FiniteCheck,
    HeadGradientClipping,
    PrecisionInferer,
    StageHandler,
    StagePlan,
    TrainingStep,
    parameter_groups,
)

BLOCKS: list[dict[str, Any]] = [
    {"eeg": ["stage3", "stage4"], "mri": ["layer4"]},
    {"eeg": ["stage2", "stage3", "stage4"], "mri": ["layer3", "layer4"]},
]
SLAB = (96, 128, 128)
GOALS = {("A", 4): 360, ("A", 16): 520, ("A", 32): 550, ("B", 16): 400}
"""Participants a second, bfloat16."""


class _AnySampler:
    def set_epoch(self, epoch: int) -> None:
        pass


class EpochTimes:
    """Wall seconds of each epoch, with the GPU's work done."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def attach(self, engine: Engine) -> None:
        """Attach to a trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._start)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._stop)

    def _start(self) -> None:
        torch.cuda.synchronize()
        self._begun = time.perf_counter()

    def _stop(self) -> None:
        torch.cuda.synchronize()
        self.seconds.append(time.perf_counter() - self._begun)


def step_seconds(
    network: FusionNet, batch: int, stage: int, cuda_graphs: bool | None, precision: str = "bfloat16", steps: int = 30
) -> tuple[float, float, str]:
    """Seconds of a step, the largest GPU memory in GiB, and whether it was recorded."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    network = copy.deepcopy(network).cuda()
    plan, times = StagePlan([2], [BLOCKS[stage]]), EpochTimes()
    step = TrainingStep(cuda_graphs, "cuda", precision)
    item = {
        "eeg": torch.randn(batch, 17, 224, 224, device="cuda"),
        "mri": torch.rand(batch, 1, *SLAB, device="cuda"),
        "label": torch.arange(batch, device="cuda") % 2,
        "participant_id": [f"sub-{number}" for number in range(batch)],
    }
    trainer = SupervisedTrainer(
        device=torch.device("cuda"),
        max_epochs=2,
        train_data_loader=[item] * steps,
        network=network,
        optimizer=torch.optim.AdamW(parameter_groups(network, plan, 2e-4, 1e-4), fused=True),
        loss_function=AlignedCrossEntropy(),
        optim_set_to_none=True,
        prepare_batch=FusionPrepareBatch(),
        inferer=PrecisionInferer(precision),
        iteration_update=step,
        train_handlers=[
            EpochSeeding(0, _AnySampler()),  # type: ignore[arg-type]  # all of a sampler that it needs
            StageHandler(network, plan),
            HeadGradientClipping(network.head.parameters(), 5.0),
            FiniteCheck(network, Engine(lambda engine, batch: None)),
            times,
        ],
        decollate=False,
        amp=precision == "float16",
        non_blocking=True,
    )
    trainer.run()
    return times.seconds[-1] / steps, torch.cuda.max_memory_reserved() / 2**30, str(step)


def ceiling() -> float:
    """TFLOP/s of an 8192 x 8192 x 8192 product in bfloat16."""
    one, other = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    for _ in range(3):
        one @ other
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    for _ in range(10):
        one @ other
    end.record()
    torch.cuda.synchronize()
    return 10 * 2 * 8192**3 / (start.elapsed_time(end) * 1e-3) / 1e12


def tflop_of_a_participant(network: FusionNet, stage: int) -> float:
    """TFLOP of a training step for each participant."""
    network = copy.deepcopy(network)
    network.set_trainable(BLOCKS[stage]["eeg"], BLOCKS[stage]["mri"])
    network.eval()  # BatchNorm's own work does not count; the frozen blocks must not run in their other form
    encoder = network.mri_enc
    encoder._leading_blocks = lambda x: []  # type: ignore[attr-defined, assignment]  # counted block by block
    network = network.to("meta")
    with FlopCounterMode(display=False) as counter, torch.device("meta"):
        pred = network(torch.empty(1, 17, 224, 224), torch.empty(1, 1, *SLAB))
        torch.autograd.backward(pred["logits"].sum())
    return float(counter.get_total_flops()) / 1e12


def report(batches: Sequence[int] = (4, 16, 32), settings: Sequence[str] = ("shipped",)) -> None:
    """Print the table."""
    torch.manual_seed(0)
    network = standard_network(pretrained=False)
    most = ceiling()
    print(f"bfloat16 matrix product: {most:.0f} TFLOP/s")
    print("| stage | batch | cuDNN | step | ms a step | participants/s | goal | of the product's TFLOP/s | GPU GiB |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for how in settings:
        torch.backends.cudnn.benchmark = "benchmark" in how
        torch.backends.cudnn.deterministic = "deterministic" in how or how == "shipped"
        for stage, name in enumerate("AB"):
            work = tflop_of_a_participant(network, stage)
            for batch in batches:
                for graphs in (False, None):
                    try:
                        seconds, memory, recorded = step_seconds(network, batch, stage, graphs)
                    except RuntimeError as error:  # the other rows are worth having
                        print(f"| {name} | {batch} | {how} | {graphs} | {str(error).splitlines()[0]} |", flush=True)
                        continue
                    rate = batch / seconds
                    goal = GOALS.get((name, batch), "") if graphs is None else ""
                    kind = "graph" if recorded == "on" else "usual" if graphs is False else recorded
                    print(
                        f"| {name} | {batch} | {how} | {kind} | {seconds * 1e3:.1f} | {rate:.0f} | {goal} | "
                        f"{rate * work / most:.0%} | {memory:.1f} |",
                        flush=True,
                    )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="+", default=[4, 16, 32])
    parser.add_argument("--cudnn", nargs="+", default=["shipped"], help="shipped, benchmark, deterministic-benchmark")
    options = parser.parse_args()
    report(options.batches, options.cudnn)
    return 0


if __name__ == "__main__":
    sys.exit(main())
