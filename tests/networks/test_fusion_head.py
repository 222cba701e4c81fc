import numpy as np
import pytest
import torch
import torch.nn.functional as F

from monai_fusion.errors import InputError
from monai_fusion.networks import ConcatenationHead, GatedFusionHead, MeanHead
from monai_fusion.networks.head import HEADS, head_named


def _linear(x: np.ndarray, layer: torch.nn.Module) -> np.ndarray:
    return x @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()


def test_logits_and_gate_are_those_computed_by_hand() -> None:
    head = GatedFusionHead(embedding_dim=6, num_classes=3, gate_hidden=5, hidden=7).double().eval()
    e, m = torch.randn(4, 6, dtype=torch.float64), torch.randn(4, 6, dtype=torch.float64)
    logits, gate = head(e, m)

    pair = np.concatenate([e.numpy(), m.numpy()], axis=1)
    g = 1 / (1 + np.exp(-_linear(np.maximum(_linear(pair, head.gate[0]), 0), head.gate[2])))
    fused = g * e.numpy() + (1 - g) * m.numpy()
    hidden = np.maximum(_linear(np.concatenate([fused, pair], axis=1), head.classifier[0]), 0)
    np.testing.assert_allclose(gate.detach().numpy(), g, rtol=1e-12)
    np.testing.assert_allclose(logits.detach().numpy(), _linear(hidden, head.classifier[3]), rtol=1e-10)


def test_layer_sizes_are_those_of_the_specification() -> None:
    head = GatedFusionHead()
    shapes = {name: tuple(value.shape) for name, value in head.named_parameters() if name.endswith("weight")}
    assert shapes == {
        "gate.0.weight": (512, 1024),
        "gate.2.weight": (1, 512),
        "classifier.0.weight": (1024, 1536),
        "classifier.3.weight": (2, 1024),
    }
    assert head.classifier[2].p == 0.3


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_gate_lies_in_0_1_however_large_the_input(scale: float) -> None:
    _, gate = GatedFusionHead()(scale * torch.randn(64, 512), scale * torch.randn(64, 512))
    assert gate.shape == (64, 1)
    assert ((gate >= 0) & (gate <= 1)).all()
    assert gate.std() > 0


@pytest.mark.parametrize(("bias", "listened_to"), [(100.0, "eeg"), (-100.0, "mri")])
def test_gate_of_1_fuses_to_the_eeg_and_of_0_to_the_mri(bias: float, listened_to: str) -> None:
    head = GatedFusionHead().eval()
    with torch.no_grad():
        head.gate[2].bias.fill_(bias)
    e, m = F.normalize(torch.randn(2, 3, 512), dim=2)
    seen: list[torch.Tensor] = []
    head.classifier.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    head(e, m)
    torch.testing.assert_close(seen[0][:, :512], e if listened_to == "eeg" else m)
    torch.testing.assert_close(seen[0][:, 512:], torch.cat([e, m], dim=1))


def test_concatenation_classifies_both_embeddings_side_by_side() -> None:
    head = ConcatenationHead(embedding_dim=6, num_classes=3, hidden=7).double().eval()
    e, m = torch.randn(2, 4, 6, dtype=torch.float64)
    logits, gate = head(e, m)
    hidden = np.maximum(_linear(np.concatenate([e.numpy(), m.numpy()], axis=1), head.classifier[0]), 0)
    np.testing.assert_allclose(logits.detach().numpy(), _linear(hidden, head.classifier[3]), rtol=1e-10)
    assert gate.tolist() == [[0.5]] * 4


def test_the_mean_head_sees_the_mean_of_the_embeddings_alone() -> None:
    head = MeanHead(embedding_dim=6, num_classes=3, hidden=7).double().eval()
    e, m = torch.randn(2, 4, 6, dtype=torch.float64)
    logits, gate = head(e, m)
    hidden = np.maximum(_linear((e.numpy() + m.numpy()) / 2, head.classifier[0]), 0)
    np.testing.assert_allclose(logits.detach().numpy(), _linear(hidden, head.classifier[3]), rtol=1e-10)
    assert gate.tolist() == [[0.5]] * 4


@pytest.mark.parametrize("fusion", ["gated", "concat", "mean"])
def test_every_head_can_be_scripted_and_gives_float32_under_autocast(fusion: str) -> None:
    head = HEADS[fusion](embedding_dim=8).eval()
    assert head_named(fusion) == f"monai_fusion.networks.head.{type(head).__name__}"
    e, m = torch.randn(2, 4, 8)
    torch.testing.assert_close(torch.jit.script(head)(e, m), head(e, m))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert {value.dtype for value in head(e, m)} == {torch.float32}


def test_an_unknown_head_is_named() -> None:
    with pytest.raises(InputError, match="fusion: 'gatet', expected one of gated, concat, mean: did you mean 'gated'"):
        head_named("gatet")
