"""What waiting threads cost: training steps on a CPU beside other load and alone, for several ways of waiting.

    python tests/benchmarks/bench_threads.py                  # two idle cores: the first table column needs them
    python tests/benchmarks/bench_threads.py --rounds 3 --only default passive 1_thread

OpenMP reads its variables once, when it is loaded: each way has a process of its own. All take turns, a few steps each,
so that whatever else the machine does meets all of them; the others sleep meanwhile. The load are processes that only
count, two for each core. A step is one of stage A at the demo's size, as `make demo` does it. Medians of wall seconds.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import IO, cast

from rich.console import Console
from rich.table import Table

from monai_fusion.cores import usable_cores

WAYS: dict[str, dict[str, str]] = {
    "default": {},
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    "spin_1000": {"GOMP_SPINCOUNT": "1000"},
    "spin_10000": {"GOMP_SPINCOUNT": "10000"},
    "spin_100000": {"GOMP_SPINCOUNT": "100000"},
    "1_thread": {"OMP_NUM_THREADS": "1"},
}
VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS")


def child(batch: int) -> None:
    """Train; for each line on standard input that many steps, whose seconds are the answer."""
    import torch

    from monai_fusion.losses import AlignedCrossEntropy
    from monai_fusion.networks import EEGEncoder, FusionNet, GatedFusionHead, MRIEncoder
    from monai_fusion.precision import autocast, resolve_precision
    from monai_fusion.training import StagePlan, parameter_groups

    torch.manual_seed(0)
    network = FusionNet(EEGEncoder(pretrained=False), MRIEncoder(pretrained=False), GatedFusionHead()).train()
    blocks = {"eeg": ["stage3", "stage4"], "mri": ["layer4"]}
    network.set_trainable(blocks["eeg"], blocks["mri"])
    optimizer = torch.optim.AdamW(parameter_groups(network, StagePlan([1], [blocks]), 2e-4, 1e-4), fused=True)
    loss, precision = AlignedCrossEntropy(), resolve_precision("auto", "cpu")
    eeg, mri, labels = torch.randn(batch, 17, 224, 224), torch.rand(batch, 1, 32, 48, 48), torch.arange(batch) % 2
    for line in sys.stdin:
        started = time.perf_counter()
        for _ in range(int(line)):
            optimizer.zero_grad(set_to_none=True)
            with autocast(precision, "cpu"):
                predicted = network(eeg, mri)
            loss(predicted, labels).backward()
            optimizer.step()
        print(time.perf_counter() - started, flush=True)


@contextmanager
def trained(way: str, batch: int) -> Iterator[subprocess.Popen[str]]:
    """A process that trains when it is asked to."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES} | WAYS[way]
    command = [sys.executable, __file__, "--child", "--batch", str(batch)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def steps(process: subprocess.Popen[str], count: int) -> float:
    """Seconds of so many steps."""
    cast(IO[str], process.stdin).write(f"{count}\n")
    cast(IO[str], process.stdin).flush()
    return float(cast(IO[str], process.stdout).readline())


def count_up() -> None:
    """Take a core."""
    number = 0
    while True:
        number += 1


@contextmanager
def load(processes: int) -> Iterator[None]:
    """Other programs that never wait."""
    others = [multiprocessing.Process(target=count_up, daemon=True) for _ in range(processes)]
    for each in others:
        each.start()
    try:
        yield
    finally:
        for each in others:
            each.kill()
            each.join()


def measure(ways: Sequence[str], batch: int, rounds: int, count: int, busy: int) -> dict[str, dict[str, list[float]]]:
    """Seconds a step of each way, beside no load and beside some."""
    found: dict[str, dict[str, list[float]]] = {name: {way: [] for way in ways} for name in ("idle", "loaded")}
    with ExitStack() as stack:
        running = {}
        for way in ways:  # one after the other: imports take all cores
            running[way] = stack.enter_context(trained(way, batch))
            steps(running[way], 2)
        for name, others in (("idle", 0), ("loaded", busy)):
            with load(others):
                for number in range(rounds):
                    order = list(ways) if number % 2 == 0 else list(reversed(ways))
                    for way in order:
                        found[name][way].append(steps(running[way], count) / count)
    return found


def show(found: dict[str, dict[str, list[float]]]) -> None:
    """Print the medians, and the medians of the ratios within a round."""
    table = Table("waiting", "idle: s a step", "of the default", "loaded: s a step", "of the best")
    idle, loaded = found["idle"], found["loaded"]
    reference = idle.get("default") or next(iter(idle.values()))
    best = min(statistics.median(values) for values in loaded.values())
    for way in idle:
        ratios = [one / other for one, other in zip(idle[way], reference, strict=True)]
        under_load = statistics.median(loaded[way])
        table.add_row(
            way,
            f"{statistics.median(idle[way]):.3f}",
            f"{statistics.median(ratios):.3f}",
            f"{under_load:.3f} ({min(loaded[way]):.2f} to {max(loaded[way]):.2f})",
            f"{under_load / best:.2f}",
        )
    Console(width=120).print(table)
    print("goals: idle at most 1.02 of the default, loaded at most 1.3 of the best")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(WAYS), default=list(WAYS), help="some of the ways")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each way")
    parser.add_argument("--steps", type=int, default=3, help="steps in a turn")
    parser.add_argument("--batch", type=int, default=4, help="participants in a step")
    parser.add_argument("--load", type=int, default=2 * usable_cores(), help="processes that only count")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.batch)
        return
    before = os.getloadavg()[0]
    show(measure(options.only, options.batch, options.rounds, options.steps, options.load))
    print(f"{time.strftime('%Y-%m-%d')}; {usable_cores()} cores; load average before: {before:.1f}")


if __name__ == "__main__":
    main()
