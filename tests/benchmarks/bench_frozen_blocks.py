"""What the MRI blocks that only run cost on a GPU: the form for CUDA against the general folded form.

    python tests/benchmarks/bench_frozen_blocks.py               # each mode in a process of its own, under a minute
    python tests/benchmarks/bench_frozen_blocks.py --modes heuristic --batches 16 --seconds 20
    python tests/benchmarks/bench_frozen_blocks.py --device cpu --slab 8 24 24 --batches 2    # tries the script itself

A mode says how cuDNN chooses its kernels: ``heuristic`` (``benchmark`` off, ``deterministic`` on, as a seeded run sets
them) or ``benchmark`` (on, not deterministic). A process keeps what was chosen first, hence one for each. Times are
medians of CUDA events, in milliseconds: of calls, and of the same calls replayed as a CUDA graph. TFLOP/s are the
graph's and count the multiplications and additions of the plain network with one channel.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from monai_fusion.networks import MRIEncoder
from monai_fusion.networks.cuda_form import cuda_form
from monai_fusion.networks.folded_block import folded
from monai_fusion.networks.fused_convolution import ConvolutionReLU, decisions
from monai_fusion.networks.mri import MRI_BLOCKS
from monai_fusion.networks.slice_stem import SliceStem

PARTS = {"stem": 1, "stem to layer3": 4, "all blocks": 5}
MODES = ("heuristic", "benchmark")
Blocks = list[nn.Module]


@dataclass
class Bench:
    """The encoder, where and how it runs, and when to stop.

    Attributes:
        encoder: With BatchNorm statistics as after a training.
        device: Where it runs.
        dtype: In which the forms compute.
        slab: [T, H, W] of a volume.
        until: ``time.monotonic()`` after which nothing new is measured.
        repeats: How often each call is timed.
    """

    encoder: MRIEncoder
    device: torch.device
    dtype: torch.dtype
    slab: tuple[int, ...]
    until: float
    repeats: int

    def volumes(self, batch: int) -> Tensor:
        """Random volumes in float32."""
        generator = torch.Generator(self.device).manual_seed(0)
        return torch.rand(batch, 1, *self.slab, device=self.device, generator=generator)

    def forms(self, new: bool) -> Blocks:
        """Stem to layer4 in the form for CUDA, or in the general one."""
        mean, std = self.encoder.input_mean, self.encoder.input_std
        forms: Blocks = []
        for name in MRI_BLOCKS:
            general = folded(self.encoder.backbone.get_submodule(name), 1 if name == "stem" else 64)
            form = cuda_form(general, self.dtype, mean, std) if new else general.to(self.dtype)
            if form is None:
                raise SystemExit(f"{name} has no form for CUDA")
            forms.append(form)
        return forms

    def run(self, forms: Blocks, x: Tensor, start: int = 0, end: int = len(MRI_BLOCKS)) -> Tensor:
        """What ``MRIEncoder`` does, from one block to before another."""
        if start == 0 and not isinstance(forms[0], SliceStem):
            x = (x - self.encoder.input_mean) / self.encoder.input_std
            x = x.to(next(forms[0].parameters()).dtype)
        for form in forms[start:end]:
            x = form(x)
        return x

    def milliseconds(self, call: Callable[[], Any]) -> float:
        """The median time of a call, after three that are not timed."""
        cuda = self.device.type == "cuda"
        for _ in range(3):
            call()
        times = []
        for _ in range(self.repeats):
            if cuda:
                begun, ended = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
                begun.record()
                call()
                ended.record()
                ended.synchronize()
                times.append(begun.elapsed_time(ended))
            else:
                started = time.perf_counter()
                call()
                times.append(1e3 * (time.perf_counter() - started))
        return statistics.median(times)

    def replayed(self, call: Callable[[], Any]) -> float:
        """The same of a CUDA graph of the call; it ran before."""
        if self.device.type != "cuda":
            return float("nan")
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            kept = call()
        taken = self.milliseconds(graph.replay)
        del graph, kept
        return taken

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self.until


def trained_encoder(device: torch.device) -> MRIEncoder:
    """Random weights and statistics that are not trivial."""
    torch.manual_seed(0)
    encoder = MRIEncoder(pretrained=False)
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.normal_(module.running_mean, 0.0, 0.1)  # type: ignore[arg-type]  # it tracks statistics
            nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]  # as above
    return encoder.to(device).eval()


def teraflops(slab: tuple[int, ...]) -> list[float]:
    """TFLOP of a volume in each block, counted without computing."""
    blocks = copy.deepcopy(trained_encoder(torch.device("cpu")).backbone).to("meta")
    x, counts = torch.empty(1, 1, *slab, device="meta"), []
    for name in MRI_BLOCKS:
        with FlopCounterMode(display=False) as counter:
            x = blocks.get_submodule(name)(x)
        counts.append(counter.get_total_flops() / 1e12)
    return counts


def compare(bench: Bench, batch: int, flops: list[float]) -> None:
    """Print a line for each part, and for each block at batch 16."""
    x = bench.volumes(batch)
    ways = [bench.forms(new=False), bench.forms(new=True)]
    exact = [folded(bench.encoder.backbone.get_submodule(name), 1 if name == "stem" else 64) for name in MRI_BLOCKS]
    spans = [(what, 0, end) for what, end in PARTS.items()]
    if batch == 16:
        spans += [(f"- {MRI_BLOCKS[place]}", place, place + 1) for place in range(1, len(MRI_BLOCKS))]
    for what, start, end in spans:
        if bench.over:
            print(f"| {what} | {batch} | not measured: the time is up |")
            return
        given = bench.run(ways[1], x, 0, start) if start else x
        general, new = (bench.run(forms, given, start, end) for forms in ways)
        # One sample in float32, without TF32, says how far each of the two is from it.
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            wanted = bench.run(exact, given[:1].float(), start, end)
        errors = [relative(new, general), relative(general[:1], wanted), relative(new[:1], wanted)]
        finite, repeats = bool(new.isfinite().all()), torch.equal(new, bench.run(ways[1], given, start, end))
        del general, new
        times = []
        for forms in ways:
            call = partial(bench.run, forms, given, start, end)
            times += [bench.milliseconds(call), bench.replayed(call)]
        work = 1e3 * batch * sum(flops[start:end])
        print(
            f"| {what} | {batch} | {times[0]:.2f} / {times[1]:.2f} | {times[2]:.2f} / {times[3]:.2f} | "
            f"{times[0] / times[2]:.2f} / {times[1] / times[3]:.2f} | {work / times[1]:.0f} | {work / times[3]:.0f} | "
            f"{errors[0]:.4f} | {errors[1]:.4f} | {errors[2]:.4f} | "
            f"{'yes' if repeats else 'NO'}{'' if finite else ', NOT FINITE'} |",
            flush=True,
        )


def relative(one: Tensor, other: Tensor) -> float:
    """The norm of the difference, of the other's."""
    return float((one.float() - other.float()).norm() / other.float().norm())


