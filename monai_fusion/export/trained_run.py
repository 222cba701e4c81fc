"""What an export takes from a run folder, and the texts of it that may leave the house."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from monai_fusion.errors import InputError, Problem
from monai_fusion.evaluation.model_loader import ModelLoader, check_model
from monai_fusion.export.electrodes import electrodes_of
from monai_fusion.files import latest
from monai_fusion.metrics.calibration import Calibration
from monai_fusion.metrics.calibration_file import load_calibration
from monai_fusion.metrics.metrics_file import Metrics, read_metrics
from monai_fusion.model_files import is_exported_file, read_model_object, read_model_text, refuse_no_model
from monai_fusion.networks import EnsembleNet, FusionNet
from monai_fusion.reading import texts_in
from monai_fusion.report.predictions_data import own_test_of
from monai_fusion.run_folder import (
    CALIBRATION_FILE,
    COHORT_PROFILE_FILE,
    MANIFEST_FILE,
    METRICS_FILE,
    OWN_TEST_FILE,
    RECIPE_FILE,
    TRAINED_ON,
    VALIDATED_ON,
)
from monai_fusion.runs.recipe import Recipe, read_recipe, trained_network
from monai_fusion.runs.recipe_entries import KNOWN_ENTRIES

# An absolute path, on any system, or one below a home folder.
_PATH = re.compile(r"(^|[\s'\"=:(,])(/[^/\s]|~[\w.-]*[/\\]|[A-Za-z]:[\\/]|\\\\\w)")
_ENSEMBLES_OWN = ("members", "member_names", "member_weights", "member_predictions")


@dataclass(frozen=True)
class TrainedRun:
    """A trained model, as it was read from its folder.

    Attributes:
        folder: The run folder, or the folder of a fold ensemble.
        recipe: Its recipe.
        network: Its network with the trained weights, in evaluation mode, on the CPU.
        calibration: How its probabilities are corrected, with the default options.
        manifest: The content of its ``manifest.json``; empty for an ensemble.
        metrics: Of its evaluation, if there is one in the folder.
        texts: The files that inference reads, by name, as they may be handed on.
        left_out: Entries of the recipe that may not be handed on.
        electrodes: The names of the EEG's channels in their order; empty if no file tells them.
        trusted_modules: Modules of networks and transforms of one's own.
    """

    folder: Path
    recipe: Recipe
    network: FusionNet | EnsembleNet
    calibration: Calibration
    manifest: Mapping[str, Any]
    metrics: Metrics | None
    texts: Mapping[str, str]
    left_out: Sequence[str] = ()
    electrodes: Sequence[str] = field(default=())
    trusted_modules: Sequence[str] = field(default=())

    @property
    def modalities(self) -> tuple[str, ...]:
        """The recordings that the model takes: ``eeg``, ``mri`` or both."""
        only = self.recipe.get("modalities", "both")
        return ("eeg", "mri") if only == "both" else (only,)

    @property
    def takes_missing(self) -> bool:
        """Whether one of two recordings may be missing."""
        return len(self.modalities) == 2 and self.recipe.get("absence") is True

    @property
    def input_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each recording of one participant, as the network takes it."""
        rows, columns, electrodes = self.recipe["eeg_shape"]
        _, *plane = self.recipe["mri_size"]
        shapes = {"eeg": (electrodes, rows, columns), "mri": (1, self.recipe["slab_depth"], *plane)}
        return {name: shapes[name] for name in self.modalities}


