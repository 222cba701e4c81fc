"""Engine handlers: stages, clipping, seeding, saving and the display of a running training."""

from monai_fusion.training.accumulation import RescalePartialAccumulation, batches_in_step
from monai_fusion.training.averaging import WeightAverage, WeightAveraging
from monai_fusion.training.checkpoints import Checkpoints
from monai_fusion.training.class_weighting import check_class_weights, class_weights
from monai_fusion.training.clipping import HeadGradientClipping
from monai_fusion.training.console import EpochLog, EpochProgress
from monai_fusion.training.distributed_gradients import DistributedGradients, synchronize_batchnorm
from monai_fusion.training.early_stopping import EarlyStopping
from monai_fusion.training.failures import FiniteCheck
from monai_fusion.training.interruption import GracefulStop
from monai_fusion.training.precision_inferer import PrecisionInferer
from monai_fusion.training.reproducibility import EpochSeeding
from monai_fusion.training.saving import ModelSaver, SaveUnvalidated, check_unvalidated, lower_is_better
from monai_fusion.training.stages import Stage, StageHandler, StagePlan, parameter_groups
from monai_fusion.training.tensorboard_curves import TensorBoardCurves
from monai_fusion.training.time_limit import TimeLimit
from monai_fusion.training.training_step import TrainingStep
from monai_fusion.training.workers import prepare_worker

__all__ = [
    "Checkpoints",
    "DistributedGradients",
    "EarlyStopping",
    "EpochLog",
    "EpochProgress",
    "EpochSeeding",
    "FiniteCheck",
    "GracefulStop",
    "HeadGradientClipping",
    "ModelSaver",
    "PrecisionInferer",
    "RescalePartialAccumulation",
    "SaveUnvalidated",
    "Stage",
    "StageHandler",
    "StagePlan",
    "TensorBoardCurves",
    "TimeLimit",
    "TrainingStep",
    "WeightAverage",
    "WeightAveraging",
    "batches_in_step",
    "check_class_weights",
    "check_unvalidated",
    "class_weights",
    "lower_is_better",
    "parameter_groups",
    "prepare_worker",
    "synchronize_batchnorm",
]
