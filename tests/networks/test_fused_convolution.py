"""A fused kernel runs where it exists and agrees; otherwise the separate operations do."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from monai_fusion.networks import fused_convolution
from monai_fusion.networks.fused_convolution import ConvolutionReLU, decisions, nan_where_not_finite

Kernel = Callable[..., Tensor]


def reference(x: Tensor, weight: Tensor, bias: Tensor, stride: list[int], padding: list[int], *rest: Any) -> Tensor:
    """What cuDNN's kernel computes without a residual: convolution, bias, ReLU."""
    assert rest == ([1] * len(stride), 1)
    return (torch.conv3d if x.dim() == 5 else torch.conv2d)(x, weight, bias, stride, padding).relu()


def reference_with_residual(x: Tensor, weight: Tensor, z: Tensor, alpha: float, *rest: Any) -> Tensor:
    """The same with one: the residual is added before the ReLU."""
    bias, stride, padding, dilation, groups = rest
    assert (dilation, groups) == ([1] * len(stride), 1)
    return ((torch.conv3d if x.dim() == 5 else torch.conv2d)(x, weight, bias, stride, padding) + alpha * z).relu()


class Kernels:
    """Stands for cuDNN's two kernels on a CPU, and counts their calls."""

    def __init__(self, plain: Kernel = reference, residual: Kernel = reference_with_residual) -> None:
        self.calls: list[str] = []
        self.of = {"plain": plain, "residual": residual}

    def install(self, monkeypatch: pytest.MonkeyPatch) -> "Kernels":
        monkeypatch.setattr(fused_convolution, "_has_kernels", lambda x: True)
        monkeypatch.setattr(fused_convolution, "_capturing", lambda: False)
        monkeypatch.setattr(fused_convolution, "_convolution_relu", lambda *given: self.run("plain", *given))
        monkeypatch.setattr(fused_convolution, "_convolution_add_relu", lambda *given: self.run("residual", *given))
        return self

    def run(self, which: str, *given: Any) -> Tensor:
        self.calls.append(which)
        return self.of[which](*given)


@pytest.fixture(autouse=True)
def _nothing_decided() -> Iterator[None]:
    fused_convolution._decisions.clear()
    yield
    fused_convolution._decisions.clear()


def conv(dimensions: int = 3) -> ConvolutionReLU:
    torch.manual_seed(5)
    weight, bias = torch.randn(6, 4, *[3] * dimensions), torch.randn(6)
    return ConvolutionReLU(weight, bias, [2] * dimensions, [1] * dimensions)


