"""The MRI encoder: a video network (R3D-18) that reads the slices of a volume as its frames."""

from __future__ import annotations

from os import PathLike

import torch
from torch import Tensor, nn
from torch.jit import is_scripting, is_tracing  # type: ignore[attr-defined]  # torch does not list them in __all__
from torchvision.models.video import r3d_18

from monai_fusion.errors import InputError
from monai_fusion.networks.encoder import PROJECTION, Encoder, at_least_float32, not_one_of
from monai_fusion.networks.folded_block import FoldedBlock
from monai_fusion.networks.fused_convolution import nan_where_not_finite
from monai_fusion.networks.weights import load_r3d18

MRI_BLOCKS = ("stem", "layer1", "layer2", "layer3", "layer4")
INPUT_NORMS = ("kinetics", "none")

# The means, over the three channels, of what R3D_18_Weights.KINETICS400_V1.transforms() subtracts and divides by,
# (0.43216, 0.394666, 0.37645) and (0.22803, 0.22145, 0.216989), to three digits: an MRI has one channel.
KINETICS_MEAN = 0.401
KINETICS_STD = 0.222

# In bfloat16 on a CPU the gradient of a 3 x 3 x 3 filter is partly unwritten memory where its input is 2 deep (torch
# 2.15 with oneDNN, AVX-512 BF16; at every height, width and batch that was tried, and at no other depth).
_MISCOMPUTED_DEPTH = 2


class SingleChannelConv3d(nn.Conv3d):
    """A ``Conv3d`` that also takes one channel and computes as if that channel were replicated.

    To convolve replicated channels is to convolve the one channel with the filters summed over their input channels:
    the same function, with the same gradients, at a fraction of the work and memory. The stored weight keeps its shape.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Convolve [B, in_channels, T, H, W] or [B, 1, T, H, W]."""
        weight = self.weight
        if x.shape[1] == 1:
            weight = weight.sum(dim=1, keepdim=True)
        return self._conv_forward(x, weight, self.bias)

    @classmethod
    def of(cls, conv: nn.Conv3d) -> SingleChannelConv3d:
        """The same convolution, sharing the parameters of ``conv``."""
        greyable = cls(
            conv.in_channels,
            conv.out_channels,
            kernel_size=conv.kernel_size,  # type: ignore[arg-type]  # torch types the stored tuple as of any length
            stride=conv.stride,  # type: ignore[arg-type]  # as above
            padding=conv.padding,  # type: ignore[arg-type]  # as above
            bias=conv.bias is not None,
        )
        greyable.weight, greyable.bias = conv.weight, conv.bias
        return greyable


