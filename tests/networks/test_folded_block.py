"""Frozen blocks run in a cheaper form that has the same output and is never stale."""

import copy
import pickle
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from monai_fusion.networks import MRIEncoder
from monai_fusion.networks.folded_block import FoldedBlock

VOLUMES = torch.rand(2, 1, 8, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def encoder() -> Iterator[MRIEncoder]:
    """In stage A, with BatchNorm statistics as after a training."""
    torch.manual_seed(0)
    encoder = MRIEncoder(pretrained=False, dropout=0.0)
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.running_mean = torch.randn_like(module.running_mean) * 0.1
            module.running_var = torch.rand_like(module.running_var) + 0.5
            nn.init.normal_(module.weight, 1.0, 0.2)
            nn.init.normal_(module.bias, 0.0, 0.2)
    encoder.set_trainable(["layer4"])
    encoder.train()
    yield encoder


def by_the_plain_blocks(encoder: MRIEncoder, volumes: Tensor) -> Tensor:
    """The embedding from torchvision's own forward pass."""
    return encoder.embed(encoder.backbone((volumes - encoder.input_mean) / encoder.input_std))


def test_the_answer_is_that_of_the_plain_blocks(encoder: MRIEncoder) -> None:
    encoder.eval()
    wanted = by_the_plain_blocks(encoder, VOLUMES)
    torch.testing.assert_close(encoder(VOLUMES), wanted, rtol=1e-4, atol=1e-6)
    with torch.no_grad():  # then layer4 is folded as well
        torch.testing.assert_close(encoder(VOLUMES), wanted, rtol=1e-4, atol=1e-6)


def test_three_equal_channels_are_one(encoder: MRIEncoder) -> None:
    encoder.eval()
    torch.testing.assert_close(encoder(VOLUMES.expand(-1, 3, -1, -1, -1)), encoder(VOLUMES), rtol=1e-4, atol=1e-6)


def test_what_trains_gets_the_plain_gradients(encoder: MRIEncoder) -> None:
    encoder.eval()
    direction = torch.randn(2, 512, generator=torch.Generator().manual_seed(2))
    trained = [parameter for parameter in encoder.parameters() if parameter.requires_grad]
    found = torch.autograd.grad((encoder(VOLUMES) * direction).sum(), trained)
    wanted = torch.autograd.grad((by_the_plain_blocks(encoder, VOLUMES) * direction).sum(), trained)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5 * float(other.abs().max()))


def test_a_saliency_map_gets_through_the_frozen_blocks(encoder: MRIEncoder) -> None:
    volumes = VOLUMES.clone().requires_grad_()
    encoder(volumes).sum().backward()
    assert volumes.grad is not None and volumes.grad.abs().max() > 0


@pytest.mark.parametrize("change", ["in place", "loaded", "assigned", "statistics"])
def test_changed_weights_are_seen_at_once(encoder: MRIEncoder, change: str) -> None:
    encoder.eval()
    before = encoder(VOLUMES)
    stem: nn.Module = encoder.backbone.get_submodule("stem.1")
    with torch.no_grad():
        if change == "in place":
            stem.weight.mul_(1.5)
        elif change == "statistics":
            stem.running_mean.add_(0.5)
        else:
            state = {
                name: value * 1.5 if name == "backbone.stem.1.weight" else value.clone()
                for name, value in encoder.state_dict().items()
            }
            encoder.load_state_dict(state, assign=change == "assigned")
            encoder.set_trainable(["layer4"])
    assert not torch.allclose(encoder(VOLUMES), before, atol=1e-4)
    torch.testing.assert_close(encoder(VOLUMES), by_the_plain_blocks(encoder, VOLUMES), rtol=1e-4, atol=1e-6)


def test_batch_norms_that_train_see_their_batches(encoder: MRIEncoder) -> None:
    encoder.set_trainable(["stem", "layer1", "layer2", "layer3", "layer4"])
    encoder.train()
    before = encoder.backbone.get_submodule("stem.1").running_mean.clone()
    with torch.no_grad():
        encoder(VOLUMES)
    assert not torch.equal(encoder.backbone.get_submodule("stem.1").running_mean, before)


def test_a_network_is_copied_and_pickled_without_its_inference_form(encoder: MRIEncoder) -> None:
    encoder.eval()
    names, answer = set(encoder.state_dict()), encoder(VOLUMES)
    assert set(encoder.state_dict()) == names and not any("form" in name for name in names)
    for twin in (copy.deepcopy(encoder), pickle.loads(pickle.dumps(encoder))):
        with torch.no_grad():
            twin.backbone.get_submodule("stem.1").weight.mul_(2)
        assert torch.equal(encoder(VOLUMES), answer)
        assert not torch.allclose(twin(VOLUMES), answer, atol=1e-4)


def test_under_autocast_the_blocks_compute_in_its_type(encoder: MRIEncoder) -> None:
    encoder.eval()
    stem = encoder.backbone.get_submodule("stem")
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        half = FoldedBlock()(stem, VOLUMES)
    with torch.no_grad():
        whole = stem(VOLUMES)
    assert half.dtype == torch.bfloat16
    assert float((half.float() - whole).abs().max()) < 0.02 * float(whole.abs().max())
