"""The EEG encoder: a ConvNeXt-Tiny that reads one scalogram per electrode."""

from __future__ import annotations

from os import PathLike
from typing import Any

import timm
import torch
from torch import Tensor, nn

from monai_fusion.networks.encoder import PROJECTION, Encoder
from monai_fusion.networks.weights import CONVNEXT_TAG, load_convnext

EEG_BLOCKS = ("stem", "stage1", "stage2", "stage3", "stage4")


def expand_stem(conv: nn.Conv2d, electrodes: int) -> nn.Conv2d:
    """A convolution over electrodes in place of one over RGB.

    Every electrode's filter is the mean of the RGB filters; the bias does not change. So the response to ``electrodes``
    equal channels, less the bias, is ``electrodes / 3`` times the RGB response to a grey image, less the bias; the
    LayerNorm that follows in ConvNeXt takes the factor out.

    Args:
        conv: Convolution with weight [C, 3, k, k]; it is not changed.
        electrodes: Input channels of the new convolution.

    Returns:
        A new convolution with weight [C, electrodes, k, k], of the same dtype, on the same device.
    """
    expanded = nn.Conv2d(
        electrodes,
        conv.out_channels,
        kernel_size=conv.kernel_size,  # type: ignore[arg-type]  # torch types the stored tuple as of any length
        stride=conv.stride,  # type: ignore[arg-type]  # as above
        padding=conv.padding,  # type: ignore[arg-type]  # as above
        bias=conv.bias is not None,
        device=conv.weight.device,
        dtype=conv.weight.dtype,
    )
    with torch.no_grad():
        expanded.weight.copy_(conv.weight.mean(dim=1, keepdim=True).expand_as(expanded.weight))
        if conv.bias is not None and expanded.bias is not None:
            expanded.bias.copy_(conv.bias)
    return expanded


class EEGEncoder(Encoder):
    """Scalograms [B, electrodes, F, T] -> embeddings [B, embedding_dim] of L2 norm 1.

    timm's ``convnext_tiny.in12k_ft_in1k`` with its stem widened to the electrodes (:func:`expand_stem`), global
    average pool, the pretrained head's LayerNorm, then Linear 768-768, GELU, Dropout, Linear 768-``embedding_dim``.

    Blocks: ``stem`` (the convolution over electrodes *and* the LayerNorm after it, as in timm's ``stem``), ``stage1``
    to ``stage4`` (timm's ``stages.0`` to ``stages.3``, each with the downsampling before it), and ``projection`` (the
    final LayerNorm and the two linear layers).

    Args:
        electrodes: Number of input channels.
        embedding_dim: Length of the embedding.
        pretrained: Whether to start from ImageNet weights (downloaded once by huggingface_hub, or from its cache).
        weights: A file to start from instead (see :func:`monai_fusion.networks.weights.load_convnext`), for any value
            of ``pretrained``.
        dropout: Probability between the two linear layers.
        train_stem: Whether the stem, a new layer, is trained in every stage. If not, the network can only see the sum
            over the electrodes, because all their filters start equal.

    Raises:
        InputError: The weights are not available, or are not a ConvNeXt-Tiny's; random values never replace them.
    """

    def __init__(
        self,
        electrodes: int = 17,
        embedding_dim: int = 512,
        pretrained: bool = True,
        weights: str | PathLike[str] | None = None,
        dropout: float = 0.2,
        train_stem: bool = True,
    ) -> None:
        backbone: Any = timm.create_model(CONVNEXT_TAG, pretrained=False, num_classes=0)
        if pretrained or weights is not None:
            load_convnext(backbone, weights)
        backbone.stem[0] = expand_stem(backbone.stem[0], electrodes)
        width = backbone.num_features
        projection = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, embedding_dim)
        )
        super().__init__(backbone, projection, embedding_dim, ("stem",) if train_stem else ())
        self.electrodes = electrodes
        # The stem and the three downsamplings divide each side by 4 * 2 * 2 * 2. This is an attribute because
        # `ckpt_export` turns the network into TorchScript, which sees no constants of a module.
        self.smallest_side = 32

    def blocks(self) -> dict[str, tuple[nn.Module, ...]]:
        """The modules of ``stem``, ``stage1`` .. ``stage4`` and ``projection``."""
        names_in_timm = ("stem", "stages.0", "stages.1", "stages.2", "stages.3")
        blocks: dict[str, tuple[nn.Module, ...]] = {
            name: (self.backbone.get_submodule(in_timm),)
            for name, in_timm in zip(EEG_BLOCKS, names_in_timm, strict=True)
        }
        # timm's head without its classifier is the pool and the pretrained LayerNorm.
        blocks[PROJECTION] = (self.backbone.get_submodule("head"), self.projection)
        return blocks

    def forward(self, eeg: Tensor) -> Tensor:
        """Embed scalograms.

        Args:
            eeg: [B, electrodes, F, T] float32, (electrode, frequency, time), z-scored per electrode; the project's
                scalograms are 224 x 224, any size from 32 x 32 on works.

        Returns:
            [B, embedding_dim] float32, of L2 norm 1.

        Raises:
            ValueError: The shape is wrong.
        """
        if eeg.dim() != 4 or eeg.shape[1] != self.electrodes or min(eeg.shape[2], eeg.shape[3]) < self.smallest_side:
            raise ValueError(
                f"eeg: shape {list(eeg.shape)}, expected [B, {self.electrodes}, F, T] (electrode, frequency, time)"
                f" with F and T of at least {self.smallest_side}"
            )
        return self.embed(self.backbone(eeg))
