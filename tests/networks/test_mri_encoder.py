import copy

import pytest
import torch
from torch import Tensor
from torchvision.models.video import r3d_18

from monai_fusion.errors import InputError
from monai_fusion.networks import R3D18_WEIGHTS, FusionNet, MRIEncoder
from monai_fusion.networks.mri import KINETICS_MEAN, KINETICS_STD
from monai_fusion.precision import cpu_multiplies_bfloat16


def test_kinetics_normalisation_is_the_mean_over_torchvisions_channels() -> None:
    preset = R3D18_WEIGHTS.transforms()
    assert pytest.approx(sum(preset.mean) / 3, abs=5e-4) == KINETICS_MEAN
    assert pytest.approx(sum(preset.std) / 3, abs=5e-4) == KINETICS_STD


def test_one_channel_gives_the_features_of_torchvisions_network_on_three(built_net: FusionNet, mri: Tensor) -> None:
    reference = r3d_18(weights=None)
    reference.fc = torch.nn.Identity()
    reference.load_state_dict(built_net.mri_enc.backbone.state_dict())
    with torch.no_grad():
        expected = reference.eval()(mri.expand(-1, 3, -1, -1, -1))
        torch.testing.assert_close(built_net.mri_enc.backbone(mri), expected, rtol=1e-4, atol=1e-5)


def test_one_channel_equals_three_in_output_and_in_every_gradient(built_net: FusionNet) -> None:
    encoder = copy.deepcopy(built_net.mri_enc).double().train()
    encoder.projection[2].p = 0.0  # dropout would draw different masks
    volume = torch.rand(2, 1, 9, 24, 24, dtype=torch.float64)
    direction = torch.randn(512, dtype=torch.float64)
    results = []
    for channels in (1, 3):
        encoder.zero_grad()
        x = volume.clone().requires_grad_()
        embedding = encoder(x.expand(-1, channels, -1, -1, -1))
        (embedding @ direction).sum().backward()
        gradients = {name: parameter.grad.clone() for name, parameter in encoder.named_parameters()}
        results.append((embedding.detach(), x.grad, gradients))
    (one, one_x, one_gradients), (three, three_x, three_gradients) = results

    torch.testing.assert_close(one, three, rtol=1e-9, atol=1e-12)
    assert (one_x - three_x).abs().max() < 1e-8 * three_x.abs().max()
    assert one_gradients["backbone.stem.0.weight"].shape == (64, 3, 3, 7, 7)
    assert one_gradients["backbone.stem.0.weight"].abs().max() > 1e-6
    for name, gradient in one_gradients.items():
        assert (gradient - three_gradients[name]).abs().max() <= 1e-8 * three_gradients[name].abs().max() + 1e-12, name


def test_kinetics_normalisation_is_applied_to_the_input(built_net: FusionNet, mri: Tensor) -> None:
    plain = MRIEncoder(pretrained=False, input_norm="none").eval()
    plain.load_state_dict(built_net.mri_enc.state_dict())
    with torch.no_grad():
        normalised = built_net.mri_enc(mri)
        torch.testing.assert_close(normalised, plain((mri - 0.401) / 0.222), rtol=1e-4, atol=1e-6)
        assert (normalised - plain(mri)).abs().max() > 1e-3


@pytest.mark.parametrize("size", [(16, 32, 32), (5, 17, 24)])
def test_mri_embedding_has_norm_1_for_any_size(built_net: FusionNet, size: tuple[int, int, int]) -> None:
    embedding = built_net.mri_enc(torch.rand(2, 1, *size))
    assert embedding.shape == (2, 512)
    assert embedding.dtype == torch.float32
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(2))


def test_stored_weights_have_torchvisions_names_and_shapes(built_net: FusionNet) -> None:
    theirs = {name: value.shape for name, value in r3d_18(weights=None).state_dict().items()}
    theirs = {name: shape for name, shape in theirs.items() if not name.startswith("fc.")}
    assert {name: value.shape for name, value in built_net.mri_enc.backbone.state_dict().items()} == theirs


def test_unknown_input_norm_is_refused_with_the_likely_meaning() -> None:
    with pytest.raises(
        InputError, match=r"mri_input_norm: 'kinetcs', expected kinetics or none: did you mean 'kinetics'"
    ):
        MRIEncoder(pretrained=False, input_norm="kinetcs")


@pytest.mark.parametrize("shape", [(2, 2, 8, 16, 16), (1, 8, 16, 16), (2, 8, 16, 16, 1)])
def test_wrong_mri_shape_is_named(built_net: FusionNet, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"mri: shape \[") as caught:
        built_net.mri_enc(torch.zeros(shape))
    assert str(list(shape)) in str(caught.value)


@pytest.mark.skipif(not cpu_multiplies_bfloat16(), reason="this CPU emulates bfloat16, for minutes")
@pytest.mark.parametrize("depth", [16, 32])  # layer4 computes 2 and 4 deep
def test_bfloat16_gives_gradients_that_are_right_and_repeatable(depth: int) -> None:
    torch.manual_seed(0)
    encoder = MRIEncoder(pretrained=False, dropout=0.0)
    encoder.set_trainable(["layer4"])
    encoder.eval()
    volumes, direction = torch.rand(2, 1, depth, 24, 24), torch.randn(2, 512)
    trained = list(encoder.backbone.get_submodule("layer4").parameters())

    def gradients(enabled: bool) -> list[torch.Tensor]:
        unwritten = [torch.full((size,), float("nan")) for size in (10, 1000, 100_000, 3_000_000, 10_000_000)]
        del unwritten  # what an operation leaves unwritten is likely to lie where this lay
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            embedding = encoder(volumes)
        return list(torch.autograd.grad((embedding * direction).sum(), trained))

    wanted, found, again = gradients(False), gradients(True), gradients(True)
    for one, other, exact in zip(found, again, wanted, strict=True):
        assert torch.equal(one, other)
        assert float((one - exact).norm()) < 0.2 * float(exact.norm())
