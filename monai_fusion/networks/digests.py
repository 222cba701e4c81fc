"""A digest of tensors, which shows whether two networks are identical to the bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import xxhash
from torch import Tensor


def tensors_digest(state: Mapping[str, Tensor], modules: Sequence[str] = ()) -> str:
    """Digest a state dict: equal digests mean equal names, types, shapes and bits; order and device do not count.

    Args:
        state: Tensors by name.
        modules: The modules whose tensors count, such as ``mri_enc`` or ``backbone.layer3``; without any, all count.
    """
    prefixes = tuple(f"{module}." for module in modules)
    digest = xxhash.xxh3_128()
    for name in sorted(name for name in state if not modules or name.startswith(prefixes)):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)  # as bytes: numpy has no bfloat16
    return digest.hexdigest()