def compare_stems(bench: Bench, batch: int) -> None:
    """Print what the stem costs with 1, 2 and 4 columns a position: its images, its convolution, all of it."""
    x = bench.volumes(batch)
    general = folded(bench.encoder.backbone.get_submodule("stem"), 1)
    convolution: nn.Conv3d = general.get_submodule("0")  # type: ignore[assignment]  # R3D-18's first module
    mean, std = bench.encoder.input_mean, bench.encoder.input_std
    for columns in (1, 2, 4):
        if bench.over:
            return
        stem = SliceStem(convolution, mean, std, bench.dtype, columns)
        images = stem._images(x)
        stem.conv(images)
        calls = {"images": partial(stem._images, x), "convolution": partial(stem.conv, images), "all": partial(stem, x)}
        taken = ", ".join(f"{what} {bench.milliseconds(call):.3f}" for what, call in calls.items())
        print(f"stem at batch {batch} with {columns} columns a position, ms: {taken}", flush=True)


def compare_dtypes(bench: Bench, batch: int) -> None:
    """Print how far the new form is from the present one in each dtype, all blocks."""
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        if bench.over:
            return
        other = Bench(bench.encoder, bench.device, dtype, bench.slab, bench.until, 3)
        x = other.volumes(batch)
        present, new = other.forms(new=False), other.forms(new=True)
        difference = relative(other.run(new, x), other.run(present, x))
        times = [other.milliseconds(partial(other.run, forms, x)) for forms in (present, new)]
        print(f"{dtype}, all blocks, batch {batch}: {times[0]:.2f} -> {times[1]:.2f} ms, difference {difference:.5f}")


