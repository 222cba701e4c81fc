"""Fewer multiplications, the same convolution."""

import pytest
import torch
from torch import nn

from monai_fusion.networks.depth_winograd import DepthWinogradConv3d


def convolution(channels: int = 3, out: int = 5, **options: object) -> nn.Conv3d:
    torch.manual_seed(0)
    arguments: dict[str, object] = {"kernel_size": 3, "stride": 1, "padding": 1} | options
    return nn.Conv3d(channels, out, **arguments)  # type: ignore[arg-type] # the tests' own options


@pytest.mark.parametrize("depth", [4, 7, 8, 9, 10, 11, 12, 24])
@pytest.mark.parametrize("bias", [True, False])
def test_the_answer_is_that_of_the_convolution_in_float64(depth: int, bias: bool) -> None:
    conv = convolution(bias=bias)
    x = torch.randn(2, 3, depth, 6, 7)
    with torch.no_grad():
        found = DepthWinogradConv3d(conv)(x)
        wanted = convolution(bias=bias).double()(x.double())
    assert found.shape == wanted.shape and found.dtype == torch.float32
    assert float((found - wanted).abs().max()) < 1e-5 * float(wanted.std()) * 10


def test_deep_sums_stay_as_exact_as_float32_allows() -> None:
    conv = convolution(256, 16)
    x = torch.relu(torch.randn(1, 256, 8, 4, 4))
    with torch.no_grad():
        direct, found = conv(x), DepthWinogradConv3d(conv)(x)
        wanted = convolution(256, 16).double()(x.double())
    error, usual = (float((each - wanted).abs().max()) for each in (found, direct))
    assert error < 10 * max(usual, 1e-7 * float(wanted.abs().max()))


@pytest.mark.parametrize(
    "options",
    [{"stride": 2}, {"padding": 0}, {"kernel_size": 1}, {"dilation": 2}, {"padding_mode": "replicate"}, {"groups": 3}],
)
def test_it_stands_in_for_no_other_convolution(options: dict[str, object]) -> None:
    assert DepthWinogradConv3d.fits(convolution(out=6))
    assert not DepthWinogradConv3d.fits(convolution(out=6, **options))


def test_it_stands_in_for_float32_only() -> None:
    assert not DepthWinogradConv3d.fits(convolution().double())
    assert not DepthWinogradConv3d.fits(convolution().bfloat16())
    assert not DepthWinogradConv3d.fits(nn.Linear(3, 3))
