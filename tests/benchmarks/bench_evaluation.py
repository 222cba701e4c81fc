"""How many participants an evaluation takes a second: one at a time, and together, read in the main thread and ahead.

    python tests/benchmarks/bench_evaluation.py --device cuda                  # 64 participants of 8 segments: a minute
    python tests/benchmarks/bench_evaluation.py --size demo --participants 4    # a CPU

The evaluator, inferer and handlers of the shipped configs on a warm store; each row is the last of two passes, in wall
seconds. Every row must give the same probabilities: the largest difference from one at a time is printed.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from common import write_recordings
from monai.engines import SupervisedEvaluator
from rich.console import Console
from rich.table import Table

from monai_fusion.data import EvaluationLoader, EvaluationPrepareBatch, FusionDataset
from monai_fusion.evaluation import ParticipantInferer, ParticipantMetric, PredictionCollector
from monai_fusion.networks import EEGEncoder, FusionNet, GatedFusionHead, MRIEncoder
from monai_fusion.precision import resolve_precision
from monai_fusion.workflow.preparation import configured_preprocessing

SLABS = {"demo": ([48, 48, 48], 32), "full": ([128, 128, 128], 96)}
# Participants a batch, segments at once, threads that read.
ROWS = [(1, 16, 0), (1, 128, 4), (4, 128, 4), (8, 128, 0), (8, 128, 4), (8, 128, 8)]


def evaluate(network: FusionNet, dataset: FusionDataset, device: torch.device, row: tuple[int, int, int]) -> Any:
    """Seconds of a second pass, and the probabilities."""
    people, segments, threads = row
    collector = PredictionCollector()
    evaluator = SupervisedEvaluator(
        device=device,
        val_data_loader=EvaluationLoader(dataset, people, device, threads=threads),
        network=network,
        prepare_batch=EvaluationPrepareBatch(),
        non_blocking=True,
        inferer=ParticipantInferer(segments, resolve_precision("auto", device)),
        key_val_metric={"cross_entropy": ParticipantMetric("cross_entropy")},
        val_handlers=[collector],
        decollate=False,
    )
    evaluator.run()
    started = time.perf_counter()
    evaluator.run(2)
    return time.perf_counter() - started, torch.tensor([each.probabilities for each in collector.predictions])


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--participants", type=int, help="default: 64 on a GPU, 4 on a CPU")
    parser.add_argument("--size", choices=list(SLABS), default="full")
    options = parser.parse_args()
    device, (size, depth) = torch.device(options.device), SLABS[options.size]
    people = options.participants or (64 if device.type == "cuda" else 4)
    torch.manual_seed(0)
    network = FusionNet(EEGEncoder(pretrained=False), MRIEncoder(pretrained=False), GatedFusionHead()).to(device).eval()
    table = Table("participants", "segments", "threads", "s", "participants/s", "largest difference")
    with tempfile.TemporaryDirectory() as folder:
        records = write_recordings(Path(folder), people)
        preprocessing = configured_preprocessing({"mri_size": size, "slab_depth": depth}, Path(folder) / "store")
        dataset = FusionDataset(records, preprocessing, segments="all", progress=False)
        reference = None
        for row in ROWS:
            seconds, probabilities = evaluate(network, dataset, device, row)
            reference = probabilities if reference is None else reference
            difference = (probabilities - reference).abs().max().item()
            rate = len(records) / seconds
            table.add_row(*map(str, row), f"{seconds:.2f}", f"{rate:.1f}", f"{difference:.1e}")
    Console(width=120).print(table)
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device) / 2**30
        print(f"{torch.cuda.get_device_name(device)}; peak memory {peak:.1f} GiB; {time.strftime('%Y-%m-%d')}")


if __name__ == "__main__":
    main()
