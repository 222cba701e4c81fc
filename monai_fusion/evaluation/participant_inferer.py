"""One prediction for each participant: the MRI is encoded once and fused with every EEG segment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Protocol, cast

import torch
from monai.inferers import Inferer
from torch import Tensor

from monai_fusion.errors import InputError, Problem
from monai_fusion.keys import (
    EEG_EMBEDDING,
    FUSED_EMBEDDING,
    GATE,
    LOGITS,
    MRI_EMBEDDING,
    PROBABILITIES,
    SEGMENT_EEG_EMBEDDINGS,
    SEGMENT_PROBABILITIES,
)
from monai_fusion.options.knob_values import AUTO
from monai_fusion.precision import autocast

ON_CPU, ON_SMALL_GPU, ON_GPU = 16, 32, 128
"""What ``segment_batch_size: auto`` is: on a CPU, on a GPU with less than 12 GiB, and on a larger one."""
_SMALL = 12 * 2**30


class FusionNetwork(Protocol):
    """The methods of a network that an evaluation uses."""

    def encode_eeg(self, eeg: Tensor) -> Tensor:
        """[B, 17, F, T] -> [B, D]."""

    def encode_mri(self, mri: Tensor) -> Tensor:
        """[B, C, T, H, W] -> [B, D]."""

    def fuse(
        self, eeg_embedding: Tensor | None, mri_embedding: Tensor | None, present: Tensor | None = None
    ) -> dict[str, Tensor]:
        """[B, D], [B, D] -> logits [B, K], gate [B, 1] and both embeddings; ``present`` if one of them is None."""


def segments_at_once(asked: int | str, device: str | torch.device) -> int:
    """Return how many EEG segments an evaluation encodes together.

    Args:
        asked: The number, or ``auto``: 16 on a CPU; 128 on a GPU, 32 on one with less than 12 GiB.
        device: Where the network runs.

    Raises:
        InputError: ``asked`` is something else.
    """
    if asked == AUTO:
        chosen = torch.device(device)
        if chosen.type != "cuda":
            return ON_CPU
        return ON_SMALL_GPU if torch.cuda.get_device_properties(chosen).total_memory < _SMALL else ON_GPU
    if not isinstance(asked, int) or isinstance(asked, bool) or asked < 1:
        raise InputError(Problem("segment_batch_size", seen=repr(asked), wanted="auto or a whole number from 1"))
    return asked


class ParticipantInferer(Inferer):
    """Average the class probabilities over all EEG segments of each participant.

    A batch may have several participants: their MRIs are encoded together, and their segments one group after the
    other, without regard to where a participant ends. A participant without an EEG takes one row of the head, with the
    embedding that the network has learned in its place; a participant without an MRI takes one row for each segment.

    Args:
        segment_batch_size: The number of segments in one pass of the EEG encoder; it affects only memory and speed.
        precision: The network's precision: ``float32``, ``bfloat16`` or ``float16``.

    Raises:
        InputError: ``segment_batch_size`` is less than 1.
    """

    def __init__(self, segment_batch_size: int = ON_CPU, precision: str = "float32") -> None:
        super().__init__()
        self.segment_batch_size = segments_at_once(segment_batch_size, "cpu")
        self.precision = precision

    def __call__(
        self,
        inputs: Tensor | Sequence[Tensor] | None,
        network: torch.nn.Module,
        *args: Any,
        segments: Sequence[int] | Tensor | None = None,
        present: Tensor | None = None,
        **kwargs: Any,
    ) -> dict[str, Tensor]:
        """Predict the participants of a batch.

        Args:
            inputs: The EEG segments of those who have an EEG, one participant after the other: one tensor [sum of S,
                17, F, T], or a list with a tensor [S, 17, F, T] for each; None if no participant has one. On any
                device: what is not on the network's is sent there while the MRIs are encoded.
            network: A `FusionNet`; with learned embeddings for missing recordings if one is missing.
            *args: The MRIs of those who have one, [n_m, C, T, H, W], on the network's device; None if there is none.
            segments: The number of segments of each participant, 0 without an EEG; None if the batch is one
                participant.
            present: [P, 2] bool (EEG, MRI), on the CPU: which participant has which recording; None: all have both or,
                of one participant, what is there.
            **kwargs: Not used; part of MONAI's interface.

        Returns:
            float32 ``probabilities`` [P, K] and ``gate`` [P, 1] (means over a participant's segments), ``logits``
            [P, K] (logarithm of the mean probabilities), ``eeg_embedding`` and ``fused_embedding`` [P, D] (means over
            the segments), ``mri_embedding`` [P, D]; and of each segment, one participant after the other,
            ``segment_probabilities`` [sum of S, K] and ``segment_eeg_embeddings`` [sum of S, D]. The embedding of a
            missing recording is NaN. Nothing for a batch without participants.

        Raises:
            ValueError: The numbers of segments, or of MRIs, do not fit the recordings.
        """
        (mri,) = args
        if segments is not None and not len(segments):
            return {}
        rows = _Rows(inputs, mri, segments, present)
        parts = self._parts(rows, inputs, mri, cast(FusionNetwork, network), _device_of(network, inputs, mri))
        keys = (LOGITS, GATE, EEG_EMBEDDING, MRI_EMBEDDING)
        logits, gate, eeg, of_mri = (torch.cat([part[key] for part in parts]).float() for key in keys)
        shares = logits.softmax(dim=1)
        probabilities = rows.means(shares)
        return {
            PROBABILITIES: probabilities,
            LOGITS: probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny).log(),
            GATE: rows.means(gate),
            EEG_EMBEDDING: _unknown_where(rows.means(eeg), [not number for number in rows.segments]),
            MRI_EMBEDDING: _unknown_where(rows.firsts(of_mri), [not there for there in rows.with_mri]),
            SEGMENT_PROBABILITIES: rows.of_segments(shares),
            SEGMENT_EEG_EMBEDDINGS: rows.of_segments(eeg),
            FUSED_EMBEDDING: rows.means(gate * eeg + (1 - gate) * of_mri),
        }

    def _parts(
        self,
        rows: _Rows,
        eeg: Tensor | Sequence[Tensor] | None,
        mri: Tensor | None,
        network: FusionNetwork,
        device: torch.device,
    ) -> list[dict[str, Tensor]]:
        """The network's outputs for the rows, in groups of ``segment_batch_size``."""
        stream = _Stream([] if eeg is None else [eeg] if isinstance(eeg, Tensor) else eeg, device)
        with autocast(self.precision, device):
            volumes = None if mri is None else network.encode_mri(mri)
            stream.wait()
            parts = []
            for group in rows.groups(self.segment_batch_size):
                segments = sum(rows.segments[owner] > 0 for owner in group)
                embedding = network.encode_eeg(stream.take(segments)) if segments else None
                parts.append(_fused(rows, group, embedding, volumes, network))
        return parts


class _Rows:
    """The rows of the head: one for each segment, or one for a participant without an EEG; in the batch's order."""

    def __init__(
        self,
        eeg: Tensor | Sequence[Tensor] | None,
        mri: Tensor | None,
        segments: Sequence[int] | Tensor | None,
        present: Tensor | None,
    ) -> None:
        found = 0 if eeg is None else len(eeg) if isinstance(eeg, Tensor) else sum(map(len, eeg))
        self.segments = [found] if segments is None else [int(number) for number in segments]
        people = len(self.segments)
        self.with_mri = [mri is not None] * people if present is None else present[:, 1].tolist()
        if sum(self.segments) != found or len(self.with_mri) != people:
            raise ValueError(f"{found} segments of {len(self.with_mri)} participants, but segments is {self.segments}")
        if sum(self.with_mri) != (0 if mri is None else len(mri)):
            raise ValueError(f"{0 if mri is None else len(mri)} MRIs of {sum(self.with_mri)} participants")
        if not all(number or there for number, there in zip(self.segments, self.with_mri, strict=True)):
            raise ValueError("neither an EEG nor an MRI")
        self.counts = [max(1, number) for number in self.segments]
        self.places = [sum(self.with_mri[:owner]) for owner in range(people)]  # of each participant's MRI

    def groups(self, size: int) -> Iterator[list[int]]:
        """The participant of each row, in groups of ``size`` rows."""
        owners = [owner for owner, count in enumerate(self.counts) for _ in range(count)]
        for start in range(0, len(owners), size):
            yield owners[start : start + size]

    def means(self, values: Tensor) -> Tensor:
        """[rows, ...] -> [P, ...]: the mean over the rows of each participant."""
        return torch.cat([own.mean(dim=0, keepdim=True) for own in torch.split(values, self.counts)])

    def firsts(self, values: Tensor) -> Tensor:
        """[rows, ...] -> [P, ...]: the first row of each participant."""
        return torch.cat([own[:1] for own in torch.split(values, self.counts)])

    def of_segments(self, values: Tensor) -> Tensor:
        """[rows, ...] -> [sum of S, ...]: without the rows of participants who have no EEG."""
        owned = zip(torch.split(values, self.counts), self.segments, strict=True)
        return torch.cat([values[:0], *(own for own, number in owned if number)])


class _Stream:
    """The segments of a batch on the device, taken in order, without regard to participants.

    What is elsewhere is copied to a GPU on a CUDA stream of its own, beside the computation.
    """

    def __init__(self, eeg: Sequence[Tensor], device: torch.device) -> None:
        self._device = device
        self._copies = None
        self._pieces = list(eeg)
        if device.type == "cuda" and any(piece.device != device for piece in eeg):
            self._copies = torch.cuda.Stream(device)  # type: ignore[no-untyped-call] # torch leaves it untyped
            with torch.cuda.stream(self._copies):
                self._pieces = [piece.to(device, non_blocking=True) for piece in eeg]
        elif any(piece.device != device for piece in eeg):
            self._pieces = [piece.to(device) for piece in eeg]

    def wait(self) -> None:
        """Let the computation wait for the copies; the host does not wait."""
        if self._copies is None:
            return
        here = torch.cuda.current_stream(self._device)
        here.wait_stream(self._copies)
        for piece in self._pieces:
            piece.record_stream(here)  # the memory was allocated for the other stream

    def take(self, count: int) -> Tensor:
        """The next ``count`` segments; a copy only where they are of several participants."""
        taken: list[Tensor] = []
        while count:
            piece = self._pieces.pop(0)
            taken.append(piece[:count])
            if len(piece) > count:
                self._pieces.insert(0, piece[count:])
            count -= len(taken[-1])
        return taken[0] if len(taken) == 1 else torch.cat(taken)


def _fused(
    rows: _Rows, group: Sequence[int], eeg: Tensor | None, volumes: Tensor | None, network: FusionNetwork
) -> dict[str, Tensor]:
    """The head's outputs for a group of rows: their EEG embeddings, and the embeddings of all MRIs of the batch."""
    runs = [(owner, len(list(run))) for owner, run in groupby(group) if rows.with_mri[owner]]
    places = [(rows.places[owner], length) for owner, length in runs]
    mri = None
    if volumes is not None and places:
        repeated = [volumes[place : place + 1].expand(length, -1) for place, length in places]
        mri = repeated[0] if len(repeated) == 1 else torch.cat(repeated)
    if eeg is not None and mri is not None and len(eeg) == len(mri) == len(group):
        return network.fuse(eeg, mri)
    here = torch.tensor([[rows.segments[owner] > 0, rows.with_mri[owner]] for owner in group])
    return network.fuse(eeg, mri, here)


def _unknown_where(values: Tensor, absent: Sequence[bool]) -> Tensor:
    """[P, D], with NaN in the rows of participants who lack the recording."""
    if not any(absent):
        return values
    rows = zip(torch.split(values, 1), absent, strict=True)
    return torch.cat([torch.full_like(row, torch.nan) if missing else row for row, missing in rows])


def _device_of(network: torch.nn.Module, eeg: Tensor | Sequence[Tensor] | None, mri: Tensor | None) -> torch.device:
    """Where the MRIs are, or else the network; of a network without parameters, where the EEG is."""
    if mri is not None:
        return mri.device
    some: Tensor | None = next(network.parameters(), None)
    if some is None:
        some = eeg if isinstance(eeg, Tensor) else eeg[0] if eeg else None
    if some is None:
        raise ValueError("neither an EEG nor an MRI")
    return some.device
