"""Blocks that only run and do not train, in the form that is cheapest to run."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class FoldedBlock:
    """A copy of a block whose BatchNorms are folded into its convolutions, with its weights in the right precision.

    The copy is made when it is first needed and again whenever a weight or a statistic of the block has changed, so it
    is never stale. It is not a submodule: state dicts, parameter counts and optimisers do not see it.

    Folding is exact except for rounding: a BatchNorm in evaluation mode is a scale and a shift of each channel
    (:func:`torch.nn.utils.fusion.fuse_conv_bn_eval`).
    """

    def __init__(self) -> None:
        self._made_of: tuple[Any, ...] = ()
        self._kept: list[Tensor] = []
        self._form: nn.Module | None = None

    def __call__(self, block: nn.Module, x: Tensor) -> Tensor:
        """Run the block, in evaluation mode and without gradients.

        Args:
            block: The block; its own weights and mode do not change.
            x: Its input [B, C, T, H, W].

        Returns:
            The block's output, in autocast's dtype if autocast is on, otherwise in the input's.
        """
        device = x.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
        form = self._current(block, x.shape[1], dtype)
        # The weights already have the right dtype; autocast would only cast them again in every call.
        with torch.no_grad(), torch.autocast(device, enabled=False):
            answer: Tensor = form(x.to(dtype).as_subclass(Tensor))  # a subclass may make new tensors in its own way
        return answer

    def __deepcopy__(self, memo: dict[int, Any]) -> FoldedBlock:
        return FoldedBlock()  # the copy of a network makes its own when it needs one

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the copy: an unpickled block makes its own."""
        return vars(FoldedBlock())

    def _current(self, block: nn.Module, channels: int, dtype: torch.dtype) -> nn.Module:
        tensors = [*block.parameters(), *block.buffers()]
        made_of = (channels, dtype, *((each.data_ptr(), _version(each)) for each in tensors))
        if self._form is None or made_of != self._made_of:
            self._form = _fold(copy.deepcopy(block), channels).eval().requires_grad_(False).to(dtype)
            self._made_of = made_of
            # While these exist, no other tensor can get the same address.
            self._kept = [each.detach() for each in tensors]
        return self._form


def _version(tensor: Tensor) -> int:
    """How often a tensor was changed in place; tensors made in inference mode have no such count, and cannot change."""
    return 0 if tensor.is_inference() else tensor._version


def _fold(block: nn.Module, channels: int) -> nn.Module:
    """Fold each BatchNorm that follows a convolution into it, and sum a stem's filters if the input has one channel.

    Args:
        block: Changed in place.
        channels: Channels of the block's input.
    """
    for parent in list(block.modules()):
        if not isinstance(parent, nn.Sequential):
            continue
        children = list(parent.named_children())
        for (name, conv), (next_name, norm) in itertools.pairwise(children):
            if isinstance(conv, nn.Conv3d) and isinstance(norm, nn.BatchNorm3d | nn.SyncBatchNorm):
                setattr(parent, name, _with_channels(fuse_conv_bn_eval(conv.eval(), norm.eval()), channels))
                setattr(parent, next_name, nn.Identity())
    return block


def _with_channels(conv: nn.Conv3d, channels: int) -> nn.Conv3d:
    """Sum filters over replicated input channels (see `SingleChannelConv3d`) once, not in every call."""
    if channels == 1 and conv.in_channels == 3:
        conv.weight = nn.Parameter(
            conv.weight.sum(dim=1, keepdim=True).contiguous(memory_format=torch.channels_last_3d)
        )
        conv.in_channels = 1
    return conv
