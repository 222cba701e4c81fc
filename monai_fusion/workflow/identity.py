"""What a training is: two runs with the same identity give the same numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monai_fusion.datalist import Datalist
from monai_fusion.fingerprint import describe_chain, digest_of


def training_identity(
    cohort: Datalist,
    preprocessing: Mapping[str, Sequence[object]],
    augmentation: Mapping[str, Sequence[object]],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Describe a training by everything that its numbers depend on.

    Args:
        cohort: The participants; their ids, classes, sections and file names count, the folder they lie in does not.
        preprocessing: The deterministic transforms of each recording.
        augmentation: The random transforms of each recording.
        settings: The knobs, in JSON's types.

    Returns:
        JSON's types, flat: one name for each thing that may differ.
    """
    people = [
        [
            record.participant_id,
            record.label,
            record.section,
            *(path.name for path in record.eeg),
            record.mri and record.mri.name,
        ]
        for section in cohort.sections
        for record in cohort.records(section)
        if section != "test"  # its people have no part in the training
    ]
    chains = {
        f"{name}_{kind}": digest_of(describe_chain(chain))
        for kind, chains in (("preprocessing", preprocessing), ("augmentation", augmentation))
        for name, chain in chains.items()
    }
    return {"classes": list(cohort.classes), "participants": digest_of(people), **chains, **settings}
