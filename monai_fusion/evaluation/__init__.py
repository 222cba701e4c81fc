"""From the network's outputs to one prediction a participant, and to scores over participants."""

from monai_fusion.evaluation.calibration import Calibration, fit_calibration
from monai_fusion.evaluation.calibration_file import (
    CALIBRATION_FILE,
    CalibrationWriter,
    load_calibration,
    read_calibration,
)
from monai_fusion.evaluation.evidence import EmbeddingWriter, ThumbnailWriter
from monai_fusion.evaluation.handlers import ParticipantMetric, PredictionCollector, ReportPrinter, ResultWriter
from monai_fusion.evaluation.inferer import ParticipantInferer
from monai_fusion.evaluation.predictions import Prediction, write_predictions
from monai_fusion.evaluation.summary import Settings, summarize
from monai_fusion.evaluation.text import report_text

__all__ = [
    "CALIBRATION_FILE",
    "Calibration",
    "CalibrationWriter",
    "EmbeddingWriter",
    "ParticipantInferer",
    "ParticipantMetric",
    "Prediction",
    "PredictionCollector",
    "ReportPrinter",
    "ResultWriter",
    "Settings",
    "ThumbnailWriter",
    "fit_calibration",
    "load_calibration",
    "read_calibration",
    "report_text",
    "summarize",
    "write_predictions",
]
