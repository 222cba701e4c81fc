"""Grad-CAM of the MRI: channels of a block weighted with mean gradients; signed, coarse, without traces."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from torch import Tensor, nn

from monai_fusion.errors import InputError
from monai_fusion.explain.method import Explained
from monai_fusion.explain.mri_gradcam import MriGradCam, interpolated
from monai_fusion.explain.scoring import Embeddings, Scorer
from monai_fusion.networks import EnsembleNet, FusionNet, GatedFusionHead, MRIEncoder
from tests.explain.mri_networks import WIDTH, convolving_net, ignored, participant
from tests.support import ELECTRODES, TinyEncoder, tiny_absence_net


def explained(net: nn.Module, whom: Explained, layer: str, target: int = 1) -> dict[str, np.ndarray]:
    scorer = Scorer(net, target)
    return dict(MriGradCam(layer)(scorer, whom, scorer.embed(whom.eeg, whom.mri), ignored))


def by_hand(nets: list[FusionNet], whom: Explained, small: float = 1e-6) -> np.ndarray:
    """Grad-CAM at ``first`` by finite differences of the score in float64: no gradients, no hooks."""
    doubled = [copy.deepcopy(net).double() for net in nets]
    assert whom.mri is not None
    outputs = [net.mri_enc.backbone.first(whom.mri.double()) for net in doubled]
    eeg = None if whom.eeg is None else [net.encode_eeg(whom.eeg.double()) for net in doubled]

    def score(changed: list[Tensor]) -> float:
        probabilities = []
        for place, (net, output) in enumerate(zip(doubled, changed, strict=True)):
            features = net.mri_enc.backbone.second(output).mean(dim=(2, 3, 4))
            mri = net.mri_enc.embed(features)
            if eeg is None:
                logits = net.fuse(None, mri, torch.tensor([[False, True]]))["logits"]
            else:
                logits = net.fuse(eeg[place], mri)["logits"]
            probabilities.append(logits.softmax(dim=1))
        mean = torch.stack(probabilities).mean(dim=0)
        return float(torch.logit(mean[:, 1]).mean())

    total = 0
    with torch.no_grad():
        for place, output in enumerate(outputs):
            for channel in range(output.shape[1]):
                # All cells of a channel moved together: the sum of their gradients.
                ends = []
                for sign in (1, -1):
                    changed = [each.clone() for each in outputs]
                    changed[place][:, channel] += sign * small
                    ends.append(score(changed))
                mean_gradient = (ends[0] - ends[1]) / (2 * small) / output[0, 0].numel()
                total = total + mean_gradient * output[0, channel].numpy()
    return np.asarray(total)


@pytest.mark.parametrize("segments", [3, 0])
def test_it_is_what_finite_differences_in_float64_give(segments: int) -> None:
    net, whom = convolving_net(), participant(segments=segments)
    found = explained(net, whom, "first")["cells"]
    expected = by_hand([net], whom)
    assert found.shape == (3, 4, 5)
    assert np.abs(expected).max() > 1e-3
    assert expected.min() < 0 < expected.max()
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_an_ensembles_map_weights_its_members_as_the_mean_of_probabilities_does() -> None:
    nets, whom = [convolving_net(seed) for seed in range(3)], participant()
    found = explained(EnsembleNet(nets), whom, "first")["cells"]
    expected = by_hand(nets, whom)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
    plain = np.mean([explained(net, whom, "first")["cells"] for net in nets], axis=0)
    assert np.abs(plain - expected).max() > 1e-2 * np.abs(expected).max()  # it is not just their mean


@pytest.fixture(scope="module")
def r3d() -> FusionNet:
    torch.manual_seed(0)
    head = GatedFusionHead(WIDTH, gate_hidden=WIDTH, hidden=WIDTH)
    return FusionNet(TinyEncoder(ELECTRODES, WIDTH), MRIEncoder(WIDTH, pretrained=False), head).eval()


@pytest.mark.parametrize("layer", ["layer4", "layer2"])
@pytest.mark.parametrize("trained", ["nothing", "layer4", "everything"])
def test_r3d_18s_map_is_captums_whatever_is_frozen(r3d: FusionNet, layer: str, trained: str) -> None:
    whom = participant((16, 32, 32))
    r3d.requires_grad_(trained == "everything")
    if trained == "layer4":
        r3d.mri_enc.backbone.layer4.requires_grad_(True)
    before = [parameter.requires_grad for parameter in r3d.parameters()]
    scorer = Scorer(r3d, 0)
    embeddings = scorer.embed(whom.eeg, whom.mri)
    found = MriGradCam(layer)(scorer, whom, embeddings, ignored)["cells"]
    gradcam = LayerGradCam(lambda mri: scorer.of_volumes(mri, embeddings), r3d.mri_enc.backbone.get_submodule(layer))
    expected = gradcam.attribute(whom.mri.clone().requires_grad_(), relu_attributions=False)[0, 0].detach()
    assert found.shape == {"layer4": (2, 2, 2), "layer2": (8, 8, 8)}[layer]
    np.testing.assert_allclose(found, expected, atol=1e-4 * float(expected.abs().max()))
    assert [parameter.requires_grad for parameter in r3d.parameters()] == before
    assert not any(module._forward_hooks for module in r3d.modules())
    assert all(parameter.grad is None for parameter in r3d.parameters())


def test_the_map_is_the_cells_interpolated_to_the_volume(r3d: FusionNet) -> None:
    whom = participant((16, 32, 48))
    found = explained(r3d, whom, "layer3")
    assert found["cells"].shape == (4, 4, 6)
    assert found["attributions"].shape == (16, 32, 48)
    assert found["attributions"].dtype == np.float32
    # R3D-18's filters look at voxels 0, 4, 8 .. of the first axis and at 0, 8, 16 .. of the others.
    np.testing.assert_allclose(found["attributions"][::4, ::8, ::8], found["cells"], rtol=1e-5, atol=1e-9)


def test_a_cells_centre_is_where_the_network_looks(r3d: FusionNet) -> None:
    """The gradient of a cell with respect to the voxels, over random networks, is centred on that voxel."""
    backbone = copy.deepcopy(r3d.mri_enc.backbone)
    blocks = nn.Sequential(backbone.stem, backbone.layer1, backbone.layer2).requires_grad_(False)
    weights = np.zeros((9, 21))
    for seed in range(4):
        torch.manual_seed(seed)
        for module in blocks.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight)
        volume = torch.rand(1, 1, 9, 21, 21).requires_grad_()
        (gradient,) = torch.autograd.grad(blocks(volume)[0, :, 2, 2, 2].square().sum(), volume)
        weights += gradient[0, 0].square().sum(dim=2).numpy()
    for axis, centre in ((0, 4), (1, 8)):
        profile = weights.sum(axis=1 - axis)
        assert (profile * np.arange(len(profile))).sum() / profile.sum() == pytest.approx(centre, abs=0.5)


def test_cells_of_another_encoder_lie_in_the_middle_of_their_share() -> None:
    cells = np.arange(4, dtype=np.float32).reshape(1, 1, 4)
    found = interpolated(cells, (3, 2, 12), strided=False)
    np.testing.assert_allclose(found[0, 0], np.clip((np.arange(12) - 1) / 3, 0, 3), rtol=1e-6)
    assert (found == found[:1, :1]).all()
    np.testing.assert_allclose(interpolated(cells, (1, 1, 27), strided=True)[0, 0, ::8], [0, 1, 2, 3])


def test_a_score_that_ignores_the_mri_has_an_empty_map() -> None:
    net, whom = convolving_net(), participant()
    nn.init.zeros_(net.head.classifier[-1].weight)
    assert not explained(net, whom, "second")["attributions"].any()


def test_it_counts_one_pass_with_its_gradient() -> None:
    net, whom, done = convolving_net(), participant(), []
    scorer = Scorer(net, 1)
    MriGradCam("second")(scorer, whom, scorer.embed(whom.eeg, whom.mri), done.append)
    assert sum(done) == MriGradCam("second").passes(whom)


def test_an_unknown_layer_is_one_message_that_names_the_others() -> None:
    with pytest.raises(InputError, match="did you mean 'second'") as caught:
        MriGradCam("secnd").check(convolving_net())
    assert "first" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(InputError, match="layer4"):
        MriGradCam().check(EnsembleNet([convolving_net()]))
    with pytest.raises(InputError, match="mri_gradcam layer"):
        MriGradCam("layer4").check(tiny_absence_net())  # it has the name, and no module


def test_a_block_without_cells_is_one_message_and_leaves_no_hook() -> None:
    net, whom = convolving_net(), participant()
    flat = nn.Sequential(nn.Flatten(), nn.LazyLinear(5))
    net.mri_enc.backbone.second = flat
    net.mri_enc.backbone.forward = lambda x: flat(net.mri_enc.backbone.first(x))
    scorer = Scorer(net, 1)
    embeddings = scorer.embed(whom.eeg, whom.mri)
    net.mri_enc._names = {"first": ("first",), "second": ("second",)}
    with pytest.raises(InputError, match=r"shape \[1, 5\]"):
        MriGradCam("second")(scorer, whom, embeddings, ignored)
    assert not any(module._forward_hooks for module in net.modules())


def test_a_participant_without_an_mri_is_not_asked_about() -> None:
    net, whom = convolving_net(), participant()
    with pytest.raises(ValueError, match="sub-1 has no MRI"):
        MriGradCam("first")(Scorer(net, 1), Explained("sub-1", whom.eeg, None), Embeddings(None, None), ignored)
