import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_fusion.networks import EEGEncoder, FusionNet, expand_stem


@pytest.fixture
def rgb_stem() -> nn.Conv2d:
    return nn.Conv2d(3, 96, kernel_size=4, stride=4)


def test_stem_response_to_equal_electrodes_is_17_thirds_of_the_rgb_response_to_grey(rgb_stem: nn.Conv2d) -> None:
    stem = expand_stem(rgb_stem, 17)
    grey = torch.randn(2, 1, 16, 16)
    assert rgb_stem.bias is not None and stem.bias is not None
    bias = rgb_stem.bias.view(1, -1, 1, 1)

    rgb_response = rgb_stem(grey.expand(-1, 3, -1, -1)) - bias
    response = stem(grey.expand(-1, 17, -1, -1)) - bias

    torch.testing.assert_close(response, 17 / 3 * rgb_response, rtol=1e-4, atol=1e-5)
    assert torch.equal(stem.bias, rgb_stem.bias)


def test_every_electrode_starts_with_the_mean_of_the_rgb_filters(rgb_stem: nn.Conv2d) -> None:
    before = rgb_stem.weight.detach().clone()
    stem = expand_stem(rgb_stem, 5)
    assert stem.weight.shape == (96, 5, 4, 4)
    for electrode in range(5):
        torch.testing.assert_close(stem.weight[:, electrode], (before[:, 0] + before[:, 1] + before[:, 2]) / 3)
    assert torch.equal(rgb_stem.weight, before)


def test_expanded_stem_keeps_dtype_and_absence_of_bias() -> None:
    stem = expand_stem(nn.Conv2d(3, 8, kernel_size=4, stride=4, bias=False, dtype=torch.float64), 17)
    assert stem.weight.dtype == torch.float64
    assert stem.bias is None


def test_embedding_is_the_projected_layer_norm_of_the_pooled_features(built_net: FusionNet, eeg: Tensor) -> None:
    encoder = built_net.eeg_enc
    backbone = encoder.backbone
    with torch.no_grad():
        features = backbone.stages(backbone.stem(eeg)).mean(dim=(2, 3))
        norm = backbone.head.norm
        hidden = F.gelu(encoder.projection[0](F.layer_norm(features, (768,), norm.weight, norm.bias, eps=1e-6)))
        expected = encoder.projection[3](hidden)
        expected = expected / expected.square().sum(dim=1, keepdim=True).sqrt()
        torch.testing.assert_close(encoder(eeg), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("size", [(32, 32), (64, 64), (96, 40)])
def test_eeg_embedding_has_norm_1_for_any_size(built_net: FusionNet, size: tuple[int, int]) -> None:
    embedding = built_net.eeg_enc(torch.randn(2, 17, *size))
    assert embedding.shape == (2, 512)
    assert embedding.dtype == torch.float32
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(2))


def test_other_electrodes_and_dimensions_are_possible() -> None:
    encoder = EEGEncoder(electrodes=4, embedding_dim=8, pretrained=False)
    assert encoder(torch.randn(1, 4, 32, 32)).shape == (1, 8)


@pytest.mark.parametrize("shape", [(2, 16, 64, 64), (17, 64, 64), (2, 64, 64, 17), (2, 17, 31, 64), (2, 1, 17, 64, 64)])
def test_wrong_eeg_shape_is_named(built_net: FusionNet, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"eeg: shape \[") as caught:
        built_net.eeg_enc(torch.zeros(shape))
    assert str(list(shape)) in str(caught.value)
    assert "[B, 17, F, T]" in str(caught.value)
