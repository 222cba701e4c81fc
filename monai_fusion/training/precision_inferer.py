"""The forward pass of a training step."""

from __future__ import annotations

from typing import Any

import torch
from monai.inferers import SimpleInferer

from monai_fusion.precision import autocast


class PrecisionInferer(SimpleInferer):
    """Run the network in a precision, on a CPU as on a GPU (MONAI's own ``amp`` is float16 on CUDA only).

    The loss is computed outside, in float32.

    Args:
        precision: ``float32``, ``bfloat16`` or ``float16``; float16 also needs ``amp=True`` in the trainer, for its
            gradient scaler.
    """

    def __init__(self, precision: str = "float32") -> None:
        super().__init__()
        self.precision = precision

    def __call__(self, inputs: torch.Tensor | None, network: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the network's output for ``inputs`` (None if no participant in the batch has an EEG) and arguments."""
        device = next(network.parameters()).device if inputs is None else inputs.device
        with autocast(self.precision, device):
            return super().__call__(inputs, network, *args, **kwargs)