class MRIEncoder(Encoder):
    """Volumes [B, 1 or 3, T, H, W] -> embeddings [B, embedding_dim] of L2 norm 1.

    torchvision's ``r3d_18`` without its classifier, then Linear 512-512, ReLU, Dropout, Linear 512-``embedding_dim``.
    One channel has the same result as three equal channels (:class:`SingleChannelConv3d`), so do not replicate it.

    Filters have the memory layout ``torch.channels_last_3d``, in which CPUs and GPUs convolve fastest. Leading blocks
    that are frozen, and in evaluation without gradients all blocks, run in their :class:`FoldedBlock`.

    Blocks: ``stem`` (convolution and BatchNorm), ``layer1`` to ``layer4``, and ``projection``.

    Args:
        embedding_dim: Length of the embedding.
        pretrained: Whether to start from the Kinetics-400 weights (downloaded once to torch.hub's folder).
        weights: A file to start from instead (see :func:`monai_fusion.networks.weights.load_r3d18`), for any value of
            ``pretrained``.
        dropout: Probability between the two linear layers.
        input_norm: ``kinetics`` shifts and scales the input as in the training of the weights (and of the frozen
            BatchNorm's statistics), by one mean and one standard deviation; ``none`` leaves the input unchanged.

    Raises:
        InputError: The weights are not available or not an R3D-18's, or ``input_norm`` is unknown.
    """

    def __init__(
        self,
        embedding_dim: int = 512,
        pretrained: bool = True,
        weights: str | PathLike[str] | None = None,
        dropout: float = 0.2,
        input_norm: str = "kinetics",
    ) -> None:
        if input_norm not in INPUT_NORMS:
            raise InputError(not_one_of("mri_input_norm", input_norm, INPUT_NORMS))
        backbone = r3d_18(weights=None)
        width = backbone.fc.in_features
        backbone.fc = nn.Identity()
        if pretrained or weights is not None:
            load_r3d18(backbone, weights)
        backbone.stem[0] = SingleChannelConv3d.of(backbone.stem[0])
        projection = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, embedding_dim)
        )
        super().__init__(backbone.to(memory_format=torch.channels_last_3d), projection, embedding_dim)
        self.input_norm = input_norm
        self._forms = {name: FoldedBlock() for name in MRI_BLOCKS}
        # As attributes, because TorchScript sees no constants of a module.
        self.input_mean, self.input_std = KINETICS_MEAN, KINETICS_STD

    def blocks(self) -> dict[str, tuple[nn.Module, ...]]:
        """The modules of ``stem``, ``layer1`` .. ``layer4`` and ``projection``."""
        blocks: dict[str, tuple[nn.Module, ...]] = {name: (self.backbone.get_submodule(name),) for name in MRI_BLOCKS}
        blocks[PROJECTION] = (self.projection,)
        return blocks

    def forward(self, mri: Tensor) -> Tensor:
        """Embed volumes.

        Args:
            mri: [B, 1, T, H, W] (or [B, 3, T, H, W], a replicated view) float32 in [0, 1]; T is the slab axis. The
                project's slabs are 96 x 128 x 128, any size works.

        Returns:
            [B, embedding_dim] float32, of L2 norm 1.

        Raises:
            ValueError: The shape is wrong.
        """
        if mri.dim() != 5 or (mri.shape[1] != 1 and mri.shape[1] != 3):
            raise ValueError(f"mri: shape {list(mri.shape)}, expected [B, 1, T, H, W] or [B, 3, T, H, W]")
        # MONAI's ckpt_export turns the network into TorchScript, which cannot run folded blocks.
        return self.embed(self.backbone(self._normalised(mri)) if is_scripting() else self._by_blocks(mri))

    def inference_forms(self) -> dict[str, nn.Module]:
        """The inference form of each block that has one of its present weights (see :class:`FoldedBlock`).

        Whoever replays a CUDA graph of this encoder keeps the dictionary of the capture: it keeps the forms' memory
        alive. Where a later call returns another one, a weight or the precision changed, and the graph is out of date.
        """
        return {
            name: form.form
            for name, form in self._forms.items()
            if form.form is not None and form.is_current(self.backbone.get_submodule(name))
        }

    def _normalised(self, mri: Tensor) -> Tensor:
        if self.input_norm == "kinetics":
            mri = (mri - self.input_mean) / self.input_std
        return mri

    def _by_blocks(self, mri: Tensor) -> Tensor:
        """The backbone's output: pooled features [B, F]."""
        only_run = self._leading_blocks(mri)
        x = mri if only_run else self._normalised(mri)
        for name in MRI_BLOCKS:
            block = self.backbone.get_submodule(name)
            if name == "stem" and only_run and self.input_norm == "kinetics":
                x = self._forms[name](block, x, self.input_mean, self.input_std)
            elif name in only_run:
                x = self._forms[name](block, x)
            elif x.device.type == "cpu" and _depth_after(name, x.shape[2]) == _MISCOMPUTED_DEPTH:
                with torch.autocast("cpu", enabled=False):
                    x = block(at_least_float32(x))
            else:
                x = block(x)
        pooled: Tensor = self.backbone.get_submodule("avgpool")(x).flatten(1)
        if only_run and mri.is_cuda:  # a broken volume must show there as well
            pooled = pooled + nan_where_not_finite(mri).to(pooled.dtype)
        return pooled

    def _leading_blocks(self, x: Tensor) -> list[str]:
        """The leading blocks through which no gradient flows and whose BatchNorm statistics do not change."""
        if torch.is_grad_enabled() and x.requires_grad:
            return []
        if torch.compiler.is_compiling() or is_tracing():  # type: ignore[no-untyped-call] # of torch
            return []  # a recorded graph keeps the weights themselves
        names: list[str] = []
        for name in MRI_BLOCKS:
            block = self.backbone.get_submodule(name)
            trains = torch.is_grad_enabled() and any(parameter.requires_grad for parameter in block.parameters())
            if trains or any(module.training for module in block.modules()):
                break
            names.append(name)
        return names


def _depth_after(block: str, depth: int) -> int:
    """The depth at which a block of R3D-18 computes: layer2 to layer4 halve it, rounding up."""
    return depth if block in ("stem", "layer1") else (depth + 1) // 2
