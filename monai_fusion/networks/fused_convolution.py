"""Convolution, bias, residual and ReLU in one kernel, where cuDNN has one that can be trusted."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor, nn

_FUSED_TYPES = (torch.bfloat16, torch.float16, torch.float32)
_INDEXED = 2**31
"""The fused kernels count elements in 32 bits; PyTorch splits a larger convolution, but not a larger fused one."""

_TOLERANCE = 0.02
"""Largest relative difference from the separate operations; bfloat16 rounds to 0.004, three times."""

_decisions: dict[Hashable, bool] = {}


class ConvolutionReLU(nn.Module):
    """``relu(convolution(x) + bias + residual)``, in two or three dimensions, without gradients.

    On CUDA one kernel does all of it. The first call with a shape decides whether: the kernel must exist in this build
    and for these arguments, be repeatable bit by bit, and agree with the separate operations. Where it does not, they
    run instead. Later calls with this shape, in this process, follow the decision.

    The fused ReLU may turn NaN into 0 (the separate one does not): see :func:`nan_where_not_finite`.

    Args:
        weight: Filters [O, C, *kernel], in channels-last memory for the fastest kernels.
        bias: [O], of the same dtype.
        stride: For each spatial axis.
        padding: For each spatial axis, by zeros.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor, stride: Sequence[int], padding: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)
        self.stride, self.padding = list(stride), list(padding)
        self.dilation = [1] * len(self.stride)
        self._kind = (tuple(weight.shape), tuple(self.stride), tuple(self.padding))

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """Compute [B, O, *out] from [B, C, *in], of the filters' dtype, and a residual of the answer's shape."""
        if _has_kernels(x) and self._fuses(x, residual):
            return self._fused(x, residual)
        return self._separate(x, residual)

    def _fuses(self, x: Tensor, residual: Tensor | None) -> bool:
        tf32 = torch.backends.cudnn.conv.fp32_precision  # type: ignore[attr-defined]  # torch makes it at run time
        key = (self._kind, x.shape, x.dtype, x.device, tf32, residual is None)
        known = _decisions.get(key)
        if known is None:
            if _capturing():
                return False  # a comparison would wait for the device, which a capture forbids
            known = _decisions[key] = self._can_be_trusted(x, residual)
        return known

    def _can_be_trusted(self, x: Tensor, residual: Tensor | None) -> bool:
        """Run the kernel twice and compare its first and last sample with each other and with separate operations."""
        if x.numel() == 0 or max(x.numel(), self._size_of_answer(x)) >= _INDEXED:
            return False
        try:
            answer = self._fused(x, residual)
            first = _ends(answer)
            # The kernel without a residual is given its own, unwritten answer as one, times 0. The second answer is
            # likely to lie where this one lay: NaN times 0 would show.
            answer.fill_(float("nan"))
            del answer
            again = _ends(self._fused(x, residual))
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, AttributeError):  # not in this build, or no kernel for these arguments
            return False
        wanted = self._separate(_ends(x), None if residual is None else _ends(residual)).float()
        near = (again.float() - wanted).norm() <= _TOLERANCE * wanted.norm()
        return torch.equal(first, again) and bool(near)

    def _size_of_answer(self, x: Tensor) -> int:
        size = x.shape[0] * self.weight.shape[0]
        kernel = self.weight.shape[2:]
        for length, taps, stride, padding in zip(x.shape[2:], kernel, self.stride, self.padding, strict=True):
            size *= (length + 2 * padding - taps) // stride + 1
        return size

    def _fused(self, x: Tensor, residual: Tensor | None) -> Tensor:
        if residual is None:
            return _convolution_relu(x, self.weight, self.bias, self.stride, self.padding, self.dilation, 1)
        return _convolution_add_relu(
            x, self.weight, residual, 1.0, self.bias, self.stride, self.padding, self.dilation, 1
        )

    def _separate(self, x: Tensor, residual: Tensor | None) -> Tensor:
        convolve = torch.conv2d if self.weight.dim() == 4 else torch.conv3d
        answer = convolve(x, self.weight, self.bias, self.stride, self.padding)
        return (answer if residual is None else answer.add_(residual)).relu_()


def decisions() -> Mapping[Hashable, bool]:
    """What was decided so far in this process, whether the fused kernel runs: filters and shapes are in the keys."""
    return MappingProxyType(_decisions)


def nan_where_not_finite(x: Tensor) -> Tensor:
    """Zeros [B, 1] in float32, but NaN for each sample of [B, ...] that holds NaN or infinity.

    Added to what was computed from ``x``, it brings back the NaN that fused kernels may have turned into zeros. The
    sum of a finite sample must be finite in float32.
    """
    sums = x.as_subclass(Tensor).sum(dim=list(range(1, x.dim())), dtype=torch.float32)
    return sums.mul_(0.0)[:, None]


# torch.ops' overloads, called without a search for the right one; looked up late, because a build may lack them.
def _convolution_relu(*arguments: object) -> Tensor:
    answer: Tensor = torch.ops.aten.cudnn_convolution_relu.default(*arguments)
    return answer


def _convolution_add_relu(*arguments: object) -> Tensor:
    answer: Tensor = torch.ops.aten.cudnn_convolution_add_relu.default(*arguments)
    return answer


def _has_kernels(x: Tensor) -> bool:
    return x.is_cuda and x.dtype in _FUSED_TYPES and torch.backends.cudnn.enabled


def _capturing() -> bool:
    return torch.cuda.is_current_stream_capturing()


def _ends(x: Tensor) -> Tensor:
    """The first and the last sample, copied."""
    return torch.cat([x[:1], x[-1:]])
