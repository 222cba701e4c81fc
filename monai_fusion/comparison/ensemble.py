"""The fold models of a variant as one model folder, a ``--model_dir`` for inference.yaml and evaluate.yaml."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from monai_fusion.datalist import ModalityPolicy, ParticipantRecord, read_datalist
from monai_fusion.errors import InputError, Problem
from monai_fusion.files import write_atomically, write_json
from monai_fusion.fingerprint import content_hash, digest_of
from monai_fusion.metrics.calibration_file import StoredPrediction, fit_calibration_file, read_calibration
from monai_fusion.output_folder import remove_all
from monai_fusion.reading import read_json_object
from monai_fusion.recordings.scalogram_recipe import ENTRY as SCALOGRAM_RECIPE
from monai_fusion.recordings.scalogram_recipe import read_recipe_entry
from monai_fusion.report.predictions_reader import read_predictions
from monai_fusion.run_folder import (
    CALIBRATION_FILE,
    COHORT_PROFILE_FILE,
    MODEL_FILE,
    PREDICTIONS_FILE,
    RECIPE_FILE,
)

if TYPE_CHECKING:
    from monai_fusion.comparison.planning import Plan
    from monai_fusion.comparison.run_records import RunRecord

logger = logging.getLogger(__name__)

FOLDER = "ensemble"
# Entries of the recipe that may differ between the members.
_OWN = ("seed", "trained_on", "validated_on", SCALOGRAM_RECIPE)


def keep_ensemble(plan: Plan, records: Sequence[RunRecord]) -> Path | None:
    """Write the ensemble that a comparison asks for, unless it is there, and remove its members' weights.

    Args:
        plan: The comparison; its option ``keep_models`` keeps the weights.
        records: All its runs, finished.

    Returns:
        The folder; None if no ensemble was asked for.

    Raises:
        InputError: As of `write_ensemble`.
    """
    members = [record for record in records if plan.is_member(record.run)]
    if not members:
        return None
    if not ensemble_is_made(plan, members):
        write_ensemble(plan, members)
    if not plan.options.keep_models:
        for record in members:
            record.remove_model()
    return plan.options.output_dir / FOLDER


def ensemble_is_made(plan: Plan, records: Sequence[RunRecord]) -> bool:
    """Whether the ensemble's folder contains exactly the models of these runs."""
    folder = plan.options.output_dir / FOLDER
    recipe = read_json_object(folder / RECIPE_FILE) or {}
    weights = [(record.manifest.get("weights") or {}).get("digest") for record in records]
    there = all((folder / name).is_file() for name in (MODEL_FILE, CALIBRATION_FILE))
    there = there and recipe.get("member_predictions") == _predictions_digest(records)
    made_of = recipe.get("member_weights")
    if not there or None in weights or not isinstance(made_of, list):
        return False
    return sorted(map(str, made_of)) == sorted(map(str, weights))


def write_ensemble(plan: Plan, records: Sequence[RunRecord]) -> Path:
    """Write the ensemble of a variant's fold models: the weights, calibration, cohort profile and recipe.

    Its calibration is fitted on the out-of-fold predictions: each member's predictions for
    participants that it has not seen. Its profile is that of all participants: every one is in some member's training.

    Args:
        plan: The comparison.
        records: The finished runs of the variant, their models in place.

    Returns:
        The folder.

    Raises:
        InputError: The members were trained differently, or a member's file is damaged or belongs to another run.
    """
    import torch

    from monai_fusion.evaluation.model_loader import read_weights, refuse_other_weights
    from monai_fusion.networks.ensemble_net import joined_states
    from monai_fusion.runs.training_overlap import TRAINED_ON, digests_of

    folder = plan.options.output_dir / FOLDER
    folder.mkdir(exist_ok=True)
    remove_all(
        [folder / RECIPE_FILE, folder / COHORT_PROFILE_FILE]
    )  # the recipe is written last: without it, the folder is not a model
    recipe = _common_recipe(records)
    states = [read_weights(record.run.folder) for record in records]
    for record, state in zip(records, states, strict=True):
        refuse_other_weights(record.run.folder, state)
    write_atomically(folder / MODEL_FILE, lambda stream: torch.save(joined_states(states), stream))
    write_atomically(folder / CALIBRATION_FILE, _calibration(records).encode("utf-8"))
    cohort = read_datalist(plan.folds_folder(1) / "fold0.json")
    use = ModalityPolicy(recipe.get("modalities", "both"), allow_missing=bool(recipe.get("allow_missing", False)))
    participants, _ = use.select(cohort.all_records)
    _write_profile(plan, folder, participants, use.modalities)
    digests = digests_of(participants, plan.cache_dir).values()
    recipe |= {
        "members": len(records),
        "member_names": [record.run.title for record in records],
        "member_predictions": _predictions_digest(records),
        "member_weights": [record.manifest["weights"]["digest"] for record in records],
        TRAINED_ON: sorted({digest for each in digests for digest in each}),
    }
    write_json(folder / RECIPE_FILE, recipe)
    return folder


