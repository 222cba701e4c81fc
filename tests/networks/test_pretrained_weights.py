import contextlib
import random
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import huggingface_hub.constants
import pytest
import safetensors.torch
import timm
import torch
from torch import Tensor
from torchvision.models.video import r3d_18

from monai_fusion.errors import InputError
from monai_fusion.networks import CONVNEXT_TAG, R3D18_WEIGHTS, EEGEncoder, MRIEncoder, standard_network

State = dict[str, Tensor]


def _perturbed(model: torch.nn.Module) -> State:
    """A full state dict with no value left at its initial constant; half precision keeps the files small."""
    generator = torch.Generator().manual_seed(5)
    return {
        name: value + torch.rand(value.shape, generator=generator).half() if value.is_floating_point() else value + 3
        for name, value in model.half().state_dict().items()
    }


@pytest.fixture(scope="module")
def convnext() -> State:
    """As timm stores it, with the classifier for 1000 classes."""
    return _perturbed(timm.create_model("convnext_tiny", pretrained=False, num_classes=1000))


@pytest.fixture(scope="module")
def r3d() -> State:
    """As torchvision stores it, with the classifier for 400 classes."""
    return _perturbed(r3d_18(weights=None))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder whose large files do not outlive the test."""
    yield tmp_path
    for file in tmp_path.rglob("*"):
        if file.is_file():
            file.unlink()


@pytest.fixture
def no_network(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which no name resolves, with empty caches in ``folder``."""

    def unresolved(*_: object, **__: object) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unresolved)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(folder / "torch"))
    return folder


def _original_names(state: State) -> State:
    """timm's names -> those of the original ConvNeXt release (facebookresearch/ConvNeXt, models/convnext.py)."""
    rules = (
        (r"^stem\.", "downsample_layers.0."),
        (r"^stages\.(\d)\.downsample\.", r"downsample_layers.\1."),
        (r"^stages\.(\d)\.blocks\.", r"stages.\1."),
        (r"\.conv_dw\.", ".dwconv."),
        (r"\.mlp\.fc", ".pwconv"),
        (r"^head\.norm\.", "norm."),
        (r"^head\.fc\.", "head."),
    )
    renamed = {}
    for name, value in state.items():
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        renamed[name] = value
    return renamed


def _save_timm(state: State, folder: Path) -> Path:
    torch.save(state, folder / "convnext.pth")
    return folder / "convnext.pth"


def _save_safetensors(state: State, folder: Path) -> Path:
    safetensors.torch.save_file(state, folder / "convnext.safetensors")
    return folder / "convnext.safetensors"


def _save_original(state: State, folder: Path) -> Path:
    torch.save({"model": _original_names(state)}, folder / "convnext_tiny_1k_224.pth")
    return folder / "convnext_tiny_1k_224.pth"


def _cache_as_downloaded(state: State, folder: Path) -> None:
    repository = folder / "hub" / f"models--timm--{CONVNEXT_TAG}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0123abcd")
    snapshot = repository / "snapshots" / "0123abcd"
    snapshot.mkdir(parents=True)
    safetensors.torch.save_file(state, snapshot / "model.safetensors")


def _assert_has_convnext(encoder: EEGEncoder, state: State) -> None:
    loaded = encoder.backbone.state_dict()
    assert set(loaded) == {name for name in state if not name.startswith("head.fc.")}
    for name, value in loaded.items():
        if name == "stem.0.weight":
            mean = state[name].float().mean(dim=1, keepdim=True).expand(-1, encoder.electrodes, -1, -1)
            torch.testing.assert_close(value, mean)
        else:
            assert torch.equal(value, state[name].float()), name


def _assert_has_r3d(encoder: MRIEncoder, state: State) -> None:
    loaded = encoder.backbone.state_dict()
    assert set(loaded) == {name for name in state if not name.startswith("fc.")}
    for name, value in loaded.items():
        assert torch.equal(value, state[name].to(value.dtype)), name


@pytest.mark.parametrize("save", [_save_timm, _save_safetensors, _save_original])
def test_convnext_file_gives_exactly_its_weights(
    convnext: State, folder: Path, no_network: Path, save: Callable[[State, Path], Path]
) -> None:
    _assert_has_convnext(EEGEncoder(pretrained=True, weights=save(convnext, folder)), convnext)


def test_r3d_file_gives_exactly_its_weights(r3d: State, folder: Path, no_network: Path) -> None:
    torch.save(r3d, folder / "r3d_18.pth")
    _assert_has_r3d(MRIEncoder(pretrained=True, weights=str(folder / "r3d_18.pth")), r3d)


def test_r3d_file_without_batch_counters_is_accepted(r3d: State, folder: Path) -> None:
    old = {name: value for name, value in r3d.items() if not name.endswith("num_batches_tracked")}
    torch.save(old, folder / "r3d_18.pth")
    encoder = MRIEncoder(weights=folder / "r3d_18.pth")
    assert torch.equal(encoder.backbone.layer1[0].conv1[1].running_var, r3d["layer1.0.conv1.1.running_var"].float())


def test_downloaded_weights_come_from_the_libraries_caches_without_a_network(
    convnext: State, r3d: State, no_network: Path
) -> None:
    _cache_as_downloaded(convnext, no_network)
    checkpoints = no_network / "torch" / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    torch.save(r3d, checkpoints / R3D18_WEIGHTS.url.rpartition("/")[2])
    net = standard_network(pretrained=True)
    _assert_has_convnext(net.eeg_enc, convnext)
    _assert_has_r3d(net.mri_enc, r3d)


