"""A network with two recordings behind one tensor, for programs that can only pass one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from monai_fusion import keys
from monai_fusion.errors import InputError, Problem


class PackedNet(nn.Module):
    """A network whose scalogram and volume arrive in one tensor, and whose logits and gate leave in one.

    MONAI's ``verify_net_in_out``, ``onnx_export`` and a traced ``ckpt_export`` make one random tensor from the input
    that the metadata calls ``image``, and compare one tensor with the output called ``pred`` (MONAI 1.6).

    Checkpoints of the network load as they are: the wrapper adds nothing to the names of the weights.

    Args:
        network: Two recordings of a participant -> the dictionary of `FusionNet`.
        eeg_shape: (frequency, time, electrode) of a scalogram, as the knob ``eeg_shape`` states it.
        mri_shape: (depth, height, width) of a prepared volume with one channel.

    Raises:
        InputError: The network takes one of the recordings alone.
    """

    def __init__(self, network: nn.Module, eeg_shape: Sequence[int], mri_shape: Sequence[int]) -> None:
        super().__init__()
        modalities = getattr(network, "modalities", "both")
        if modalities != "both":
            advice = "name network_def in place of network_packed"
            raise InputError(Problem("network_packed", "modalities", modalities, "both", advice))
        self.network = network
        frequencies, times, electrodes = eeg_shape
        self.eeg_shape = [electrodes, frequencies, times]
        self.mri_shape = [1, *mri_shape]
        self.eeg_values = prod(self.eeg_shape)
        self.values = self.eeg_values + prod(self.mri_shape)

    def forward(self, image: Tensor, mri: Tensor | None = None) -> Tensor:
        """Classify a batch.

        Args:
            image: [B, 1, N] float32: the values of the scalogram (electrode, frequency, time), then those of the volume
                (depth, height, width). With ``mri``, the scalograms alone: [B, electrodes, F, T].
            mri: [B, 1, T, H, W] float32, from programs that can pass a second tensor.

        Returns:
            [B, num_classes + 1] float32: the logits, then the gate.

        Raises:
            ValueError: ``image`` has another shape.
        """
        eeg = image
        if mri is None:
            if list(image.shape[1:]) != [1, self.values]:
                raise ValueError(f"image: shape {list(image.shape)}, expected [B, 1, {self.values}]")
            eeg = torch.unflatten(image[:, 0, : self.eeg_values], 1, self.eeg_shape)
            mri = torch.unflatten(image[:, 0, self.eeg_values :], 1, self.mri_shape)
        answer = self.network(eeg, mri)
        return torch.cat([answer[keys.LOGITS], answer[keys.GATE]], dim=1)

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override] # of torch's overloads
        """The weights under the network's own names."""
        return self.network.state_dict(*args, **kwargs)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Load weights under the network's own names."""
        return self.network.load_state_dict(state_dict, strict, assign)
