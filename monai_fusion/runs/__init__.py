"""What a run is: its identity, its manifest, the recipe of its model, and how two of them differ."""

from monai_fusion.runs.identity import condensed, training_identity
from monai_fusion.runs.manifest import RunManifest
from monai_fusion.runs.recipe import check_recipe, clear_results, read_recipe, write_recipe
from monai_fusion.runs.training_overlap import warnings_of_known

__all__ = [
    "RunManifest",
    "check_recipe",
    "clear_results",
    "condensed",
    "read_recipe",
    "training_identity",
    "warnings_of_known",
    "write_recipe",
]
