"""An encoder around any network: the config names the network and the blocks that train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.jit import is_scripting  # type: ignore[attr-defined]  # torch does not list it in __all__

from monai_fusion.errors import InputError, Problem
from monai_fusion.networks.encoder import PROJECTION, Encoder, at_least_float32
from monai_fusion.networks.weights import load_whole, read_state_dict


class BackboneEncoder(Encoder):
    """Recordings [B, C, ...] -> embeddings [B, embedding_dim] of L2 norm 1, by any network that returns features.

    The backbone (one of `monai.networks.nets`, for example), then Linear F-F, ReLU, Dropout, Linear
    F-``embedding_dim``. On a CPU the backbone computes in float32 in any precision: in bfloat16 some of torch's 3-D
    gradients are wrong there (see `MRIEncoder`).

    Args:
        backbone: [B, C, ...] -> features [B, F], with C the electrodes, or 1 for an MRI.
        features: F, the number of the backbone's features.
        blocks: The names of its blocks in the order of computation, each with its submodules of the backbone:
            ``{"stem": ["features.conv0", "features.norm0"], ...}``. ``stage_blocks`` uses these names. Every parameter
            of the backbone must be in one block.
        weights: A file (``.pth``, ``.safetensors``) of the backbone's state dict to start from; None for the
            backbone's own weights.
        embedding_dim: Length of the embedding.
        dropout: Probability between the two linear layers.

    Raises:
        InputError: A submodule does not exist, a parameter is in no block or in two, or the weights do not fit.
    """

    def __init__(
        self,
        backbone: nn.Module,
        features: int,
        blocks: Mapping[str, Sequence[str]],
        weights: str | PathLike[str] | None = None,
        embedding_dim: int = 512,
        dropout: float = 0.2,
    ) -> None:
        if problems := _problems(backbone, blocks):
            raise InputError(problems)
        if weights is not None:
            path = Path(weights).expanduser()
            state = read_state_dict(path, "weights")
            load_whole(backbone, state, "weights", path, f"those of a {type(backbone).__name__}")
        projection = nn.Sequential(
            nn.Linear(features, features), nn.ReLU(), nn.Dropout(dropout), nn.Linear(features, embedding_dim)
        )
        super().__init__(backbone, projection, embedding_dim)
        self._names = {name: tuple(modules) for name, modules in blocks.items()}

    def blocks(self) -> dict[str, tuple[nn.Module, ...]]:
        """The modules of the named blocks and of ``projection``."""
        blocks = {name: tuple(map(self.backbone.get_submodule, modules)) for name, modules in self._names.items()}
        return {**blocks, PROJECTION: (self.projection,)}

    def forward(self, x: Tensor) -> Tensor:
        """Embed recordings [B, C, ...]; returns [B, embedding_dim] float32, of L2 norm 1."""
        if is_scripting():
            return self.embed(self.backbone(x))
        if x.device.type == "cpu":
            with torch.autocast("cpu", enabled=False):
                features = self.backbone(at_least_float32(x))
        else:
            features = self.backbone(x)
        return self.embed(features)


def _problems(backbone: nn.Module, blocks: Mapping[str, Sequence[str]]) -> list[Problem]:
    known = dict(backbone.named_modules())
    missing = [
        Problem(f"blocks {name}", seen=f"{module!r}: {type(backbone).__name__} has no such submodule")
        for name, modules in blocks.items()
        for module in modules
        if module not in known
    ]
    if missing:
        return missing
    owners: dict[int, list[str]] = {}
    for name, modules in blocks.items():
        for parameter in {id(each): each for module in modules for each in known[module].parameters()}.values():
            owners.setdefault(id(parameter), []).append(name)
    named = dict(backbone.named_parameters())
    nowhere = [name for name, parameter in named.items() if id(parameter) not in owners]
    twice = [name for name, parameter in named.items() if len(owners.get(id(parameter), ())) > 1]
    advice = "every parameter of the backbone belongs to one block"
    return [
        Problem("blocks", seen=f"{', '.join(names[:3])}{' ...' if names[3:] else ''} in {where}", advice=advice)
        for names, where in ((nowhere, "no block"), (twice, "two blocks"))
        if names
    ]