def read_trained_run(folder: Path, trusted_modules: Sequence[str] = ()) -> TrainedRun:
    """Read a trained model.

    Args:
        folder: The run folder, or the folder of a fold ensemble.
        trusted_modules: Modules of networks and transforms of one's own.

    Raises:
        InputError: It holds no trained model, or a damaged one, or a file that would tell where it was trained.
    """
    if is_exported_file(folder):
        advice = "give the run folder that it was exported from"
        raise InputError(Problem(str(folder), seen="an exported file", wanted="a run folder", advice=advice))
    refuse_no_model(folder, "RUN_DIR")
    recipe = read_recipe(folder)
    if read_model_text(folder, CALIBRATION_FILE) is None:
        advice = "an export holds calibrated probabilities: train again"
        raise InputError(Problem(str(folder), seen=f"no {CALIBRATION_FILE}", advice=advice))
    check_model(folder, recipe.get("members"), recipe.get("member_weights"))
    network = trained_network(recipe, trusted_modules)
    if not isinstance(network, FusionNet | EnsembleNet):
        seen = f"a {type(network).__name__}"
        raise InputError(Problem(RECIPE_FILE, "network", seen, "a FusionNet", "only these can be exported"))
    ModelLoader(network, folder).load()
    _for_inference(network)
    manifest = read_model_object(folder, MANIFEST_FILE) or {}
    recipe_text, left_out = handed_on(recipe)
    calibration = load_calibration(folder, recipe["classes"])
    if calibration is None:
        raise AssertionError("calibrate=True gives one")
    texts = {
        RECIPE_FILE: json.dumps(recipe_text, ensure_ascii=False),
        CALIBRATION_FILE: read_model_text(folder, CALIBRATION_FILE) or "",
        MANIFEST_FILE: json.dumps(facts_of_training(manifest), ensure_ascii=False),
    }
    if profile := read_model_text(folder, COHORT_PROFILE_FILE):
        texts[COHORT_PROFILE_FILE] = profile
    metrics = read_metrics(latest(folder / METRICS_FILE))[0]
    if metrics is not None:
        texts[OWN_TEST_FILE] = own_test_of(metrics).model_dump_json()
    _refuse_paths(texts)
    return TrainedRun(
        folder=folder,
        recipe=recipe,
        network=network,
        calibration=calibration,
        manifest=manifest,
        metrics=metrics,
        texts=texts,
        left_out=left_out,
        electrodes=electrodes_of(recipe, manifest, texts.get(COHORT_PROFILE_FILE)),
        trusted_modules=tuple(trusted_modules),
    )


def handed_on(recipe: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The entries of a recipe that an exported file has, and the names of those that it has not.

    What no training of this program writes by itself (a knob of one's own config) is handed on only if it is a number,
    true, false or null: a text may name a person or a place.
    """
    known = {*KNOWN_ENTRIES, *_ENSEMBLES_OWN, TRAINED_ON, VALIDATED_ON}
    kept = {name: value for name, value in recipe.items() if name in known or not _holds_text(value)}
    return kept, sorted(set(recipe) - set(kept))


def facts_of_training(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What an exported file tells of its training: numbers, versions and digests; no path, command or machine."""
    inside = {name: value if isinstance(value := manifest.get(name), Mapping) else {} for name in _OF_MANIFEST}
    facts = {name: {each: inside[name].get(each) for each in wanted} for name, wanted in _OF_MANIFEST.items()}
    counts = {part: value.get("participants") for part, value in inside["data"].items() if isinstance(value, Mapping)}
    facts["data"] = {part: {"participants": count} for part, count in counts.items() if type(count) is int}
    facts["versions"] = {name: value for name, value in inside["versions"].items() if isinstance(value, str | None)}
    return {
        "manifest": manifest.get("manifest"),
        "status": manifest.get("status"),
        "seed": manifest.get("seed"),
    } | facts


# Parts of a manifest that are handed on, with their entries; of data and versions all that are counts and versions.
_OF_MANIFEST: dict[str, tuple[str, ...]] = {
    "times": ("ended",),
    "datalist": ("name",),
    "data": (),
    "versions": (),
    "best": ("epoch", "stage", "balanced_cross_entropy", "balanced_accuracy", "accuracy"),
    "weights": ("digest",),
}


def _for_inference(network: nn.Module) -> None:
    network.eval().requires_grad_(False).float()


def _holds_text(value: Any) -> bool:
    return any(True for _ in texts_in(value))


def _refuse_paths(texts: Mapping[str, str]) -> None:
    """See that no text names a place on this machine.

    Raises:
        InputError: One does.
    """
    for name, text in texts.items():
        found = next((each for each in texts_in(json.loads(text)) if _PATH.search(each)), None)
        if found is not None:
            advice = "a file for others may not name it: write it relative, and train again"
            raise InputError(Problem(name, seen=f"names a place on this machine ({found})", advice=advice))
