"""Digests for an exact comparison of two runs: of the recordings that they read and of their final weights."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from typing import Any

from monai_fusion.datalist import Datalist
from monai_fusion.datalist.availability import restricted_to
from monai_fusion.fingerprint import digest_of
from monai_fusion.networks.digests import tensors_digest
from monai_fusion.saved_tensors import load_state
from monai_fusion.store.file_index import contents_of


def data_digests(
    cohort: Datalist, cache_dir: str | os.PathLike[str], modalities: str = "both"
) -> dict[str, dict[str, Any]]:
    """Digest the recordings of each section by their contents, as the store's index knows them.

    The function reads a file that the index does not know, or that has changed since. File names do not count.

    Args:
        cohort: The participants.
        cache_dir: Folder of the preprocessed store.
        modalities: ``eeg`` or ``mri`` for those recordings alone; the files of the others need not exist.

    Returns:
        ``{"training": {"participants": 28, "files": 112, "digest": "..."}, ...}``.
    """
    by_section = {
        section: [restricted_to(record, modalities) for record in cohort.records(section)]
        for section in cohort.sections
    }
    every = itertools.chain.from_iterable(by_section.values())
    contents = contents_of((path for record in every for path in record.files), cache_dir)
    digests = {}
    for section, records in by_section.items():
        recordings = {
            record.participant_id: [
                sorted(itertools.islice(contents, len(record.eeg))),
                next(contents) if record.mri else None,
            ]
            for record in records
        }
        files = sum(len(record.files) for record in records)
        digests[section] = {"participants": len(recordings), "files": files, "digest": digest_of(recordings)}
    return digests


def weights_digests(path: str | os.PathLike[str], parts: Sequence[str]) -> dict[str, Any]:
    """Digest the tensors of a state dict that was saved with `torch.save`.

    Args:
        path: The file, e.g. ``model.pt``.
        parts: First words of the tensors' names, e.g. ``eeg_enc``; each gets a digest of its own.

    Returns:
        ``{"digest": "...", "parts": {"eeg_enc": "...", ...}}``. Equal digests mean equal names, types, shapes and bits.

    Raises:
        DamagedError: The file is damaged, or of another kind.
    """
    state = load_state(path)
    of_part = {part: tensors_digest(state, [part]) for part in parts}
    return {"digest": tensors_digest(state), "parts": of_part}
