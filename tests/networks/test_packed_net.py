"""`PackedNet`: two recordings in one tensor, for programs that can pass no second one."""

import pytest
import torch
from torch import Tensor

from monai_fusion.errors import InputError
from monai_fusion.networks import FusionNet, PackedNet, standard_network

EEG_SHAPE, MRI_SHAPE = [64, 64, 17], [16, 32, 32]


@pytest.fixture
def packed(net: FusionNet) -> PackedNet:
    return PackedNet(net, EEG_SHAPE, MRI_SHAPE)


def in_one(eeg: Tensor, mri: Tensor) -> Tensor:
    return torch.cat([eeg.flatten(1), mri.flatten(1)], dim=1)[:, None]


def test_one_tensor_gives_the_logits_and_the_gate_of_the_network(
    packed: PackedNet, net: FusionNet, eeg: Tensor, mri: Tensor
) -> None:
    with torch.no_grad():
        expected = net(eeg, mri)
        found = packed(in_one(eeg, mri))
        assert torch.equal(found, torch.cat([expected["logits"], expected["gate"]], dim=1))
        assert torch.equal(packed(eeg, mri), found)


def test_a_tensor_of_another_length_is_refused_with_the_length_that_fits(packed: PackedNet) -> None:
    values = 17 * 64 * 64 + 16 * 32 * 32
    with pytest.raises(ValueError, match=rf"shape \[2, 1, {values - 1}\], expected \[B, 1, {values}\]"):
        packed(torch.zeros(2, 1, values - 1))


def test_a_checkpoint_of_the_network_loads_and_is_saved_under_its_own_names(packed: PackedNet, net: FusionNet) -> None:
    state = {name: torch.zeros_like(value) for name, value in net.state_dict().items()}
    packed.load_state_dict(state)
    assert packed.state_dict().keys() == net.state_dict().keys()
    assert not any(bool(parameter.any()) for parameter in net.parameters())
    with pytest.raises(RuntimeError, match="Missing key"):
        packed.load_state_dict({})


def test_a_model_of_one_recording_is_refused() -> None:
    one = standard_network(pretrained=False, modalities="eeg")
    with pytest.raises(InputError, match=r"network_packed modalities: eeg, expected both"):
        PackedNet(one, EEG_SHAPE, MRI_SHAPE)


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning", "ignore::torch.jit.TracerWarning")
def test_a_trace_takes_any_batch_size_and_follows_later_weights(packed: PackedNet, eeg: Tensor, mri: Tensor) -> None:
    """Also after the network has folded its blocks for inference: the trace has the weights, not a folded copy."""
    x = in_one(eeg, mri)
    packed.eval()
    with torch.no_grad():
        packed(x)
        traced = torch.jit.trace(packed, x[:1])  # type: ignore[no-untyped-call] # of torch
        torch.testing.assert_close(traced(x), packed(x), rtol=1e-4, atol=1e-5)
        packed.load_state_dict({name: value * 0.5 for name, value in packed.state_dict().items()})
        torch.testing.assert_close(traced(x), packed(x), rtol=1e-4, atol=1e-5)
