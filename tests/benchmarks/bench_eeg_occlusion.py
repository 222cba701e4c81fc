"""What an occlusion of a participant's EEG costs, in seconds and in passes of the encoder; and whether estimates hold.

    python tests/benchmarks/bench_eeg_occlusion.py              # 17 x 6 x 4 masks, 8 segments: minutes on two cores
    python tests/benchmarks/bench_eeg_occlusion.py --exact --side 64    # also compares with all segments for each mask

Random weights and random scalograms that are smooth over time. Rows: each mask on one segment with the gradient's
knowledge of the others, in float32 and in bfloat16; and with ``--exact`` on all segments, with the error of the others.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from monai_fusion.explain.eeg_occlusion import EegOcclusion
from monai_fusion.explain.eeg_summary import EegSummary, summary_of
from monai_fusion.explain.method import Explained
from monai_fusion.explain.scoring import Scorer
from monai_fusion.networks import EEGEncoder

GOAL_S = 5.0


class EegAlone(nn.Module):
    """The EEG encoder and two logits."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = EEGEncoder(pretrained=False)
        self.classifier = nn.Linear(512, 2)

    def encode_eeg(self, eeg: Tensor) -> Tensor:
        """[N, 17, F, T] -> [N, 512]."""
        return self.encoder(eeg)

    def fuse(self, eeg: Tensor, mri: None, present: Tensor) -> dict[str, Tensor]:
        """[N, 512] -> logits."""
        del mri, present
        return {"logits": 30 * self.classifier(eeg)}


def participant(segments: int, side: int) -> Explained:
    """A participant whose scalograms are z-scored noise, smooth over time."""
    noise = torch.randn(segments, 17, side, side + 8)
    smooth = noise.unfold(3, 9, 1).mean(dim=4)
    deviation, mean = torch.std_mean(smooth, dim=(2, 3), keepdim=True)
    return Explained("sub-1", (smooth - mean) / deviation, None)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--segments", type=int, default=8)
    parser.add_argument("--side", type=int, default=224, help="rows and columns of a scalogram")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--exact", action="store_true", help="also every mask on every segment")
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    network, who = EegAlone().eval().requires_grad_(False), participant(options.segments, options.side)
    scorer = Scorer(network, 1)
    embeddings = scorer.embed(who.eeg, None)
    started = time.perf_counter()
    scorer.embed(who.eeg, None)
    one = (time.perf_counter() - started) / options.segments

    rows: dict[str, tuple[float, EegSummary]] = {}
    methods = {
        "one segment for each mask, float32": (EegOcclusion(), scorer),
        "one segment for each mask, bfloat16": (EegOcclusion(precision="auto"), scorer.at("bfloat16")),
        "the same without the gradient, float32": (EegOcclusion(first_order=False), scorer),
    }
    if options.exact:
        methods["every segment, float32"] = (EegOcclusion("all"), scorer)
    for name, (method, own) in methods.items():
        started = time.perf_counter()
        arrays = method(own, who, embeddings, lambda _: None)
        rows[name] = (time.perf_counter() - started, summary_of(arrays))
    exact = rows["every segment, float32"][1].electrode_band if options.exact else None

    table = Table(title=f"{options.segments} segments of {options.side}; one pass takes {1000 * one:.0f} ms")
    for column in ("what", "seconds", "passes' time", "error of electrode x band", "stated", "largest effect"):
        table.add_column(column)
    for name, (seconds, summary) in rows.items():
        values, errors = summary.electrode_band, summary.electrode_band_errors
        missed = "" if exact is None else f"{np.sqrt(np.mean((values - exact) ** 2)):.5f}"
        stated = "" if errors is None else f"{np.sqrt(np.mean(errors**2)):.5f}"
        table.add_row(name, f"{seconds:.1f}", f"{seconds / one:.0f}", missed, stated, f"{np.abs(values).max():.4f}")
    Console().print(table, f"goal: {GOAL_S:g} s at 8 segments of 224 on 2 cores")


if __name__ == "__main__":
    main()
