"""A network for participants who may lack a recording: mixed batches, learned embeddings, no change for the others."""

import io
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from monai_fusion.losses import AlignedCrossEntropy
from monai_fusion.networks import FusionNet, GatedFusionHead, standard_network
from monai_fusion.networks.head import HEADS

PRESENT = torch.tensor([[True, True], [True, False], [False, True], [False, True], [True, True]])


@pytest.fixture(scope="module")
def networks() -> Iterator[tuple[FusionNet, FusionNet]]:
    """The network without absence and with it, from the same seed."""
    with torch.random.fork_rng(devices=[]):
        made = []
        for absence in (False, True):
            torch.manual_seed(11)
            made.append(standard_network(pretrained=False, absence=absence))
        yield made[0], made[1]


@pytest.fixture
def learned(networks: tuple[FusionNet, FusionNet]) -> Iterator[FusionNet]:
    """The network with absence, in evaluation mode, as if it had learned the embeddings of absent recordings."""
    network = networks[1].eval()
    network.zero_grad(set_to_none=True)
    assert network.head.absent_eeg is not None and network.head.absent_mri is not None
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for token in (network.head.absent_eeg, network.head.absent_mri):
            token.normal_(0, 0.05, generator=generator)
    yield network
    with torch.no_grad():
        for token in (network.head.absent_eeg, network.head.absent_mri):
            token.zero_()


@pytest.fixture
def recordings() -> tuple[Tensor, Tensor]:
    """Three EEGs and four MRIs, as in PRESENT."""
    generator = torch.Generator().manual_seed(4)
    return torch.randn(3, 17, 32, 32, generator=generator), torch.rand(4, 1, 8, 16, 16, generator=generator)


def test_absence_adds_two_vectors_of_zeros_and_changes_nothing_else(networks: tuple[FusionNet, FusionNet]) -> None:
    plain, absent = (network.state_dict() for network in networks)
    assert absent.keys() - plain.keys() == {"head.absent_eeg", "head.absent_mri"}
    assert all(torch.equal(value, absent[name]) for name, value in plain.items())
    assert not absent["head.absent_eeg"].any() and absent["head.absent_mri"].shape == (512,)
    assert networks[0].export_state()["head"].keys() == networks[0].head.state_dict().keys()
    again = standard_network(pretrained=False, absence=True)
    again.load_exported(networks[1].export_state())
    assert all(torch.equal(value, absent[name]) for name, value in again.state_dict().items())


def test_without_missing_recordings_loss_gradients_and_running_statistics_are_the_same_to_the_bit(
    networks: tuple[FusionNet, FusionNet], recordings: tuple[Tensor, Tensor]
) -> None:
    eeg, mri = recordings[0], recordings[1][:3]
    found: list[dict[str, Tensor]] = []
    states = [{name: value.clone() for name, value in network.state_dict().items()} for network in networks]
    for network, further in zip(networks, ({}, {"present": torch.ones(3, 2, dtype=torch.bool)}), strict=True):
        network.set_trainable(["stage4"], ["layer4"])
        network.train()
        torch.manual_seed(1)  # dropout
        pred = network(eeg, mri, **further)
        loss = AlignedCrossEntropy()(pred, torch.tensor([0, 1, 1]))
        loss.backward()
        gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
        found.append({**pred, **gradients, **dict(network.named_buffers()), "loss": loss})
        network.zero_grad(set_to_none=True)
    for network, state in zip(networks, states, strict=True):
        network.load_state_dict(state)
    plain, absent = found
    assert absent.keys() - plain.keys() == {"present"}  # no gradient for what stands for absent recordings
    assert len(plain) > 50 and all(torch.equal(value, absent[name]) for name, value in plain.items())


def test_a_mixed_batch_is_each_participant_by_itself(learned: FusionNet, recordings: tuple[Tensor, Tensor]) -> None:
    eeg, mri = recordings
    eegs, mris = iter(eeg.split(1)), iter(mri.split(1))
    with torch.no_grad():
        together = learned(eeg, mri, present=PRESENT)
        for row, here in enumerate(PRESENT):
            one_eeg, one_mri = (next(rows) if has else None for rows, has in zip((eegs, mris), here, strict=True))
            alone = learned(one_eeg, one_mri, present=here[None])
            for name in ("logits", "gate", "eeg_embedding", "mri_embedding"):
                torch.testing.assert_close(together[name][row], alone[name][0], rtol=1e-4, atol=1e-5)
    assert together["gate"][1:4].flatten().tolist() == [1.0, 0.0, 0.0]  # exactly
    assert 0 < together["gate"][0] < 1
    assert torch.equal(together["mri_embedding"][1], learned.head.absent_mri)
    assert torch.equal(together["eeg_embedding"][3], learned.head.absent_eeg)


