"""In which number format the networks compute: float32, or mixed with bfloat16 or float16."""

from __future__ import annotations

import logging
from typing import Any

import torch

from monai_fusion.errors import InputError, Problem
from monai_fusion.keys import PRECISIONS

logger = logging.getLogger(__name__)


def resolve_precision(precision: str, device: str | torch.device) -> str:
    """Choose the precision for ``auto`` on a device, and refuse a precision that the device does not support.

    ``auto`` is bfloat16 if the hardware multiplies in it (CPUs with AVX-512 BF16 or AMX, NVIDIA GPUs since Ampere),
    float16 with loss scaling on older GPUs, and otherwise float32. Weights, losses and sums of gradients stay in
    float32.

    Args:
        precision: One of :data:`~monai_fusion.keys.PRECISIONS`.
        device: Where the network runs; it must exist.

    Returns:
        ``float32``, ``bfloat16`` or ``float16``.

    Raises:
        InputError: It is none of these, or float16 was requested on a CPU.
    """
    kind = torch.device(device).type
    if precision not in PRECISIONS:
        raise InputError(Problem("--precision", seen=repr(precision), wanted=f"one of {', '.join(PRECISIONS)}"))
    if precision == "auto":
        if kind == "cuda":
            if gpu_multiplies_bfloat16(device):
                return "bfloat16"
            logger.info("precision: float16 with loss scaling: this GPU has no instructions for bfloat16")
            return "float16"
        return "bfloat16" if kind == "cpu" and cpu_multiplies_bfloat16() else "float32"
    if precision == "float16" and kind != "cuda":
        raise InputError(Problem("--precision", seen="float16", wanted="bfloat16 or float32", advice=f"on {device}"))
    if precision == "bfloat16" and kind == "cuda" and not gpu_multiplies_bfloat16(device):
        logger.warning("--precision bfloat16: this GPU emulates it, slowly; auto takes float16 here")
    if precision == "bfloat16" and kind == "cpu" and not cpu_multiplies_bfloat16():
        # 3-D convolutions then run as plain loops: one that takes 0.3 s in float32 took more than 80 s.
        logger.warning(
            "--precision bfloat16: this CPU emulates it, a hundred times slower or more; auto takes float32 here"
        )
    return precision


def gpu_multiplies_bfloat16(device: str | int | torch.device) -> bool:
    """Whether a GPU has instructions for bfloat16 products. A machine's GPUs may differ: a display card, an old one."""
    with torch.cuda.device(device):  # torch answers for its current device
        return torch.cuda.is_bf16_supported(including_emulation=False)


def cpu_multiplies_bfloat16() -> bool:
    """Whether the CPU has instructions for bfloat16 products; without them bfloat16 is slower than float32."""
    cpu: Any = torch.cpu
    if hasattr(cpu, "get_capabilities"):
        has: dict[str, Any] = cpu.get_capabilities()
        return bool(has.get("avx512_bf16") or has.get("amx_bf16"))
    return bool(cpu._is_avx512_bf16_supported() or cpu._is_amx_tile_supported())  # torch before get_capabilities


def autocast(precision: str, device: str | torch.device) -> torch.autocast:
    """Return the context in which a network computes in a precision.

    Args:
        precision: As :func:`resolve_precision` returns it.
        device: Where the inputs are.
    """
    enabled = precision != "float32"
    dtype = getattr(torch, precision) if enabled else torch.bfloat16
    return torch.autocast(torch.device(device).type, dtype=dtype, enabled=enabled)
