"""Whether a model has learned from the same participants that it is to be evaluated on."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from monai_fusion.datalist import ParticipantRecord
from monai_fusion.store.file_index import contents_of

TRAINED_ON = "trained_on"
"""The entry of a recipe that holds the digests of `digests_of`."""


def digests_of(
    records: Sequence[ParticipantRecord], cache_dir: str | os.PathLike[str] | None
) -> dict[str, frozenset[str]]:
    """Return, for each participant, the content hashes of the recordings.

    Models are passed on, so they name no participant: only a user who has a recording can check whether it was used.

    Args:
        records: The participants.
        cache_dir: The preprocessed store, whose index knows the contents; None reads the files.
    """
    contents = contents_of((path for record in records for path in record.files), cache_dir)
    return {record.participant_id: frozenset(next(contents) for _ in record.files) for record in records}


def warnings_of_known(
    recipe: Mapping[str, Any], records: Sequence[ParticipantRecord], cache_dir: str | os.PathLike[str] | None
) -> list[str]:
    """Warn if an ensemble has learned from some of these participants, with their number.

    Args:
        recipe: Of the model; without ``trained_on``, as a single training writes it, there is no warning.
        records: The participants to evaluate.
        cache_dir: As in `digests_of`.

    Returns:
        The warning, or none.
    """
    trained_on = recipe.get(TRAINED_ON)
    if not isinstance(trained_on, list):
        return []
    known = set(map(str, trained_on))
    number = sum(not known.isdisjoint(digests) for digests in digests_of(records, cache_dir).values())
    if number == 0:
        return []
    return [
        f"this ensemble has learned from {number} of these {len(records)} participants: these scores are "
        "optimistically biased; use the out-of-fold scores in comparison.json"
    ]
