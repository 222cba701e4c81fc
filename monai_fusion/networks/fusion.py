"""The assembled network: two encoders and the gated head; it manages which blocks are frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike

import torch
from torch import Tensor, nn

from monai_fusion import keys
from monai_fusion.errors import InputError, Problem
from monai_fusion.networks.encoder import BlockSize, Encoder, not_one_of, parameters_of
from monai_fusion.networks.head import FusionHead, GatedFusionHead
from monai_fusion.networks.weights import differences, read_exported_state

PARTS = ("eeg_enc", "mri_enc", "head")
"""The attributes of the network, which are the keys of an exported state."""


class FusionNet(nn.Module):
    """EEG scalograms and MRI volumes of the same participants -> class logits, gate and both embeddings.

    TorchScript must understand all code that :meth:`forward` calls, because MONAI's ``ckpt_export`` scripts the
    network: it traces only networks with one input, and does not support ``torch.export`` (MONAI 1.6).

    All parts that are used are trainable after construction; :meth:`set_trainable` chooses the parts that a stage of
    the training changes.

    With ``absence``, participants may lack a recording. The network encodes only existing recordings, so that
    BatchNorm's statistics come from recordings alone; a learned embedding replaces the other one, and the gate goes to
    the existing one.

    Attributes:
        eeg_enc: The encoder of scalograms.
        mri_enc: The encoder of volumes.
        head: The fusion head.

    Args:
        eeg: Scalograms [B, electrodes, F, T] -> embeddings [B, D]; :class:`EEGEncoder` unless the config names another.
        mri: Volumes [B, 1 or 3, T, H, W] -> embeddings [B, D]; :class:`MRIEncoder` unless the config names another.
        head: Two embeddings [B, D] -> logits and gate.
        absence: Whether participants may lack a recording. The head then has two more parameters, which start as zeros;
            all other parameters are, and start, as without it.
        modalities: ``both``, or ``eeg`` or ``mri`` for a network that only ever receives that one: the other's encoder
            keeps its place, so that files of weights have the same parts, but never trains.

    Raises:
        InputError: The parts have embeddings of different lengths.
    """

    def __init__(
        self, eeg: Encoder, mri: Encoder, head: FusionHead, absence: bool = False, modalities: str = "both"
    ) -> None:
        super().__init__()
        lengths = {"eeg": eeg.embedding_dim, "mri": mri.embedding_dim, "head": head.embedding_dim}
        if len(set(lengths.values())) > 1:
            seen = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise InputError(Problem("network_def", "embedding_dim", seen, "the same for all three"))
        self.modalities = modalities
        self.embedding_dim = head.embedding_dim
        self.eeg_enc, self.mri_enc, self.head = eeg, mri, head
        if absence or modalities != "both":
            self.head.learn_absence()
        if modalities != "both":
            (self.mri_enc if modalities == "eeg" else self.eeg_enc).freeze()

    def forward(
        self, eeg: Tensor | None, mri: Tensor | None = None, present: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Classify a batch.

        Args:
            eeg: [B, electrodes, F, T] float32, (electrode, frequency, time), z-scored; see :class:`EEGEncoder`.
            mri: [B, 1 or 3, T, H, W] float32 in [0, 1]; see :class:`MRIEncoder`.
            present: [B, 2] bool (EEG, MRI), best on the CPU: which participant has which recording. ``eeg`` and ``mri``
                then hold the rows of those who have it, in their order, and are None if no participant does.

        Returns:
            ``logits`` [B, num_classes], ``gate`` [B, 1] in [0, 1] (1: EEG only; 0.5 without one), ``eeg_embedding`` and
            ``mri_embedding`` [B, D] of L2 norm 1; float32, also under autocast. With ``present`` that too, and where a
            recording is absent, its embedding is the learned one and the gate 0 or 1.

        Raises:
            ValueError: A shape does not fit, a recording is missing without ``present``, or the network was made
                without ``absence``.
        """
        if present is None:
            self._check_both(eeg, mri)
        eeg_embedding = None if eeg is None else self.encode_eeg(eeg)
        mri_embedding = None if mri is None else self.encode_mri(mri)
        return self.fuse(eeg_embedding, mri_embedding, present)

    def _check_both(self, eeg: Tensor | None, mri: Tensor | None) -> None:
        if eeg is None:
            raise ValueError("no eeg, expected [B, electrodes, F, T]")
        if mri is None:
            raise ValueError("no mri, expected [B, 1, T, H, W] or [B, 3, T, H, W]")
        if eeg.shape[0] != mri.shape[0]:
            raise ValueError(f"eeg has {eeg.shape[0]} samples and mri {mri.shape[0]}, expected as many of either")

    def encode_eeg(self, eeg: Tensor) -> Tensor:
        """Embeddings [B, D] of scalograms [B, electrodes, F, T]."""
        return self.eeg_enc(eeg)

    def encode_mri(self, mri: Tensor) -> Tensor:
        """Embeddings [B, D] of volumes [B, 1 or 3, T, H, W]."""
        return self.mri_enc(mri)

    def fuse(
        self, eeg_embedding: Tensor | None, mri_embedding: Tensor | None, present: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Classify from embeddings: what :meth:`forward` does after encoding.

        Args:
            eeg_embedding: [B, D], for instance of all EEG segments of one participant.
            mri_embedding: [B, D], or [1, D] for one MRI that belongs to all of them.
            present: As in :meth:`forward`: the embeddings are then of those who have the recording, None if none does.

        Returns:
            The dictionary of :meth:`forward`.

        Raises:
            ValueError: A shape does not fit.
        """
        if present is not None:
            eeg_embedding = self._placed(eeg_embedding, self.head.absent_eeg, present[:, 0])
            mri_embedding = self._placed(mri_embedding, self.head.absent_mri, present[:, 1])
        if eeg_embedding is None or mri_embedding is None:
            raise ValueError("an embedding is missing, and present is not given")
        wanted = [eeg_embedding.shape[0], self.embedding_dim]
        if mri_embedding.dim() == 2 and mri_embedding.shape[0] == 1:
            mri_embedding = mri_embedding.expand(eeg_embedding.shape[0], -1)
        if list(eeg_embedding.shape) != wanted or list(mri_embedding.shape) != wanted:
            raise ValueError(
                f"embeddings: shapes {list(eeg_embedding.shape)} (eeg) and {list(mri_embedding.shape)} (mri),"
                f" expected [B, {self.embedding_dim}] for both, or one mri"
            )
        logits, gate = self.head(eeg_embedding, mri_embedding, present)
        answer = {
            keys.LOGITS: logits,
            keys.GATE: gate,
            keys.EEG_EMBEDDING: eeg_embedding,
            keys.MRI_EMBEDDING: mri_embedding,
        }
        if present is not None:
            answer[keys.PRESENT] = present
        return answer

    @torch.jit.unused
    def fuse_with_gate(self, eeg_embedding: Tensor, mri_embedding: Tensor, gate: float) -> Tensor:
        """Classify as :meth:`fuse`, with this gate for all in place of their own; a head without a gate ignores it.

        Args:
            eeg_embedding: [B, D].
            mri_embedding: [B, D].
            gate: From 0 to 1.

        Returns:
            Logits [B, num_classes].
        """
        if not isinstance(self.head, GatedFusionHead):
            return self.fuse(eeg_embedding, mri_embedding)[keys.LOGITS]
        gates = torch.full_like(eeg_embedding[:, :1], gate)
        logits: Tensor = self.head.classify(eeg_embedding, mri_embedding, gates)
        return logits

    def _placed(self, embedding: Tensor | None, absent: Tensor | None, here: Tensor) -> Tensor:
        """Embeddings [n, D] of the participants ``here`` [B], with the learned one in the others' places: [B, D]."""
        rows = here.nonzero().flatten()
        found = 0 if embedding is None else embedding.shape[0]
        if found != rows.shape[0]:
            raise ValueError(f"{found} recordings, but present has {rows.shape[0]}")
        if embedding is not None and found == here.shape[0]:
            return embedding
        if absent is None:
            raise ValueError("a recording is absent, and the network was made without absence=True")
        learned = absent.expand(here.shape[0], -1)
        if embedding is None:
            return learned
        return learned.index_copy(0, rows.to(embedding.device), embedding.to(absent.dtype))

    def set_trainable(self, eeg_blocks: Sequence[str], mri_blocks: Sequence[str]) -> None:
        """Train exactly these blocks, the head, and what the encoders always train (projections, the EEG stem).

        All other blocks are frozen: no gradients for their parameters, and BatchNorm in evaluation mode even after
        ``train()``. Blocks that an earlier call froze and this one names train again.

        Args:
            eeg_blocks: Of the EEG encoder: ``stem``, ``stage1`` .. ``stage4`` (1-based; timm's ``stages.0`` ..).
            mri_blocks: Of the MRI encoder: ``stem``, ``layer1`` .. ``layer4``.

        Raises:
            InputError: A name is unknown; nothing has changed then.
        """
        problems = _unknown_blocks("eeg_blocks", eeg_blocks, self.eeg_enc.block_names())
        problems += _unknown_blocks("mri_blocks", mri_blocks, self.mri_enc.block_names())
        if problems:
            raise InputError(problems)
        if self.modalities != "mri":
            self.eeg_enc.set_trainable(set(eeg_blocks))
        if self.modalities != "eeg":
            self.mri_enc.set_trainable(set(mri_blocks))
        self.head.requires_grad_(True)

    def blocks(self) -> dict[str, tuple[nn.Module, ...]]:
        """The modules of every block, which together hold each parameter once.

        The names are ``eeg_enc.stem``, ``eeg_enc.stage1`` .. ``eeg_enc.projection``, ``mri_enc.stem``,
        ``mri_enc.layer1`` .. ``mri_enc.projection`` and ``head``.
        """
        blocks = {f"eeg_enc.{name}": modules for name, modules in self.eeg_enc.blocks().items()}
        blocks |= {f"mri_enc.{name}": modules for name, modules in self.mri_enc.blocks().items()}
        return blocks | {"head": (self.head,)}

    def block_parameters(self) -> dict[str, list[nn.Parameter]]:
        """The parameters of every block of :meth:`blocks`, trainable now or not."""
        return {name: parameters_of(modules) for name, modules in self.blocks().items()}

    def trainable_summary(self) -> dict[str, BlockSize]:
        """How many parameters each block of :meth:`blocks` has, and how many of them train now."""
        return {
            name: BlockSize(sum(p.numel() for p in found), sum(p.numel() for p in found if p.requires_grad))
            for name, found in self.block_parameters().items()
        }

    def export_state(self) -> dict[str, dict[str, Tensor]]:
        """The state dicts of ``eeg_enc``, ``mri_enc`` and ``head``, copied to the CPU.

        This is the content of ``fusion_convnext_r3d18_gated_align.pth``. Below ``backbone.`` the names are timm's and
        torchvision's own; only the EEG stem has a different shape.
        """
        return {
            part: {
                name: value.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
                for name, value in self.get_submodule(part).state_dict().items()
            }
            for part in PARTS
        }

    def load_exported(self, state: Mapping[str, Mapping[str, Tensor]], source: str = "exported state") -> None:
        """Load what :meth:`export_state` returned, entirely or not at all.

        Args:
            state: The three state dicts.
            source: Its origin, for the message; usually the file.

        Raises:
            InputError: A part is missing or left over, or does not fit this network.
        """
        if set(state) != set(PARTS):
            raise InputError(Problem(source, seen=f"holds {', '.join(state) or 'nothing'}", wanted=", ".join(PARTS)))
        problems = [
            Problem(source, part, difference, advice="was it saved with other electrodes, classes or embedding_dim?")
            for part in PARTS
            if (difference := differences(self.get_submodule(part), state[part]))
        ]
        if problems:
            raise InputError(problems)
        for part in PARTS:
            self.get_submodule(part).load_state_dict(state[part])

    def load_exported_file(self, path: str | PathLike[str]) -> None:
        """Load a file such as ``fusion_convnext_r3d18_gated_align.pth``.

        Raises:
            InputError: It is missing, damaged, of another kind, or does not fit this network.
        """
        self.load_exported(read_exported_state(path), source=f"weights '{path}'")


def _unknown_blocks(where: str, names: Sequence[str], known: Sequence[str]) -> list[Problem]:
    if isinstance(names, str):  # a sequence of letters to Python, and a likely mistake in a config
        return [Problem(where, seen=f"the text '{names}'", wanted="a list of block names", advice=f"write ['{names}']")]
    return [not_one_of(where, name, known) for name in names if name not in known]
