"""The form in which a folded block runs fastest on CUDA."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models.video.resnet import BasicBlock

from monai_fusion.networks.fused_convolution import ConvolutionReLU
from monai_fusion.networks.slice_stem import SliceStem, fits


class FusedBasicBlock(nn.Module):
    """A folded ``BasicBlock`` of torchvision's video networks, each convolution with all that follows it in one kernel.

    Args:
        block: Its BatchNorms are folded into its convolutions; its weights are copied.
        dtype: In which to compute.
    """

    shortcut: Tensor | None

    def __init__(self, block: BasicBlock, dtype: torch.dtype) -> None:
        super().__init__()
        first, second = block.conv1[0], block.conv2[0]
        down = None if block.downsample is None else block.downsample[0]
        bias = second.bias if down is None else second.bias + down.bias  # both are added to the same sum
        self.conv1 = _with_relu(first, first.bias, dtype)
        self.conv2 = _with_relu(second, bias, dtype)
        self.register_buffer("shortcut", None if down is None else _filters(down, dtype))
        self.shortcut_stride = [1, 1, 1] if down is None else list(down.stride)

    def forward(self, x: Tensor) -> Tensor:
        """Compute [B, O, T, H, W] from [B, C, T, H, W]."""
        residual = x
        if self.shortcut is not None:
            residual = torch.conv3d(x, self.shortcut, None, self.shortcut_stride)
        answer: Tensor = self.conv2(self.conv1(x), residual)
        return answer


def cuda_form(folded: nn.Module, dtype: torch.dtype, mean: float, std: float) -> nn.Module | None:
    """Make the form of a folded block that runs fastest on CUDA.

    Args:
        folded: R3D-18's stem with one input channel, or one of its layers, BatchNorms folded into convolutions.
        dtype: In which to compute.
        mean: Of the input's normalisation.
        std: Of the input's normalisation.

    Returns:
        A :class:`SliceStem`, which normalises its input itself, a sequence of :class:`FusedBasicBlock`, or None: the
        block is built differently, or a weight is not finite (fused kernels may hide that).
    """
    form = _recognised(folded, dtype, mean, std)
    if form is None or not bool(torch.stack([each.isfinite().all() for each in form.buffers()]).all()):
        return None
    return form


def _recognised(folded: nn.Module, dtype: torch.dtype, mean: float, std: float) -> nn.Module | None:
    if not isinstance(folded, nn.Sequential):
        return None
    children = list(folded)
    kinds = [type(child) for child in children]
    if kinds[1:] == [nn.Identity, nn.ReLU] and isinstance(children[0], nn.Conv3d) and fits(children[0]):
        return SliceStem(children[0], mean, std, dtype)
    if kinds and all(isinstance(child, BasicBlock) and _is_folded(child) for child in children):
        return nn.Sequential(*(FusedBasicBlock(child, dtype) for child in children))
    return None


def _is_folded(block: BasicBlock) -> bool:
    """Whether the block consists of plain convolutions with a bias, each with a BatchNorm that was folded into it."""
    parts = [(block.conv1, [nn.Identity, nn.ReLU]), (block.conv2, [nn.Identity])]
    if block.downsample is not None:
        parts.append((block.downsample, [nn.Identity]))
    return all(
        isinstance(part, nn.Sequential)
        and [type(child) for child in part[1:]] == wanted
        and isinstance(part[0], nn.Conv3d)
        and _is_plain(part[0])
        for part, wanted in parts
    )


def _is_plain(conv: nn.Conv3d) -> bool:
    return conv.bias is not None and conv.groups == 1 and conv.dilation == (1, 1, 1) and conv.padding_mode == "zeros"


def _with_relu(conv: nn.Conv3d, bias: Tensor, dtype: torch.dtype) -> ConvolutionReLU:
    if isinstance(conv.padding, str):
        raise ValueError(f"padding {conv.padding!r}, expected numbers")
    return ConvolutionReLU(_filters(conv, dtype), bias.detach().to(dtype, copy=True), conv.stride, conv.padding)


def _filters(conv: nn.Conv3d, dtype: torch.dtype) -> Tensor:
    return conv.weight.detach().to(dtype, memory_format=torch.channels_last_3d, copy=True)
