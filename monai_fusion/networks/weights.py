"""Loading weights from the libraries' downloads or from files, by the same code; never a silent random start."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import urlsplit

import torch
from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
from timm.models import load_state_dict
from timm.models.convnext import checkpoint_filter_fn
from torch import Tensor, nn
from torchvision.models.video import R3D_18_Weights

from monai_fusion.errors import InputError, Problem
from monai_fusion.saved_tensors import check_saved, is_state_dict, load_saved

CONVNEXT_TAG = "convnext_tiny.in12k_ft_in1k"
"""timm's name of the pinned ImageNet weights; every EEG encoder starts from these."""
CONVNEXT_REPOSITORY, CONVNEXT_FILE = f"timm/{CONVNEXT_TAG}", "model.safetensors"
R3D18_WEIGHTS = R3D_18_Weights.KINETICS400_V1
"""torchvision's pinned Kinetics-400 weights; every MRI encoder starts from these."""

T = TypeVar("T")

ANSWER_WITHIN_S = 10.0  # a server that does not answer in this time counts as unreachable
SHOWN_AT_MOST = 3  # names of tensors in a message


def load_convnext(backbone: nn.Module, weights: str | PathLike[str] | None = None) -> None:
    """Load ImageNet weights into timm's three-channel ``convnext_tiny`` without classifier.

    Args:
        backbone: The model; changed in place, entirely or not at all.
        weights: A ``.safetensors`` or ``.pth`` file in timm's layout or in that of the original ConvNeXt release
            (``{"model": {"downsample_layers.0.0.weight": ...}}``); a classifier in it is omitted. None downloads the
            weights of ``CONVNEXT_TAG``, or takes them from huggingface_hub's cache without using the network.

    Raises:
        InputError: They are not available, or are not a ConvNeXt-Tiny's.
    """
    url = hf_hub_url(CONVNEXT_REPOSITORY, CONVNEXT_FILE)
    path = _file_or_download("eeg_weights", weights, CONVNEXT_TAG, url, _downloaded_convnext)
    state = read_state_dict(path, "eeg_weights")
    with suppress(KeyError):  # names of another architecture: the comparison in `load_whole` reports which do not fit
        # Renames the original layout; timm's own passes unchanged.
        state = checkpoint_filter_fn(state, backbone)  # type: ignore[no-untyped-call]  # timm leaves it untyped
    load_whole(backbone, _without(state, "head.fc."), "eeg_weights", path, f"those of timm's {CONVNEXT_TAG}")


def load_r3d18(backbone: nn.Module, weights: str | PathLike[str] | None = None) -> None:
    """Load Kinetics weights into torchvision's ``r3d_18`` without classifier.

    Args:
        backbone: The model; changed in place, entirely or not at all.
        weights: A ``.pth`` or ``.safetensors`` file in torchvision's layout; a classifier in it is omitted. None
            downloads ``R3D18_WEIGHTS`` to torch.hub's folder, or takes the file found there.

    Raises:
        InputError: They are not available, or are not an R3D-18's.
    """
    path = _file_or_download("mri_weights", weights, str(R3D18_WEIGHTS), R3D18_WEIGHTS.url, _downloaded_r3d18)
    state = read_state_dict(path, "mri_weights")
    load_whole(backbone, _without(state, "fc."), "mri_weights", path, "those of torchvision's r3d_18")


def read_state_dict(path: Path, where: str) -> dict[str, Tensor]:
    """Read a state dict from a ``.safetensors`` file, or of `torch.save`, whose checksums are compared; no code runs.

    It removes a wrapper such as ``{"state_dict": ...}``, ``{"model": ...}`` or the prefix ``module.``, as timm does.

    Args:
        path: The file.
        where: The option that named it, for the message.

    Raises:
        InputError: It is missing, damaged, or not a state dict.
    """
    state = _read(path, where, _load_any_layout)
    if not is_state_dict(state):
        raise InputError(
            Problem(where, f"'{path}'", f"holds {_shown(state)}", "a state dict (names of parameters -> tensors)")
        )
    return state


def read_exported_state(path: str | PathLike[str], where: str = "weights") -> dict[str, dict[str, Tensor]]:
    """Read a file that holds what :meth:`monai_fusion.networks.FusionNet.export_state` returns, onto the CPU.

    Raises:
        InputError: It is missing, damaged, or of another kind.
    """
    path = Path(path).expanduser()
    state = _read(path, where, load_saved)
    if not (isinstance(state, Mapping) and state and all(is_state_dict(part) for part in state.values())):
        raise InputError(
            Problem(where, f"'{path}'", f"holds {_shown(state)}", "the state dicts eeg_enc, mri_enc, head")
        )
    return dict(state)


def differences(module: nn.Module, state: Mapping[str, Tensor]) -> str:
    """How ``state`` differs from ``module`` (tensors missing, left over, of another shape); empty if it fits."""
    wanted = module.state_dict()
    # Files older than PyTorch 0.4.1 have no num_batches_tracked; BatchNorm itself loads them as 0.
    missing = [n for n in wanted if n not in state and not n.endswith(".num_batches_tracked")]
    unexpected = [name for name in state if name not in wanted]
    other = [
        f"{name} {tuple(state[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in wanted
        if name in state and state[name].shape != wanted[name].shape
    ]
    return "; ".join(
        f"{len(found)} of {len(of)} tensors {what} ({_some(found)})"
        for found, of, what in (
            (missing, wanted, "are missing"),
            (unexpected, state, "do not belong there"),
            (other, wanted, "have another shape"),
        )
        if found
    )


