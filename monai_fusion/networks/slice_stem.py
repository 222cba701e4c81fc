"""R3D-18's stem for volumes of one channel as a two-dimensional convolution of its slices."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from monai_fusion.networks.fused_convolution import ConvolutionReLU

COLUMNS = 4
"""Neighbouring columns of the answer that one position of the two-dimensional convolution computes.

On an H200 a batch of 32 takes 3.3 ms with 1, 2.3 with 2 and 1.6 with 4.
"""

_KERNEL, _STRIDE, _PADDING = (3, 7, 7), (1, 2, 2), (1, 3, 3)
_DEPTH_TAPS = 4  # three are used; a fourth makes the number of channels a multiple of 16 and its filter is zero
_ROW_TAPS = 4  # of two rows each: seven are used

_WIDE = {4: torch.int32, 8: torch.int64, 16: torch.complex128}
"""By bytes: what neighbouring voxels of a row are copied as, because few large elements copy faster than many."""


class SliceStem(nn.Module):
    """``relu(convolution((x - mean) / std) + bias)`` for a 3 x 7 x 7 convolution of one channel, stride 1, 2, 2.

    With one channel, GPUs have no fast convolution. So each slice becomes an image whose channels are what the filter
    sees from one position: 4 slices, of which 2 rows and 2 ``columns`` columns (space-to-depth). One position computes
    ``columns`` neighbouring columns of the answer. Exact but for rounding.

    The volume is read once, to subtract the mean and change the dtype; then one copy makes the images. The division by
    ``std`` is part of the filters. The padding is zeros after normalisation, as in the convolution.

    Args:
        conv: The convolution (:func:`fits`), with a bias; its weights are copied.
        mean: Subtracted from the input.
        std: Divides the input.
        dtype: In which to compute.
        columns: A power of two; the answer is the same for all.
    """

    def __init__(self, conv: nn.Conv3d, mean: float, std: float, dtype: torch.dtype, columns: int = COLUMNS) -> None:
        super().__init__()
        if conv.bias is None:
            raise ValueError("the convolution has no bias")
        self.mean, self.columns, self.features = mean, columns, conv.out_channels
        self.column_taps = -(-(2 * columns + 5) // (2 * columns))
        filters = self._filters((conv.weight.detach()[:, 0] / std).to(dtype))
        self.conv = ConvolutionReLU(filters, conv.bias.detach().to(dtype).repeat(columns), (1, 1), (0, 0))

    def forward(self, x: Tensor) -> Tensor:
        """Compute [B, O, T, ceil(H / 2), ceil(W / 2)], in channels-last memory, from [B, 1, T, H, W] of any float."""
        batch, _, depth, height, width = x.shape
        height, width = (height + 1) // 2, (width + 1) // 2
        answer = self.conv(self._images(x)).permute(0, 2, 3, 1)  # its memory; columns lie before features
        columns = answer.shape[2] * self.columns  # up to columns - 1 too many
        answer = answer.reshape(batch, depth, height, columns, self.features)[:, :, :, :width]
        return answer.permute(0, 4, 1, 2, 3).contiguous(memory_format=torch.channels_last_3d)

    def _filters(self, weight: Tensor) -> Tensor:
        """[columns O, 16 columns, 4, taps] in channels-last memory, from [O, 3, 7, 7]."""
        run = 2 * self.columns
        spread = weight.new_zeros(self.columns, self.features, _DEPTH_TAPS, 2 * _ROW_TAPS, run * self.column_taps)
        for column in range(self.columns):
            spread[column, :, :3, :7, 2 * column : 2 * column + 7] = weight
        split = spread.view(self.columns * self.features, _DEPTH_TAPS, _ROW_TAPS, 2, self.column_taps, run)
        return split.permute(0, 1, 3, 5, 2, 4).flatten(1, 3).contiguous(memory_format=torch.channels_last)

    def _images(self, x: Tensor) -> Tensor:
        """[B T, 16 columns, ceil(H / 2) + 3, positions] in channels-last memory: what each position sees."""
        dtype, run = self.conv.weight.dtype, 2 * self.columns
        batch, _, depth, height, width = x.shape
        rows = (height + 1) // 2 + _ROW_TAPS - 1
        positions = -(-((width + 1) // 2) // self.columns) + self.column_taps - 1
        padded = x.new_zeros(batch, depth + _DEPTH_TAPS - 1, 2 * rows, run * positions, dtype=dtype)
        x = x[:, 0].to(torch.promote_types(x.dtype, dtype))  # as it is, unless it is narrower
        torch.sub(x, self.mean, out=padded[:, 1 : depth + 1, 3 : height + 3, 3 : width + 3])
        wide = _WIDE[min(16, run * dtype.itemsize)]
        parts = run * dtype.itemsize // wide.itemsize
        seen = padded.view(wide).unfold(1, _DEPTH_TAPS, 1).unfold(2, 2, 2).unfold(3, parts, parts)
        images = seen.contiguous().view(dtype)  # [B, T, rows, positions, 4, 2, run], the only copy
        return images.view(batch * depth, rows, positions, _DEPTH_TAPS * 2 * run).permute(0, 3, 1, 2)


def fits(conv: nn.Conv3d) -> bool:
    """Whether a convolution is one that :class:`SliceStem` computes."""
    return (
        conv.in_channels == 1
        and conv.groups == 1
        and conv.bias is not None
        and (conv.kernel_size, conv.stride, conv.padding) == (_KERNEL, _STRIDE, _PADDING)
        and conv.dilation == (1, 1, 1)
        and conv.padding_mode == "zeros"
    )