def test_missing_recordings_are_not_encoded(
    networks: tuple[FusionNet, FusionNet], recordings: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    network, sizes = networks[1].eval(), []
    for encoder in (network.eeg_enc, network.mri_enc):

        def counted(x: Tensor, forward: Any = encoder.forward) -> Tensor:
            sizes.append(len(x))
            return forward(x)  # type: ignore[no-any-return] # of torch

        monkeypatch.setattr(encoder, "forward", counted)
    with torch.no_grad():
        network(*recordings, present=PRESENT)
        network(None, recordings[1], present=PRESENT[[2, 2, 2, 2]])
        network(recordings[0], None, present=PRESENT[[1, 1, 1]])
    assert sizes == [3, 4, 4, 3]


def test_the_learned_embeddings_get_their_gradient_from_those_who_lack_the_recording_alone(
    learned: FusionNet, recordings: tuple[Tensor, Tensor]
) -> None:
    network = learned
    network.set_trainable([], [])
    pred = network(*recordings, present=PRESENT)
    AlignedCrossEntropy()(pred, torch.tensor([0, 1, 0, 1, 1])).backward()
    token, rows = network.head.absent_eeg, pred["eeg_embedding"][[2, 3]].detach().requires_grad_()
    assert token is not None and token.grad is not None
    # The same loss, as a function of the two rows alone.
    fixed = {name: value.detach() for name, value in pred.items()}
    eeg_embedding = fixed["eeg_embedding"].index_copy(0, torch.tensor([2, 3]), rows)
    logits, gate = network.head(eeg_embedding, fixed["mri_embedding"], PRESENT)
    again = {**fixed, "logits": logits, "gate": gate, "eeg_embedding": eeg_embedding}
    AlignedCrossEntropy()(again, torch.tensor([0, 1, 0, 1, 1])).backward()
    assert rows.grad is not None and rows.grad.any()
    torch.testing.assert_close(token.grad, rows.grad.sum(dim=0), rtol=1e-4, atol=1e-8)


def test_the_gates_layers_do_not_change_if_no_participant_has_both(
    learned: FusionNet, recordings: tuple[Tensor, Tensor]
) -> None:
    learned.set_trainable([], [])
    pred = learned(recordings[0], None, present=PRESENT[[1, 1, 1]])
    AlignedCrossEntropy()(pred, torch.tensor([0, 1, 0])).backward()
    assert isinstance(learned.head, GatedFusionHead)
    assert all(parameter.grad is None for parameter in learned.head.gate.parameters())
    assert all(parameter.grad is None for parameter in learned.mri_enc.parameters())


@pytest.mark.parametrize("fusion", list(HEADS))
def test_every_head_classifies_a_participant_with_one_recording_from_it(fusion: str) -> None:
    torch.manual_seed(2)
    head = HEADS[fusion](8, 2, hidden=16).eval()
    head.learn_absence()
    eeg, mri = torch.randn(5, 8), torch.randn(5, 8)
    with torch.no_grad():
        logits, gate = head(eeg, mri, PRESENT)
        plain, plain_gate = head(eeg, mri)
        fused = torch.stack([eeg[1], mri[2], mri[3]])
        features = {"gated": [fused, eeg[1:4], mri[1:4]], "concat": [eeg[1:4], mri[1:4]], "mean": [fused]}[fusion]
        torch.testing.assert_close(logits[1:4], head.classifier(torch.cat(features, dim=1)))
    assert torch.equal(logits[[0, 4]], plain[[0, 4]]) and torch.equal(gate[[0, 4]], plain_gate[[0, 4]])
    assert gate[1:4].flatten().tolist() == [1.0, 0.0, 0.0]


def test_the_scripted_network_takes_mixed_batches_too(learned: FusionNet, recordings: tuple[Tensor, Tensor]) -> None:
    stream = io.BytesIO()
    torch.jit.save(torch.jit.script(learned), stream)  # type: ignore[no-untyped-call] # of torch
    stream.seek(0)
    scripted = torch.jit.load(stream)  # type: ignore[no-untyped-call] # of torch
    with torch.no_grad():
        cases = [
            (*recordings, PRESENT),
            (None, recordings[1], PRESENT[[2] * 4]),
            (recordings[0], None, PRESENT[[1] * 3]),
        ]
        for eeg, mri, present in cases:
            expected, found = learned(eeg, mri, present=present), scripted(eeg, mri, present)
            torch.testing.assert_close(found["logits"], expected["logits"], rtol=1e-4, atol=1e-5)
            assert torch.equal(found["gate"] == 1, expected["gate"] == 1)


@pytest.mark.parametrize("modalities", ["eeg", "mri"])
def test_the_encoder_of_a_modality_that_is_not_used_never_trains(modalities: str) -> None:
    other = {"eeg": "mri", "mri": "eeg"}[modalities]
    network = standard_network(pretrained=False, modalities=modalities)
    unused = network.get_submodule(f"{other}_enc")
    for _ in range(2):
        assert not any(parameter.requires_grad for parameter in unused.parameters())
        network.train()
        blocks = (module for modules in unused.blocks().values() for module in modules)
        assert not any(module.training for block in blocks for module in block.modules())
        network.set_trainable(["stage4"], ["layer4"])
    assert any(parameter.requires_grad for parameter in network.get_submodule(f"{modalities}_enc").parameters())
    assert network.export_state().keys() == {"eeg_enc", "mri_enc", "head"}


def test_arguments_that_do_not_fit_together_are_refused(
    networks: tuple[FusionNet, FusionNet], recordings: tuple[Tensor, Tensor]
) -> None:
    plain, absent = networks
    eeg, mri = recordings
    with pytest.raises(ValueError, match="a recording is absent, and the network was made without absence"):
        plain(eeg, mri, present=PRESENT)
    with pytest.raises(ValueError, match="2 recordings, but present has 3"):
        absent(eeg[:2], mri, present=PRESENT)
    with pytest.raises(ValueError, match="no eeg, expected"):
        absent(None, mri)
    with pytest.raises(ValueError, match="no mri, expected"):
        absent(eeg)