def test_file_is_loaded_even_if_pretrained_is_false(r3d: State, folder: Path, no_network: Path) -> None:
    torch.save(r3d, folder / "r3d_18.pth")
    _assert_has_r3d(MRIEncoder(pretrained=False, weights=folder / "r3d_18.pth"), r3d)


def test_without_a_network_either_encoder_reports_within_seconds_what_to_do(no_network: Path) -> None:
    started = time.monotonic()
    with pytest.raises(InputError) as of_eeg:
        EEGEncoder(pretrained=True)
    with pytest.raises(InputError) as of_mri:
        MRIEncoder(pretrained=True)
    assert time.monotonic() - started < 10
    eeg, mri = str(of_eeg.value), str(of_mri.value)
    assert eeg.startswith("eeg_weights: ") and mri.startswith("mri_weights: ")
    assert f"{CONVNEXT_TAG} cannot be downloaded" in eeg and "Name or service not known" in eeg
    assert "https://huggingface.co/timm/convnext_tiny.in12k_ft_in1k/resolve/main/model.safetensors" in eeg
    assert "--eeg_weights FILE" in eeg and "--pretrained false" in eeg
    assert f"{R3D18_WEIGHTS} cannot be downloaded" in mri and R3D18_WEIGHTS.url in mri
    assert "--mri_weights FILE" in mri and "--pretrained false" in mri
    assert R3D18_WEIGHTS.url in eeg and "--mri_weights FILE" in eeg  # a training would miss it next


def _cut_off(path: Path) -> None:
    torch.save({"stem.0.weight": torch.rand(96, 3, 4, 4)}, path)
    path.write_bytes(path.read_bytes()[:2000])


def _cut_off_safetensors(path: Path) -> None:
    safetensors.torch.save_file({"stem.0.weight": torch.rand(96, 3, 4, 4)}, path)
    path.write_bytes(path.read_bytes()[:2000])


class _Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("build", [EEGEncoder, MRIEncoder])
@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("w.pth", lambda path: None, "file not found"),
        ("w.pth", Path.mkdir, "is a folder"),
        ("w.pth", Path.touch, "cannot be read"),
        ("w.pth", lambda path: path.write_bytes(random.Random(0).randbytes(5000)), "cannot be read"),
        ("w.pth", _cut_off, "cannot be read: .*it may be cut off"),
        ("w.safetensors", _cut_off_safetensors, "cannot be read: .*it may be cut off"),
        ("w.pth", lambda path: torch.save(torch.zeros(3), path), "cannot be read"),
        ("w.pth", lambda path: torch.save({}, path), "holds nothing, expected a state dict"),
        (
            "w.pth",
            lambda path: torch.save({"epoch": 3, "net": {}}, path),
            "holds 'epoch', 'net', expected a state dict",
        ),
        ("w.pth", lambda path: torch.save({"weight": torch.zeros(3)}, path), r"are missing \(stem.0.weight, .*1 of 1"),
    ],
)
def test_damaged_or_foreign_file_is_refused_by_name(
    build: Callable[..., object], name: str, write: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    write(path)
    option = "eeg_weights" if build is EEGEncoder else "mri_weights"
    with pytest.raises(InputError, match=f"{option} '{re.escape(str(path))}': .*{message}"):
        build(weights=path)


def test_each_encoder_refuses_the_others_file(convnext: State, r3d: State, folder: Path) -> None:
    torch.save(r3d, folder / "r3d.pth")
    torch.save(convnext, folder / "convnext.pth")
    with pytest.raises(
        InputError, match=r"tensors are missing .*do not belong there .*expected those of timm's convnext"
    ):
        EEGEncoder(weights=folder / "r3d.pth")
    with pytest.raises(
        InputError, match=r"tensors are missing .*do not belong there .*expected those of torchvision's"
    ):
        MRIEncoder(weights=folder / "convnext.pth")


def test_another_size_of_convnext_is_refused(folder: Path) -> None:
    femto = timm.create_model("convnext_femto", pretrained=False, num_classes=10).state_dict()
    torch.save(femto, folder / "femto.pth")
    with pytest.raises(
        InputError, match=r"have another shape \(stem.0.weight \(48, 3, 4, 4\) instead of \(96, 3, 4, 4\)"
    ):
        EEGEncoder(weights=folder / "femto.pth")
    torch.save({"model": _original_names(femto)}, folder / "original.pth")
    with pytest.raises(InputError, match="eeg_weights"):
        EEGEncoder(weights=folder / "original.pth")


def test_a_file_that_runs_code_when_unpickled_is_refused_unrun(tmp_path: Path) -> None:
    torch.save({"weight": _Trap(tmp_path / "ran")}, tmp_path / "w.pth")
    for build in (EEGEncoder, MRIEncoder):
        with pytest.raises(InputError, match="cannot be read"):
            build(weights=tmp_path / "w.pth")
    assert not (tmp_path / "ran").exists()
    with contextlib.suppress(Exception):  # the trap is real: without weights_only it does run
        torch.load(tmp_path / "w.pth", weights_only=False)
    assert (tmp_path / "ran").exists()
