"""Grad-CAM of the MRI encoder (Selvaraju et al., ICCV 2017): which cells of a block's output speak for the class.

The map is coarse: of a volume of 96 x 128 x 128 voxels, R3D-18's last block has 12 x 8 x 8 cells. Its sign is kept, and
its size; it has no unit, and its cells do not add up to the score.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from monai_fusion.errors import InputError, Problem
from monai_fusion.explain.method import Arrays, Explained, Step
from monai_fusion.explain.method_parts import GRADIENT_PASSES, mri_of
from monai_fusion.explain.scoring import Embeddings, Scorer
from monai_fusion.networks.encoder import Encoder, not_one_of
from monai_fusion.networks.ensemble_net import EnsembleNet
from monai_fusion.networks.mri import MRIEncoder


class MriGradCam:
    """Grad-CAM at a block of the MRI encoder: ``mri_gradcam``.

    The map is the sum over the block's channels of each channel's output, weighted with the mean, over its cells, of
    the score's gradient. No value is cut off at 0. The score is that of the whole network, with all EEG segments, so
    that an ensemble's map is the sum of its members' maps, each weighted as the mean of probabilities weights it.

    Args:
        layer: A name of the encoder's blocks, ``layer4`` for the last of R3D-18.
    """

    name = "mri_gradcam"
    recording: Literal["eeg", "mri"] = "mri"

    def __init__(self, layer: str = "layer4") -> None:
        self.layer = layer

    def passes(self, participant: Explained) -> int:
        """One, with its gradient."""
        return GRADIENT_PASSES

    def settings(self) -> Mapping[str, object]:
        """The block."""
        return {"layer": self.layer}

    def check(self, network: nn.Module) -> None:
        """Make sure that a network has this block.

        Raises:
            InputError: It has not.
        """
        for encoder in _mri_encoders(network):
            _block(encoder, self.layer)

    def __call__(self, scorer: Scorer, participant: Explained, embeddings: Embeddings, step: Step) -> Arrays:
        """Explain one participant.

        Returns:
            ``attributions`` [T, H, W] float32, interpolated between the cells' centres; ``cells`` [t, h, w] float32, as
            they were computed.

        Raises:
            InputError: The encoder has no such block, or the block's output is no grid of cells.
        """
        mri = mri_of(participant)
        cells = self._cells(scorer.at("float32"), mri, embeddings)
        step(GRADIENT_PASSES)
        strided = isinstance(_mri_encoders(scorer.module)[0], MRIEncoder)
        shape = tuple(mri.shape[2:])
        return {"attributions": interpolated(cells, shape, strided), "cells": cells}

    def _cells(self, scorer: Scorer, mri: Tensor, embeddings: Embeddings) -> NDArray[np.float32]:
        encoders = _mri_encoders(scorer.module)
        blocks = [_block(encoder, self.layer) for encoder in encoders]
        with _trained_alone(encoders, blocks), _outputs_of(blocks) as outputs, torch.enable_grad():
            score = scorer.of_volumes(mri.detach().to(scorer.device), embeddings).sum()
            if len(outputs) < len(blocks) or any(output.dim() != 5 for output in outputs.values()):
                seen = [f"shape {list(output.shape)}" for output in outputs.values()][:1] or ["never computed"]
                wanted = "an output [1, channels, t, h, w]"
                raise InputError(Problem("mri_gradcam", f"layer {self.layer}", seen[0], wanted, "name another block"))
            found = [outputs[place] for place in range(len(blocks))]
            # Zeros of an output that the score does not depend on.
            gradients = torch.autograd.grad(score, found, materialize_grads=True)
        with torch.no_grad():
            weights = [gradient.mean(dim=(2, 3, 4), keepdim=True) for gradient in gradients]
            parts = [(weight * output).sum(dim=1)[0] for weight, output in zip(weights, found, strict=True)]
            return torch.stack(parts).sum(dim=0).float().cpu().numpy()


def _mri_encoders(network: nn.Module) -> list[Encoder]:
    """The MRI encoder of a `FusionNet`, or those of an ensemble's members."""
    members = list(network.members) if isinstance(network, EnsembleNet) else [network]
    return [member.mri_enc for member in members]  # type: ignore[misc]  # torch types attributes as tensors or modules


def interpolated(cells: NDArray[np.float32], shape: Sequence[int], strided: bool) -> NDArray[np.float32]:
    """Interpolate linearly between the centres of cells.

    Args:
        cells: [t, h, w].
        shape: [T, H, W] of the volume.
        strided: Whether a cell's centre is the first voxel of its share of the volume, as in R3D-18: filters of odd
            length, padded by half their length, look at voxels 0, 16, 32 .. if their steps multiply to 16. Otherwise it
            is the middle of the share.

    Returns:
        [T, H, W]; voxels beyond the outer centres have the value of the outer cells.
    """
    values = cells
    for axis, (few, many) in enumerate(zip(cells.shape, shape, strict=True)):
        places = np.arange(many) / _stride(many, few) if strided else (np.arange(many) + 0.5) * few / many - 0.5
        places = places.clip(0, few - 1)
        below = np.minimum(places.astype(np.int64), max(few - 2, 0))
        above = np.minimum(below + 1, few - 1)
        weight = (places - below).reshape([-1 if a == axis else 1 for a in range(3)])
        values = values.take(below, axis) * (1 - weight) + values.take(above, axis) * weight
    return values.astype(np.float32)


def _stride(many: int, few: int) -> int:
    """The product of steps of 2, each of which rounds up, that makes ``few`` of ``many``."""
    stride = 1
    while -(-many // stride) > few:
        stride *= 2
    return stride


def _block(encoder: Encoder, name: str) -> nn.Module:
    """The last module of a block."""
    blocks = {each: modules for each, modules in encoder.blocks().items() if modules and each in encoder.block_names()}
    if name not in blocks:
        raise InputError(not_one_of("mri_gradcam layer", name, tuple(blocks)))
    return blocks[name][-1]


@contextmanager
def _outputs_of(blocks: Sequence[nn.Module]) -> Iterator[dict[int, Tensor]]:
    """Collect the blocks' outputs, from which gradients start: nothing before them is recorded."""
    outputs: dict[int, Tensor] = {}

    def keep(place: int, output: object) -> Tensor | None:
        if not isinstance(output, Tensor):
            return None
        outputs[place] = output.detach().requires_grad_()
        return outputs[place]

    hooks = [
        block.register_forward_hook(lambda _module, _inputs, output, place=place: keep(place, output))
        for place, block in enumerate(blocks)
    ]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _trained_alone(encoders: Sequence[Encoder], blocks: Sequence[nn.Module]) -> Iterator[None]:
    """Require gradients of these blocks alone.

    R3D-18's leading frozen blocks run in an inference form, which calls no hooks: the blocks before this one are wanted
    in that form, this one as a module.
    """
    before = [(parameter, parameter.requires_grad) for encoder in encoders for parameter in encoder.parameters()]
    try:
        for encoder, block in zip(encoders, blocks, strict=True):
            encoder.requires_grad_(False)
            block.requires_grad_(True)
        yield
    finally:
        for parameter, required in before:
            parameter.requires_grad_(required)
