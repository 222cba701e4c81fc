"""Engine glue: stages, clipping, seeding, saving and what the user sees while it trains."""

from monai_fusion.training.clipping import HeadGradientClipping
from monai_fusion.training.console import EpochLog, EpochProgress
from monai_fusion.training.reproducibility import EpochSeeding
from monai_fusion.training.saving import EXPORT_FILE, MODEL_FILE, ModelSaver, lower_is_better
from monai_fusion.training.stages import Stage, StageHandler, StagePlan, parameter_groups

__all__ = [
    "EXPORT_FILE",
    "MODEL_FILE",
    "EpochLog",
    "EpochProgress",
    "EpochSeeding",
    "HeadGradientClipping",
    "ModelSaver",
    "Stage",
    "StageHandler",
    "StagePlan",
    "lower_is_better",
    "parameter_groups",
]
