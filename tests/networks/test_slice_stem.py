"""The stem as a convolution of slices has the answer of the three-dimensional convolution."""

import pytest
import torch
from torch import Tensor, nn

from monai_fusion.networks.slice_stem import SliceStem, fits

SHAPES = [
    (2, 1, 8, 16, 16),
    (3, 1, 5, 17, 24),
    (1, 1, 1, 7, 9),
    (1, 1, 2, 1, 1),
    (2, 1, 3, 2, 3),
    (1, 1, 4, 15, 13),
    (1, 1, 7, 30, 5),
    (0, 1, 4, 16, 16),
]
MEAN, STD = 0.401, 0.222


@pytest.fixture(scope="module")
def convolution() -> nn.Conv3d:
    torch.manual_seed(3)
    return nn.Conv3d(1, 8, (3, 7, 7), (1, 2, 2), (1, 3, 3)).requires_grad_(False)


def relative(one: Tensor, other: Tensor) -> float:
    return float((one - other).norm() / other.norm().clamp(min=1e-30))


@pytest.mark.parametrize("columns", [1, 2, 4])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_answer_is_the_convolutions_to_1e_5(convolution: nn.Conv3d, shape: tuple[int, ...], columns: int) -> None:
    volumes = torch.rand(shape)
    wanted = torch.relu(convolution((volumes - MEAN) / STD))
    found = SliceStem(convolution, MEAN, STD, torch.float32, columns)(volumes)
    assert found.shape == wanted.shape
    assert found.is_contiguous(memory_format=torch.channels_last_3d)
    assert relative(found, wanted) <= 1e-5


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_it_computes_in_the_type_it_was_made_for(convolution: nn.Conv3d, dtype: torch.dtype) -> None:
    volumes = torch.rand(2, 1, 4, 18, 21)
    wanted = torch.relu(convolution((volumes - MEAN) / STD))
    found = SliceStem(convolution, MEAN, STD, dtype)(volumes)
    assert found.dtype == dtype
    assert relative(found.float(), wanted) <= {torch.float64: 1e-6, torch.float16: 2e-3, torch.bfloat16: 1e-2}[dtype]


def test_volumes_in_bfloat16_and_of_any_memory_layout_are_right(convolution: nn.Conv3d) -> None:
    stem = SliceStem(convolution, MEAN, STD, torch.float32)
    volumes = torch.rand(2, 1, 21, 18, 4).bfloat16().permute(0, 1, 4, 3, 2)
    wanted = torch.relu(convolution((volumes.float() - MEAN) / STD))
    assert relative(stem(volumes), wanted) <= 1e-5


def test_each_voxel_is_seen_by_the_right_neighbours_only(convolution: nn.Conv3d) -> None:
    stem = SliceStem(convolution, 0.0, 1.0, torch.float32)
    volumes = torch.zeros(1, 1, 6, 20, 20)
    before = stem(volumes)
    volumes[0, 0, 2, 9, 10] = 1.0
    changed = (stem(volumes) - before).abs().amax((0, 1)) > 0
    wanted = (torch.relu(convolution(volumes)) - before).abs().amax((0, 1)) > 1e-7
    assert torch.equal(changed, wanted)
    assert wanted.any()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"in_channels": 3}, False),
        ({"kernel_size": (3, 5, 7)}, False),
        ({"stride": (2, 2, 2)}, False),
        ({"padding": (0, 3, 3)}, False),
        ({"padding": "valid", "stride": 1}, False),
        ({"dilation": (1, 2, 1)}, False),
        ({"bias": False}, False),
        ({"padding_mode": "replicate"}, False),
    ],
)
def test_only_r3d18s_stem_with_one_channel_fits(change: dict[str, object], expected: bool) -> None:
    made = {"in_channels": 1, "out_channels": 8, "kernel_size": (3, 7, 7), "stride": (1, 2, 2), "padding": (1, 3, 3)}
    assert fits(nn.Conv3d(**(made | change))) is expected  # type: ignore[arg-type]  # a dictionary of options
