"""From the network's outputs to one prediction a participant, and to scores over participants."""

from monai_fusion.evaluation.evidence import EmbeddingWriter, ThumbnailWriter
from monai_fusion.evaluation.handlers import ParticipantMetric, PredictionCollector, ReportPrinter, ResultWriter
from monai_fusion.evaluation.inferer import ParticipantInferer
from monai_fusion.evaluation.metrics import report_text, summarize
from monai_fusion.evaluation.predictions import Prediction, write_predictions

__all__ = [
    "EmbeddingWriter",
    "ParticipantInferer",
    "ParticipantMetric",
    "Prediction",
    "PredictionCollector",
    "ReportPrinter",
    "ResultWriter",
    "ThumbnailWriter",
    "report_text",
    "summarize",
    "write_predictions",
]
