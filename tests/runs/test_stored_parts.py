"""Networks and transforms of a recipe, which may come from another person: known classes and plain values only."""

from pathlib import Path
from typing import Any

import pytest
import torch

from monai_fusion.errors import InputError
from monai_fusion.runs.stored_parts import build, storable, unknown_modules

LINEAR = {"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 1}


def refused(part: Any, trusted: tuple[str, ...] = ()) -> str:
    with pytest.raises(InputError) as caught:
        build(part, "network", trusted)
    return str(caught.value)


@pytest.mark.parametrize(
    "part",
    [
        LINEAR,
        {"_target_": "monai.networks.nets.DenseNet121", "spatial_dims": 3, "in_channels": 1, "out_channels": 2},
        {"_target_": "torchvision.models.video.resnet.BasicStem"},
        {"_target_": "timm.models.convnext.ConvNeXt", "depths": [1, 1, 1, 1], "dims": [8, 8, 8, 8]},
        {"_target_": "monai_fusion.networks.GatedFusionHead", "embedding_dim": 8},
    ],
    ids=lambda part: part["_target_"],
)
def test_networks_of_known_libraries_are_built_from_what_is_stored(part: dict[str, Any]) -> None:
    built = build(storable(part), "network")
    assert isinstance(built, torch.nn.Module)
    assert type(built).__name__ == part["_target_"].rpartition(".")[2] or "DenseNet" in part["_target_"]


def test_parts_within_parts_and_lists_are_built_too() -> None:
    part = {"_target_": "monai_fusion.transforms.ZScoreElectrodesd", "keys": ["eeg"]}
    [first, second] = build([part, part], "preprocessing")
    assert type(first) is type(second) and first is not second
    assert build({"a": [1, "two", None], "b": LINEAR}, "network")["a"] == [1, "two", None]


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        "subprocess.Popen",
        "torch.load",
        "torch.nn.utils.clip_grad_norm_",  # a function
        "torch.nn.init.os",
        "monai_fusion.networks.weights.torch.load",
        "monai_fusion.networks.weights.load_state_dict",
        "timm.models.load_checkpoint",
        "monai.transforms.SaveImaged",
        "monai.transforms.io.dictionary.SaveImaged",
        "monai.transforms.utility.dictionary.Lambdad",
        "timm.models._features_fx.GraphExtractNet",  # writes code from names of parts
        "monai.networks.nets.transchex.Transchex",  # reads weights of a repository that it is told
        "monai_fusion.networks",
        "",
        "torch.nn.",
        "torch.nn.NoSuchThing",
        "torch.nnLinear",
        ["torch.nn.Linear"],
        None,
    ],
)
def test_everything_else_is_refused_and_never_called(target: Any, tmp_path: Path) -> None:
    message = refused({"_target_": target, "command": f"touch {tmp_path / 'ran'}"})
    assert message.startswith("recipe.json network: ") and "\n" not in message
    assert not (tmp_path / "ran").exists()


def test_a_users_own_module_needs_to_be_trusted_by_name() -> None:
    part = {"_target_": "tests.support.TinyFusionNet"}
    assert "if you trust it: --trusted_modules \"['tests.support']\"" in refused(part)
    assert type(build(part, "network", ["tests.support"])).__name__ == "TinyFusionNet"
    assert unknown_modules({"eeg": [part], "head": LINEAR}) == ["tests.support.TinyFusionNet"]
    missing = {"_target_": "no_such_module_here.Network"}
    assert "no_such_module_here cannot be imported" in refused(missing, ("no_such_module_here",))


@pytest.mark.parametrize(
    "arguments", [{"in_features": -1}, {"in_features": "$1+1"}, {"what": 1}, {}, {"in_features": {}}]
)
def test_arguments_that_a_class_does_not_take_are_an_error_of_the_file(arguments: dict[str, Any]) -> None:
    message = refused({"_target_": "torch.nn.Linear", "out_features": 1, **arguments})
    assert message.startswith("recipe.json network: torch.nn.Linear cannot be built: ")
    assert message.endswith("copy the run folder again, or train again")


def test_a_stored_part_starts_from_no_weights_and_names_no_file() -> None:
    inner = {"_target_": "torch.nn.ReLU", "pretrained": True}
    stored = storable({"_target_": "torch.nn.Linear", "weights": "/home/user/r3d.pth", "deep": [inner]})
    assert stored["weights"] is None and stored["deep"][0]["pretrained"] is False
    assert "/home/user" not in str(stored)


def test_building_any_recipe_reads_no_file_and_downloads_nothing() -> None:
    part = {"_target_": "monai_fusion.networks.MRIEncoder", "pretrained": True, "weights": "//server/share/r3d.pth"}
    assert isinstance(build(part, "network"), torch.nn.Module)


def test_a_network_that_downloads_unless_told_otherwise_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", lambda *_, **__: pytest.fail("downloads"))
    part = {"_target_": "monai.networks.nets.EfficientNetBNFeatures", "model_name": "efficientnet-b0"}
    assert isinstance(build(part, "network"), torch.nn.Module)


def test_a_name_that_torch_fx_would_write_into_code_is_refused() -> None:
    identity = {"_target_": "torch.nn.Identity"}
    name = 'a" if exec("...") else "a'
    part = {"_target_": "torch.nn.ModuleDict", "modules": {"a": identity, name: identity}}
    assert "torch.nn.ModuleDict cannot be built: given the text" in refused(part)
    assert "given the text" in refused({"_target_": "torch.nn.GELU", "approximate": name})
    with pytest.raises(InputError, match="an evaluation would not build it"):
        storable(part)


def test_an_assertion_of_a_library_is_an_error_of_the_file() -> None:
    assert "cannot be built" in refused({"_target_": "torch.nn.MultiheadAttention", "embed_dim": 3, "num_heads": 2})