def report_nan(bench: Bench) -> None:
    """Print whether fused kernels keep NaN, and whether memory that held NaN harms the one without a residual."""
    conv = next(module for module in bench.forms(new=True)[1].modules() if isinstance(module, ConvolutionReLU))
    x = torch.randn(1, 64, 8, 16, 16, device=bench.device).to(bench.dtype, memory_format=torch.channels_last_3d)
    conv(x)
    x[0, 0, 4, 8, 8] = float("nan")
    print(f"NaN in the input of a fused kernel shows in its answer: {bool(conv(x).isnan().any())}")


def measure(mode: str, bench: Bench, batches: list[int]) -> None:
    """Print everything for one mode."""
    torch.backends.cudnn.benchmark = mode == "benchmark"
    torch.backends.cudnn.deterministic = mode == "heuristic"
    flops = teraflops(bench.slab)
    print(
        f"\n## {mode}: cudnn.benchmark {torch.backends.cudnn.benchmark}, deterministic "
        f"{torch.backends.cudnn.deterministic}, {bench.dtype}, {sum(flops):.3f} TFLOP a volume\n"
        "| part | batch | general: call / graph, ms | for CUDA: call / graph | ratio | TFLOP/s general | for CUDA | "
        "difference | error general | error for CUDA | repeatable |\n" + "| --- " * 11 + "|"
    )
    with torch.no_grad():
        for batch in batches:
            compare(bench, batch, flops)
        compare_stems(bench, max(batches))
        compare_dtypes(bench, min(batches))
        report_nan(bench)
    refused = [key for key, fused in decisions().items() if not fused]
    print(f"kernels decided: {len(decisions())}, of which separate operations: {len(refused)}")
    for key in refused:
        print(f"  separate: {key}")


def main() -> int:
    """Measure each mode in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--batches", nargs="+", type=int, default=[16, 4, 32])
    parser.add_argument("--slab", nargs=3, type=int, default=[96, 128, 128])
    parser.add_argument("--dtype", choices=("bfloat16", "float16", "float32"), default="bfloat16")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=55.0, help="for all modes together")
    options = parser.parse_args()
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("no CUDA device: nothing to measure")
        return 0
    if len(options.modes) > 1:
        begun, failed = time.monotonic(), 0
        for place, mode in enumerate(options.modes):
            left = options.seconds - (time.monotonic() - begun)
            share = str(max(left, 1.0) / (len(options.modes) - place))
            command = [sys.executable, __file__, *sys.argv[1:], "--modes", mode, "--seconds", share]
            failed |= subprocess.run(command, check=False).returncode
        return failed
    begun = time.monotonic()
    print(f"torch {torch.__version__}, {torch.cuda.get_device_name() if device.type == 'cuda' else 'CPU'}")
    encoder = trained_encoder(device)
    dtype = getattr(torch, options.dtype)
    bench = Bench(encoder, device, dtype, tuple(options.slab), begun + options.seconds, options.repeats)
    measure(options.modes[0], bench, options.batches)
    print(f"{time.monotonic() - begun:.0f} s after the imports")
    return 0


if __name__ == "__main__":
    sys.exit(main())
