"""Digests by which two runs are compared exactly: of the recordings that went in and of the weights that came out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import xxhash

from monai_fusion.data.sources import SourceIndex
from monai_fusion.datalist import Datalist
from monai_fusion.fingerprint import content_hash, digest_of


def data_digests(cohort: Datalist, cache_dir: str | os.PathLike[str]) -> dict[str, dict[str, Any]]:
    """Digest the recordings of each section by their contents, as the store's index knows them.

    A file that the index does not know, or that changed since, is read. File names do not count.

    Args:
        cohort: The participants.
        cache_dir: Folder of the preprocessed store.

    Returns:
        ``{"training": {"participants": 28, "files": 112, "digest": "..."}, ...}``.
    """
    index = SourceIndex(cache_dir)

    def content(path: Path) -> str:
        known = index.look_up(path)
        return known.content if known is not None and known.fresh else content_hash(path)

    digests = {}
    for section in cohort.sections:
        people = {
            record.participant_id: [sorted(map(content, record.eeg)), record.mri and content(record.mri)]
            for record in cohort.records(section)
        }
        files = sum(len(record.eeg) + (record.mri is not None) for record in cohort.records(section))
        digests[section] = {"participants": len(people), "files": files, "digest": digest_of(people)}
    return digests


def weights_digests(path: str | os.PathLike[str], parts: Sequence[str]) -> dict[str, Any]:
    """Digest the tensors of a state dict that was saved with `torch.save`.

    Args:
        path: The file, e.g. ``model.pt``.
        parts: First words of the tensors' names, e.g. ``eeg_enc``, of which each gets a digest of its own.

    Returns:
        ``{"digest": "...", "parts": {"eeg_enc": "...", ...}}``. Equal digests mean equal names, types, shapes and bits.
    """
    state: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    of_part = {part: {name: state[name] for name in state if name.startswith(f"{part}.")} for part in parts}
    return {"digest": _digest(state), "parts": {part: _digest(chosen) for part, chosen in of_part.items()}}


def _digest(state: Mapping[str, torch.Tensor]) -> str:
    digest = xxhash.xxh3_128()
    for name in sorted(state):
        tensor = state[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)  # as bytes: numpy has no bfloat16
    return digest.hexdigest()
