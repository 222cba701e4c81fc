import io
import random
from pathlib import Path

import pytest
import torch
from monai.data import MetaTensor
from torch import Tensor

from monai_fusion import keys
from monai_fusion.errors import InputError
from monai_fusion.networks import FusionNet
from monai_fusion.precision import cpu_multiplies_bfloat16


def test_output_has_the_four_fields_of_the_keys(built_net: FusionNet, eeg: Tensor, mri: Tensor) -> None:
    pred = built_net(eeg, mri)
    assert {name: tuple(value.shape) for name, value in pred.items()} == {
        keys.LOGITS: (3, 2),
        keys.GATE: (3, 1),
        keys.EEG_EMBEDDING: (3, 512),
        keys.MRI_EMBEDDING: (3, 512),
    }
    assert ((pred["gate"] >= 0) & (pred["gate"] <= 1)).all()
    for name in (keys.EEG_EMBEDDING, keys.MRI_EMBEDDING):
        torch.testing.assert_close(pred[name].norm(dim=1), torch.ones(3))


@pytest.mark.skipif(not cpu_multiplies_bfloat16(), reason="this CPU emulates bfloat16, and takes minutes")
def test_output_is_float32_and_normalised_also_under_autocast(built_net: FusionNet, eeg: Tensor, mri: Tensor) -> None:
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        pred = built_net(eeg, mri)
    assert {value.dtype for value in pred.values()} == {torch.float32}
    torch.testing.assert_close(pred["eeg_embedding"].norm(dim=1), torch.ones(3))
    torch.testing.assert_close(pred["mri_embedding"].norm(dim=1), torch.ones(3))


def test_one_encoded_mri_serves_all_segments(built_net: FusionNet, eeg: Tensor, mri: Tensor) -> None:
    with torch.no_grad():
        expected = built_net(eeg, mri[:1].expand(3, -1, -1, -1, -1))
        streamed = built_net.fuse(built_net.encode_eeg(eeg), built_net.encode_mri(mri[:1]))
    for name, value in expected.items():
        torch.testing.assert_close(streamed[name], value, rtol=1e-4, atol=1e-5)


def test_unequal_batches_are_refused(built_net: FusionNet, eeg: Tensor, mri: Tensor) -> None:
    with pytest.raises(ValueError, match="eeg has 3 samples and mri 2"):
        built_net(eeg, mri[:2])
    with pytest.raises(ValueError, match="eeg has 3 samples and mri 1"):
        built_net(eeg, mri[:1])


@pytest.mark.parametrize(("eeg_shape", "mri_shape"), [((3, 512), (2, 512)), ((3, 511), (3, 512)), ((3, 512), (512,))])
def test_wrong_embedding_shapes_are_named(
    built_net: FusionNet, eeg_shape: tuple[int, ...], mri_shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=r"expected \[B, 512\] for both") as caught:
        built_net.fuse(torch.zeros(eeg_shape), torch.zeros(mri_shape))
    assert str(list(eeg_shape)) in str(caught.value) and str(list(mri_shape)) in str(caught.value)


def test_monai_tensors_are_accepted(built_net: FusionNet, eeg: Tensor, mri: Tensor) -> None:
    with torch.no_grad():
        pred = built_net(MetaTensor(eeg), MetaTensor(mri))
        torch.testing.assert_close(torch.as_tensor(pred["logits"]).as_subclass(Tensor), built_net(eeg, mri)["logits"])


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")  # monai.bundle ckpt_export still uses it
def test_torchscript_gives_the_same_after_a_round_trip(net: FusionNet, eeg: Tensor, mri: Tensor) -> None:
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(net), file)
    file.seek(0)
    scripted = torch.jit.load(file)
    with torch.no_grad():
        expected = net(eeg, mri)
        for pred in (scripted(eeg, mri), scripted.fuse(scripted.encode_eeg(eeg), scripted.encode_mri(mri))):
            for name, value in expected.items():
                torch.testing.assert_close(pred[name], value, rtol=1e-5, atol=1e-6)
        with pytest.raises(torch.jit.Error, match=r"shape \[3, 16, 64, 64\]"):
            scripted(eeg[:, :16], mri)


def test_exported_file_gives_another_network_the_same_output(
    net: FusionNet, eeg: Tensor, mri: Tensor, tmp_path: Path
) -> None:
    path = tmp_path / "fusion_convnext_r3d18_gated_align.pth"
    torch.save(net.export_state(), path)
    assert set(torch.load(path, weights_only=True)) == {"eeg_enc", "mri_enc", "head"}
    with torch.no_grad():
        expected = net(eeg, mri)
        for parameter in net.parameters():
            parameter.zero_()
        net.load_exported_file(path)
        path.unlink()
        for name, value in net(eeg, mri).items():
            assert torch.equal(value, expected[name]), name


def test_exported_state_does_not_follow_further_training(net: FusionNet) -> None:
    state = net.export_state()
    before = state["head"]["gate.0.weight"].clone()
    with torch.no_grad():
        net.head.gate[0].weight.add_(1)
    assert torch.equal(state["head"]["gate.0.weight"], before)


def test_exported_state_of_other_classes_is_refused_and_nothing_is_loaded(net: FusionNet) -> None:
    state = net.export_state()
    state["eeg_enc"]["projection.0.bias"] += 1
    state["head"]["classifier.3.weight"] = torch.zeros(3, 1024)
    before = net.eeg_enc.projection[0].bias.detach().clone()
    with pytest.raises(InputError, match=r"run1 head: .*classifier.3.weight \(3, 1024\) instead of \(2, 1024\)"):
        net.load_exported(state, source="run1")
    assert torch.equal(net.eeg_enc.projection[0].bias, before)


def test_exported_state_with_a_part_missing_is_refused(net: FusionNet) -> None:
    state = net.export_state()
    del state["head"]
    with pytest.raises(InputError, match="holds eeg_enc, mri_enc, expected eeg_enc, mri_enc, head"):
        net.load_exported(state)


def test_damaged_or_foreign_exported_file_is_refused(net: FusionNet, tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    with pytest.raises(InputError, match="file not found"):
        net.load_exported_file(path)
    torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(InputError, match="holds 'weight', expected the state dicts eeg_enc, mri_enc, head"):
        net.load_exported_file(path)
    path.write_bytes(random.Random(0).randbytes(1000))
    with pytest.raises(InputError, match="cannot be read"):
        net.load_exported_file(path)
