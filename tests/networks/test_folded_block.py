"""Frozen blocks run in a cheaper form that has the same output and is never stale."""

import copy
import pickle
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from monai_fusion.networks import MRIEncoder
from monai_fusion.networks.cuda_form import cuda_form
from monai_fusion.networks.folded_block import FoldedBlock, folded
from monai_fusion.networks.mri import MRI_BLOCKS

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


def test_the_inference_forms_are_listed_while_they_are_up_to_date(encoder: MRIEncoder) -> None:
    assert encoder.inference_forms() == {}
    encoder(VOLUMES)
    captured = encoder.inference_forms()
    assert list(captured) == ["stem", "layer1", "layer2", "layer3"]
    encoder(VOLUMES)
    assert encoder.inference_forms() == captured  # the same modules
    with torch.no_grad():
        encoder.backbone.get_submodule("layer2.0.conv1.0").weight.mul_(1.5)
    assert list(encoder.inference_forms()) == ["stem", "layer1", "layer3"]
    encoder(VOLUMES)
    again = encoder.inference_forms()
    assert again != captured and {name for name in again if again[name] is not captured[name]} == {"layer2"}


def test_a_form_is_made_again_for_another_precision_or_number_of_channels(encoder: MRIEncoder) -> None:
    block, stem = FoldedBlock(), encoder.backbone.get_submodule("stem").eval()
    assert block.form is None and not block.is_current(stem)
    seen = set()
    for volumes in (VOLUMES, VOLUMES.expand(-1, 3, -1, -1, -1), VOLUMES.double()):
        block(stem, volumes)
        assert block.is_current(stem)
        seen.add(block.form)
    assert len(seen) == 3


def test_a_block_normalises_its_input_where_asked(encoder: MRIEncoder) -> None:
    stem = encoder.backbone.get_submodule("stem").eval()
    wanted = FoldedBlock()(stem, (VOLUMES - 0.25) / 0.5)
    assert torch.equal(FoldedBlock()(stem, VOLUMES, 0.25, 0.5), wanted)


def forms_for_cuda(encoder: MRIEncoder, dtype: torch.dtype = torch.float32) -> list[nn.Module]:
    """What CUDA runs, here on the CPU."""
    mean, std = encoder.input_mean, encoder.input_std
    forms = []
    for name in MRI_BLOCKS:
        general = folded(encoder.backbone.get_submodule(name), 1 if name == "stem" else 64)
        forms.append(cuda_form(general, dtype, mean, std))
    assert None not in forms
    return [form for form in forms if form is not None]


@pytest.mark.parametrize("shape", [(2, 1, 8, 16, 16), (1, 1, 1, 33, 17), (3, 1, 5, 9, 30), (1, 1, 9, 48, 40)])
def test_the_form_for_cuda_has_the_present_forms_answer(encoder: MRIEncoder, shape: tuple[int, ...]) -> None:
    x = torch.rand(shape)
    found, wanted = x, (x - encoder.input_mean) / encoder.input_std
    for name, form in zip(MRI_BLOCKS, forms_for_cuda(encoder), strict=True):
        wanted = folded(encoder.backbone.get_submodule(name), 1 if name == "stem" else 64)(wanted)
        found = form(found)
        assert found.shape == wanted.shape
        assert float((found - wanted).norm()) <= 1e-5 * float(wanted.norm()), name


def test_a_block_that_is_built_differently_has_no_form_for_cuda(encoder: MRIEncoder) -> None:
    def form(name: str, channels: int = 64) -> nn.Module | None:
        return cuda_form(folded(encoder.backbone.get_submodule(name), channels), torch.float32, 0.0, 1.0)

    assert form("stem", 3) is None
    assert form("layer2") is not None
    encoder.backbone.get_submodule("layer2.0.conv1").append(nn.Dropout())
    assert form("layer2") is None
    encoder.backbone.get_submodule("layer3.0.conv2.0").padding_mode = "circular"
    assert form("layer3") is None
    assert cuda_form(nn.Identity(), torch.float32, 0.0, 1.0) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e6])
def test_weights_that_are_not_finite_are_not_hidden_by_a_fused_kernel(encoder: MRIEncoder, value: float) -> None:
    general = folded(encoder.backbone.get_submodule("layer1"), 64)
    assert cuda_form(general, torch.float16, 0.0, 1.0) is not None
    general.get_submodule("1.conv2.0").bias[3] = value  # 1e6 is infinite in float16
    assert cuda_form(general, torch.float16, 0.0, 1.0) is None


def test_the_form_for_cuda_does_not_share_memory_with_the_network(encoder: MRIEncoder) -> None:
    own = {parameter.data_ptr() for parameter in encoder.parameters()}
    assert not any(each.data_ptr() in own for form in forms_for_cuda(encoder) for each in form.buffers())
