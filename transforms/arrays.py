"""What the transforms here return: plain, contiguous float32 tensors, for any input."""

from __future__ import annotations

import numpy as np
import torch
from monai.utils.type_conversion import convert_to_tensor


def plain_tensor(array: np.ndarray | torch.Tensor) -> torch.Tensor:
    """Return ``array`` as a contiguous float32 ``torch.Tensor``, sharing its memory if it already is one.

    MONAI's own spatial transforms return ``MetaTensor``, which carries its history through collation and to the GPU;
    nothing in this project reads it.
    """
    tensor: torch.Tensor = convert_to_tensor(array, dtype=torch.float32, track_meta=False)
    return tensor.contiguous()


def require_volume_shape(volume: np.ndarray | torch.Tensor) -> None:
    """Refuse any shape but ``[1, X, Y, Z]``: a missing channel axis would turn every axis into its neighbour.

    Raises:
        ValueError: It is a mistake in the chain of transforms, not in the user's file.
    """
    if volume.ndim != 4 or volume.shape[0] != 1:
        raise ValueError(f"volume has shape {tuple(volume.shape)}, expected one channel and three axes: [1, X, Y, Z]")


def as_array(values: np.ndarray | torch.Tensor) -> np.ndarray:
    """Return values as an array of the processor: a view if they are in its memory, otherwise a copy."""
    return values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)


def beside(result: torch.Tensor, values: np.ndarray | torch.Tensor) -> torch.Tensor:
    """Return a result that the processor computed on the device of the values that it was computed from."""
    return result.to(values.device) if isinstance(values, torch.Tensor) else result