def _write_profile(plan: Plan, folder: Path, participants: Sequence[ParticipantRecord], modalities: str) -> None:
    """Summarise everyone's recordings; the members' trainings have left their numbers in the store."""
    from monai_fusion.cohort_profile.profile_file import write_profile
    from monai_fusion.cohort_profile.summarising import profile_of
    from monai_fusion.comparison.people import number_settings

    try:
        write_profile(profile_of(participants, replace(number_settings(plan), modalities=modalities)), folder)
    except InputError as error:  # as of a training: a chain of one's own may read what these numbers cannot
        logger.warning("predictions of the ensemble will say nothing of how unlike its training others are: %s", error)


def _predictions_digest(records: Sequence[RunRecord]) -> str:
    """The digest of the predictions behind the calibration; the order does not matter."""
    return digest_of(sorted(content_hash(record.run.folder / PREDICTIONS_FILE) for record in records))


def _common_recipe(records: Sequence[RunRecord]) -> dict[str, Any]:
    recipes = [read_json_object(record.run.folder / RECIPE_FILE) or {} for record in records]
    shared = [{name: value for name, value in recipe.items() if name not in _OWN} for recipe in recipes]
    other = [record.run.title for record, recipe in zip(records, shared, strict=True) if recipe != shared[0]]
    if other or not shared[0]:
        seen = "differs from the recipe of the first fold" if other else "no recipe"
        raise InputError(Problem(", ".join(other) or records[0].run.title, RECIPE_FILE, seen))
    return shared[0] | _scalogram_recipe(recipes)


def _scalogram_recipe(recipes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The members' recipe of raw EEG; which electrodes had to be interpolated depends on a fold's recordings."""
    found = [entry for recipe in recipes if (entry := read_recipe_entry(recipe.get(SCALOGRAM_RECIPE))) is not None]
    if len(found) < len(recipes) or len({each.digest for each in found}) > 1:
        return {}
    return {SCALOGRAM_RECIPE: max(found, key=lambda each: each.interpolate).as_json}


def _calibration(records: Sequence[RunRecord]) -> str:
    predicted: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    labels: dict[str, int] = {}
    groups: dict[str, str] = {}
    files = [read_calibration(record.run.folder) for record in records]
    for record in records:
        for participant in read_predictions(record.run.folder)[1]:
            if len(participant.network_probabilities) != len(files[0].classes):
                seen = "has no probabilities of the network"
                raise InputError(Problem(record.run.title, PREDICTIONS_FILE, seen, advice="evaluate it again"))
            if participant.label is not None:
                predicted[participant.participant_id].append(participant.network_probabilities)
                labels[participant.participant_id] = participant.label
                groups[participant.participant_id] = participant.group
    classes = files[0].classes
    counts = Counter(labels.values())
    # With several seeds the mean, as in the ensemble.
    means = {name: np.mean(predicted[name], axis=0).tolist() for name in sorted(predicted)}
    numbers = {group: place for place, group in enumerate(dict.fromkeys(groups[name] for name in means)) if group}
    rows = [
        StoredPrediction(label=labels[name], probabilities=mean, group=numbers.get(groups[name]))
        for name, mean in means.items()
    ]
    learned = np.mean([file.network_prior for file in files], axis=0)
    content = fit_calibration_file(
        classes, [counts[index] for index in range(len(classes))], learned.tolist(), rows, "out-of-fold"
    )
    return content.model_dump_json(indent=2)
