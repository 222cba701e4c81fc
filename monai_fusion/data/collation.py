"""Evaluation batches: whole participants, with all their EEG segments, and what a network takes from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from monai.engines import PrepareBatch
from torch import Tensor

from monai_fusion.keys import EEG, LABEL, MRI, PARTICIPANT_ID, PRESENT, SEGMENTS

UNKNOWN_LABEL = -1
"""The label, in a batch, of a participant without one; a batch in which no participant has one has no labels."""


def collate_participants(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Make an evaluation batch of whole participants, who may differ in their number of EEG segments.

    Segments are not copied: those of one participant stay [S, 17, F, T], those of several are a list of such tensors.

    Args:
        items: From a `FusionDataset` with ``segments="all"``.

    Returns:
        ``eeg``, the segments of those who have an EEG, in their order: of one participant [S, 17, F, T], of several a
        list; ``mri`` [n_m, C, T, H, W] of those who have an MRI; each only if any has it. ``segments``, the number of
        segments of each participant (0 without an EEG), ``present`` [P, 2] bool (EEG, MRI), ``participant_id`` [P]
        and, if any is known, ``label`` [P] int64, `UNKNOWN_LABEL` where it is not.
    """
    eeg = [item[EEG] for item in items if EEG in item]
    mri = [item[MRI] for item in items if MRI in item]
    batch: dict[str, Any] = {EEG: eeg if len(eeg) > 1 else eeg[0]} if eeg else {}
    batch |= {MRI: torch.stack(mri) if len(mri) > 1 else mri[0][None]} if mri else {}
    batch[SEGMENTS] = [len(item.get(EEG, ())) for item in items]
    batch[PRESENT] = torch.tensor([[EEG in item, MRI in item] for item in items], dtype=torch.bool).reshape(-1, 2)
    batch[PARTICIPANT_ID] = [item[PARTICIPANT_ID] for item in items]
    if any(LABEL in item for item in items):
        batch[LABEL] = torch.tensor([item.get(LABEL, UNKNOWN_LABEL) for item in items])
    return batch


class EvaluationPrepareBatch(PrepareBatch):
    """Turn an evaluation batch into the arguments of a `ParticipantInferer`.

    The MRIs go to the device. The segments stay where they are: the inferer sends them while the MRIs are encoded.
    """

    def __call__(
        self,
        batchdata: dict[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[Tensor | Sequence[Tensor] | None, Tensor | None, tuple[Tensor | None], dict[str, Any]]:
        """Return ``(eeg, label, (mri,), further)``; ``further`` has ``segments`` and ``present``, if the batch does."""
        mri, label = batchdata.get(MRI), batchdata.get(LABEL)
        if mri is not None:
            mri = mri.to(device=device, non_blocking=non_blocking, **kwargs)
        if label is not None:
            label = label.to(device=device, non_blocking=non_blocking)
        further = {key: batchdata[key] for key in (SEGMENTS, PRESENT) if key in batchdata}
        return batchdata.get(EEG), label, (mri,), further


def segments_of(batch: Mapping[str, Any]) -> list[int]:
    """Return the number of EEG segments of each participant in an evaluation batch; 0 without an EEG."""
    if SEGMENTS in batch:
        return [int(number) for number in batch[SEGMENTS]]
    return [len(batch.get(EEG, ()))]


def presence_of(batch: Mapping[str, Any]) -> list[tuple[bool, bool]]:
    """Return for each participant in an evaluation batch whether it has an EEG, and an MRI."""
    if PRESENT in batch:
        return [(eeg, mri) for eeg, mri in batch[PRESENT].tolist()]
    return [(EEG in batch, MRI in batch)] * len(batch[PARTICIPANT_ID])


def eeg_of_each(batch: Mapping[str, Any]) -> list[Tensor]:
    """Return the segments of each participant in an evaluation batch who has an EEG, [S, 17, F, T] each."""
    eeg = batch.get(EEG)
    if eeg is None:
        return []
    if isinstance(eeg, Tensor):
        return list(torch.split(eeg, [number for number in segments_of(batch) if number]))
    return list(eeg)