def load_whole(backbone: nn.Module, state: dict[str, Tensor], option: str, path: Path, wanted: str) -> None:
    """Load a state dict, entirely or not at all.

    Raises:
        InputError: It does not fit; ``option`` and ``path`` name its origin, ``wanted`` what would fit.
    """
    if difference := differences(backbone, state):
        raise InputError(Problem(option, f"'{path}'", difference, wanted))
    backbone.load_state_dict(state)


def _file_or_download(
    option: str, weights: str | PathLike[str] | None, tag: str, url: str, download: Callable[[], Path]
) -> Path:
    if weights is not None:
        return Path(weights).expanduser()
    try:
        return download()
    except Exception as error:  # the libraries' HTTP clients, proxies and certificates raise types of many packages
        raise InputError(
            Problem(
                where=option,
                seen=f"the pretrained weights {tag} cannot be downloaded: {_reason(error)}",
                advice=f"download {url} elsewhere and add --{option} FILE{_also_needed(option)}, or start from random"
                " weights with --pretrained false",
            )
        ) from error


def _also_needed(option: str) -> str:
    """The other weights that a training would then fail to download, so that the user fetches all of them at once."""
    urls = {"eeg_weights": hf_hub_url(CONVNEXT_REPOSITORY, CONVNEXT_FILE), "mri_weights": R3D18_WEIGHTS.url}
    missing = [name for name, place in downloaded_before().items() if place is None and name != option]
    return "".join(f" (also {urls[name]} as --{name} FILE, unless you already give it)" for name in missing)


def downloaded_before() -> dict[str, Path | None]:
    """Return where each of the pretrained weights is stored; None if a training would download it."""
    return {"eeg_weights": _convnext_in_cache(), "mri_weights": path if (path := _place_of_r3d18()).is_file() else None}


def _convnext_in_cache() -> Path | None:
    cached = try_to_load_from_cache(CONVNEXT_REPOSITORY, CONVNEXT_FILE)
    return Path(cached) if isinstance(cached, str) else None


def _place_of_r3d18() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / PurePosixPath(urlsplit(R3D18_WEIGHTS.url).path).name


def _downloaded_convnext() -> Path:
    if cached := _convnext_in_cache():
        return cached
    # One request first, because hf_hub_download retries for three quarters of a minute without a network.
    get_hf_file_metadata(hf_hub_url(CONVNEXT_REPOSITORY, CONVNEXT_FILE), timeout=ANSWER_WITHIN_S)
    return Path(hf_hub_download(CONVNEXT_REPOSITORY, CONVNEXT_FILE))


def _downloaded_r3d18() -> Path:
    # As R3D_18_Weights.get_state_dict(check_hash=True), but with a time limit and without unpickling the download.
    path = _place_of_r3d18()
    if not path.is_file():
        head = urllib.request.Request(R3D18_WEIGHTS.url, method="HEAD")  # noqa: S310  # torchvision's own https address
        urllib.request.urlopen(head, timeout=ANSWER_WITHIN_S).close()  # noqa: S310  # as above
        path.parent.mkdir(parents=True, exist_ok=True)
        sha256 = path.stem.rpartition("-")[2]  # r3d_18-b3b3357e.pth: the name ends with the first digits
        torch.hub.download_url_to_file(R3D18_WEIGHTS.url, str(path), hash_prefix=sha256)
    return path


def _read(path: Path, where: str, reader: Callable[[str], T]) -> T:
    if not path.is_file():
        seen = "is a folder" if path.is_dir() else "is not a file" if path.exists() else "file not found"
        raise InputError(Problem(where, f"'{path}'", seen, advice="give the path of a .pth or .safetensors file"))
    try:
        return reader(str(path))
    except Exception as error:  # a damaged or foreign file breaks its reader in many ways
        raise InputError(
            Problem(
                where,
                f"'{path}'",
                f"cannot be read: {_reason(error)}",
                "a PyTorch file of tensors alone (.pth) or .safetensors",
                "it may be cut off or of another kind: get it again (delete it first if it is in a download cache)",
            )
        ) from error


def _load_any_layout(path: str) -> Any:
    if not path.endswith(".safetensors"):
        check_saved(path, old_format=True)
    return load_state_dict(path)  # reads both kinds, tensors alone, and takes wrappers off


def _without(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if not name.startswith(prefix)}


def _shown(state: object) -> str:
    if isinstance(state, Mapping):
        return _some([f"'{name}'" for name in state]) if state else "nothing"
    return f"a {type(state).__name__}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN_AT_MOST]) + (", ..." if len(names) > SHOWN_AT_MOST else "")


def _reason(error: Exception, at_most: int = 160) -> str:
    """The first sentence of the error; the libraries add advice that does not apply here."""
    text = str(getattr(error, "reason", error)).strip()  # URLError wraps its reason in angle brackets
    sentence = text.splitlines()[0].split(". ")[0] if text else type(error).__name__
    return sentence if len(sentence) <= at_most else sentence[: at_most - 3] + "..."
