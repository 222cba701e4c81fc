"""Whether a model has learned from the same participants that it is to be evaluated on."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from monai_fusion.datalist import ParticipantRecord
from monai_fusion.run_folder import TRAINED_ON as TRAINED_ON
from monai_fusion.run_folder import VALIDATED_ON
from monai_fusion.store.file_index import contents_of


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


def learned_from(
    training: Sequence[ParticipantRecord],
    validation: Sequence[ParticipantRecord],
    cache_dir: str | os.PathLike[str] | None,
) -> dict[str, list[str]]:
    """Return the entries of a recipe for the participants of a training.

    Args:
        training: The participants of the training part, with the recordings that the run uses.
        validation: Those of the validation part.
        cache_dir: As in `digests_of`.
    """
    parts = {TRAINED_ON: training, VALIDATED_ON: validation}
    return {
        name: sorted({digest for digests in digests_of(records, cache_dir).values() for digest in digests})
        for name, records in parts.items()
    }


def warnings_of_known(
    recipe: Mapping[str, Any], records: Sequence[ParticipantRecord], cache_dir: str | os.PathLike[str] | None
) -> list[str]:
    """Warn if a model has learned from some of these participants, or was chosen by them, with their number.

    Args:
        recipe: Of the model; without ``trained_on``, as earlier versions wrote it, there is no warning.
        records: The participants to evaluate.
        cache_dir: As in `digests_of`.

    Returns:
        The warnings, or none.
    """
    lists = {name: recipe.get(name) for name in (TRAINED_ON, VALIDATED_ON)}
    if not any(isinstance(entry, list) and entry for entry in lists.values()):
        return []
    of_each = digests_of(records, cache_dir).values()
    found = []
    for name, part in ((TRAINED_ON, "training"), (VALIDATED_ON, "validation")):
        if "members" not in recipe and all(record.section == part for record in records):
            del lists[name]  # the results of this part have the warning in any case
    for name, entry in lists.items():
        known = set(map(str, entry)) if isinstance(entry, list) else set()
        number = sum(not known.isdisjoint(digests) for digests in of_each)
        if number:
            found.append(_warning(name, number, len(of_each), "members" in recipe))
    return found


def _warning(name: str, number: int, of: int, is_ensemble: bool) -> str:
    biased = "these scores are optimistically biased"
    if name == VALIDATED_ON:
        chosen = "chose this model's epoch and calibration"
        return f"{number} of these {of} participants, recognised by their recordings, {chosen}: {biased}"
    who = "ensemble" if is_ensemble else "model"
    advice = (
        "use the out-of-fold scores in comparison.json"
        if is_ensemble
        else "evaluate participants whom it has not seen (they are recognised by their recordings, under any id)"
    )
    return f"this {who} has learned from {number} of these {of} participants: {biased}; {advice}"
