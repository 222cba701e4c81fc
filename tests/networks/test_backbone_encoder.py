"""An encoder around any network: named blocks, nothing left out, unit length."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import torch
from torch import nn

from monai_fusion.errors import InputError
from monai_fusion.networks import BackboneEncoder, FusionNet, GatedFusionHead
from tests.support import TinyEncoder

BLOCKS = {"stem": ["0", "1"], "rest": ["3"]}


def backbone() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(1, 4, 3), nn.BatchNorm3d(4), nn.AdaptiveAvgPool3d(1), nn.Conv3d(4, 6, 1), nn.Flatten()
    )


def encoder(blocks: Mapping[str, Sequence[str]] = BLOCKS, **arguments: object) -> BackboneEncoder:
    return BackboneEncoder(backbone(), 6, blocks, embedding_dim=8, **arguments)  # type: ignore[arg-type] # of the tests


def test_embeddings_have_unit_length_and_float32_in_any_precision() -> None:
    made, mri = encoder().eval(), torch.rand(2, 1, 6, 6, 6)
    expected = nn.functional.normalize(made.projection(made.backbone(mri)), dim=1)
    torch.testing.assert_close(made(mri), expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = made(mri)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2))


def test_the_blocks_that_a_stage_names_train_and_the_others_rest() -> None:
    network = FusionNet(TinyEncoder(3, 8), encoder(), GatedFusionHead(8, gate_hidden=8, hidden=8))
    assert network.mri_enc.block_names() == ("stem", "rest")
    network.set_trainable([], ["rest"])
    network.train()
    trained = {name for name, value in network.mri_enc.named_parameters() if value.requires_grad}
    assert {name.split(".")[0] for name in trained} == {"backbone", "projection"}
    assert {name for name in trained if name.startswith("backbone")} == {"backbone.3.weight", "backbone.3.bias"}
    assert not network.mri_enc.backbone.get_submodule("1").training  # its BatchNorm's statistics stand still
    with pytest.raises(InputError, match="mri_blocks: 'layer4', expected stem or rest"):
        network.set_trainable([], ["layer4"])


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (
            {"stem": ["0"]},
            "blocks: 1.weight, 1.bias, 3.weight ... in no block: every parameter of the",
        ),
        ({"stem": ["0", "1", "3"], "again": ["1"]}, "blocks: 1.weight, 1.bias in two blocks"),
        ({"stem": ["0", "1", "3"], "head": ["fc"]}, "blocks head: 'fc': Sequential has no such submodule"),
    ],
)
def test_blocks_that_do_not_divide_the_backbone_are_refused(blocks: dict[str, list[str]], message: str) -> None:
    with pytest.raises(InputError) as caught:
        encoder(blocks)
    assert message in str(caught.value)


def test_a_file_of_weights_is_loaded_whole_or_refused(tmp_path: Path) -> None:
    source, path = backbone(), tmp_path / "weights.pth"
    torch.save(source.state_dict(), path)
    made = encoder(weights=path)
    assert all(torch.equal(value, made.backbone.state_dict()[name]) for name, value in source.state_dict().items())
    torch.save({"other": torch.zeros(1)}, path)
    with pytest.raises(InputError, match=r"^weights '"):
        encoder(weights=path)


def test_parts_with_embeddings_of_different_lengths_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        FusionNet(TinyEncoder(3, 16), encoder(), GatedFusionHead(8))
    assert str(caught.value) == "network_def embedding_dim: eeg 16, mri 8, head 8, expected the same for all three"


def test_it_can_be_scripted() -> None:
    made, mri = encoder().eval(), torch.rand(2, 1, 6, 6, 6)
    torch.testing.assert_close(torch.jit.script(made)(mri), made(mri))
