"""Blocks that only run and do not train, in the form that is cheapest to run."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from monai_fusion.networks.cuda_form import cuda_form
from monai_fusion.networks.slice_stem import SliceStem


class FoldedBlock:
    """A copy of a block whose BatchNorms are folded into its convolutions, with its weights in the right precision.

    The copy is made when it is first needed and again whenever a weight or a statistic of the block has changed, so it
    is never stale. It is not a submodule: state dicts, parameter counts and optimisers do not see it.

    Folding is exact except for rounding: a BatchNorm in evaluation mode is a scale and a shift of each channel
    (:func:`torch.nn.utils.fusion.fuse_conv_bn_eval`). On CUDA, R3D-18's blocks have a form of their own
    (:func:`monai_fusion.networks.cuda_form.cuda_form`), exact except for rounding, too.

    A call waits for the device only where it makes the copy. A CUDA graph may therefore capture a call like one before
    it; whoever replays it keeps :attr:`form` alive, and captures again when the block :meth:`is_current` no longer.
    """

    def __init__(self) -> None:
        self._made_for: tuple[Any, ...] = ()
        self._made_of: tuple[Any, ...] = ()
        self._kept: list[Tensor] = []
        self._form: nn.Module | None = None

    @property
    def form(self) -> nn.Module | None:
        """The copy that the last call ran, or None before the first."""
        return self._form

    def is_current(self, block: nn.Module) -> bool:
        """Whether a copy exists and nothing of the block has changed since it was made."""
        return self._form is not None and self._made_of == _versions(_tensors(block))

    def __call__(self, block: nn.Module, x: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
        """Run the block on ``(x - mean) / std``, in evaluation mode and without gradients.

        Args:
            block: The block; its own weights and mode do not change.
            x: Its input [B, C, T, H, W].
            mean: Subtracted first.
            std: Divides what is left.

        Returns:
            The block's output, in autocast's dtype if autocast is on, otherwise in the input's.

        Raises:
            RuntimeError: The copy would have to be made while a CUDA graph is captured.
        """
        x = x.as_subclass(Tensor)  # a subclass may make new tensors in its own way
        device = x.device.type
        autocast = torch.is_autocast_enabled(device)
        dtype = torch.get_autocast_dtype(device) if autocast else torch.result_type(x, mean)
        form = self._current(block, (device, x.shape[1], dtype, mean, std))
        # The weights already have the right dtype; autocast would only cast them again in every call.
        with torch.no_grad(), torch.autocast(device, enabled=False):
            if not isinstance(form, SliceStem):
                x = normalised(x, mean, std).to(dtype)
            answer: Tensor = form(x)
        return answer

    def __deepcopy__(self, memo: dict[int, Any]) -> FoldedBlock:
        return FoldedBlock()  # the copy of a network makes its own when it needs one

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the copy: an unpickled block makes its own."""
        return vars(FoldedBlock())

    def _current(self, block: nn.Module, made_for: tuple[str, int, torch.dtype, float, float]) -> nn.Module:
        tensors = _tensors(block)
        made_of = _versions(tensors)
        if self._form is None or made_for != self._made_for or made_of != self._made_of:
            self._form = _form_of(block, *made_for)
            self._made_for, self._made_of = made_for, made_of
            # While these exist, no other tensor can get the same address.
            self._kept = [each.detach() for each in tensors]
        return self._form


def normalised(x: Tensor, mean: float, std: float) -> Tensor:
    """``(x - mean) / std``, or ``x`` itself where that changes nothing."""
    return x if (mean, std) == (0.0, 1.0) else (x - mean) / std


def _tensors(block: nn.Module) -> list[Tensor]:
    # Each call asks, and this takes a fifth of what `parameters` and `buffers` take.
    return [
        each
        for module in block.modules()
        for own in (module._parameters, module._buffers)
        for each in own.values()
        if each is not None
    ]


def _versions(tensors: list[Tensor]) -> tuple[tuple[int, int], ...]:
    """Where each tensor lies and how often it was changed: different as soon as one of them is."""
    return tuple((each.data_ptr(), _version(each)) for each in tensors)


def _version(tensor: Tensor) -> int:
    """How often a tensor was changed in place; tensors made in inference mode have no such count, and cannot change."""
    return 0 if tensor.is_inference() else tensor._version


def folded(block: nn.Module, channels: int) -> nn.Module:
    """Copy a block with each BatchNorm that follows a convolution folded into it.

    Args:
        block: The block; it does not change.
        channels: Channels of the block's input. With one, filters of three are summed (see ``SingleChannelConv3d``).

    Returns:
        The copy, in evaluation mode, without gradients.
    """
    with torch.no_grad():
        return _fold(copy.deepcopy(block), channels).eval().requires_grad_(False)


def _form_of(block: nn.Module, device: str, channels: int, dtype: torch.dtype, mean: float, std: float) -> nn.Module:
    if device != "cuda":
        return folded(block, channels).to(dtype)
    if torch.cuda.is_current_stream_capturing():
        raise RuntimeError("a block's inference form is not made yet, or a weight changed: call the network once first")
    general = folded(block, channels)
    fastest = cuda_form(general, dtype, mean, std)
    return general.to(dtype) if fastest is None else fastest


def _fold(block: nn.Module, channels: int) -> nn.Module:
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
