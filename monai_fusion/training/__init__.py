"""Engine glue: stages, clipping, seeding, saving and what the user sees while it trains."""

from monai_fusion.training.checkpoints import Checkpoints
from monai_fusion.training.clipping import HeadGradientClipping
from monai_fusion.training.console import EpochLog, EpochProgress
from monai_fusion.training.feature_reuse import FeatureReuse
from monai_fusion.training.inferer import PrecisionInferer
from monai_fusion.training.interruption import GracefulStop, leave_interrupts_to_the_main_process
from monai_fusion.training.reproducibility import EpochSeeding
from monai_fusion.training.saving import EXPORT_FILE, MODEL_FILE, ModelSaver, lower_is_better
from monai_fusion.training.stages import Stage, StageHandler, StagePlan, parameter_groups

__all__ = [
    "EXPORT_FILE",
    "MODEL_FILE",
    "Checkpoints",
    "EpochLog",
    "EpochProgress",
    "EpochSeeding",
    "FeatureReuse",
    "GracefulStop",
    "HeadGradientClipping",
    "ModelSaver",
    "PrecisionInferer",
    "Stage",
    "StageHandler",
    "StagePlan",
    "leave_interrupts_to_the_main_process",
    "lower_is_better",
    "parameter_groups",
]
