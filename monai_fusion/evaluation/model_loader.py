"""Loading the weights of a training into the network that its recipe describes."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import psutil
from ignite.engine import Engine, Events
from torch import Tensor, nn

from monai_fusion.errors import InputError, Problem
from monai_fusion.model_files import is_exported_file, weights_file
from monai_fusion.networks.digests import tensors_digest
from monai_fusion.networks.exported_net import ExportedNet, check_exported
from monai_fusion.networks.weights import differences, read_state_dict
from monai_fusion.reading import read_json_object
from monai_fusion.run_folder import MANIFEST_FILE, MODEL_FILE, SAFETENSORS_FILE
from monai_fusion.saved_tensors import DamagedError, load_state

_WANTED = "the weights that a training wrote"
_KEPT_SHARE = 0.1  # of the free memory: recordings are prepared between the check and the loading
_ADVICE = "copy the run folder again, or train again"


class ModelLoader:
    """Load ``model.pt`` when an evaluator starts; refuse a damaged file, and weights of another network.

    An exported file needs no weights: the network reads it itself.

    MONAI's `CheckpointLoader` does not notice a flipped bit, because it does not compare the checksums in the file.

    Args:
        network: The network. It gets all weights or, if there is an error, none.
        folder: The run folder that holds the file, or the exported file.

    Raises:
        InputError: When the evaluator starts.
    """

    def __init__(self, network: nn.Module, folder: str | os.PathLike[str]) -> None:
        self.network = network
        self.folder = Path(folder)

    def attach(self, engine: Engine) -> None:
        """Attach to an evaluator."""
        engine.add_event_handler(Events.STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Load the weights when the engine starts."""
        self.load()

    def load(self) -> None:
        """Load the weights.

        Raises:
            InputError: The file is missing, damaged, or of another network.
        """
        if isinstance(self.network, ExportedNet):
            self.network.load()
            return
        state = _take_checked(self.folder)
        if state is None:
            state = read_weights(self.folder)
            refuse_other_weights(self.folder, state)
        if difference := differences(self.network, state):
            seen = f"does not fit the network that recipe.json describes: {difference}"
            raise InputError(Problem(str(_place_of(self.folder)), seen=seen, advice=_ADVICE))
        self.network.load_state_dict(state)


def read_weights(folder: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Read ``model.pt``, or the ``model.safetensors`` of a folder for a hub, onto the CPU.

    Raises:
        InputError: It is missing, damaged, or another kind of file.
    """
    path = _place_of(folder)
    if path.name == SAFETENSORS_FILE:
        return read_state_dict(path, "model")
    try:
        return load_state(path)
    except DamagedError as error:
        raise InputError(Problem(str(path), seen=str(error), wanted=_WANTED, advice=_ADVICE)) from None


def check_model(folder: str | os.PathLike[str], members: int | None, member_weights: object = None) -> None:
    """Check that ``model.pt`` is readable, is the file that its training wrote, and holds the right number of networks.

    It needs no network. The digest of the weights comes from ``manifest.json`` of a finished training, and for the
    members of an ensemble from its recipe; without a digest, the weights are accepted. If there is enough memory, a
    `ModelLoader` of the same folder then uses the weights that were read here.

    Args:
        folder: The run folder, or an exported file.
        members: The number of networks in the recipe; None for a single network.
        member_weights: The digests of the members' weights in the recipe.

    Raises:
        InputError: It is missing, damaged, another kind of file, of another training, or of another number of networks.
    """
    if is_exported_file(folder):
        check_exported(folder)
        return
    state, path = read_weights(folder), _place_of(folder)
    refuse_other_weights(folder, state)
    found = {name.split(".")[1] for name in state if name.startswith("members.")}
    if len(found) != (members or 0):
        seen = f"holds {len(found)} members" if found else "holds one network"
        wanted = "one network" if members is None else f"{members} members"
        raise InputError(Problem(str(path), seen=seen, wanted=f"{wanted} as in recipe.json", advice=_ADVICE))
    if isinstance(member_weights, list) and len(member_weights) == members:
        _refuse_other_members(path, state, member_weights)
    _keep_checked(Path(folder), state)


def refuse_other_weights(
    folder: str | os.PathLike[str], state: Mapping[str, Tensor], left_by: Collection[str] = ("finished",)
) -> None:
    """Refuse weights whose digest is not the one in the ``manifest.json`` of the folder.

    Args:
        folder: The run folder.
        state: The content of its ``model.pt``.
        left_by: The states of a training in which its manifest is trusted.

    Raises:
        InputError: The digests differ.
    """
    left = _digest_left(Path(folder), left_by)
    if left is not None and left != tensors_digest(state):
        seen = f"not the file that this training wrote ({MANIFEST_FILE})"
        raise InputError(Problem(str(_place_of(folder)), seen=seen, advice="copy the run folder again"))


def _place_of(folder: str | os.PathLike[str]) -> Path:
    """Where the weights of a model folder are, or should be."""
    return weights_file(folder) or Path(folder) / MODEL_FILE


def _refuse_other_members(path: Path, state: Mapping[str, Tensor], digests: Sequence[object]) -> None:
    for place, digest in enumerate(digests):
        prefix = f"members.{place}."
        member = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        if isinstance(digest, str) and digest != tensors_digest(member):
            seen = f"member {place + 1} is not the network that its training wrote (recipe.json)"
            raise InputError(Problem(str(path), seen=seen, advice="copy the folder again, or make the ensemble again"))


def _digest_left(folder: Path, left_by: Collection[str]) -> str | None:
    """The digest of the weights that a training wrote; None if there is no readable manifest."""
    manifest = read_json_object(folder / MANIFEST_FILE) or {}
    status = manifest.get("status")
    weights = manifest.get("weights") if isinstance(status, str) and status in left_by else None
    digest = weights.get("digest") if isinstance(weights, dict) else None
    return digest if isinstance(digest, str) else None


# Weights that were checked and not loaded yet: the run loads the bytes that were checked, and reads them once.
_checked: dict[Path, dict[str, Tensor]] = {}


def _keep_checked(folder: Path, state: dict[str, Tensor]) -> None:
    _checked.clear()
    if sum(tensor.nbytes for tensor in state.values()) <= _KEPT_SHARE * psutil.virtual_memory().available:
        _checked[folder.absolute()] = state


def _take_checked(folder: Path) -> dict[str, Tensor] | None:
    return _checked.pop(folder.absolute(), None)