def wanted(layer: ConvolutionReLU, x: Tensor, residual: Tensor | None = None) -> Tensor:
    convolve = torch.conv3d if x.dim() == 5 else torch.conv2d
    answer = convolve(x, layer.weight, None, 2, 1) + layer.bias.view(1, -1, *[1] * (x.dim() - 2))
    return torch.relu(answer if residual is None else answer + residual)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_residual_is_added_before_the_relu(monkeypatch: pytest.MonkeyPatch, fused: bool, dimensions: int) -> None:
    kernels = Kernels()
    if fused:
        kernels.install(monkeypatch)
    layer, x = conv(dimensions), torch.randn(3, 4, *[7] * dimensions)
    residual = torch.randn(3, 6, *[4] * dimensions)
    before = residual.clone()
    torch.testing.assert_close(layer(x), wanted(layer, x), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(layer(x, residual), wanted(layer, x, residual), rtol=1e-5, atol=1e-5)
    assert torch.equal(residual, before)
    assert set(kernels.calls) == ({"plain", "residual"} if fused else set())


def test_a_shape_is_tried_once_and_then_costs_one_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    kernels, layer = Kernels().install(monkeypatch), conv()
    for batch in (2, 3):
        layer(torch.randn(batch, 4, 5, 5, 5))
    assert list(decisions().values()) == [True, True]
    kernels.calls.clear()
    for batch in (2, 3):
        conv()(torch.randn(batch, 4, 5, 5, 5))  # a form that was made again
    assert kernels.calls == ["plain", "plain"]


def raises(*given: Any) -> Tensor:
    raise RuntimeError("GET was unable to find an engine to execute this computation")


def is_missing(*given: Any) -> Tensor:
    raise NotImplementedError("Could not run 'aten::cudnn_convolution_relu' with arguments from the 'CPU' backend.")


def is_unknown(*given: Any) -> Tensor:
    raise AttributeError("'_OpNamespace' 'aten' object has no attribute 'cudnn_convolution_relu'")


def is_wrong(x: Tensor, *given: Any) -> Tensor:
    return reference(x, *given) * 1.1


def is_wrong_for_the_last_sample(x: Tensor, *given: Any) -> Tensor:
    answer = reference(x, *given)
    answer[-1] = 0
    return answer


def differs_in_a_bit(x: Tensor, *given: Any) -> Tensor:
    return reference(x, *given) + 1e-5 * torch.rand(())


def gives_nan(x: Tensor, *given: Any) -> Tensor:
    return reference(x, *given) * float("nan")


@pytest.mark.parametrize(
    "kernel", [raises, is_missing, is_unknown, is_wrong, is_wrong_for_the_last_sample, differs_in_a_bit, gives_nan]
)
def test_a_kernel_that_cannot_be_trusted_is_tried_once_and_never_used(
    monkeypatch: pytest.MonkeyPatch, kernel: Kernel
) -> None:
    kernels, layer, x = Kernels(plain=kernel).install(monkeypatch), conv(), torch.randn(3, 4, 5, 5, 5)
    torch.testing.assert_close(layer(x), wanted(layer, x), rtol=1e-5, atol=1e-5)
    tried = len(kernels.calls)
    torch.testing.assert_close(layer(x), wanted(layer, x), rtol=1e-5, atol=1e-5)
    assert len(kernels.calls) == tried <= 2
    assert list(decisions().values()) == [False]


def test_memory_that_is_full_is_no_reason_to_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_full(*given: Any) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    Kernels(plain=is_full).install(monkeypatch)
    with pytest.raises(torch.OutOfMemoryError):
        conv()(torch.randn(3, 4, 5, 5, 5))
    assert not decisions()


def test_nothing_is_decided_while_a_graph_is_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    kernels, layer, x = Kernels().install(monkeypatch), conv(), torch.randn(3, 4, 5, 5, 5)
    monkeypatch.setattr(fused_convolution, "_capturing", lambda: True)
    torch.testing.assert_close(layer(x), wanted(layer, x), rtol=1e-5, atol=1e-5)
    assert not kernels.calls and not decisions()
    monkeypatch.setattr(fused_convolution, "_capturing", lambda: False)
    layer(x)
    monkeypatch.setattr(fused_convolution, "_capturing", lambda: True)
    kernels.calls.clear()
    layer(x)
    assert kernels.calls == ["plain"]


@pytest.mark.parametrize("shape", [(0, 4, 5, 5, 5), (2**20, 4, 8, 8, 8)])
def test_what_is_empty_or_beyond_32_bits_goes_to_the_separate_operations(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...]
) -> None:
    kernels = Kernels().install(monkeypatch)
    layer, x = conv(), torch.zeros(()).expand(shape)  # no memory
    assert not layer._can_be_trusted(x, None)
    assert not kernels.calls


def test_a_cpu_has_no_fused_kernels() -> None:
    conv()(torch.randn(1, 4, 5, 5, 5))
    assert not decisions()


def test_samples_with_nan_or_infinity_are_marked() -> None:
    x = torch.rand(4, 1, 3, 5, 5).to(torch.float16) * 60000
    x[1, 0, 2, 0, 0] = float("nan")
    x[3, 0, 0, 4, 4] = float("-inf")
    marks = nan_where_not_finite(x)
    assert marks.shape == (4, 1) and marks.dtype == torch.float32
    assert marks.isnan().flatten().tolist() == [False, True, False, True]
    assert marks[[0, 2]].tolist() == [[0.0], [0.0]]
