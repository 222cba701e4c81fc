"""What a run is: its identity, its manifest, the recipe of its model, and how two of them differ."""

from monai_fusion.runs.evaluation_log import EvaluationLog
from monai_fusion.runs.identity import identity_settings, loggable, training_identity
from monai_fusion.runs.manifest import RunManifest
from monai_fusion.runs.recipe import (
    check_classes,
    clear_results,
    read_recipe,
    trained_network,
    trained_preprocessing,
    write_recipe,
)
from monai_fusion.runs.resolved import RunConfig
from monai_fusion.runs.training_overlap import warnings_of_known

__all__ = [
    "EvaluationLog",
    "RunConfig",
    "RunManifest",
    "check_classes",
    "clear_results",
    "identity_settings",
    "loggable",
    "read_recipe",
    "trained_network",
    "trained_preprocessing",
    "training_identity",
    "warnings_of_known",
    "write_recipe",
]
