"""Loading the weights of a training into the network that its recipe describes."""

from __future__ import annotations

import os
from pathlib import Path

from ignite.engine import Engine, Events
from torch import Tensor, nn

from monai_fusion.errors import InputError, Problem
from monai_fusion.networks.digests import tensors_digest
from monai_fusion.networks.weights import differences
from monai_fusion.reading import read_json_object
from monai_fusion.run_folder import MANIFEST_FILE, MODEL_FILE
from monai_fusion.saved_tensors import DamagedError, load_state

_WANTED = "the weights that a training left"
_ADVICE = "copy the run folder again, or train again"


class ModelLoader:
    """Load ``model.pt`` when an evaluator starts; a file that is damaged, or another network's, is refused.

    MONAI's `CheckpointLoader` does not see a flipped bit: the checksums in the file are not compared there.

    Args:
        network: The network; changed entirely or not at all.
        folder: The run folder that holds the file.

    Raises:
        InputError: In the evaluator, when it starts.
    """

    def __init__(self, network: nn.Module, folder: str | os.PathLike[str]) -> None:
        self.network = network
        self.folder = Path(folder)

    def attach(self, engine: Engine) -> None:
        """Attach to an evaluator."""
        engine.add_event_handler(Events.STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Load the weights."""
        state = read_model(self.folder)
        if difference := differences(self.network, state):
            seen = f"does not fit the network that recipe.json describes: {difference}"
            raise InputError(Problem(str(self.folder / MODEL_FILE), seen=seen, advice=_ADVICE))
        self.network.load_state_dict(state)


def read_model(folder: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Read ``model.pt``, onto the CPU.

    Raises:
        InputError: It is missing, damaged, or something else.
    """
    path = Path(folder) / MODEL_FILE
    try:
        return load_state(path)
    except DamagedError as error:
        raise InputError(Problem(str(path), seen=str(error), wanted=_WANTED, advice=_ADVICE)) from None


def check_model(folder: str | os.PathLike[str], members: int | None) -> None:
    """Make sure that ``model.pt`` is readable, the one that its training left, and of so many networks.

    It needs no network. What the training left is known from ``manifest.json`` of a finished training; without one, as
    an ensemble is, the weights are taken as they are.

    Args:
        folder: The run folder.
        members: What the recipe says; None for a single network.

    Raises:
        InputError: It is missing, damaged, something else, another training's, or of another number of networks.
    """
    state = read_model(folder)
    left = _digest_left(Path(folder))
    if left is not None and left != tensors_digest(state):
        seen = f"not the one that this training left ({MANIFEST_FILE})"
        raise InputError(Problem(str(Path(folder) / MODEL_FILE), seen=seen, advice="copy the run folder again"))
    found = {name.split(".")[1] for name in state if name.startswith("members.")}
    if len(found) != (members or 0):
        path = Path(folder) / MODEL_FILE
        seen = f"holds {len(found)} members" if found else "holds one network"
        wanted = "one network" if members is None else f"{members} members"
        raise InputError(Problem(str(path), seen=seen, wanted=f"{wanted} as recipe.json says", advice=_ADVICE))


def _digest_left(folder: Path) -> str | None:
    """The digest of the weights that a finished training left; None where no such manifest can be read."""
    manifest = read_json_object(folder / MANIFEST_FILE) or {}
    weights = manifest.get("weights") if manifest.get("status") == "finished" else None
    digest = weights.get("digest") if isinstance(weights, dict) else None
    return digest if isinstance(digest, str) else None
