"""The common base of both encoders: named blocks that can be frozen, and an embedding of unit length."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_fusion.errors import Problem
from monai_fusion.wording import nearest

PROJECTION = "projection"
"""Name of the block that follows the backbone; it is trained in every stage."""


class BlockSize(NamedTuple):
    """How large a block is and how much of it is trained.

    Attributes:
        parameters: Number of scalar parameters.
        trainable: How many of them require a gradient.
    """

    parameters: int
    trainable: int


class Encoder(nn.Module):
    """A pretrained backbone whose blocks have names, followed by a projection to an embedding.

    A subclass names its blocks in :meth:`blocks`. :class:`FusionNet` needs to know nothing else of an encoder, so
    another network needs one class, or none (:class:`BackboneEncoder`). A block is *frozen* if none of its parameters
    requires a gradient; this alone decides, and no second record of it exists. Frozen blocks stay in evaluation mode
    for any argument of :meth:`train`, so that their BatchNorm statistics do not move
    (``monai.engines.SupervisedTrainer`` calls ``network.train()`` in every iteration).

    A frozen block costs a backward pass only if a block before it is trained, or if the input itself requires a
    gradient (a saliency map): otherwise autograd records nothing, hence no ``torch.no_grad`` here.

    Attributes:
        embedding_dim: Length D of the embedding.

    Args:
        backbone: [B, C, ...] -> features [B, F].
        projection: Features [B, F] -> [B, D].
        embedding_dim: Length D of the embedding.
        always_trained: Names of blocks that are trained in every stage, besides the projection.
    """

    def __init__(
        self, backbone: nn.Module, projection: nn.Module, embedding_dim: int, always_trained: Collection[str] = ()
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.projection = projection
        self.embedding_dim = embedding_dim
        self.always_trained = (*always_trained, PROJECTION)

    def blocks(self) -> dict[str, tuple[nn.Module, ...]]:
        """The modules of each block, in the order of computation; the last one is ``projection``."""
        raise NotImplementedError

    def block_names(self) -> tuple[str, ...]:
        """The names of the blocks that a stage of the training may name, in the order of computation."""
        return tuple(name for name in self.blocks() if name != PROJECTION)

    def set_trainable(self, names: Collection[str]) -> None:
        """Train exactly the named blocks and those that are always trained; freeze the others.

        Args:
            names: Names of :meth:`blocks`; the caller has checked them.
        """
        for name, modules in self.blocks().items():
            for module in modules:
                module.requires_grad_(name in names or name in self.always_trained)
        self.train(self.training)

    def freeze(self) -> None:
        """Freeze all of it, including the projection."""
        self.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Set the training mode of everything but the frozen blocks, which stay in evaluation mode."""
        super().train(mode)
        for modules in self.blocks().values():
            if not any(parameter.requires_grad for parameter in parameters_of(modules)):
                for module in modules:
                    module.eval()
        return self

    def embed(self, features: Tensor) -> Tensor:
        """Project pooled features [B, F] to embeddings [B, D] of L2 norm 1, at least float32."""
        return F.normalize(at_least_float32(self.projection(features)), dim=1)


def parameters_of(modules: Iterable[nn.Module]) -> list[nn.Parameter]:
    """All parameters of the modules, in order."""
    return [parameter for module in modules for parameter in module.parameters()]


def at_least_float32(x: Tensor) -> Tensor:
    """Half-precision tensors (as autocast makes them) become float32; others pass unchanged."""
    if x.dtype in (torch.float16, torch.bfloat16):
        return x.float()
    return x


def not_one_of(where: str, seen: object, known: Sequence[str]) -> Problem:
    """Report that a name is unknown, and which one was probably meant."""
    meant = nearest(str(seen), known)
    wanted = " or ".join(known) if len(known) == 2 else f"one of {', '.join(known)}"
    return Problem(where, seen=repr(seen), wanted=wanted, advice="" if meant is None else f"did you mean '{meant}'?")
