"""How an evaluation or inference treats participants who lack a recording, depending on what the model has learned."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from monai_fusion.datalist import ModalityPolicy, ParticipantRecord
from monai_fusion.datalist.availability import count_by_modalities
from monai_fusion.errors import InputError, Problem
from monai_fusion.options.overrides import as_bool

logger = logging.getLogger(__name__)


def recordings_for(recipe: Mapping[str, Any], allow_missing: object = None) -> ModalityPolicy:
    """Decide which recordings an evaluation uses, and of which participants.

    Args:
        recipe: From `read_recipe`.
        allow_missing: Whether to predict participants who lack a recording; None: if the model can, because it has
            learned embeddings in place of either. A model of one modality does so if its training included participants
            who have that one alone.

    Raises:
        InputError: It is true, and the model has not learned it.
    """
    can, modalities = bool(recipe.get("absence", False)), recipe.get("modalities", "both")
    if allow_missing is None:
        return ModalityPolicy(modalities, allow_missing=can if modalities == "both" else bool(recipe["allow_missing"]))
    wanted = as_bool(allow_missing, "--allow_missing")
    if wanted and not can:
        advice = "train it with --modality_dropout 0.2, or with --allow_missing true and such participants"
        seen = "this model was trained only on participants with both recordings"
        raise InputError(Problem("--allow_missing", seen=seen, advice=advice))
    return ModalityPolicy(modalities, allow_missing=wanted)


def warn_of_unseen_absence(
    recipe: Mapping[str, Any], use: ModalityPolicy, records: Iterable[ParticipantRecord]
) -> None:
    """Warn if participants lack a recording that no participant lacked in the training.

    Args:
        recipe: From `read_recipe`.
        use: From `recordings_for`.
        records: The participants to predict.
    """
    counts = count_by_modalities(use.select(records)[0])
    for name, lacking in (("eeg", counts["mri"]), ("mri", counts["eeg"])):
        if lacking and name in recipe.get("unseen_absence", ()):
            logger.warning(
                "without %s: %d, but no participant lacked it in the training: the network has never seen that case,"
                " and its predictions for them mean little (train with --modality_dropout 0.2)",
                *(name.upper(), lacking),
            )
