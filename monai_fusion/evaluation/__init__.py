"""From the network's outputs to one prediction for each participant; handlers and writers for an evaluator."""

from monai_fusion.evaluation.artifacts import EmbeddingWriter, ThumbnailWriter
from monai_fusion.evaluation.handlers import ParticipantMetric, PredictionCollector, ReportPrinter, ResultWriter
from monai_fusion.evaluation.model_loader import ModelLoader, read_weights
from monai_fusion.evaluation.participant_inferer import ParticipantInferer

__all__ = [
    "EmbeddingWriter",
    "ModelLoader",
    "ParticipantInferer",
    "ParticipantMetric",
    "PredictionCollector",
    "ReportPrinter",
    "ResultWriter",
    "ThumbnailWriter",
    "read_weights",
]
