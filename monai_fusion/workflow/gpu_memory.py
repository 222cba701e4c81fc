"""Whether the batches of a training fit into a GPU's memory, before it starts."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import torch

from monai_fusion import ranks
from monai_fusion.data import DeviceLoader
from monai_fusion.networks import MRIEncoder

logger = logging.getLogger(__name__)

_GIB = 2**30
# Measured on an H200 with the shipped networks and slabs of 96 x 128 x 128, bfloat16, with recorded steps: 2.4, 7.1 and
# 13.2 GiB in stage A for batches of 4, 16 and 32, and in stage B 8.4 and 18.3 for 16 and 32. Weights, gradients and
# AdamW's moments take the first part.
_FIXED_GIB, _EACH_GIB = 0.83, 0.5
_VOXELS = 96 * 128 * 128
_CONTEXT_GIB = 0.5  # CUDA's own, and what the allocator cannot use


def warn_of_small_gpu(
    network: object,
    device: str | torch.device,
    precision: str,
    batch_size: int,
    slab: Sequence[int],
    data_loader: object = None,
) -> None:
    """Warn, with the knob to turn, if a batch will hardly fit into the free memory of a GPU.

    Args:
        network: A `FusionNet`; the memory of other MRI encoders than the shipped one is not known.
        device: Where it runs.
        precision: ``float32``, ``bfloat16`` or ``float16``.
        batch_size: Participants in a batch over all processes, each with a GPU of its own.
        slab: Voxels of a volume, (depth, height, width).
        data_loader: Of the training; what a `DeviceLoader` holds on the GPU leaves less for the steps.
    """
    chosen = torch.device(device)
    known = isinstance(getattr(network, "mri_enc", None), MRIEncoder) and getattr(network, "modalities", "") != "eeg"
    if chosen.type != "cuda" or not known:
        return
    free, total = torch.cuda.mem_get_info(chosen)
    held = sum(each.nbytes for each in data_loader.memory()) if isinstance(data_loader, DeviceLoader) else 0
    used = torch.cuda.memory_reserved(chosen) - held  # the network is there already
    if text := small_gpu_warning(free + used, total, precision, batch_size, slab, held, ranks.world_size()):
        logger.warning("%s", text)


def small_gpu_warning(
    free: int, total: int, precision: str, batch_size: int, slab: Sequence[int], held: int = 0, processes: int = 1
) -> str:
    """Return the warning for a GPU with so much memory; empty if a batch fits.

    Args:
        free: Bytes that this program can have.
        total: Bytes of the GPU.
        precision: As above.
        batch_size: Participants in a batch over all processes.
        slab: Voxels of a volume, (depth, height, width).
        held: Bytes of the GPU that the training data take; not part of ``free``.
        processes: How many share a batch.
    """
    share = -(-batch_size // processes)
    each = _EACH_GIB * math.prod(slab) / _VOXELS * (2 if precision == "float32" else 1)
    room = free / _GIB - _CONTEXT_GIB - _FIXED_GIB
    needed = _FIXED_GIB + _CONTEXT_GIB + each * share
    if room >= each * share:
        return ""
    where = " on each GPU" if processes > 1 else ""
    text = (
        f"a batch of {share}{where} takes about {needed:.1f} GiB of GPU memory, and {free / _GIB:.1f} of"
        f" {total / _GIB:.1f} GiB are free: "
    )
    more = f"; --device_data false would free {held / _GIB:.1f} GiB, which the training data take" if held else ""
    fits = int(room / each) if room > 0 else 0
    if fits >= 1:
        steps = -(-share // fits)
        same = f", with --accumulation_steps {steps} for the same step" if steps > 1 else ""
        return f"{text}--batch_size {-(-share // steps) * processes} would fit{same}{more}"
    smaller = "" if precision != "float32" else " --precision auto,"
    return (
        f"{text}not even one participant would fit; try --batch_size {processes},{smaller} a smaller --mri_size and"
        f" --slab_depth{more}"
    )
