"""The first message of a training: what trains in each stage, on which device, in which precision, how many steps."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Protocol

import torch

from monai_fusion.networks.encoder import BlockSize
from monai_fusion.runs.environment import cpu_name
from monai_fusion.training import StagePlan
from monai_fusion.wording import counted

logger = logging.getLogger(__name__)


class SummarizedNetwork(Protocol):
    """The methods of a network that the summary needs."""

    def set_trainable(self, eeg_blocks: Any, mri_blocks: Any) -> None:
        """Choose what trains."""

    def trainable_summary(self) -> dict[str, BlockSize]:
        """Parameters of each block, and how many of them train."""


def summarize_training(
    network: SummarizedNetwork,
    plan: StagePlan,
    device: str | torch.device,
    precision: str,
    batch_size: int,
    iterations: int,
    step: object = None,
) -> None:
    """Log what will train, after the participants and the place of the cache.

    Args:
        network: A `FusionNet`; afterwards it is set to the first stage that has epochs.
        plan: The stages.
        device: Where the network runs.
        precision: The precision of its computation, e.g. ``float32``.
        batch_size: Participants in a batch.
        iterations: Batches in an epoch.
        step: The `TrainingStep`, which describes whether it is recorded.
    """
    logger.info("%s", parameter_table(network, plan))
    # On a CPU there is nothing to choose.
    graphs = f"; CUDA graphs: {step}" if step is not None and torch.device(device).type == "cuda" else ""
    logger.info("device: %s; precision: %s%s", name_device(device), precision, graphs)
    logger.info(
        "%s of %s, %s each",
        counted(plan.total_epochs, "epoch"),
        counted(iterations, "batch", "es"),
        counted(batch_size, "participant"),
    )


def parameter_table(network: SummarizedNetwork, plan: StagePlan) -> str:
    """Tabulate how many parameters of each block train in each stage; blocks that never train share the last line.

    The network is set to the first stage that has epochs afterwards, as a training starts.
    """
    stages = [stage for stage in plan.stages if stage.epochs]
    sizes: list[Mapping[str, BlockSize]] = []
    for stage in stages:
        network.set_trainable(stage.eeg_blocks, stage.mri_blocks)
        sizes.append(network.trainable_summary())
    network.set_trainable(stages[0].eeg_blocks, stages[0].mri_blocks)
    blocks = list(sizes[0])
    trained = {name: [size[name].trainable for size in sizes] for name in blocks}
    rows = [(_title(name), counts, sizes[0][name].parameters) for name, counts in trained.items() if any(counts)]
    never = sum(sizes[0][name].parameters for name in blocks if not any(trained[name]))
    totals = [sum(counts) for counts in zip(*trained.values(), strict=True)]
    rows += [("all others", [0] * len(stages), never)] if never else []
    rows.append(("together", totals, sum(size.parameters for size in sizes[0].values())))
    heads = [f"stage {stage.name}, {counted(stage.epochs, 'epoch')}" for stage in stages]
    width = 2 + max(len("parameters that train"), *(len(title) + 2 for title, _, _ in rows))
    lines = [f"{'parameters that train':<{width}}{'  '.join(heads)}       of"]
    for title, counts, size in rows:
        cells = "  ".join(f"{_millions(count):>{len(head)}}" for count, head in zip(counts, heads, strict=True))
        lines.append(f"{'  ' + title:<{width}}{cells}  {_millions(size, '0'):>7}")
    return "\n".join(lines)


def name_device(device: str | torch.device) -> str:
    """``cuda:0 (NVIDIA H100 80GB HBM3)`` or ``cpu (AMD EPYC 9654, 2 threads)``."""
    chosen = torch.device(device)
    if chosen.type == "cuda":
        return f"{chosen} ({torch.cuda.get_device_name(chosen)})"
    return f"{chosen} ({cpu_name()}, {counted(torch.get_num_threads(), 'thread')})"


def _title(block: str) -> str:
    """``eeg_enc.stage3`` as ``EEG stage3``."""
    part, _, name = block.partition(".")
    return f"{part.removesuffix('_enc').upper()} {name}" if name else f"fusion {part}"


def _millions(count: int, none: str = "-") -> str:
    return f"{count / 1e6:.2f} M" if count else none
